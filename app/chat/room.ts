// One room in memory: the end of its log, its members, and the pushes of this tick.

import { hubLimits } from "../protocol/wire.ts";
import type { Position } from "../protocol/wire.ts";
import type { Entry, Page, RemoteMember } from "./broker.ts";
import { encodeEntries, encodeEntry, prefixWithin, sliceAfter } from "./entries.ts";
import type { EncodedEntry, Slice } from "./entries.ts";
import { Roster } from "./roster.ts";

/** A room with members on this node. */
export class Room {
  readonly name: string;
  readonly roster: Roster;
  /** Encoded pushes of this tick, in order. */
  pushes: string[] = [];
  /** Whether the end of the log has been read. */
  state: "unread" | "reading" | "read" = "unread";
  #first = 1;
  #head: Position = { epoch: "", offset: 0 };
  /** The newest entries, without a hole, up to the head. */
  #recent: EncodedEntry[] = [];
  /** Entries that arrived while the end of the log was being read. */
  #early: Entry[] = [];

  /**
   * `remote` are the members present through other nodes. Without join lines, pages show no line
   * for members that join, leave or are renamed.
   */
  constructor(name: string, remote: readonly RemoteMember[] = [], hasJoinLines = true) {
    this.name = name;
    this.roster = new Roster(name, remote, (push) => {
      const isLine = push.type === "joined" || push.type === "left" || push.type === "renamed";
      this.pushes.push(JSON.stringify(isLine && !hasJoinLines ? { ...push, quiet: true } : push));
    });
  }

  /** Offset of the oldest entry kept. */
  get first(): number {
    return this.#first;
  }

  /** Position of the newest entry. */
  get head(): Position {
    return this.#head;
  }

  /** Loads the end of the log, as the broker read it. */
  load(page: Page): void {
    this.state = "read";
    this.#head = page.head;
    this.#recent = encodeEntries(page.entries, undefined);
    // The log may have been pruned further since it was read.
    this.prune(Math.max(this.#first, page.first));
    const early = this.#early;
    this.#early = [];
    for (const entry of early) this.accept(entry);
  }

  /** Adds an entry to the end of the log and to this tick's pushes, unless it is already there. */
  accept(entry: Entry): void {
    if (this.state !== "read") {
      if (this.state === "reading") this.#early.push(entry);
      return;
    }
    if (entry.offset <= this.#head.offset) return;
    const encoded = encodeEntry(entry, this.#head.offset === 0 ? undefined : this.#head.epoch);
    this.#recent.push(encoded);
    this.pushes.push(encoded.json);
    if (this.#recent.length > hubLimits.historyMax) this.#recent.shift();
    this.#head = { epoch: entry.epoch, offset: entry.offset };
    this.roster.stopTyping(entry.member);
  }

  /** Forgets entries before `first`. */
  prune(first: number): void {
    this.#first = Math.max(this.#first, first);
    this.#recent = this.#recent.filter((entry) => entry.offset >= first);
  }

  /** Returns the newest entries that fit into `maxBytes`, but at least one. */
  newest(maxBytes: number, missedSince?: number): Slice {
    let start = this.#recent.length;
    let bytes = 0;
    while (start > 0) {
      bytes += (this.#recent[start - 1]?.bytes ?? 0) + 1;
      if (bytes > maxBytes && start < this.#recent.length) break;
      start--;
    }
    const entries = start === 0 ? this.#recent : this.#recent.slice(start);
    const firstSent = entries[0]?.offset ?? this.#head.offset + 1;
    const missed = missedSince === undefined ? 0 : firstSent - 1 - missedSince;
    return { entries, recovered: false, missed, end: this.#head };
  }

  /**
   * Returns the entries after `position`, `undefined` if memory does not reach back that far, or
   * the newest entries if the position does not belong to this log.
   */
  after(position: Position, maxBytes: number): Slice | undefined {
    if (position.offset > this.#head.offset) return this.newest(maxBytes);
    const oldest = this.#recent[0];
    if (oldest === undefined || position.offset < oldest.offset) return undefined;
    const index = position.offset - oldest.offset;
    if (this.#recent[index]?.epoch !== position.epoch) return this.newest(maxBytes);
    return sliceAfter(position, prefixWithin(this.#recent.slice(index + 1), maxBytes));
  }
}
