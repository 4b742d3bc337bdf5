// The entries that a run records: as a client sent them, as clients received them, and as the
// storage has them at the end.

import type { EntryPush } from "../../../app/protocol/wire.ts";
import type { Person } from "./person.ts";

/** An entry that a client sent. */
export interface SentEntry {
  readonly type: "message" | "edit" | "delete" | "title";
  readonly person: Person;
  readonly room: string;
  /** Empty for a deletion. */
  readonly text: string;
  /** Offset of the message that it edits or deletes. */
  readonly target?: number | undefined;
  /** Whether it locks the title. */
  readonly locked?: true | undefined;
  readonly nonce: string;
  /** The acknowledged offset; absent while it is in the outbox. */
  offset?: number;
  /** Whether it was sent on an earlier connection or try. */
  wasSent?: boolean | undefined;
  /** Whether its last try was not the first. */
  isRepeated?: boolean | undefined;
  /** When it was last sent, in ms since 1970. */
  sentAt?: number;
  /** Whether it was acknowledged, even if without its offset. */
  isAcknowledged?: boolean;
  /** Whether the server refused it for good. */
  isRefused?: boolean;
}

/** An entry as the clients received it. */
export interface ReceivedEntry
  extends Pick<EntryPush, "type" | "offset" | "member" | "from" | "at" | "nonce"> {
  /** The text that it was sent with, if any client has received that. */
  text: string | undefined;
  /** Offsets of the messages that it edits or deletes. */
  readonly targets: readonly number[];
  /** Absent if the client cannot know it: the epoch before its first entry isn't announced. */
  epoch: string | undefined;
}

/** An entry in storage at the end. */
export interface StoredEntry extends Omit<ReceivedEntry, "text"> {
  readonly room: string;
  /** The present text of a message. */
  readonly text: string | undefined;
  /** Offset of the last entry that edited or deleted it. */
  readonly amended: number | undefined;
  /** Offset of the room's newest entry. */
  readonly head: number;
  /** The offset stored for its nonce. */
  readonly nonceOffset: number | undefined;
}

/** The storage at the end. */
export interface StoredLog {
  /** All entries, ordered by room and offset. */
  readonly entries: readonly StoredEntry[];
  /** The member that holds each name, by the name's key. */
  readonly owners: ReadonlyMap<string, string>;
  /** The rooms that have a title. */
  readonly titles: ReadonlyMap<string, string>;
}

/** Describes a sent entry, for a sentence. */
export function describe({ type, person, room, nonce }: SentEntry): string {
  return `the ${type} ${nonce} of ${person.id} in ${room}`;
}

/** Returns whether two clients, or a client and the storage, have the same entry. */
export function isSame(a: ReceivedEntry, b: ReceivedEntry): boolean {
  return a.type === b.type && a.member === b.member && a.from === b.from && a.at === b.at &&
    a.nonce === b.nonce && a.targets.join() === b.targets.join() &&
    (a.epoch ?? b.epoch) === (b.epoch ?? a.epoch) && (a.text ?? b.text) === (b.text ?? a.text);
}

/** Describes a received or stored entry, for a sentence. */
export function format({ type, from, nonce, text, targets, epoch }: ReceivedEntry): string {
  const what = text === undefined ? targets.join() : JSON.stringify(text.slice(0, 40));
  return `${type} ${nonce} of ${from} (${epoch}) ${what}`;
}
