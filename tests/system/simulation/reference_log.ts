// The log that a simulated chat must have, recorded from each commit of the broker under test.

import type { DeleteEntry, EditEntry, Entry } from "../../../app/chat/broker.ts";
import { hubLimits } from "../../../app/protocol/wire.ts";
import { moderatorId, untitle } from "./moderator.ts";
import { Violation } from "./violation.ts";

export type RoomLogs = ReadonlyMap<string, readonly Entry[]>;

/** Whether a deletion is a moderator's command to remove and unlock the title. */
function isUntitle({ member, nonce }: DeleteEntry): boolean {
  return member === moderatorId && nonce.startsWith(untitle);
}

type TitleEntry = Extract<Entry, { type: "title" }>;

/** The current state of a message or a title. */
interface PresentMessage {
  readonly type: "message" | "title";
  readonly member: string;
  text: string | undefined;
  amended: number;
  /** All texts that it has had. */
  readonly texts: string[];
}

class PresentRoom {
  readonly messages = new Map<number, PresentMessage>();
  title: string | undefined;
  isLocked = false;
}

/** Checks entries and members against the sanctions in force. */
interface SanctionWatch {
  checkEntry(entry: Entry): void;
  checkHello(member: string): void;
  mayBeSwept(member: string): boolean;
  forget(isSetBack: boolean): void;
}

export class ReferenceLog {
  readonly #rooms = new Map<string, Entry[]>();
  readonly #present = new Map<string, PresentRoom>();
  /** Nonces of messages that a restored backup lacked. */
  readonly lost = new Set<string>();
  /** Texts of deleted messages. */
  readonly deleted = new Set<string>();
  /** Rooms whose title a moderator has ever locked. */
  readonly locked = new Set<string>();
  watch: SanctionWatch | undefined;
  /** Texts that were deleted or replaced, and the offset of the entry that did it. */
  readonly #gone = new Map<string, number>();

  /** The entries of each room; the index is offset - 1. */
  get rooms(): RoomLogs {
    return this.#rooms;
  }

  /** Returns the current state of a room. */
  present(room: string): PresentRoom {
    return this.#present.getOrInsertComputed(room, () => new PresentRoom());
  }

  /**
   * Adds an entry that was committed.
   *
   * @throws {Violation} If it does not follow the one before, or may not amend its targets.
   */
  append(entry: Entry): void {
    const log = this.#rooms.get(entry.room) ?? [];
    this.#rooms.set(entry.room, log);
    if (entry.offset !== log.length + 1) {
      throw new Violation(`${entry.room}: offset ${entry.offset} follows ${log.length}`);
    }
    const before = log.at(-1);
    if (before !== undefined && before.at > entry.at) {
      throw new Violation(`${entry.room}: the time of ${entry.offset} is before that of the last`);
    }
    this.watch?.checkEntry(entry);
    log.push(entry);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    const room = this.present(entry.room);
    if (entry.type === "title") this.#setTitle(room, entry);
    if (entry.type === "delete" && entry.untitled) room.title = undefined;
    if (entry.type === "delete" && isUntitle(entry)) room.isLocked = false;
    if (entry.type === "edit" || entry.type === "delete") this.#amend(room, entry);
    else {
      const { type, offset, member, text = "" } = entry;
      room.messages.set(offset, { type, member, text, amended: 0, texts: [text] });
    }
  }

  #setTitle(
    room: PresentRoom,
    { room: name, offset, member, text, locked }: TitleEntry,
  ): void {
    const isForModerators = room.isLocked || locked === true;
    if (isForModerators && member !== moderatorId) {
      throw new Violation(`${name}: only a moderator may set the title ${offset}`);
    }
    room.title = text;
    room.isLocked = locked === true;
    if (room.isLocked) this.locked.add(name);
  }

  #amend(room: PresentRoom, entry: EditEntry | DeleteEntry): void {
    const { type, offset, member } = entry;
    for (const target of type === "edit" ? [entry.target] : entry.targets) {
      const message = room.messages.get(target);
      const where = `${entry.room}: the ${type} ${offset} of ${target}`;
      const isTarget = message?.type === "message" || type === "delete";
      if (message?.text === undefined || !isTarget) throw new Violation(`${where} has no target`);
      const isSwept = type === "delete" && member === moderatorId &&
        (isUntitle(entry) || this.watch?.mayBeSwept(message.member) !== false);
      if (message.member !== member && !isSwept) {
        throw new Violation(`${where} is not by its author`);
      }
      message.amended = offset;
      this.#gone.set(message.text, offset);
      if (type === "delete") {
        message.text = undefined;
        for (const text of message.texts) this.deleted.add(text);
      } else {
        message.text = entry.text ?? "";
        message.texts.push(message.text);
        if (message.texts.length > hubLimits.editsMax + 1) {
          throw new Violation(`${where} exceeds the max edits`);
        }
      }
    }
  }

  /**
   * Checks a frame that is about to be sent.
   *
   * @throws {Violation} If a page in it has a text that is deleted or replaced, unless by an entry
   *   of the same tick, which follows in the frame.
   */
  checkFrame(frame: string): void {
    if (!frame.includes("bare-")) return;
    const pushes = JSON.parse(frame) as readonly { type: string; offset?: number }[];
    const offsets = new Set(
      pushes.map(({ type, offset }) => type === "edit" || type === "delete" ? offset : undefined),
    );
    for (const push of pushes) {
      if (push.type !== "room" && push.type !== "history") continue;
      for (const [text] of JSON.stringify(push).matchAll(/bare-\w+-\d+\./g)) {
        const goneAt = this.#gone.get(text);
        if (goneAt === undefined || offsets.has(goneAt)) continue;
        throw new Violation(`a ${push.type} push has the text ${text}, which is gone`);
      }
    }
  }

  /** Returns a copy for `restore`. */
  backup(): RoomLogs {
    return new Map([...this.#rooms].map(([room, entries]) => [room, [...entries]]));
  }

  /** Goes back to a backup; the messages since then are lost. */
  restore(backup: RoomLogs): void {
    for (const texts of [this.#present, this.deleted, this.#gone]) texts.clear();
    this.watch?.forget(true);
    for (const [room, entries] of this.#rooms) {
      const kept = backup.get(room)?.length ?? 0;
      for (const { nonce } of entries.slice(kept)) this.lost.add(nonce);
      this.#rooms.set(room, entries.slice(0, kept));
      for (const entry of entries.slice(0, kept)) this.#apply(entry);
    }
  }
}
