// The members of one room, on all nodes, and which of them are typing. Changes become pushes.

import type {
  CountPush,
  JoinedPush,
  LeftPush,
  LeftReason,
  MemberInfo,
  RenamedPush,
  TypingPush,
} from "../protocol/wire.ts";

/** Above this many members a room is crowded: it pushes a count instead of each change. */
const crowdedAbove = 500;
/** Below this many members a crowded room lists them again. */
const uncrowdedBelow = 400;
/** Max members of a room that gets `typing` pushes. */
const typingMaxMembers = 50;
/** Min time between two `typing` commands of a member that are passed on. */
const typingIntervalMs = 3_000;
/** A member counts as typing for this long. */
const typingTimeoutMs = 5_000;

type RosterPush = JoinedPush | LeftPush | RenamedPush | CountPush | TypingPush;

export class Roster {
  readonly #room: string;
  readonly #push: (push: RosterPush) => void;
  /** Members present through this node, and through other nodes. */
  readonly #present: Readonly<Record<"local" | "remote", Set<string>>>;
  /** Usernames of all members, local or remote. */
  readonly #usernames: Map<string, string>;
  /** When each member last typed. Members that stopped long ago may be missing. */
  readonly #typedAt = new Map<string, number>();
  #hasTypingChanged = false;
  #isCrowded = false;
  /** Whether the count of a crowded room has changed since the last `count` push. */
  #isCountDue = false;
  #membersJson: string | undefined;

  constructor(room: string, remote: readonly MemberInfo[], push: (push: RosterPush) => void) {
    this.#room = room;
    this.#push = push;
    this.#present = {
      local: new Set(),
      remote: new Set(remote.map(({ member }) => member)),
    };
    this.#usernames = new Map(remote.map(({ member, username }) => [member, username]));
  }

  get count(): number {
    return this.#usernames.size;
  }

  /** How many members receive each change: none while the room is crowded. */
  get audience(): number {
    return this.#isCrowded ? 0 : this.count;
  }

  get usernames(): Iterable<string> {
    return this.#usernames.values();
  }

  /** Whether any member is present through this node. */
  get hasLocal(): boolean {
    return this.#present.local.size > 0;
  }

  /** The list of members as JSON; `undefined` while the room is crowded. */
  get membersJson(): string | undefined {
    if (this.#isCrowded) return undefined;
    this.#membersJson ??= JSON.stringify(this.#memberInfos());
    return this.#membersJson;
  }

  /**
   * Adds a member present through this node (`local`) or another one. Clients show no line for a
   * quiet arrival.
   */
  add(node: "local" | "remote", { member, username }: MemberInfo, isQuiet: boolean): void {
    this.#present[node].add(member);
    if (this.#usernames.has(member)) return;
    this.#usernames.set(member, username);
    const push: JoinedPush = { type: "joined", room: this.#room, member, username };
    this.#changed(isQuiet ? { ...push, quiet: true } : push);
  }

  /** Removes a member from this node or the others. It leaves if it is on neither any more. */
  remove(node: "local" | "remote", member: string, reason: LeftReason): void {
    const { local, remote } = this.#present;
    this.#present[node].delete(member);
    const username = this.#usernames.get(member);
    if (username === undefined || local.has(member) || remote.has(member)) return;
    this.#usernames.delete(member);
    this.#typedAt.delete(member);
    this.#changed({ type: "left", room: this.#room, member, username, reason });
  }

  /** Renames a member. Returns false if it is not in the room or already has that name. */
  rename(member: string, to: string): boolean {
    const from = this.#usernames.get(member);
    if (from === undefined || from === to) return false;
    this.#usernames.set(member, to);
    this.#changed({ type: "renamed", room: this.#room, member, from, to });
    return true;
  }

  /** Pushes the count of a crowded room if it has changed; returns whether it did. */
  pushCount(): boolean {
    if (!this.#isCountDue) return false;
    this.#isCountDue = false;
    this.#push({ type: "count", room: this.#room, count: this.count });
    return true;
  }

  /** Records that a member is typing. Returns false if it is too soon or the room too large. */
  type(member: string, now: number): boolean {
    if (this.count > typingMaxMembers || !this.#usernames.has(member)) return false;
    if (now - (this.#typedAt.get(member) ?? -Infinity) < typingIntervalMs) return false;
    this.#typedAt.set(member, now);
    this.#hasTypingChanged = true;
    return true;
  }

  /** Records that a member has stopped typing. Clients infer it from the message. */
  stopTyping(member: string): void {
    this.#typedAt.delete(member);
  }

  /** Pushes the names of the typing members if they have changed. */
  pushTyping(now: number): void {
    if (!this.#hasTypingChanged) return;
    this.#hasTypingChanged = false;
    const usernames: string[] = [];
    for (const [member, typedAt] of this.#typedAt) {
      if (now - typedAt < typingTimeoutMs) usernames.push(this.#usernames.get(member) ?? "");
      else this.#typedAt.delete(member);
    }
    this.#push({ type: "typing", room: this.#room, usernames });
  }

  #changed(push: JoinedPush | LeftPush | RenamedPush): void {
    this.#membersJson = undefined;
    if (this.#isCrowded && this.count < uncrowdedBelow) {
      this.#isCrowded = false;
      this.#isCountDue = false;
      const members = this.#memberInfos();
      this.#push({ type: "count", room: this.#room, count: this.count, members });
    } else if (this.#isCrowded || this.count > crowdedAbove) {
      this.#isCrowded = true;
      this.#isCountDue = true;
    } else {
      this.#push(push);
    }
  }

  #memberInfos(): MemberInfo[] {
    return Array.from(this.#usernames, ([member, username]) => ({ member, username }));
  }
}
