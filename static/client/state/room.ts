// What the page has of one room: one range of its log without a hole, who is there, who types, and what was read. Pure
// transitions; nothing is sent and nothing drawn here.

import type {
  CountPush,
  HistoryPush,
  JoinedPush,
  LeftPush,
  MessagePush,
  Position,
  RenamedPush,
  RoomPush,
} from "../../../app/protocol/wire.ts";

/** A message of the log, as the page has it. */
export interface Message {
  readonly offset: number;
  readonly member: string;
  readonly from: string;
  readonly text: string;
  readonly at: number;
  readonly nonce: string;
}

/** Something that happened between two messages and is in no log: who came, went, or changed their name. */
export interface PresenceEvent {
  readonly kind: "joined" | "left" | "timeout" | "renamed";
  /** Makes it one of a kind among the notes of the room. */
  readonly id: number;
  /** Stands behind the message with this offset. */
  readonly afterOffset: number;
  readonly at: number;
  readonly member: string;
  readonly username: string;
  /** The new name. */
  readonly to?: string;
}

/** The end of a room as it was, for a page that starts without its server. */
export interface Snapshot {
  /** That of the last message. */
  readonly position: Position;
  readonly first: number;
  /** Without a hole, and at least one. */
  readonly messages: readonly Message[];
}

/** What became of a push. */
export type PushResult =
  /** It continued what was there. */
  | "taken"
  /** It was there already. */
  | "known"
  /** Messages before it are missing: the room has to be joined again from its position. */
  | "hole";

/** Messages that a room keeps while nobody reads further up; older ones are read from the server again. */
const keptMost = 600;
const trimmedTo = 400;
const notesMost = 200;

/** One room of this page. */
export class Room {
  readonly name: string;
  /** `live`: every push comes. `behind`: joined, and pages are still coming. `away`: not joined on this connection. */
  phase: "away" | "behind" | "live" = "away";
  /** In the order of their offsets, which rise by one. */
  messages: readonly Message[] = [];
  presenceEvents: readonly PresenceEvent[] = [];
  readonly members = new Map<string, string>();
  /** Known also in a crowded room, where `members` is empty. */
  memberCount = 0;
  isCrowded = false;
  typingNames: readonly string[] = [];
  /** Offset of the oldest message that the server keeps. */
  first = 1;
  /** The last message before the range that this page had already; what lies between is not here. */
  #lastSeen: number | undefined;
  /** The log was not the one that the page had: how much of it is new cannot be known. */
  wasReset = false;
  /** True while older messages are on their way. */
  isLoadingOlder = false;
  /** Up to where the person has read. */
  readOffset = 0;
  /** Where the line "new since" stands: behind this offset; none when `undefined`. */
  newSince: number | undefined;
  /** Messages of others, and those that name this person, behind `read`. */
  unread = 0;
  mentions = 0;
  /** Nothing of it was ever here to be read. */
  isFirstVisit = true;
  #position: Position | undefined;
  #nextNote = 1;

  constructor(name: string) {
    this.name = name;
  }

  /** Where a join goes on. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Offset of the newest message here. */
  get head(): number {
    return this.#position?.offset ?? 0;
  }

  /** Offset of the oldest message here, or one past the newest. */
  get oldest(): number {
    return this.messages[0]?.offset ?? this.head + 1;
  }

  /** Whether the server keeps messages from before the first one here. */
  get hasOlder(): boolean {
    return this.oldest > this.first;
  }

  /** How many messages lie, not loaded, between what was seen before and the first one here. */
  get missingCount(): number {
    return this.#lastSeen === undefined ? 0 : Math.max(0, this.oldest - 1 - this.#lastSeen);
  }

  /** The newest messages, at most `most` and `mostCharacters` long together; nothing where there are none. */
  snapshot(most: number, mostCharacters: number): Snapshot | undefined {
    const position = this.#position;
    let start = this.messages.length;
    for (let characters = 0; start > 0 && this.messages.length - start < most; start--) {
      characters += this.messages[start - 1]?.text.length ?? 0;
      if (characters > mostCharacters) break;
    }
    const messages = this.messages.slice(start);
    if (position === undefined || messages.length === 0) return undefined;
    return { position, first: this.first, messages };
  }

  /** Begins where a snapshot ended; only for a room that has nothing yet. */
  restore({ position, first, messages }: Snapshot): void {
    if (this.#position !== undefined) return;
    this.#position = position;
    this.first = first;
    this.messages = messages;
    this.isFirstVisit = false;
  }

  /** Takes the answer to a join. */
  applyPage(push: RoomPush): PushResult {
    const { head } = this;
    if (push.recovered) {
      for (const message of push.messages) {
        if (this.append(message) === "hole") return "hole";
      }
      if (this.head !== push.offset) return "hole";
    } else {
      // What was here is another log's, or too far behind: the newest takes its place.
      if (this.#position !== undefined) {
        this.wasReset = push.missed === undefined && !this.#continues(push);
        this.#lastSeen = push.missed === undefined ? undefined : head;
        if (this.wasReset) this.newSince = undefined;
      }
      this.messages = push.messages.map(toMessage);
      this.presenceEvents = [];
    }
    this.#position = { epoch: push.epoch, offset: push.offset };
    this.first = push.first;
    this.phase = push.more ? "behind" : "live";
    if (!push.more) {
      this.isFirstVisit = false;
      // A log that was restored is shorter than what was read of it.
      this.readOffset = Math.min(this.readOffset, push.offset);
    }
    if (push.count !== undefined) this.#list(push.count, push.members);
    return "taken";
  }

  /** Whether a page that does not recover is nevertheless of the same log, as in a room without messages. */
  #continues(push: RoomPush): boolean {
    if (this.head === 0 && push.offset === 0) return true;
    return push.epoch === this.#position?.epoch && push.offset >= this.head;
  }

  /** Takes a live message. */
  append(push: MessagePush): PushResult {
    const { head } = this;
    if (push.offset <= head) return "known";
    if (push.offset !== head + 1) return "hole";
    this.#position = { epoch: push.epoch ?? this.#position?.epoch ?? "", offset: push.offset };
    this.messages = [...this.messages, toMessage(push)];
    return "taken";
  }

  /** Takes older messages, when they lie just before those that are here. */
  prepend(push: HistoryPush): void {
    this.isLoadingOlder = false;
    this.first = push.first;
    const older = push.messages.map(toMessage).filter(({ offset }) => offset < this.oldest);
    if (older.length > 0 && older[older.length - 1]?.offset !== this.oldest - 1) return;
    this.messages = [...older, ...this.messages];
    if (older.length === 0) this.first = this.oldest;
    if (this.missingCount === 0) this.#lastSeen = undefined;
  }

  /** Forgets old messages, when there are many and nobody looks at them. */
  trim(): void {
    if (this.messages.length <= keptMost) return;
    if (this.missingCount === 0) this.#lastSeen = undefined;
    this.messages = this.messages.slice(-trimmedTo);
    const { oldest } = this;
    this.presenceEvents = this.presenceEvents.filter(({ afterOffset }) => afterOffset >= oldest);
  }

  /** The connection is gone. */
  disconnect(): void {
    this.phase = "away";
    this.isLoadingOlder = false;
    this.typingNames = [];
  }

  // ---------------------------------------------------------------- who is here

  /** Somebody came. */
  addMember(push: JoinedPush, at: number): void {
    if (this.members.has(push.member)) return;
    this.members.set(push.member, String(push.username));
    this.memberCount = this.members.size;
    if (push.quiet !== true) this.#note("joined", push, at);
  }

  /** Somebody went. */
  removeMember(push: LeftPush, at: number): void {
    if (!this.members.delete(push.member)) return;
    this.memberCount = this.members.size;
    this.typingNames = this.typingNames.filter((name) => name !== push.username);
    this.#note(push.reason === "timeout" ? "timeout" : "left", push, at);
  }

  /** Somebody has another name. */
  renameMember({ member, from, to }: RenamedPush, at: number): void {
    if (this.members.get(member) === to) return;
    this.members.set(member, String(to));
    this.#note("renamed", { member, username: from }, at, to);
  }

  /** The room is, or was, too crowded for a list. */
  replaceMembers({ count, members }: CountPush): void {
    this.#list(count, members);
  }

  #list(count: number, members: readonly { member: string; username: string }[] | undefined): void {
    this.memberCount = count;
    this.isCrowded = members === undefined;
    this.members.clear();
    for (const { member, username } of members ?? []) this.members.set(member, String(username));
  }

  #note(
    kind: PresenceEvent["kind"],
    { member, username }: { readonly member: string; readonly username: string },
    at: number,
    to?: string,
  ): void {
    const note: PresenceEvent = {
      kind,
      id: this.#nextNote++,
      afterOffset: this.head,
      at,
      member,
      username,
      ...(to === undefined ? {} : { to }),
    };
    this.presenceEvents = [...this.presenceEvents, note].slice(-notesMost);
  }

  // ---------------------------------------------------------------- what was read

  /** Everything here is read. The line "new since" stays for as long as the person looks at the room. */
  markRead(): void {
    // Another tab may have read what is not here yet.
    this.readOffset = Math.max(this.readOffset, this.head);
    this.unread = 0;
    this.mentions = 0;
  }

  /** A message of somebody else came, and is not read yet, unless another tab was quicker. */
  countUnread(isMention: boolean): void {
    if (this.head <= this.readOffset) return;
    if (this.unread++ === 0) this.newSince = Math.max(this.readOffset, this.head - 1);
    if (isMention) this.mentions++;
  }

  /** Counts what is not read yet, and puts the line "new since" before it. */
  recountUnread(me: string, isMention: (message: Message) => boolean): void {
    const news = this.messages.filter(({ offset, member }) =>
      offset > this.readOffset && member !== me
    );
    this.unread = news.length + Math.max(0, this.oldest - 1 - this.readOffset);
    this.mentions = news.filter(isMention).length;
    if (this.unread > 0) this.newSince = this.readOffset;
  }
}

/** Whether a value is a time in ms that a `Date` can hold. */
export function isTimestamp(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 8.64e15;
}

/** Whether a value is a message that can be shown. */
export function isMessage(value: unknown): value is Message {
  const { offset, member, from, text, at, nonce } = Object(value) as {
    readonly [K in keyof Message]?: unknown;
  };
  return typeof offset === "number" && isTimestamp(at) &&
    [member, from, text, nonce].every((one) => typeof one === "string");
}

function toMessage(push: MessagePush): Message {
  if (!isMessage(push)) throw new TypeError("Invalid message push");
  const { offset, member, from, text, at, nonce } = push;
  return { offset, member, from, text, at, nonce };
}
