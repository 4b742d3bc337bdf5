// The members in rooms through this node, and the changes not yet published to the other nodes.

import type { LeftReason } from "../../protocol/wire.ts";

/** A member joined or left a room through one node. */
export type PresenceChange = JoinedChange | LeftChange;

interface JoinedChange {
  readonly kind: "joined";
  readonly room: string;
  readonly member: string;
  readonly username: string;
}

interface LeftChange {
  readonly kind: "left";
  readonly room: string;
  readonly member: string;
  readonly reason: LeftReason;
}

/** The members in rooms through one node. */
export type NodePresence = readonly (
  readonly [room: string, member: string, username: string]
)[];

/** This node's presence, and the changes to it that are not yet published. */
export class LocalPresence {
  readonly #onChange: () => void;
  readonly #joined = new Map<string, JoinedChange>();
  /** Not yet published; `undefined` while Redis is away. */
  #pending: PresenceChange[] | undefined = [];

  /** `onChange` is called when there is something to publish. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  join(room: string, member: string, username: string): void {
    const change = { kind: "joined", room, member, username } as const;
    this.#joined.set(presenceKey(room, member), change);
    this.#add(change);
  }

  leave(room: string, member: string, reason: LeftReason): void {
    if (!this.#joined.delete(presenceKey(room, member))) return;
    this.#add({ kind: "left", room, member, reason });
  }

  #add(change: PresenceChange): void {
    if (this.#pending === undefined) return;
    this.#pending.push(change);
    this.#onChange();
  }

  /** Returns the pending changes; from then on they count as published. */
  takeChanges(): readonly PresenceChange[] {
    if (this.#pending === undefined) return [];
    const changes = this.#pending;
    this.#pending = [];
    return changes;
  }

  /** Stops collecting changes: `resume` will work them out. */
  pause(): void {
    this.#pending = undefined;
  }

  /** Makes the difference to what Redis has of this node the pending changes. */
  resume(published: NodePresence): void {
    const known = new Set(published.map(([room, member]) => presenceKey(room, member)));
    this.#pending = [
      ...[...this.#joined].filter(([key]) => !known.has(key)).map(([, change]) => change),
      ...published.filter(([room, member]) => !this.#joined.has(presenceKey(room, member)))
        .map(([room, member]) => ({ kind: "left", reason: "timeout", room, member }) as const),
    ];
  }

  /** Forgets all members without publishing anything. */
  clear(): void {
    this.#joined.clear();
    this.#pending = [];
  }
}

/** Identifies a member in a room; neither contains a space. */
export function presenceKey(room: string, member: string): string {
  return `${room} ${member}`;
}
