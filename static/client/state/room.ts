// One room as this page sees it: a contiguous range of its log, its roster, and unread messages.
// Pure: it sends and draws nothing.

import type { EntryPush, HistoryPush, Position, RoomPush } from "../../../app/protocol/wire.ts";
import { messageOf, messagesOf } from "./message.ts";
import type { Message, Snapshot } from "./message.ts";
import type { Problem } from "./problem.ts";
import { Roster } from "./roster.ts";

/** A part of the log before its end: the messages of all entries from `oldest` to `newest`. */
export interface LogWindow {
  readonly messages: readonly Message[];
  readonly oldest: number;
  readonly newest: number;
}

/** A room drops old messages beyond this many; scrolling up loads them again. */
const messagesMax = 600;
const trimmedLength = 400;

export class Room {
  readonly name: string;
  readonly roster = new Roster();
  /** Whether this connection has joined the room, and whether it is still loading pages. */
  phase: "not_joined" | "catching_up" | "live" = "not_joined";
  /** Whether this connection has loaded all pages once. Only then may messages be sent. */
  isJoined = false;
  /** Why the server asked to wait before sending more messages. */
  waitReason: Problem | undefined;
  title: string | undefined;
  /** The messages of all entries from `oldest` to `head`, in the order of their offsets. */
  messages: readonly Message[] = [];
  /** Offset of the oldest entry loaded, or one past the newest. */
  oldest = 1;
  /** The part of the log to show instead of its end. */
  window: LogWindow | undefined;
  /** Handles the requested page of history. */
  onHistory: ((push: HistoryPush) => void) | undefined;
  /** Increases whenever a loaded message changes. */
  revision = 0;
  /** Offset of the oldest entry that the server has. */
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
  /** The number of unread entries before those loaded. Not all must be messages of others. */
  #unreadBefore = 0;
  /** Offsets after `readOffset` that were read. */
  readonly #seen = new Set<number>();
  /** The newest entry when the room stopped being live. Later ones arrive in pages. */
  #liveUntil: number | undefined;
  #position: Position | undefined;
  /** The last entry this page had before it skipped to a newer range. */
  #lastSeen = 0;
  /** The number of messages missing between the previous range and the current one. */
  missingCount = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Where to resume; `undefined` if nothing is loaded. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Offset of the newest entry loaded. */
  get head(): number {
    return this.#position?.offset ?? 0;
  }

  /** Whether the server has entries before those loaded. */
  get hasOlder(): boolean {
    return this.oldest > this.first;
  }

  /** Starts from a snapshot, if nothing is loaded yet. */
  restore({ position, first, oldest, messages }: Snapshot): void {
    if (this.#position !== undefined) return;
    this.#position = position;
    this.first = first;
    this.oldest = oldest;
    this.messages = messages;
    this.isFirstVisit = false;
    // Without a stored read offset, all messages count as read.
    if (this.readOffset === 0) this.markRead();
  }

  /** Applies a page of a join. Returns false if the page leaves a hole. */
  applyPage(push: RoomPush): boolean {
    if (push.recovered) {
      if (push.messages.some((entry) => this.append(entry) === "gap")) return false;
      if (this.head !== push.offset) return false;
    } else {
      if (this.#position !== undefined) {
        this.wasReset = push.missed === undefined && !this.#isContinuedBy(push);
        this.#lastSeen = this.head;
        this.missingCount = push.missed ?? 0;
        if (this.wasReset) {
          this.newSince = undefined;
          this.#seen.clear();
        }
      }
      this.window = undefined;
      this.messages = [];
      for (const entry of push.messages) this.#apply(entry);
      this.oldest = push.messages[0]?.offset ?? push.offset + 1;
      this.roster.events = [];
    }
    this.title = push.title;
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

  /** Returns whether a page that did not recover continues this log anyway, as in an empty room. */
  #isContinuedBy({ epoch, offset }: RoomPush): boolean {
    const { head } = this;
    return head === 0 && offset === 0 || epoch === this.#position?.epoch && offset >= head;
  }

  /** Appends a live entry. On a gap the room must be joined again from its position. */
  append(push: EntryPush): "applied" | "duplicate" | "gap" {
    const { offset, epoch = this.#position?.epoch ?? "" } = push;
    if (offset <= this.head) return "duplicate";
    if (offset !== this.head + 1) return "gap";
    this.#apply(push);
    this.#position = { epoch, offset };
    return "applied";
  }

  #apply(push: EntryPush): void {
    if (push.type === "message") this.messages = [...this.messages, messageOf(push)];
    if (push.type === "title") this.title = push.text;
    if (push.type === "delete") {
      if (push.untitled) this.title = undefined;
      push.targets.forEach((target) => this.#unread.delete(target));
      this.#amend(push, push.targets, { text: undefined, deletedBy: push.member });
    }
    // An edit without a text has been superseded by a later entry.
    if (push.type === "edit" && push.text !== undefined) {
      this.#amend(push, [push.target], { text: String(push.text), editedAt: push.at });
    }
  }

  /** Applies an entry to messages, unless later ones have amended them (E7). */
  #amend({ offset }: EntryPush, targets: readonly number[], change: Partial<Message>): void {
    const amend = (messages: readonly Message[]) =>
      messages.map((message) =>
        targets.includes(message.offset) && (message.amended ?? 0) < offset
          ? { ...message, ...change, amended: offset }
          : message
      );
    this.revision++;
    this.messages = amend(this.messages);
    if (this.window) this.window = { ...this.window, messages: amend(this.window.messages) };
  }

  /** Prepends a page of history if it ends just before the entries loaded. */
  prepend(push: HistoryPush): void {
    this.first = push.first;
    const older = push.messages.filter(({ offset }) => offset < this.oldest);
    const [start] = older;
    if (start === undefined) this.first = this.oldest;
    else if (older.at(-1)?.offset === this.oldest - 1) this.extend(messagesOf(older), start.offset);
  }

  /** Prepends the messages of all entries from `oldest` on. */
  extend(messages: readonly Message[], oldest: number): void {
    this.oldest = oldest;
    this.messages = [...messages, ...this.messages];
    if (this.missingCount > 0) {
      const isClosed = this.oldest <= this.#lastSeen + 1;
      this.missingCount = isClosed ? 0 : Math.max(1, this.missingCount - messages.length);
    }
  }

  /** Drops old messages if there are many. Call it only while the reader is at the end. */
  trim(): void {
    if (this.messages.length <= messagesMax) return;
    if (this.missingCount > 0) this.missingCount += this.messages.length - trimmedLength;
    this.messages = this.messages.slice(-trimmedLength);
    this.oldest = this.messages[0]?.offset ?? this.oldest;
    const { oldest, roster } = this;
    roster.events = roster.events.filter(({ afterOffset }) => afterOffset >= oldest);
  }

  /** Stops being live: the room must be joined again. */
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
    const message = this.messages.find((it) => it.offset === offset);
    return message && { message, isMention };
  }

  /** Resets the state of a lost connection. */
  disconnect(): void {
    this.suspend("not_joined");
    this.isJoined = this.isLoadingOlder = false;
    this.waitReason = undefined;
    this.roster.typing = [];
  }

  /**
   * The number of unread messages of others. If `hasUnreadBefore`, only a lower bound is known: the
   * number of those loaded, plus one.
   */
  get unread(): number {
    return this.#unread.size + Number(this.hasUnreadBefore);
  }

  /** Whether there are unread entries before those loaded. */
  get hasUnreadBefore(): boolean {
    return this.#unreadBefore > 0;
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

  /** Recounts the unread messages, without those of members that are ignored. */
  recountUnread(
    isIgnored: (member: string) => boolean,
    isMention: (message: Message) => boolean,
  ): void {
    const { readOffset } = this;
    this.#unread.clear();
    // Entries that the server no longer has don't count.
    this.#unreadBefore = Math.max(0, this.oldest - Math.max(readOffset + 1, this.first));
    for (const message of this.messages) {
      const { offset, member, text } = message;
      if (offset <= readOffset || isIgnored(member) || this.#seen.has(offset)) continue;
      if (text === undefined) continue;
      this.#unread.set(offset, isMention(message));
    }
  }
}

/**
 * Returns how many messages are unread in these rooms, how many of those are mentions, and whether
 * there may be more that are not loaded.
 */
export function countUnread(rooms: readonly Room[]) {
  let [unread, mentions, isMore] = [0, 0, false];
  for (const room of rooms) {
    unread += room.unread - Number(room.hasUnreadBefore);
    mentions += room.mentions;
    isMore ||= room.hasUnreadBefore;
  }
  return { unread, mentions, isMore };
}
