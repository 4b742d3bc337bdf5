// Who is in which room by way of which node: what this node has to tell the others, and what they told it. In memory only,
// and always there to be asked; how it gets to Redis and back is the broker's affair.

import type { LeftReason } from "../../protocol/wire.ts";
import type { BrokerListener, Cluster, RemoteMember } from "../../chat/broker.ts";

/** One change of who is where. */
export type PresenceChange =
  | {
    readonly kind: "came";
    readonly room: string;
    readonly member: string;
    readonly username: string;
  }
  | {
    readonly kind: "went";
    readonly room: string;
    readonly member: string;
    readonly reason: LeftReason;
  };

/** Who is where by way of each node: room, member and username. */
export type PresenceSnapshot = Readonly<
  Record<string, readonly (readonly [room: string, member: string, username: string])[]>
>;

/** A member by way of other nodes. */
interface Member extends RemoteMember {
  username: string;
  /** The nodes by way of which it is in each of its rooms. */
  readonly rooms: Map<string, Set<string>>;
}

/** The members of all rooms, as far as they are not this node's affair alone. */
export class RedisPresence implements Cluster {
  readonly #changed: () => void;
  readonly #typed: (room: string, member: string) => void;
  readonly #listener: () => BrokerListener | undefined;
  /** Who is here, by room and member. */
  readonly #here = new Map<string, PresenceChange & { readonly kind: "came" }>();
  /** What the others were not told yet; absent while they cannot be told. */
  #changes: PresenceChange[] | undefined = [];
  readonly #members = new Map<string, Member>();
  readonly #rooms = new Map<string, Set<Member>>();

  /** `changed` is told that there is something for the others, `typed` that somebody here types. */
  constructor(
    changed: () => void,
    typed: (room: string, member: string) => void,
    listener: () => BrokerListener | undefined,
  ) {
    this.#changed = changed;
    this.#typed = typed;
    this.#listener = listener;
  }

  // ---------------------------------------------------------------- here

  join(room: string, member: string, username: string): void {
    const change = { kind: "came", room, member, username } as const;
    this.#here.set(placeOf(room, member), change);
    this.#change(change);
  }

  leave(room: string, member: string, reason: LeftReason): void {
    if (!this.#here.delete(placeOf(room, member))) return;
    this.#change({ kind: "went", room, member, reason });
  }

  typing(room: string, member: string): void {
    this.#typed(room, member);
  }

  remoteMembers(room: string): readonly RemoteMember[] {
    return [...this.#rooms.get(room) ?? []];
  }

  #change(change: PresenceChange): void {
    if (this.#changes === undefined) return;
    this.#changes.push(change);
    this.#changed();
  }

  /** What the others have to be told; it counts as told from now on. */
  take(): readonly PresenceChange[] {
    if (this.#changes === undefined) return [];
    const changes = this.#changes;
    this.#changes = [];
    return changes;
  }

  /** The others cannot be told before the next `replace`, which finds out what there is to tell. */
  pause(): void {
    this.#changes = undefined;
  }

  /** Nobody is here any more, and nobody has to be told. */
  clear(): void {
    this.#here.clear();
    this.#changes = [];
  }

  // ---------------------------------------------------------------- elsewhere

  /** Another node has told of changes. */
  hear(node: string, changes: readonly PresenceChange[]): void {
    for (const change of changes) {
      if (change.kind === "came") this.#came(node, change.room, change.member, change.username);
      else this.#went(node, change.room, change.member, change.reason);
    }
  }

  /** A member has another name, whichever node it is on. */
  rename(member: string, username: string): void {
    const known = this.#members.get(member);
    if (known !== undefined) known.username = username;
    this.#listener()?.memberRenamed?.(member, username);
  }

  /** Another node is dead, and everybody gone who was here by way of it alone. */
  lose(node: string): void {
    for (const { member, rooms } of [...this.#members.values()]) {
      for (const room of [...rooms.keys()]) this.#went(node, room, member, "timeout");
    }
  }

  /** Compares what is known with how it is: tells what changed unheard, here and to the others. */
  replace(snapshot: PresenceSnapshot, self: string): void {
    const { [self]: here = [], ...others } = snapshot;
    const there = new Set(
      Object.entries(others).flatMap(([node, places]) =>
        places.map(([room, member]) => `${node} ${placeOf(room, member)}`)
      ),
    );
    const anywhere = new Set(
      Object.values(others).flat().map(([room, member]) => placeOf(room, member)),
    );
    // First who has gone from everywhere: its name may be another's by now.
    for (const { member, rooms } of [...this.#members.values()]) {
      for (const [room, nodes] of [...rooms]) {
        if (anywhere.has(placeOf(room, member))) continue;
        for (const node of [...nodes]) this.#went(node, room, member, "timeout");
      }
    }
    for (const [node, places] of Object.entries(others)) {
      for (const [room, member, username] of places) {
        const known = this.#members.get(member);
        if (known !== undefined && known.username !== username) this.rename(member, username);
        this.#came(node, room, member, username);
      }
    }
    for (const { member, rooms } of [...this.#members.values()]) {
      for (const [room, nodes] of [...rooms]) {
        for (const node of [...nodes]) {
          const isThere = there.has(`${node} ${placeOf(room, member)}`);
          if (!isThere) this.#went(node, room, member, "timeout");
        }
      }
    }
    const told = new Map(here.map(([room, member]) => [placeOf(room, member), { room, member }]));
    const gone = [...told].filter(([place]) => !this.#here.has(place));
    this.#changes = [
      ...[...this.#here].filter(([place]) => !told.has(place)).map(([, change]) => change),
      ...gone.map(([, place]) => ({ kind: "went", reason: "timeout", ...place }) as const),
    ];
  }

  #came(node: string, room: string, member: string, username: string): void {
    let known = this.#members.get(member);
    if (known === undefined) {
      known = { member, username, rooms: new Map() };
      this.#members.set(member, known);
    }
    const nodes = known.rooms.get(room);
    if (nodes !== undefined) {
      nodes.add(node);
      return;
    }
    known.rooms.set(room, new Set([node]));
    const others = this.#rooms.get(room);
    if (others === undefined) this.#rooms.set(room, new Set([known]));
    else others.add(known);
    this.#listener()?.memberJoined?.(room, { member, username: known.username });
  }

  #went(node: string, room: string, member: string, reason: LeftReason): void {
    const known = this.#members.get(member);
    const nodes = known?.rooms.get(room);
    if (known === undefined || nodes === undefined || !nodes.delete(node)) return;
    if (nodes.size > 0) return;
    known.rooms.delete(room);
    if (known.rooms.size === 0) this.#members.delete(member);
    const others = this.#rooms.get(room);
    others?.delete(known);
    if (others?.size === 0) this.#rooms.delete(room);
    this.#listener()?.memberLeft?.(room, { member, username: known.username }, reason);
  }
}

/** Neither has a space in it. */
function placeOf(room: string, member: string): string {
  return `${room} ${member}`;
}
