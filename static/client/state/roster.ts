// The members in a room, those typing, and the presence events shown between its messages.

import type { JoinedPush, LeftPush, MemberInfo, RenamedPush } from "../../../app/protocol/wire.ts";

/** A member joined, left, timed out or was renamed. Not part of the log. */
export interface PresenceEvent {
  readonly kind: "joined" | "left" | "timeout" | "renamed";
  /** Unique in its room. */
  readonly id: number;
  /** Offset of the newest message when it happened. */
  readonly afterOffset: number;
  readonly member: string;
  readonly username: string;
  /** The new name, if renamed. */
  readonly to?: string;
}

const eventsMax = 200;

export class Roster {
  /** Usernames by member; empty if the room is crowded. */
  readonly members = new Map<string, string>();
  /** How many members are here; known in a crowded room too. */
  count = 0;
  isCrowded = false;
  typing: readonly string[] = [];
  events: readonly PresenceEvent[] = [];
  #nextId = 1;

  /** Replaces the whole list; `members` is missing if the room is crowded. */
  replace(count: number, members: readonly MemberInfo[] | undefined): void {
    this.count = count;
    this.isCrowded = members === undefined;
    this.members.clear();
    for (const { member, username } of members ?? []) this.members.set(member, String(username));
  }

  add({ member, username, quiet }: JoinedPush, head: number): void {
    if (this.members.has(member)) return;
    this.members.set(member, String(username));
    this.count = this.members.size;
    if (quiet !== true) this.#record({ kind: "joined", afterOffset: head, member, username });
  }

  remove({ member, username, reason, quiet }: LeftPush, head: number): void {
    if (!this.members.delete(member)) return;
    this.count = this.members.size;
    this.stopTyping(username);
    const kind = reason === "timeout" ? reason : "left";
    if (quiet !== true) this.#record({ kind, afterOffset: head, member, username });
  }

  rename({ member, from, to, quiet }: RenamedPush, head: number): void {
    if (this.members.get(member) === to) return;
    this.members.set(member, String(to));
    if (quiet !== true) {
      this.#record({ kind: "renamed", afterOffset: head, member, username: from, to });
    }
  }

  stopTyping(username: string): void {
    this.typing = this.typing.filter((name) => name !== username);
  }

  #record(event: Omit<PresenceEvent, "id">): void {
    this.events = [...this.events, { ...event, id: this.#nextId++ }].slice(-eventsMax);
  }
}
