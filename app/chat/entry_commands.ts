// Commands that write entries (messages, edits, deletions, titles), from the command to the reply.

import type { EntryCommand } from "../protocol/wire.ts";
import type { AppendResult, Draft, Entry, Page, ReadQuery } from "./broker.ts";
import type { HubCore } from "./hub_core.ts";
import type { EntryRecord } from "./ports.ts";
import { notJoined, rateLimited, refusal, sanctioned, storageUnavailable } from "./refusals.ts";
import type { ActiveSession, Member } from "./session.ts";
import type { SentDraft } from "./writer.ts";

/** Reads the head of a log and no entries: no epoch has this name. */
const headQuery: ReadQuery = { after: { epoch: "", offset: 0 }, limit: 1, maxBytes: 1 };

/** Checks and charges commands, adds their drafts to the tick's batch, and reports the results. */
export class EntryCommands {
  readonly #hub: HubCore;
  #delivered: readonly Entry[] = [];

  constructor(hub: HubCore) {
    this.#hub = hub;
  }

  /** Keeps the entries that the broker reported last, for the replies to posts. */
  delivered(entries: readonly Entry[]): void {
    this.#delivered = entries;
  }

  /** Writes an entry with this tick, or refuses the command. */
  write(active: ActiveSession, command: EntryCommand): void {
    const { session } = active;
    const { type, room: name } = command;
    if (!session.isPost && !active.subscriptions.has(name)) {
      return this.#hub.sessions.refuse(session, notJoined(aboutOf(command)));
    }
    if (type !== "message" || active.member.wroteTo === name) {
      return this.#draft(active, command);
    }
    const room = this.#hub.rooms.get(name);
    if (room?.state === "read" || !session.isPost) {
      return this.#draft(active, command, room && firstOffsetIn(room));
    }
    this.#draftAfterRead(active, command);
  }

  /** Reads whether the room has messages, then calls `#draft`. */
  #draftAfterRead(active: ActiveSession, command: EntryCommand): void {
    const { session } = active;
    this.#hub.sessions.hold(
      session,
      "read_failed",
      () => this.#hub.ports.broker.read(command.room, headQuery),
      (page) => {
        // If the hub has closed the session, the client was told to try again.
        if (session.state === active) this.#draft(active, command, firstOffsetIn(page));
      },
      () => this.#hub.sessions.refuse(session, storageUnavailable(aboutOf(command))),
    );
  }

  /** Charges an entry and adds it to the tick's batch. */
  #draft(active: ActiveSession, command: EntryCommand, firstOffset?: number): void {
    const { session, member, payer } = active;
    const { type } = command;
    const { quotas } = this.#hub;
    const usedUp = type === "title"
      ? quotas.takeTitle(payer)
      : quotas.takeMessage(payer, type === "delete" ? "" : command.text, firstOffset !== undefined);
    if (usedUp !== undefined) {
      const { quota, retryAfter } = usedUp;
      return this.#hub.sessions.refuse(session, rateLimited(aboutOf(command), quota, retryAfter));
    }
    // Of any type, as in the broker, which holds the names of writers for longer.
    member.hasWritten = true;
    this.#hub.writer.add(active, draftOf(command, member), firstOffset);
  }

  /** Logs a batch and replies to its authors. Without results, all drafts have failed. */
  appended(batch: readonly SentDraft[], results: readonly AppendResult[]): void {
    const { log, meter } = this.#hub.ports;
    const stored: EntryRecord[] = [];
    let i = 0;
    for (const sent of batch) {
      const result = results[i++] ?? unavailable;
      meter?.message(result.kind);
      if (result.kind === "stored") stored.push(this.#recordOf(sent, result.offset));
      this.#reply(sent, result);
    }
    if (stored.length > 0) log.entries(stored);
  }

  /** Replies to the author of a draft, unless the room's push does. */
  #reply({ active, draft, firstOffset }: SentDraft, result: AppendResult): void {
    const { type, room } = draft;
    const { session, payer, subscriptions } = active;
    const hasOpenedRoom = result.kind === "stored" && result.offset === firstOffset;
    if (firstOffset !== undefined && !hasOpenedRoom) this.#hub.quotas.refundRoom(payer);
    if (type === "title" && result.kind !== "stored") {
      this.#hub.quotas.refund("titles", payer.member);
    }
    switch (result.kind) {
      case "unavailable":
        return this.#hub.sessions.refuse(session, storageUnavailable(aboutOf(draft)));
      case "storage_full":
      case "rooms_full":
      case "forbidden":
      case "not_found":
      case "edits_exhausted":
      case "title_locked":
        return this.#hub.sessions.refuse(session, refusal(aboutOf(draft), result.kind));
      case "muted":
      case "banned":
        return this.#hub.sessions.refuse(
          session,
          sanctioned(aboutOf(draft), result.kind, result.retryAfter),
        );
      case "repeat":
      case "stored": {
        const { kind, offset } = result;
        if (type === "message") active.member.wroteTo = room;
        if (kind === "repeat" || !subscriptions.get(room)?.isLive) {
          const entry = session.isPost && type === "message" && kind === "stored"
            ? this.#delivered.find((entry) => entry.offset === offset && entry.room === room)
            : undefined;
          const { nonce } = draft;
          this.#hub.outbound.queue(session, entry ?? { type: "ack", room, nonce, offset });
        }
      }
    }
  }

  #recordOf({ active, draft }: SentDraft, offset: number): EntryRecord {
    const session = active.session.id;
    const { type, room, from: name } = draft;
    if (type === "message" && !this.#hub.settings.logMessageText) {
      return { type, session, room, offset, name, length: draft.text.length };
    }
    const record = { type, session, room, offset, name };
    switch (draft.type) {
      case "message":
        return { ...record, length: draft.text.length, text: draft.text };
      case "edit":
        return { ...record, targets: String(draft.target), length: draft.text.length };
      case "delete":
        return { ...record, targets: draft.targets.join(",") };
      case "title":
        return { ...record, length: draft.text.length };
    }
  }
}

/** Returns the fields of an error that identify the refused command. */
function aboutOf({ type, nonce, room }: EntryCommand | Draft) {
  return { re: type, nonce, room };
}

/** Returns the offset of a room's next entry, or `undefined` if the room already has entries. */
function firstOffsetIn({ first, head }: Pick<Page, "first" | "head">): number | undefined {
  return first > head.offset ? head.offset + 1 : undefined;
}

const unavailable: AppendResult = { kind: "unavailable" };

/** Returns a command as a draft by a member, under its current name. */
function draftOf(command: EntryCommand, { id: member, username: from }: Member): Draft {
  const { room, nonce } = command;
  switch (command.type) {
    case "message": {
      const { type, text, reply } = command;
      const draft: Draft = { type, room, member, from, text, nonce };
      return reply === undefined ? draft : { ...draft, reply };
    }
    case "edit": {
      const { type, offset: target, text } = command;
      return { type, room, member, from, target, text, nonce };
    }
    case "delete":
      return { type: "delete", room, member, from, targets: [command.offset], nonce };
    case "title":
      return { ...command, member, from };
  }
}
