// Presence by node: the members present through this node, with the changes not yet published, and
// those present through other nodes.

import type { BrokerListener } from "../../chat/broker.ts";
import type { LeftReason, MemberInfo } from "../../protocol/wire.ts";

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

/** The members present through one node, by room. */
export type NodePresence = readonly (
  readonly [room: string, member: string, username: string]
)[];

/** The presence of every node, by its name. */
export type PresenceSnapshot = Readonly<Record<string, NodePresence>>;

/** This node's presence, and the changes to it that are not yet published. */
export class LocalPresence {
  readonly #onChange: () => void;
  readonly #joined = new Map<string, JoinedChange>();
  /** Changes not yet published; `undefined` while Redis is unreachable. */
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

  /** Stops collecting changes. `resume` computes them. */
  pause(): void {
    this.#pending = undefined;
  }

  /** Sets the pending changes to the difference from this node's presence in Redis. */
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

interface Member extends MemberInfo {
  username: string;
  /** The member's rooms, each with the nodes through which it is present. */
  readonly rooms: Map<string, Set<string>>;
}

/** Keeps the remote members of all rooms and reports every change to the listener. */
export class RemotePresence {
  readonly #listener: () => BrokerListener | undefined;
  readonly #members = new Map<string, Member>();
  readonly #rooms = new Map<string, Set<Member>>();

  constructor(listener: () => BrokerListener | undefined) {
    this.#listener = listener;
  }

  membersOf(room: string): readonly MemberInfo[] {
    return [...this.#rooms.get(room) ?? []];
  }

  /** Applies changes that another node has published. */
  apply(node: string, changes: readonly PresenceChange[]): void {
    for (const change of changes) {
      if (change.kind === "joined") this.#join(node, change.room, change.member, change.username);
      else this.#leave(node, change.room, change.member, change.reason);
    }
  }

  /** Applies a rename, of a remote member or one of this node. */
  rename(member: string, username: string): void {
    const remote = this.#members.get(member);
    if (remote !== undefined) remote.username = username;
    this.#listener()?.memberRenamed?.(member, username);
  }

  /** Removes a dead node, and every member that was present through it alone. */
  removeNode(node: string): void {
    for (const { member, rooms } of [...this.#members.values()]) {
      for (const room of [...rooms.keys()]) this.#leave(node, room, member, "timeout");
    }
  }

  /** Applies a snapshot of the other nodes, after an interruption in their changes. */
  reconcile(others: PresenceSnapshot): void {
    const anywhere = new Set(
      Object.values(others).flat().map(([room, member]) => presenceKey(room, member)),
    );
    // Remove members that left first, as another member may have their name by now.
    this.#leaveWhere((_, room, member) => !anywhere.has(presenceKey(room, member)));
    for (const [node, members] of Object.entries(others)) {
      for (const [room, member, username] of members) {
        const remote = this.#members.get(member);
        if (remote !== undefined && remote.username !== username) this.rename(member, username);
        this.#join(node, room, member, username);
      }
    }
    const onNode = new Set(
      Object.entries(others).flatMap(([node, members]) =>
        members.map(([room, member]) => `${node} ${presenceKey(room, member)}`)
      ),
    );
    this.#leaveWhere((node, room, member) => !onNode.has(`${node} ${presenceKey(room, member)}`));
  }

  #leaveWhere(isGone: (node: string, room: string, member: string) => boolean): void {
    for (const { member, rooms } of [...this.#members.values()]) {
      for (const [room, nodes] of [...rooms]) {
        for (const node of [...nodes]) {
          if (isGone(node, room, member)) this.#leave(node, room, member, "timeout");
        }
      }
    }
  }

  #join(node: string, room: string, member: string, username: string): void {
    const remote = this.#members.getOrInsertComputed(
      member,
      () => ({ member, username, rooms: new Map() }),
    );
    const nodes = remote.rooms.get(room);
    if (nodes !== undefined) {
      nodes.add(node);
      return;
    }
    remote.rooms.set(room, new Set([node]));
    this.#rooms.getOrInsertComputed(room, () => new Set()).add(remote);
    this.#listener()?.memberJoined?.(room, { member, username: remote.username });
  }

  #leave(node: string, room: string, member: string, reason: LeftReason): void {
    const remote = this.#members.get(member);
    const nodes = remote?.rooms.get(room);
    if (remote === undefined || nodes === undefined || !nodes.delete(node)) return;
    if (nodes.size > 0) return;
    remote.rooms.delete(room);
    if (remote.rooms.size === 0) this.#members.delete(member);
    const inRoom = this.#rooms.get(room);
    inRoom?.delete(remote);
    if (inRoom?.size === 0) this.#rooms.delete(room);
    this.#listener()?.memberLeft?.(room, { member, username: remote.username }, reason);
  }
}

/** Identifies a member in a room; neither contains a space. */
function presenceKey(room: string, member: string): string {
  return `${room} ${member}`;
}
