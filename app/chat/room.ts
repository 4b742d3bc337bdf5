// One room in memory: the newest end of its log, encoded once; who is in it; and what is to be said at the end of the
// tick. It sends nothing itself and knows no clock.

import { utf8Length } from "../protocol/text.ts";
import { limits } from "../protocol/wire.ts";
import type {
  CountPush,
  JoinedPush,
  LeftPush,
  LeftReason,
  MemberInfo,
  MessagePush,
  Position,
  RenamedPush,
  TypingPush,
} from "../protocol/wire.ts";
import type { Entry, Page, RemoteMember } from "./broker.ts";
import type { Member, Session } from "./session.ts";

/** More members than this, and a room is crowded: a count takes the place of the list. */
const crowdedAbove = 500;
/** Fewer members than this, and it is no longer crowded. */
const uncrowdedBelow = 400;
/** More members than this, and nobody is shown who types. */
const typingMaxMembers = 50;
/** How often a member's typing is passed on, and how long it counts, in ms. */
const typingEveryMs = 3_000;
const typingLastsMs = 5_000;

/** A member in a room by way of this node. */
export interface Presence {
  readonly member: Member;
  readonly room: Room;
  readonly sessions: Set<Session>;
  /** When the last session is gone: the end of its grace, in ms of the hub's clock. */
  until: number | undefined;
}

/** A message as it goes over the wire. */
export interface EncodedEntry {
  readonly offset: number;
  readonly epoch: string;
  /** The `message` push as JSON. */
  readonly json: string;
  readonly bytes: number;
}

/** Messages for one `room` push. */
export interface Slice {
  readonly entries: readonly EncodedEntry[];
  /** Whether they continue the position that was asked for. */
  readonly recovered: boolean;
  readonly missed: number;
  /** The position that they lead to. */
  readonly end: Position;
}

/** Encodes messages in order; `before` is the term of the message before the first, where it is known. */
export function encodeEntries(
  entries: readonly Entry[],
  before: string | undefined,
): EncodedEntry[] {
  let epoch = before;
  return entries.map((entry) => {
    const push: MessagePush = {
      type: "message",
      room: entry.room,
      offset: entry.offset,
      member: entry.member,
      from: entry.from,
      text: entry.text,
      at: entry.at,
      nonce: entry.nonce,
      ...(entry.epoch === epoch ? {} : { epoch: entry.epoch }),
    };
    epoch = entry.epoch;
    const json = JSON.stringify(push);
    return {
      offset: entry.offset,
      epoch: entry.epoch,
      json,
      bytes: utf8Length(json),
    };
  });
}

/** The inside of a JSON array of messages. */
export function joined(entries: readonly EncodedEntry[]): string {
  return entries.map((entry) => entry.json).join(",");
}

/** Bytes of messages with their commas. */
export function byteLength(entries: readonly EncodedEntry[]): number {
  return entries.reduce((bytes, entry) => bytes + entry.bytes + 1, 0);
}

/** As many of `entries` from the front as fit into `maxBytes`. */
export function fitting(
  entries: readonly EncodedEntry[],
  maxBytes: number,
): readonly EncodedEntry[] {
  let bytes = 0;
  for (const [i, entry] of entries.entries()) {
    bytes += entry.bytes + 1;
    if (bytes > maxBytes) return entries.slice(0, i);
  }
  return entries;
}

/** The way on from a position. */
export function continuing(
  position: Position,
  entries: readonly EncodedEntry[],
): Slice {
  const last = entries.at(-1);
  return {
    entries,
    recovered: true,
    missed: 0,
    end: last === undefined ? position : { epoch: last.epoch, offset: last.offset },
  };
}

/** A room that somebody is in by way of this node. */
export class Room {
  readonly name: string;
  /** Sessions that get every push of the room. */
  readonly live = new Set<Session>();
  readonly presences = new Map<string, Presence>();
  /** Who is here by way of other nodes, as well or only. */
  readonly #elsewhere: Set<string>;
  /** Who is here by way of any node: usernames by member. */
  readonly #usernames: Map<string, string>;
  /** When a member last said that it types; those who did so too long ago may be missing. */
  readonly #typedAt = new Map<string, number>();
  /** Encoded pushes of this tick, in order. */
  pushes: string[] = [];
  /** True once the end of the log is known. */
  loaded = false;
  /** True while the broker reads the end of the log. */
  loading = false;
  crowded = false;
  /** True when a crowded room owes its members a count. */
  countDue = false;
  #first = 1;
  #head: Position = { epoch: "", offset: 0 };
  /** The newest messages, without a hole, up to the head. */
  #recent: EncodedEntry[] = [];
  /** Entries that came while the end of the log was being read. */
  #early: Entry[] = [];
  #membersJson: string | undefined;
  #typingChanged = false;

  /** `others` are those who are here by way of other nodes. */
  constructor(name: string, others: readonly RemoteMember[] = []) {
    this.name = name;
    this.#elsewhere = new Set(others.map(({ member }) => member));
    this.#usernames = new Map(others.map(({ member, username }) => [member, username]));
  }

  // -------------------------------------------------------------- the log's end

  /** Offset of the oldest message kept. */
  get first(): number {
    return this.#first;
  }

  /** The newest message's position. */
  get head(): Position {
    return this.#head;
  }

  /** Takes over the end of the log as the broker read it. */
  load(page: Page): void {
    this.loaded = true;
    // More may have been removed since it was read.
    const first = Math.max(this.#first, page.first);
    this.#head = page.head;
    this.#recent = encodeEntries(page.entries, undefined);
    this.prune(first);
    const early = this.#early;
    this.#early = [];
    for (const entry of early) this.accept(entry);
  }

  /** Adds a message to the log's end and to this tick's pushes, unless it is there already. */
  accept(entry: Entry): void {
    if (!this.loaded) {
      if (this.loading) this.#early.push(entry);
      return;
    }
    if (entry.offset <= this.#head.offset) return;
    const before = this.#head.offset === 0 ? undefined : this.#head.epoch;
    for (const encoded of encodeEntries([entry], before)) {
      this.#recent.push(encoded);
      this.pushes.push(encoded.json);
    }
    if (this.#recent.length > limits.historyMax) this.#recent.shift();
    this.#head = { epoch: entry.epoch, offset: entry.offset };
    this.#typedAt.delete(entry.member);
  }

  /** Forgets messages that are no longer kept. */
  prune(first: number): void {
    this.#first = Math.max(this.#first, first);
    this.#recent = this.#recent.filter((entry) => entry.offset >= first);
  }

  /** The newest messages that fit into `maxBytes`, at least one when there is one; for those who start here. */
  newest(maxBytes: number, missedSince: number | undefined): Slice {
    let start = this.#recent.length;
    let bytes = 0;
    while (start > 0) {
      bytes += (this.#recent[start - 1]?.bytes ?? 0) + 1;
      if (bytes > maxBytes && start < this.#recent.length) break;
      start--;
    }
    const entries = start === 0 ? this.#recent : this.#recent.slice(start);
    const firstSent = entries[0]?.offset ?? this.#head.offset + 1;
    return {
      entries,
      recovered: false,
      missed: missedSince === undefined ? 0 : firstSent - 1 - missedSince,
      end: this.#head,
    };
  }

  /**
   * What follows `position`, from memory: `undefined` when memory does not reach back far enough to tell, and a slice that
   * is not recovered when the position is not valid.
   */
  after(position: Position, maxBytes: number): Slice | undefined {
    if (position.offset > this.#head.offset) {
      return this.newest(maxBytes, undefined);
    }
    const oldest = this.#recent[0];
    if (oldest === undefined || position.offset < oldest.offset) {
      return undefined;
    }
    const index = position.offset - oldest.offset;
    if (this.#recent[index]?.epoch !== position.epoch) {
      return this.newest(maxBytes, undefined);
    }
    return continuing(
      position,
      fitting(this.#recent.slice(index + 1), maxBytes),
    );
  }

  // -------------------------------------------------------------- who is here

  /** A member comes in by way of this node; the room is told unless it was here already. */
  addPresence(presence: Presence, quiet: boolean): void {
    const { id, username } = presence.member;
    this.presences.set(id, presence);
    this.#came(id, username, quiet);
  }

  /** A member is gone from this node; the room is told unless another one still has it. */
  removePresence(presence: Presence, reason: LeftReason): void {
    const { id } = presence.member;
    this.presences.delete(id);
    if (!this.#elsewhere.has(id)) this.#went(id, reason);
  }

  /** The same for a member that other nodes have. */
  addElsewhere({ member, username }: RemoteMember, quiet: boolean): void {
    this.#elsewhere.add(member);
    this.#came(member, username, quiet);
  }

  /** No other node has a member any more. */
  removeElsewhere({ member }: RemoteMember, reason: LeftReason): void {
    this.#elsewhere.delete(member);
    if (!this.presences.has(member)) this.#went(member, reason);
  }

  /** Tells the room that a member has another name now. Answers false when it is not here, or called so already. */
  rename(member: string, to: string): boolean {
    const from = this.#usernames.get(member);
    if (from === undefined || from === to) return false;
    this.#usernames.set(member, to);
    this.#membersChanged({ type: "renamed", room: this.name, member, from, to });
    return true;
  }

  /** How many members are here. */
  get count(): number {
    return this.#usernames.size;
  }

  /** What the members are called. */
  get usernames(): Iterable<string> {
    return this.#usernames.values();
  }

  /** The list of members as JSON, or `undefined` in a crowded room. */
  get membersJson(): string | undefined {
    if (this.crowded) return undefined;
    this.#membersJson ??= JSON.stringify(this.#memberInfos());
    return this.#membersJson;
  }

  /** Says the count of a crowded room, when it is due. */
  sayCount(): void {
    if (!this.countDue) return;
    this.countDue = false;
    this.#push({ type: "count", room: this.name, count: this.count });
  }

  #came(member: string, username: string, quiet: boolean): void {
    if (this.#usernames.has(member)) return;
    this.#usernames.set(member, username);
    const push: JoinedPush = { type: "joined", room: this.name, member, username };
    this.#membersChanged(quiet ? { ...push, quiet } : push);
  }

  #went(member: string, reason: LeftReason): void {
    const username = this.#usernames.get(member);
    if (username === undefined) return;
    this.#usernames.delete(member);
    this.#typedAt.delete(member);
    this.#membersChanged(leftPush(this.name, member, username, reason));
  }

  #membersChanged(push: JoinedPush | LeftPush | RenamedPush): void {
    this.#membersJson = undefined;
    if (this.crowded && this.count < uncrowdedBelow) {
      this.crowded = false;
      this.countDue = false;
      this.#push({
        type: "count",
        room: this.name,
        count: this.count,
        members: this.#memberInfos(),
      });
    } else if (this.crowded || this.count > crowdedAbove) {
      this.crowded = true;
      this.countDue = true;
    } else {
      this.#push(push);
    }
  }

  #memberInfos(): MemberInfo[] {
    return Array.from(this.#usernames, ([member, username]) => ({ member, username }));
  }

  // -------------------------------------------------------------- typing

  /** Notes that a member types; answers false when it said so too recently or the room is too large for it. */
  type(member: string, now: number): boolean {
    if (this.count > typingMaxMembers || !this.#usernames.has(member)) return false;
    if (now - (this.#typedAt.get(member) ?? -Infinity) < typingEveryMs) return false;
    this.#typedAt.set(member, now);
    this.#typingChanged = true;
    return true;
  }

  /** Adds who types to this tick's pushes, when that changed. */
  sayTyping(now: number): void {
    if (!this.#typingChanged) return;
    this.#typingChanged = false;
    const usernames: string[] = [];
    for (const [member, typedAt] of this.#typedAt) {
      if (now - typedAt < typingLastsMs) usernames.push(this.#usernames.get(member) ?? "");
      else this.#typedAt.delete(member);
    }
    this.#push({ type: "typing", room: this.name, usernames });
  }

  #push(push: JoinedPush | LeftPush | RenamedPush | CountPush | TypingPush) {
    this.pushes.push(JSON.stringify(push));
  }
}

/** The push that says who went. */
export function leftPush(
  room: string,
  member: string,
  username: string,
  reason: LeftReason,
): LeftPush {
  return { type: "left", room, member, username, reason };
}
