// The broker port: the logs of rooms, and the names that members hold. The implementations in
// app/broker share one contract suite (tests/unit/broker/broker_contract.ts).

import type {
  DeletePush,
  DirectoryRoom,
  EditPush,
  EntryPush,
  LeftReason,
  MemberInfo,
  MessagePush,
  ModeratorCommand,
  Position,
  ResultsPush,
  Sanction,
  SearchCommand,
  TitlePush,
} from "../protocol/wire.ts";

/** A result, available at once (SQLite) or later (Redis). An error means storage is unavailable. */
export type Outcome<T> = T | Promise<T>;

/** The fields of every draft: `from` is the author's username when the command arrived. */
type DraftFields = Pick<EntryPush, "room" | "member" | "from" | "nonce">;

export type MessageDraft =
  & DraftFields
  & Pick<MessagePush, "type" | "reply">
  & { readonly text: string };
/** Replaces the text of the author's own message. */
export type EditDraft =
  & DraftFields
  & Pick<EditPush, "type" | "target">
  & { readonly text: string };
/**
 * Removes the text of messages and titles: the author's own, unless it is a moderator. Skips
 * targets without text, but at least one must have text.
 */
export type DeleteDraft =
  & DraftFields
  & Pick<DeletePush, "type" | "targets">
  /** If true, the author's rights need no check. */
  & { readonly isModerator?: boolean };
/**
 * Sets the title of a room that has messages. Only moderators can lock and unlock a title, or
 * remove it with an empty text: that is stored as a deletion of the entry that has set it.
 */
export type TitleDraft =
  & DraftFields
  & Pick<TitlePush, "type" | "locked">
  & { readonly text: string };

/** An entry not yet in the log. */
export type Draft = MessageDraft | EditDraft | DeleteDraft | TitleDraft;

/** An entry in the log always has the epoch in which it was stored. */
type Stored<P extends EntryPush> = P & { readonly epoch: string };

/** A message in its current state. */
export type MessageEntry = Stored<MessagePush>;
/** Has no text once a later entry has amended the target, or the target has been pruned. */
export type EditEntry = Stored<EditPush>;
/** Has no text; declared so that `text` can be read from any entry. */
export type DeleteEntry = Stored<DeletePush> & { readonly text?: undefined };

/**
 * An entry in the log. The offsets of a room are 1, 2, 3, … without holes, and `at` never
 * decreases.
 */
export type Entry = MessageEntry | EditEntry | DeleteEntry | Stored<TitlePush>;

export type AppendResult =
  /** It is in the log: stored now, or earlier under the same (room, member, nonce) (`repeat`). */
  | { readonly kind: "stored" | "repeat"; readonly offset: number }
  /** It is not in the log. The same draft may be retried. */
  | { readonly kind: "unavailable" }
  /** It is not in the log: it would create a room beyond `MAX_ROOMS`. */
  | { readonly kind: "rooms_full" }
  /** It is not in the log: the database has reached `MAX_DATA_MB`, or Redis its maxmemory. */
  | { readonly kind: "storage_full" }
  /** It is not in the log: a target is another member's, has no text, or has 20 edits. */
  | { readonly kind: "forbidden" | "not_found" | "edits_exhausted" }
  /** It is not in the log: a moderator has locked the room's title. */
  | { readonly kind: "title_locked" }
  /** It is not in the log: its author is muted or banned for this many ms. */
  | { readonly kind: "muted" | "banned"; readonly retryAfter: number };

/** A claim is refused: the member, or its network, is banned for this many ms. */
export interface Banned {
  readonly kind: "banned";
  readonly retryAfter: number;
}

/**
 * The part of a room to read. A page has entries with at most `limit` messages and about `maxBytes`
 * of text, and at least one entry if any exists.
 */
export type ReadQuery =
  & { readonly limit: number; readonly maxBytes: number }
  & (
    | {
      /** Reads the oldest entries after this position, in order. */
      readonly after: Position;
    }
    | {
      /**
       * Reads the newest entries before this offset, in order. `Infinity` reads the end of the log;
       * from then on the listener receives every later entry of the room, until `forget`.
       */
      readonly before: number;
    }
  );

/** A range of a room's log without holes, read at one moment. */
export interface Page {
  readonly entries: readonly Entry[];
  /** Offset of the oldest entry kept; one past the head if none is. */
  readonly first: number;
  /**
   * Position of the newest entry. The offset is 0 in a room without entries, and the epoch is the
   * current one if the newest entry has been pruned.
   */
  readonly head: Position;
  /**
   * Only for `after`: whether the position belongs to this log. It does if the offset is not past
   * the head and the entry at that offset has that epoch. For a pruned offset the oldest kept entry
   * decides, or the next one to be stored; for offset 0 any known epoch is valid. If false,
   * `entries` is empty.
   */
  readonly valid: boolean;
  /** Only for `after`: how many messages follow the position. All pruned entries count. */
  readonly behind?: number;
  readonly title?: string | undefined;
}

/** A room that has messages, and the time of its newest entry. */
export type RoomSummary = Omit<DirectoryRoom, "members"> & { readonly at: number };

/** A query for at most `limit` messages. `before` is the `next` of the previous page. */
export interface SearchRequest extends Pick<SearchCommand, "query"> {
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Messages that match a query, newest first. Some may match only the start of a long phrase. */
export interface SearchPage extends Pick<ResultsPush, "next" | "since"> {
  readonly messages: readonly MessageEntry[];
  /** How long the search kept the server busy, if that is known. */
  readonly busyMs?: number;
}

/** Receives changes to the log: after the commit, before `append` returns. Must not throw. */
export interface BrokerListener {
  /** New entries, by any author on any node; those of one room in the order of their offsets. */
  entries(entries: readonly Entry[]): void;
  /** Everything before `first` is gone from the room. */
  pruned(room: string, first: number): void;
  /**
   * Invalidates everything reported so far: the log has forked, or the other nodes declared this
   * one dead. The hub forgets all rooms and members and closes all sessions with 1012. Called
   * before anything else is reported.
   */
  reset?(): void;
  /** A member entered a room through another node, and was in it through no other node before. */
  memberJoined?(room: string, member: MemberInfo): void;
  /** A member is no longer in a room through any other node. It may still be through this one. */
  memberLeft?(room: string, member: MemberInfo, reason: LeftReason): void;
  /** A member was renamed, on any node, this one included; called before `rename` returns. */
  memberRenamed?(member: string, username: string): void;
  /** A member's tab has connected to another node, which replaces its session here. */
  tabMoved?(member: string, tab: string): void;
  /** A member is typing in a room through another node. Delivery is best effort. */
  memberTyping?(room: string, member: string): void;
  /** Members were banned until a time, in ms since 1970. */
  membersBanned?(members: readonly string[], until: number): void;
  /** A sweep is pending, perhaps one that a dead node started. */
  sweepPending?(): void;
}

/**
 * Announces presence to the other nodes of the same chat. No method waits or fails: the others are
 * notified at once, or as soon as they are reachable.
 */
export interface Cluster {
  /** A member is in a room through this node. */
  join(room: string, member: string, username: string): void;
  /** The member is no longer in the room through this node, and its grace is over. */
  leave(room: string, member: string, reason: LeftReason): void;
  typing(room: string, member: string): void;
  /** Returns the members in a room through other nodes, whether or not this node has them too. */
  remoteMembers(room: string): readonly MemberInfo[];
}

/** A moderator, or the operator, who needs no appointment. */
export interface Moderator {
  readonly member: string;
  readonly username: string;
  /** The network of its session, which it cannot ban. */
  readonly network?: string | undefined;
  readonly isOperator?: true;
}

export type ModerationResult =
  | { readonly kind: "refused"; readonly code: "forbidden" | "network_protected" | "not_found" }
  | {
    readonly kind: "done";
    /** The sanctions now in force, newest first. */
    readonly sanctions: readonly Sanction[];
    /** The sanction that was imposed or lifted. */
    readonly changed?: Sanction | undefined;
    /** Other members of the network; absent if it cannot be banned. */
    readonly others?: number | undefined;
  };

/** Moderators, and the mutes and bans that they impose. */
export interface Moderation {
  /** Makes a member that has given the code a moderator. */
  appoint(member: string): Outcome<void>;
  isModerator(member: string): Outcome<boolean>;
  /** Runs a command in one transaction, if `by` is a moderator. */
  moderate(command: ModeratorCommand, by: Moderator): Outcome<ModerationResult>;
  /** Returns how much longer a member is muted, in ms, as far as this node knows. */
  mutedFor(member: string): number;
  /** Takes one bounded step of the pending sweeps. Returns how many messages it deleted. */
  sweep(): Outcome<{ readonly deleted: number; readonly hasMore: boolean }>;
}

/** A log of entries per room, and the names that members hold. */
export interface Broker {
  /** The other nodes; absent on a single node. */
  readonly cluster?: Cluster;
  /** Absent in brokers for tests. */
  readonly moderation?: Moderation;

  /**
   * Stores a tick's drafts, in order, in one transaction, and returns one result per draft. A draft
   * whose (room, member, nonce) was stored in the last 7 days gets its first result again, even if
   * its targets are gone. Other drafts are refused if their author is banned or muted. Targets are
   * checked in their state after the earlier drafts. Never throws: a draft that cannot be stored is
   * `unavailable`.
   */
  append(drafts: readonly Draft[]): Outcome<readonly AppendResult[]>;

  /**
   * Reads one page of a room, with its messages in their state at the head. The page of a room
   * without entries is empty, with head 0.
   */
  read(room: string, query: ReadQuery): Outcome<Page>;

  /** Returns the `limit` most recently used public rooms that have messages. */
  newestRooms(limit: number): Outcome<readonly RoomSummary[]>;

  /**
   * Returns the newest messages that match a query, as they are now. Those of the last seconds may
   * be missing, and messages of private rooms are never found. Returns undefined if `before` is not
   * the `next` of a page. Absent if search is turned off.
   */
  search?: ((request: SearchRequest) => Promise<SearchPage | undefined>) | undefined;

  /** Stops reporting the entries of a room until its end is read again. */
  forget?(room: string): void;

  /** Sets the only listener; called before the first `append`. */
  subscribe(listener: BrokerListener): void;

  /**
   * Runs `work`, whose claims and releases share one transaction if they return their results at
   * once. If the commit fails, nothing has changed and this throws.
   */
  batch(work: () => void): void;

  /**
   * Gives a present member its name: the one that it holds, or `username`. Returns the name, or
   * `undefined` if another member holds `username` or none is given. `tab` is announced to the
   * other nodes. `network` is kept for 24 h, and absent if it must not be banned.
   */
  claim(
    member: string,
    username: string | undefined,
    tab?: string,
    network?: string,
  ): Outcome<string | undefined | Banned>;

  holdsName(member: string): Outcome<boolean>;

  /**
   * Gives a present member another name, in addition to the old one. Returns false if another
   * member holds it, or if a tab of the member has moved to another node meanwhile and `isWanted`
   * returns false.
   */
  rename(member: string, username: string, isWanted?: () => boolean): Outcome<boolean>;

  /**
   * Starts the hold of the names of a member that is gone, which is shorter if it wrote nothing. If
   * `isFreed`, frees the names at once. After an error, the hub calls it again.
   */
  release(member: string, isFreed?: boolean): Outcome<void>;

  /** Renews the holds of connected members' names, once an hour, in case this node dies. */
  renewHolds(): Outcome<void>;

  /**
   * Removes entries beyond retention and nonces older than 7 days, in a step too short to delay a
   * tick. Returns whether there is more to remove.
   */
  prune(): Outcome<boolean>;

  /** Releases the storage. No call may follow. */
  close(): Outcome<void>;
}
