// The unread messages of a room: how many there are, where they start, and which mention this
// person.

import type { LoadedLog } from "./loaded_log.ts";
import type { Message } from "./message.ts";

export class UnreadMessages {
  /** Everything up to this offset is read. */
  readOffset = 0;
  /** The line "new since" follows this offset. */
  newSince: number | undefined;
  readonly #log: LoadedLog;
  /** The unread messages that are loaded, by offset, and whether each mentions this person. */
  readonly #loaded = new Map<number, boolean>();
  /** The number of unread entries before those loaded. Some may not be messages of others. */
  #earlier = 0;
  /** Offsets after `readOffset` that were read. */
  readonly #seen = new Set<number>();
  /** The newest entry when the room stopped being live. Later ones arrive in pages. */
  #liveUntil: number | undefined;

  constructor(log: LoadedLog) {
    this.#log = log;
  }

  /** The number of unread messages of others that are loaded. */
  get count(): number {
    return this.#loaded.size;
  }

  /** Whether there are unread entries before those loaded. */
  get hasMore(): boolean {
    return this.#earlier > 0;
  }

  get isEmpty(): boolean {
    return this.count === 0 && !this.hasMore;
  }

  /** The number of loaded unread messages that mention this person. */
  get mentions(): number {
    return [...this.#loaded.values()].filter(Boolean).length;
  }

  /** Offset of the first unread message, or one past the newest. */
  get first(): number {
    if (this.hasMore) return Math.max(this.readOffset + 1, this.#log.first);
    const [offset = this.#log.head + 1] = this.#loaded.keys();
    return offset;
  }

  /** Marks everything read. The line "new since" stays until the person leaves the room. */
  markRead(): void {
    this.#earlier = 0;
    this.markSeen(0, Infinity);
  }

  /** Marks the messages from one offset to another read. Returns whether one of them was unread. */
  markSeen(from: number, to: number): boolean {
    const before = this.count;
    for (const offset of this.#loaded.keys()) {
      if (offset >= from && offset <= to && this.#loaded.delete(offset)) this.#seen.add(offset);
    }
    // Another tab may have read messages that are not loaded here.
    this.readOffset = Math.max(this.readOffset, this.first - 1);
    for (const offset of this.#seen) if (offset <= this.readOffset) this.#seen.delete(offset);
    return this.count < before;
  }

  /** Counts the newest message as unread, unless another tab has read it. */
  add(isMention: boolean): void {
    const { head } = this.#log;
    if (head <= this.readOffset) return;
    if (this.isEmpty) this.newSince = Math.max(this.readOffset, head - 1);
    this.#loaded.set(head, isMention);
  }

  /** Removes deleted messages. */
  delete(offsets: readonly number[]): void {
    offsets.forEach((offset) => this.#loaded.delete(offset));
  }

  /**
   * Forgets which messages of an earlier log were read, except `readOffset`. The unread messages
   * must be recounted afterwards.
   */
  reset(): void {
    this.newSince = undefined;
    this.#seen.clear();
  }

  /**
   * Recounts the unread messages, without those of members that are ignored. With `hasNews`, the
   * line "new since" moves.
   */
  recount(
    isIgnored: (member: string) => boolean,
    isMention: (message: Message) => boolean,
    hasNews = false,
  ): void {
    const { readOffset } = this;
    const { oldest, first, messages } = this.#log;
    this.#loaded.clear();
    // Entries that the server no longer has don't count.
    this.#earlier = Math.max(0, oldest - Math.max(readOffset + 1, first));
    for (const message of messages) {
      const { offset, member, text } = message;
      if (offset <= readOffset || isIgnored(member) || this.#seen.has(offset)) continue;
      if (text === undefined) continue;
      this.#loaded.set(offset, isMention(message));
    }
    if (hasNews || this.newSince === undefined) this.moveLine();
  }

  /** Moves the line "new since" above the first unread message, if there is one. */
  moveLine(): void {
    if (!this.isEmpty) this.newSince = this.first - 1;
  }

  /** Removes the line "new since" if everything is read. */
  removeLine(): void {
    if (this.isEmpty) this.newSince = undefined;
  }

  /** Called when the room stops being live. */
  suspend(): void {
    this.#liveUntil = this.#log.head;
  }

  /**
   * Returns the first mention among the unread messages that arrived while the room was not live,
   * or else the newest of these messages.
   */
  takeMissed(): { readonly message: Message; readonly isMention: boolean } | undefined {
    const liveUntil = this.#liveUntil ?? Infinity;
    this.#liveUntil = undefined;
    const missed = [...this.#loaded].filter(([offset]) => offset > liveUntil);
    const [offset = 0, isMention = false] = missed.find(([, isMention]) => isMention) ??
      missed.at(-1) ?? [];
    const message = this.#log.messages.find((it) => it.offset === offset);
    return message && { message, isMention };
  }
}

/** The unread messages of one room or several. */
export type UnreadCount = Pick<UnreadMessages, "count" | "mentions" | "hasMore">;

/** Returns the sum over rooms. */
export function countUnread(rooms: readonly { readonly unread: UnreadCount }[]): UnreadCount {
  let [count, mentions, hasMore] = [0, 0, false];
  for (const { unread } of rooms) {
    count += unread.count;
    mentions += unread.mentions;
    hasMore ||= unread.hasMore;
  }
  return { count, mentions, hasMore };
}
