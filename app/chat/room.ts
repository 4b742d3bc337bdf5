// One room in memory: the end of its log, its members, and the pushes of this tick.

import { hubLimits } from "../protocol/wire.ts";
import type { MemberInfo, Position } from "../protocol/wire.ts";
import type { Entry, Page } from "./broker.ts";
import {
  amend,
  amendmentsIn,
  amendPruned,
  byteLength,
  countMessages,
  encodeEntries,
  encodeEntry,
  prefixWithin,
  sliceAfter,
} from "./entries.ts";
import type { Amendment, EncodedEntry, Slice } from "./entries.ts";
import { Roster } from "./roster.ts";

/** Max bytes of the newest entries: there may be many edits of a few messages. */
const recentMaxBytes = hubLimits.pageMaxBytes;
/** Max share of old entries among those in memory. They are removed together. */
const droppedShare = 1 / 4;

/** A room with members or followers on this node. */
export class Room {
  readonly name: string;
  readonly roster: Roster;
  /** Encoded pushes of this tick, in order. */
  pushes: string[] = [];
  /** Sessions that receive the room's pushes but have no member in it. */
  readonly followers = new Set<object>();
  /** Whether the end of the log has been read. */
  state: "unread" | "reading" | "read" = "unread";
  /** Offset of the oldest entry kept. */
  first = 1;
  /** Position of the newest entry. */
  head: Position = { epoch: "", offset: 0 };
  /** The current title. */
  title: string | undefined;
  /** Some old entries, then the newest up to the head, without holes, in their current state. */
  #recent: EncodedEntry[] = [];
  /** Number of the old entries. Removing each with `shift()` would take 0.4 µs. */
  #dropped = 0;
  /** Number of messages among the newest entries, and the bytes of those entries. */
  #recentMessages = 0;
  #recentBytes = 0;
  /** Entries that arrived while the end of the log was being read. */
  #early: Entry[] = [];

  /**
   * `remote` are the members present through other nodes. Without join lines, pages show no lines
   * for members that join, leave or are renamed.
   */
  constructor(name: string, remote: readonly MemberInfo[] = [], hasJoinLines = true) {
    this.name = name;
    this.roster = new Roster(name, remote, (push) => {
      const isLine = push.type === "joined" || push.type === "left" || push.type === "renamed";
      this.pushes.push(JSON.stringify(isLine && !hasJoinLines ? { ...push, quiet: true } : push));
    });
  }

  /** Loads the end of the log, as the broker read it. */
  load(page: Page): void {
    this.state = "read";
    this.head = page.head;
    this.title = page.title;
    this.#recent = encodeEntries(page.entries, undefined);
    this.#dropped = 0;
    // The log may have been pruned further since it was read.
    this.prune(Math.max(this.first, page.first));
    const early = this.#early;
    this.#early = [];
    for (const entry of early) this.accept(entry);
  }

  /** Adds an entry to the end of the log and to this tick's pushes, unless it is there already. */
  accept(entry: Entry): void {
    if (this.state !== "read") {
      if (this.state === "reading") this.#early.push(entry);
      return;
    }
    if (entry.offset <= this.head.offset) return;
    const encoded = encodeEntry(entry, this.head.offset === 0 ? undefined : this.head.epoch);
    this.#recent.push(encoded);
    this.#recentBytes += encoded.bytes;
    this.pushes.push(encoded.json);
    this.head = { epoch: entry.epoch, offset: entry.offset };
    if (entry.type === "message") {
      this.#recentMessages++;
      this.roster.stopTyping(entry.member);
    } else if (entry.type === "title") this.title = entry.text;
    else {
      this.#recentBytes += amend(this.#trimmed(), entry);
      if (entry.type === "delete" && entry.untitled) this.title = undefined;
    }
    while (
      this.#recentMessages > hubLimits.historyMax ||
      this.#recentBytes > recentMaxBytes && this.#recent.length - this.#dropped > 1
    ) {
      const oldest = this.#recent[this.#dropped++];
      if (oldest?.type === "message") this.#recentMessages--;
      this.#recentBytes -= oldest?.bytes ?? 0;
    }
    if (this.#dropped >= this.#recent.length * droppedShare) this.#trimmed();
  }

  /** Removes the old entries from the array, and returns it. */
  #trimmed(): EncodedEntry[] {
    if (this.#dropped > 0) this.#recent.splice(0, this.#dropped);
    this.#dropped = 0;
    return this.#recent;
  }

  /** Forgets entries before `first`. */
  prune(first: number): void {
    this.first = Math.max(this.first, first);
    const kept = this.#trimmed().filter((entry) => entry.offset >= first);
    this.#recent = amendPruned(kept, first);
    this.#recentMessages = countMessages(kept);
    this.#recentBytes = byteLength(this.#recent);
    if (first > this.head.offset) this.title = undefined;
  }

  /**
   * Returns the newest entries that fit into `maxBytes`, but at least one. `behind` is how many
   * messages follow the client's position, if it is known.
   */
  newest(maxBytes: number, behind?: number): Slice {
    const recent = this.#trimmed();
    let start = recent.length;
    let bytes = 0;
    while (start > 0) {
      bytes += (recent[start - 1]?.bytes ?? 0) + 1;
      if (bytes > maxBytes && start < recent.length) break;
      start--;
    }
    const entries = start === 0 ? recent : recent.slice(start);
    const missed = behind === undefined ? 0 : behind - countMessages(entries);
    return { entries, recovered: false, missed, end: this.head };
  }

  /**
   * Returns the amendments after an offset, and how many messages follow it, or `undefined` if
   * memory does not reach back that far.
   */
  since(offset: number): { amendments: readonly Amendment[]; messages: number } | undefined {
    const recent = this.#trimmed();
    if (offset < (recent[0]?.offset ?? this.head.offset + 1) - 1) return undefined;
    const later = recent.filter((entry) => entry.offset > offset);
    return { amendments: amendmentsIn(later), messages: countMessages(later) };
  }

  /**
   * Returns the entries after `position`, or the newest entries if the position does not belong to
   * this log. Returns `undefined` if only the broker knows: memory does not reach back that far, or
   * another node may have stored the entry a moment ago.
   */
  after(position: Position, maxBytes: number): Slice | undefined {
    if (position.offset > this.head.offset) return undefined;
    const recent = this.#trimmed();
    const [oldest] = recent;
    if (oldest === undefined || position.offset < oldest.offset) return undefined;
    const index = position.offset - oldest.offset;
    if (recent[index]?.epoch !== position.epoch) return this.newest(maxBytes);
    return sliceAfter(position, prefixWithin(recent.slice(index + 1), maxBytes));
  }
}
