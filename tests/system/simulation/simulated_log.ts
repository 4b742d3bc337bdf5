// The logs of rooms in a simulated Redis, as in entries.lua, read.lua, compare.lua and prune.lua.

import type { FeedEvent } from "../../../app/broker/redis/feed.ts";
import type { ScriptArgs, ScriptCalls, ScriptRow } from "../../../app/broker/redis/scripts.ts";
import type { AppendResult, EditEntry, Entry } from "../../../app/chat/broker.ts";

interface Room {
  at: number;
  first: number;
  /** The entries in their current state. An edit has no text. */
  readonly log: Entry[];
  title: string | undefined;
  /** Offset of the entry that set the title. */
  titleAt: number | undefined;
  isLocked: boolean;
}

export interface LogStorage {
  epoch: string;
  readonly epochs: Set<string>;
  readonly rooms: Map<string, Room>;
}

interface LogPorts {
  readonly now: number;
  readonly isModerator: (member: string, mac: string | undefined) => boolean;
  readonly publish: (event: FeedEvent) => void;
}

/** The logs in a storage, at one moment. */
export class SimulatedLog {
  readonly #storage: LogStorage;
  readonly #ports: LogPorts;
  /** The entries added. */
  readonly stored: Entry[] = [];

  constructor(storage: LogStorage, ports: LogPorts) {
    this.#storage = storage;
    this.#ports = ports;
  }

  /** Adds an entry to the log of a room, unless it is refused. */
  add(
    [name, member, , , body, text, action]: ScriptRow<"append">,
    editsMax: number,
    mac: string | undefined,
  ): AppendResult {
    const { rooms, epoch } = this.#storage;
    const room = this.room(name);
    const [kind = "", ...details] = action.split(" ");
    const targets = kind === "untitle" ? [String(room.titleAt ?? 0)] : details;
    const isEmpty = room.first > room.log.length;
    if (kind !== "message" && isEmpty) return { kind: "not_found" };
    const found = targets.flatMap((target) => {
      const entry = Number(target) < room.first ? undefined : room.log[Number(target) - 1];
      const isTarget = entry?.type === "message" || entry?.type === "title" && kind !== "edit";
      return isTarget && entry.text !== undefined ? [entry] : [];
    });
    if (kind.endsWith("title")) {
      const isForModerators = room.isLocked || action !== "title";
      if (isForModerators && !this.#ports.isModerator(member, mac)) {
        return { kind: room.isLocked ? "title_locked" : "forbidden" };
      }
    } else if (kind !== "message") {
      if (found.length === 0) return { kind: "not_found" };
      const isOwn = found.every((message) => message.member === member);
      const mayModerate = kind === "moderate" ||
        kind === "delete" && this.#ports.isModerator(member, mac);
      if (!isOwn && !mayModerate) return { kind: "forbidden" };
      const edits = room.log.filter((entry) =>
        entry.type === "edit" && entry.target === found[0]?.offset
      );
      if (kind === "edit" && edits.length >= editsMax) return { kind: "edits_exhausted" };
    }
    rooms.set(name, room);
    const offset = room.log.length + 1;
    const at = room.at = Math.max(room.at, this.#ports.now);
    const isUntitled = kind === "untitle" || found.some(({ offset }) => offset === room.titleAt);
    const own = text === ""
      ? {
        targets: found.map((message) => message.offset),
        ...(isUntitled && { untitled: true as const }),
      }
      : { text: JSON.parse(text) };
    const entry: Entry = { room: name, offset, epoch, at, ...JSON.parse(`{${body}}`), ...own };
    const { text: _, ...stored } = entry;
    // An edit is stored without its text, which its target gets.
    room.log.push(kind === "edit" ? stored as Entry : entry);
    this.stored.push(entry);
    if (kind.endsWith("title")) room.isLocked = details[0] === "locked";
    if (kind === "title" || text === "" && isUntitled) {
      room.title = entry.text;
      room.titleAt = kind === "title" ? offset : undefined;
    }
    for (const target of found) {
      const { text: _text, editedAt: _at, ...message } = { editedAt: undefined, ...target };
      const amendment = entry.text === undefined
        ? { deletedBy: member }
        : { text: entry.text, editedAt: at };
      room.log[message.offset - 1] = { ...message, amended: offset, ...amendment };
    }
    return { kind: "stored", offset };
  }

  read(args: ScriptArgs<"read">): ScriptCalls["read"]["reply"] {
    const { log, first, title } = this.room(args.room);
    const kept = log.slice(first - 1);
    const isForward = "after" in args;
    const valid = !isForward || this.#isValid(args.room, args.epoch, args.after);
    const found = isForward
      ? kept.filter(({ offset }) => offset > args.after)
      : kept.filter(({ offset }) => offset < args.before).reverse();
    const entries: Entry[] = [];
    let [bytesLeft, messagesLeft] = [args.maxBytes, args.limit];
    for (const entry of valid ? found : []) {
      bytesLeft -= 128 + (entry.text?.length ?? 0);
      if (messagesLeft === 0 || bytesLeft < 0 && entries.length > 0) break;
      if (entry.type === "message") messagesLeft--;
      entries.push(entry.type === "edit" ? this.#withText(entry) : entry);
    }
    if (!isForward) entries.reverse();
    const isMessage = ({ type }: Entry) => type === "message";
    const pruned = isForward ? Math.max(0, first - 1 - args.after) : 0;
    return {
      first,
      head: this.#head(args.room),
      valid,
      entries,
      ...(isForward && valid ? { behind: pruned + found.filter(isMessage).length } : {}),
      title,
    };
  }

  /** Returns an edit as it is read: with the text of its target if it was the last to amend it. */
  #withText(edit: EditEntry): EditEntry {
    const { log, first } = this.room(edit.room);
    const target = edit.target < first ? undefined : log[edit.target - 1];
    const isLast = target?.type === "message" && target.amended === edit.offset;
    return isLast && target.text !== undefined ? { ...edit, text: target.text } : edit;
  }

  room(name: string): Room {
    return this.#storage.rooms.get(name) ?? {
      at: 0,
      first: 1,
      log: [],
      title: undefined,
      titleAt: undefined,
      isLocked: false,
    };
  }

  #head(name: string): ScriptCalls["read"]["reply"]["head"] {
    const { log, first } = this.room(name);
    const newest = log.length >= first ? log.at(-1) : undefined;
    return { epoch: newest?.epoch ?? this.#storage.epoch, offset: log.length };
  }

  #isValid(name: string, epoch: string, offset: number): boolean {
    const { log, first } = this.room(name);
    if (offset > log.length) return false;
    if (offset === 0) return this.#storage.epochs.has(epoch);
    return epoch === (log[Math.max(offset, first) - 1]?.epoch ?? this.#storage.epoch);
  }

  prune(
    { retentionMessages }: ScriptArgs<"prune">,
    rows: readonly ScriptRow<"prune">[],
  ): ScriptCalls["prune"]["reply"] {
    for (const [name] of rows) {
      const room = this.room(name);
      const messages = room.log.slice(room.first - 1).filter(({ type }) => type === "message");
      const first = messages.at(-retentionMessages)?.offset ?? room.first;
      if (first === room.first || messages.length <= retentionMessages) continue;
      room.first = first;
      this.#ports.publish({ kind: "pruned", room: name, first });
    }
    return { entriesLeft: 1 };
  }

  compare(rows: readonly ScriptRow<"compare">[]): ScriptCalls["compare"]["reply"] {
    const rooms = rows.map(([room, epoch, offset]) => {
      const { first, log } = this.room(room);
      const valid = this.#isValid(room, epoch, Number(offset)) && first <= Number(offset) + 1;
      return { room, valid, first, head: log.length };
    });
    return { rooms };
  }
}
