// The port between the hub and the log: what a broker stores, in which order, and what it answers. Types only; an
// implementation is named by its suffix (sqlite_broker.ts), and one contract suite in tests runs against each.

import type { LeftReason, Position } from "../protocol/wire.ts";

/** An answer that is there at once (SQLite) or later (Redis). A rejection or a throw means: storage unavailable. */
export type Outcome<T> = T | Promise<T>;

/** A message that has no place in the log yet. Author and room were fixed when the command arrived. */
export interface Draft {
  readonly room: string;
  /** Public id of the author. */
  readonly member: string;
  /** The author's name at the time. */
  readonly from: string;
  readonly text: string;
  readonly nonce: string;
}

/** A message in the log. Offsets of a room rise by one from 1; `at` never falls. */
export interface Entry extends Draft {
  readonly offset: number;
  /** Name of the term in which it was stored. */
  readonly epoch: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What became of a draft. */
export type AppendResult =
  /** It is in the log now, or was already under the same (room, member, nonce) (`repeat`). */
  | { readonly kind: "stored" | "repeat"; readonly offset: number }
  /** It is not in the log, and the same draft may be tried again later. */
  | { readonly kind: "unavailable" }
  /** It is not in the log: no further room can be stored (`MAX_ROOMS`). */
  | { readonly kind: "rooms_full" };

/** Which part of a room is read. A page has at most `limit` messages and about `maxBytes` of text, and at least one message when there is one. */
export type ReadQuery =
  /** The oldest after a position, in order: the way forward. */
  & (
    | { readonly after: Position }
    /**
     * The newest before an offset, in order: the way back. `Infinity` gives the newest of all, and the listener misses nothing
     * that comes after them, until `forget`.
     */
    | { readonly before: number }
  )
  & { readonly limit: number; readonly maxBytes: number };

/** A range of a room's log without holes, as it stood at one moment. */
export interface Page {
  readonly entries: readonly Entry[];
  /** Offset of the oldest message kept; one past the head when none is. */
  readonly first: number;
  /** Offset of the newest message, 0 in a room without any, and its term (the present term when it is not kept). */
  readonly head: Position;
  /**
   * Only for `after`: true when the entry at that offset (when it is pruned the oldest one kept, when none is kept the
   * next one) has that term, or the offset is 0 and the term is known, and the offset is not past the head. When false,
   * `entries` is empty.
   */
  readonly valid: boolean;
}

/** Is told what the log has become. Called after the commit and before `append` answers; must not throw. */
export interface BrokerListener {
  /** New messages, of any author and node; those of one room in the order of their offsets. */
  entries(entries: readonly Entry[]): void;
  /** Everything before `first` is gone from the room. */
  pruned(room: string, first: number): void;
  /**
   * What was told does not count any more: the log has forked behind this node's back, or the other nodes held it for dead.
   * All sessions have to come again (1012), and nothing that is known of rooms and members is kept. Called before anything
   * else is told.
   */
  reset?(): void;
  /** A member is in a room by way of another node now, and was not by way of any other. */
  memberJoined?(room: string, member: RemoteMember): void;
  /** No other node has the member in the room any more; this one may. */
  memberLeft?(room: string, member: RemoteMember, reason: LeftReason): void;
  /** A member has this name now, on whichever node it asked for it; told before `rename` answers. */
  memberRenamed?(member: string, username: string): void;
  /** A tab of a member has come to another node: what this one has of it is older. */
  tabMoved?(member: string, tab: string): void;
  /** A member types in a room by way of another node. Some of these are lost. */
  memberTyping?(room: string, member: string): void;
}

/** A member by way of other nodes. */
export interface RemoteMember {
  /** Its public id. */
  readonly member: string;
  readonly username: string;
}

/**
 * What the nodes of one chat tell each other of their members. Nothing here waits or fails: the others are told now, or
 * when they can be reached again.
 */
export interface Cluster {
  /** A member is in a room by way of this node. */
  join(room: string, member: string, username: string): void;
  /** It is not any more, its grace included. */
  leave(room: string, member: string, reason: LeftReason): void;
  /** A member types. */
  typing(room: string, member: string): void;
  /** Who is in a room by way of other nodes, whether this one has it there too or not. */
  remoteMembers(room: string): readonly RemoteMember[];
}

/** An append-only log of messages for each room, and the book of who holds which name. */
export interface Broker {
  /** The other nodes; absent where there is but one. */
  readonly cluster?: Cluster;

  /**
   * Stores a tick's drafts, in order, in one transaction; answers one result for each. A draft whose (room, member, nonce)
   * is known from the last 7 days is answered with the first result. Never throws: what cannot be stored is `unavailable`.
   */
  append(drafts: readonly Draft[]): Outcome<readonly AppendResult[]>;

  /** Reads one page of a room. A room that nobody has written in reads as empty, with head 0. */
  read(room: string, query: ReadQuery): Outcome<Page>;

  /** The listener has let go of a room; it reads it anew when somebody comes again. */
  forget?(room: string): void;

  /** The one listener; set before the first call of `append`. */
  subscribe(listener: BrokerListener): void;

  /**
   * Gives `member` a name to hold while it is here: the one that it still holds, whatever is asked for, or else
   * `username`. Answers the name held, or `undefined` when another member holds `username`. Other nodes are told of the `tab`
   * with which it comes.
   */
  claim(member: string, username: string, tab?: string): Outcome<string | undefined>;

  /** Gives a member that is here another name; the one before stays its own too. Answers false when another member holds it. */
  rename(member: string, username: string): Outcome<boolean>;

  /** The member is gone: its names are free at once, or after the hold when it has said something. */
  release(member: string): Outcome<void>;

  /** Tells hourly which members are here, so that the hold of their names counts from now should the node die. */
  renewHolds(members: readonly string[]): Outcome<void>;

  /**
   * Removes from the beginning of each room what retention no longer keeps, and nonces older than 7 days; in steps that
   * hold nobody up. Answers whether there is more to do now.
   */
  prune(): Outcome<boolean>;

  /** Ends the use of the storage. Nothing may be called after it. */
  close(): Outcome<void>;
}
