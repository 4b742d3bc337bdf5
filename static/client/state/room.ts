// One room as this page sees it: a contiguous range of its log, its roster, and unread messages.
// Pure: it sends and draws nothing.

import type {
  EntryPush,
  HistoryPush,
  MessagePush,
  Position,
  RoomPush,
} from "../../../app/protocol/wire.ts";
import type { Problem } from "./problem.ts";
import { Roster } from "./roster.ts";
import type { Unchecked } from "./storage.ts";

export type Message = Required<
  Pick<MessagePush, "offset" | "member" | "from" | "text" | "at" | "nonce">
>;

/** The newest messages of a room, saved so that a page can start without its server. */
export interface Snapshot {
  /** Position of the last message. */
  readonly position: Position;
  readonly first: number;
  /** At least one, without holes. */
  readonly messages: readonly Message[];
}

/** A room drops old messages beyond this many; scrolling up loads them again. */
const messagesMax = 600;
const trimmedLength = 400;

/** One room of this page. */
export class Room {
  readonly name: string;
  readonly roster = new Roster();
  /** Whether this connection has joined the room, and is still paging or gets every push. */
  phase: "not_joined" | "catching_up" | "live" = "not_joined";
  /** Whether this connection got all pages once: only then may messages be sent. */
  isJoined = false;
  /** Why the server asked to wait before sending more messages. */
  waitReason: Problem | undefined;
  /** Offsets rise by one. */
  messages: readonly Message[] = [];
  /** Offset of the oldest message that the server has. */
  first = 1;
  isLoadingOlder = false;
  /** True if the server's log did not continue the one this page had. */
  wasReset = false;
  /** True until a snapshot or the first complete page was applied. */
  isFirstVisit = true;
  /** Everything up to this offset is read. */
  readOffset = 0;
  /** The line "new since" follows this offset. */
  newSince: number | undefined;
  /** The unread messages that are loaded, by offset, and whether each mentions this person. */
  readonly #unread = new Map<number, boolean>();
  /** How many messages before those loaded are unread. */
  #unreadBefore = 0;
  /** Offsets after `readOffset` that were read. */
  readonly #seen = new Set<number>();
  /** The newest message when the room stopped being live. Later ones arrive in pages. */
  #liveUntil: number | undefined;
  #position: Position | undefined;
  /** The last message this page had before it skipped to a newer range. */
  #lastSeen: number | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Where to resume; `undefined` if nothing is loaded. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Offset of the newest message loaded. */
  get head(): number {
    return this.#position?.offset ?? 0;
  }

  /** Offset of the oldest message loaded, or one past the newest. */
  get oldest(): number {
    return this.messages[0]?.offset ?? this.head + 1;
  }

  /** Whether the server has messages before those loaded. */
  get hasOlder(): boolean {
    return this.oldest > this.first;
  }

  /** The number of messages missing between the previous range and the current one. */
  get missingCount(): number {
    return this.#lastSeen === undefined ? 0 : Math.max(0, this.oldest - 1 - this.#lastSeen);
  }

  /** Returns the newest messages within both limits, or `undefined` if there are none. */
  snapshot(maxMessages: number, maxCharacters: number): Snapshot | undefined {
    const position = this.#position;
    let characters = 0;
    const tooLong = this.messages.findLastIndex(({ text }) =>
      (characters += text.length) > maxCharacters
    );
    const messages = this.messages.slice(tooLong + 1).slice(-maxMessages);
    if (position === undefined || messages.length === 0) return undefined;
    return { position, first: this.first, messages };
  }

  /** Starts from a snapshot, if nothing is loaded yet. */
  restore({ position, first, messages }: Snapshot): void {
    if (this.#position !== undefined) return;
    this.#position = position;
    this.first = first;
    this.messages = messages;
    this.isFirstVisit = false;
  }

  /** Applies a page of a join. Returns false if the page leaves a hole. */
  applyPage(push: RoomPush): boolean {
    if (push.recovered) {
      if (push.messages.some((message) => this.append(message) === "gap")) return false;
      if (this.head !== push.offset) return false;
    } else {
      if (this.#position !== undefined) {
        this.wasReset = push.missed === undefined && !this.#isContinuedBy(push);
        this.#lastSeen = push.missed === undefined ? undefined : this.head;
        if (this.wasReset) {
          this.newSince = undefined;
          this.#seen.clear();
        }
      }
      this.messages = push.messages.map(toMessage);
      this.roster.events = [];
    }
    this.#position = { epoch: push.epoch, offset: push.offset };
    this.first = push.first;
    this.phase = push.more ? "catching_up" : "live";
    if (!push.more) {
      this.isFirstVisit = false;
      // A restored log can end before the read offset.
      this.readOffset = Math.min(this.readOffset, push.offset);
    }
    if (push.count !== undefined) this.roster.replace(push.count, push.members);
    return true;
  }

  /** Whether a page that did not recover is of the same log, as in a room without messages. */
  #isContinuedBy({ epoch, offset }: RoomPush): boolean {
    const { head } = this;
    return head === 0 && offset === 0 || epoch === this.#position?.epoch && offset >= head;
  }

  /** Appends a live message. On a gap the room must be joined again from its position. */
  append(push: EntryPush): "applied" | "duplicate" | "gap" {
    const { offset, epoch = this.#position?.epoch ?? "" } = push;
    if (offset <= this.head) return "duplicate";
    if (offset !== this.head + 1) return "gap";
    this.messages = [...this.messages, toMessage(push)];
    this.#position = { epoch, offset };
    return "applied";
  }

  /** Prepends a page of history if it ends just before the messages loaded. */
  prepend(push: HistoryPush): void {
    this.isLoadingOlder = false;
    this.first = push.first;
    const older = push.messages.map(toMessage).filter(({ offset }) => offset < this.oldest);
    if (older.length === 0) this.first = this.oldest;
    else if (older.at(-1)?.offset !== this.oldest - 1) return;
    this.messages = [...older, ...this.messages];
    if (this.missingCount === 0) this.#lastSeen = undefined;
  }

  /** Drops old messages if there are many. Only for a room that is read at its end. */
  trim(): void {
    if (this.messages.length <= messagesMax) return;
    if (this.missingCount === 0) this.#lastSeen = undefined;
    this.messages = this.messages.slice(-trimmedLength);
    const { oldest, roster } = this;
    roster.events = roster.events.filter(({ afterOffset }) => afterOffset >= oldest);
  }

  /** Stops being live, because the room has to be joined again. */
  suspend(phase: "not_joined" | "catching_up"): void {
    if (this.phase === "live") this.#liveUntil = this.head;
    this.phase = phase;
  }

  /**
   * Returns the first mention among the unread messages that arrived while the room was not live,
   * or else the newest of these messages.
   */
  takeMissed(): { readonly message: Message; readonly isMention: boolean } | undefined {
    const liveUntil = this.#liveUntil ?? Infinity;
    this.#liveUntil = undefined;
    const missed = [...this.#unread].filter(([offset]) => offset > liveUntil);
    const [offset = 0, isMention = false] = missed.find(([, isMention]) => isMention) ??
      missed.at(-1) ?? [];
    const message = this.messages[offset - this.oldest];
    return message && { message, isMention };
  }

  /** Resets the state of a lost connection. */
  disconnect(): void {
    this.suspend("not_joined");
    this.isJoined = this.isLoadingOlder = false;
    this.waitReason = undefined;
    this.roster.typing = [];
  }

  /** The number of unread messages of others. */
  get unread(): number {
    return this.#unread.size + this.#unreadBefore;
  }

  /** The number of unread messages that mention this person. */
  get mentions(): number {
    return [...this.#unread.values()].filter(Boolean).length;
  }

  /** Offset of the first unread message, or one past the newest. */
  get firstUnread(): number {
    if (this.#unreadBefore > 0) return Math.max(this.readOffset + 1, this.first);
    const [offset = this.head + 1] = this.#unread.keys();
    return offset;
  }

  /** Marks everything read. The line "new since" stays until the person leaves the room. */
  markRead(): void {
    this.#unreadBefore = 0;
    this.markSeen(0, Infinity);
  }

  /** Marks the messages from one offset to another read. Returns whether one of them was unread. */
  markSeen(from: number, to: number): boolean {
    const before = this.#unread.size;
    for (const offset of this.#unread.keys()) {
      if (offset >= from && offset <= to && this.#unread.delete(offset)) this.#seen.add(offset);
    }
    // Another tab may have read messages that are not loaded here.
    this.readOffset = Math.max(this.readOffset, this.firstUnread - 1);
    for (const offset of this.#seen) if (offset <= this.readOffset) this.#seen.delete(offset);
    return this.#unread.size < before;
  }

  /** Counts the newest message as unread, unless another tab has read it. */
  addUnread(isMention: boolean): void {
    if (this.head <= this.readOffset) return;
    if (this.unread === 0) this.newSince = Math.max(this.readOffset, this.head - 1);
    this.#unread.set(this.head, isMention);
  }

  /** Recounts the unread messages. */
  recountUnread(me: string, isMention: (message: Message) => boolean): void {
    const { readOffset } = this;
    this.#unread.clear();
    // Messages that the server no longer has can't be read.
    this.#unreadBefore = Math.max(0, this.oldest - Math.max(readOffset + 1, this.first));
    for (const message of this.messages) {
      const { offset, member } = message;
      if (offset <= readOffset || member === me || this.#seen.has(offset)) continue;
      this.#unread.set(offset, isMention(message));
    }
  }
}

/** Returns how many messages are unread in these rooms, and how many of those are mentions. */
export function countUnread(rooms: readonly Room[]): { unread: number; mentions: number } {
  const total = { unread: 0, mentions: 0 };
  for (const { unread, mentions } of rooms) {
    total.unread += unread;
    total.mentions += mentions;
  }
  return total;
}

/** Whether a value is a time in ms that a `Date` can represent. */
export function isTimestamp(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 8.64e15;
}

/** Whether a value is a valid message. */
export function isMessage(value: unknown): value is Message {
  const { offset, member, from, text, at, nonce }: Unchecked<Message> = Object(value);
  return typeof offset === "number" && isTimestamp(at) &&
    [member, from, text, nonce].every((field) => typeof field === "string");
}

function toMessage(push: EntryPush): Message {
  if (!isMessage(push)) throw new TypeError("Invalid message push");
  const { offset, member, from, text, at, nonce } = push;
  return { offset, member, from, text, at, nonce };
}
