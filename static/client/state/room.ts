// One room as this page sees it: its log, its roster, and its unread messages. Pure: it sends and
// draws nothing.

import type { EntryPush, HistoryPush, RoomPush } from "../../../app/protocol/wire.ts";
import { LoadedLog } from "./loaded_log.ts";
import type { Message, Snapshot } from "./message.ts";
import type { Problem } from "./problem.ts";
import { Roster } from "./roster.ts";

export class Room {
  readonly name: string;
  readonly log = new LoadedLog();
  readonly roster = new Roster();
  /** Whether this connection has joined the room, and whether it is still loading pages. */
  phase: "not_joined" | "catching_up" | "live" = "not_joined";
  /** Whether this connection has loaded all pages once. Only then may messages be sent. */
  isJoined = false;
  /** Why the server asked to wait before sending more messages. */
  waitReason: Problem | undefined;
  title: string | undefined;
  /** Handles the requested page of history. */
  onHistory: ((push: HistoryPush) => void) | undefined;
  isLoadingOlder = false;
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

  constructor(name: string) {
    this.name = name;
  }

  /** Starts from a snapshot, if nothing is loaded yet. */
  restore(snapshot: Snapshot): void {
    if (this.log.position !== undefined) return;
    this.log.restore(snapshot);
    this.isFirstVisit = false;
    // Without a stored read offset, all messages count as read.
    if (this.readOffset === 0) this.markRead();
  }

  /** Applies a page of a join. Returns false if the page leaves a hole. Recount the unread then. */
  applyPage(push: RoomPush): boolean {
    const { log, roster } = this;
    if (!log.applyPage(push)) return false;
    if (!push.recovered) {
      roster.events = [];
      if (log.wasReset) {
        this.newSince = undefined;
        this.#seen.clear();
      }
    }
    this.title = push.title;
    this.phase = push.more ? "catching_up" : "live";
    if (!push.more) {
      this.isFirstVisit = false;
      // A restored log can end before the read offset.
      this.readOffset = Math.min(this.readOffset, push.offset);
    }
    if (push.count !== undefined) roster.replace(push.count, push.members);
    return true;
  }

  /** Appends a live entry. On a gap the room must be joined again from its position. */
  append(push: EntryPush): "applied" | "duplicate" | "gap" {
    const result = this.log.append(push);
    if (result !== "applied") return result;
    if (push.type === "title") this.title = push.text;
    if (push.type === "delete") {
      if (push.untitled) this.title = undefined;
      push.targets.forEach((target) => this.#unread.delete(target));
    }
    return result;
  }

  /** Drops old messages if there are many. Call it only while the reader is at the end. */
  trim(): void {
    const { log, roster } = this;
    if (!log.trim()) return;
    roster.events = roster.events.filter(({ afterOffset }) => afterOffset >= log.oldest);
  }

  /** Stops being live: the room must be joined again. */
  suspend(phase: "not_joined" | "catching_up"): void {
    if (this.phase === "live") this.#liveUntil = this.log.head;
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
    const message = this.log.messages.find((it) => it.offset === offset);
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
    if (this.#unreadBefore > 0) return Math.max(this.readOffset + 1, this.log.first);
    const [offset = this.log.head + 1] = this.#unread.keys();
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
    if (this.log.head <= this.readOffset) return;
    if (this.unread === 0) this.newSince = Math.max(this.readOffset, this.log.head - 1);
    this.#unread.set(this.log.head, isMention);
  }

  /** Recounts the unread messages, without those of members that are ignored. */
  recountUnread(
    isIgnored: (member: string) => boolean,
    isMention: (message: Message) => boolean,
  ): void {
    const { readOffset } = this;
    this.#unread.clear();
    // Entries that the server no longer has don't count.
    this.#unreadBefore = Math.max(0, this.log.oldest - Math.max(readOffset + 1, this.log.first));
    for (const message of this.log.messages) {
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
