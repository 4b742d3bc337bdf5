// The wire protocol, version 1: commands, pushes, error codes, limits and close codes.
// Shared by the server, the page and the tests. SPEC.md states the rules.

/** The WebSocket subprotocol of this version (RFC 6455, section 1.9). */
export const subprotocol = "parley.v1";

/** The protocol version announced in `welcome`. */
export const protocolVersion = 1;

/** Limits that no configuration changes. */
export const limits = {
  /** Max length of a cleaned message text, in code points. */
  textMaxLength: 4_000,
  /** Max length of a username, in code points. */
  usernameMaxLength: 24,
  /** Max length of a room's title, in code points. */
  titleMaxLength: 60,
  roomsPerSession: 20,
  /** Messages in a `history` push when the command sets no `limit`. */
  historyDefault: 50,
} as const;

/**
 * Limits that only the server needs to know. All values are literals, so that the bundler can leave
 * them out of the page.
 */
export const hubLimits = {
  /** Max size of a client's frame, in bytes of UTF-8. */
  frameMaxBytes: 65_536,
  /** Max size of a client's frame before `welcome`, in bytes of UTF-8. */
  greetingFrameMaxBytes: 8_192,
  /** Max depth of arrays and objects in a client's frame. */
  nestingMax: 8,
  /** Max elements and fields in a client's frame of more than 8 KiB. */
  valuesMax: 1_000,
  /** How long the name of a member that wrote nothing is held after it was last seen, in ms. */
  readerHoldMs: 600_000,
  /** Max messages in a `history` push, and in a `room` push that did not recover. */
  historyMax: 100,
  editsMax: 20,
  /** Max messages a resume replays. A client further behind starts from the newest. */
  resumeMax: 1_000,
  /** Max bytes of messages in one `room` push. */
  pageMaxBytes: 262_144,
  /** Max bytes of messages in all `room` pushes that answer one `hello`. */
  helloMaxBytes: 524_288,
  /** Max length of a mute or a ban, and of the time whose messages a sweep deletes: ten years. */
  sanctionMaxSeconds: 315_360_000,
  /** Max sanctions in a `sanctions` push. */
  sanctionsMax: 500,
} as const;

/** Why a connection closed. A client does not reconnect after 1000 and 4000 to 4099. */
export const closeCode = {
  left: 1000,
  goingAway: 1001,
  frameTooBig: 1009,
  internal: 1011,
  restarting: 1012,
  full: 1013,
  protocolError: 4000,
  banned: 4001,
  replaced: 4005,
  noHello: 4100,
  slowConsumer: 4101,
  flooding: 4102,
  timeout: 4103,
} as const;

/** Returns true if a client reconnects after a close with `code`. */
export function mayReconnect(code: number): boolean {
  return code !== closeCode.left && !(code >= 4000 && code <= 4099);
}

/** A position in a room's log: an entry's epoch and offset. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** A room to join, and the client's last position in it. */
export interface RoomRequest {
  readonly room: string;
  readonly position?: Position;
}

export interface HelloCommand {
  readonly type: "hello";
  /** Absent: the name that the token holds. */
  readonly username?: string;
  readonly token?: string;
  readonly tab?: string;
  readonly access?: string;
  readonly rooms: readonly RoomRequest[];
}
/** A command that adds an entry to a room's log. Its text is clean. */
export type EntryCommand =
  & { readonly room: string; readonly nonce: string }
  & (
    /** `reply` is the offset of the message that it replies to. */
    | { readonly type: "message"; readonly text: string; readonly reply?: number }
    /** Replaces the text of the member's own message at `offset`. */
    | { readonly type: "edit"; readonly offset: number; readonly text: string }
    /** Removes the text of the message or the title at `offset`. */
    | { readonly type: "delete"; readonly offset: number }
    /** Sets the title of a room that has messages. A moderator can remove it (""), and lock it. */
    | { readonly type: "title"; readonly text: string; readonly locked?: true }
  );

export interface HistoryCommand {
  readonly type: "history";
  readonly room: string;
  /** Requests messages with smaller offsets. */
  readonly before: number;
  readonly limit: number;
}

export interface MuteCommand {
  readonly type: "mute";
  readonly member: string;
  readonly seconds: number;
}
export interface BanCommand {
  readonly type: "ban";
  readonly member: string;
  readonly seconds: number;
  /** Whether to delete its messages of the last hour. */
  readonly deleteMessages: boolean;
  /** Whether to ban all members of its network, and newcomers from there. */
  readonly network: boolean;
}
/** A command of moderators, answered with `sanctions` or `neighbors`. */
export type ModeratorCommand =
  | MuteCommand
  | BanCommand
  /** Ends a sanction. */
  | { readonly type: "lift"; readonly id: number }
  | { readonly type: "sanctions" }
  /** Requests the number of others that a ban of the member's network would reach. */
  | { readonly type: "neighbors"; readonly member: string }
  /** Deletes a member's messages of the last `seconds`. */
  | { readonly type: "sweep"; readonly member: string; readonly seconds: number };

/** Consecutive words. If `isPrefix`, the last one may be the beginning of a longer word. */
export interface Phrase {
  readonly words: readonly string[];
  readonly isPrefix: boolean;
}

/** A parsed query: messages with all phrases, by an author, in a room. */
export interface SearchQuery {
  readonly phrases: readonly Phrase[];
  readonly from?: Phrase;
  readonly room?: string;
}

/** A match in a text: from `start` to `end` (exclusive), in UTF-16 code units. */
export type MatchRange = readonly [start: number, end: number];

/** Finds messages in all rooms, or in one. */
export interface SearchCommand {
  readonly type: "search";
  readonly query: SearchQuery;
  /** Continues a search: the `next` of its results. */
  readonly before?: string;
}

/** A client's command, decoded and validated. */
export type Command =
  | HelloCommand
  | { readonly type: "join" } & RoomRequest
  | EntryCommand
  | HistoryCommand
  | SearchCommand
  | ModeratorCommand
  | { readonly type: "moderate"; readonly code: string }
  | { readonly type: "leave" | "typing"; readonly room: string }
  | { readonly type: "rename"; readonly username: string }
  | { readonly type: "ping" }
  | { readonly type: "pong" };

/** A member as others see it. */
export interface MemberInfo {
  readonly member: string;
  readonly username: string;
}

export interface WelcomePush {
  readonly type: "welcome";
  readonly protocol: number;
  readonly member: string;
  readonly username: string;
  readonly token: string;
  readonly limits: ServerLimits;
  readonly heartbeat: Heartbeat;
}
/** The limits a client needs to know. */
export interface ServerLimits {
  readonly frameMaxBytes: number;
  readonly textMaxLength: number;
  readonly usernameMaxLength: number;
  readonly roomsPerSession: number;
  readonly historyMax: number;
  /** Messages a member can send in a burst. */
  readonly rateBurst: number;
  /** Messages per second after the burst; 0 is unlimited. */
  readonly ratePerSecond: number;
  /** Days that messages are kept; 0 is forever. */
  readonly retentionDays: number;
  /** Messages kept per room; 0 is all. */
  readonly retentionMessages: number;
  /** Whether rooms get `typing` pushes. */
  readonly typing: boolean;
}
/** The interval of heartbeats, and the silence after which either side closes the connection. */
export interface Heartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}
export interface RoomPush {
  readonly type: "room";
  readonly room: string;
  /** Epoch of the entry at `offset`, or the server's current epoch if there is none. */
  readonly epoch: string;
  /** Offset of the oldest stored entry, or one past the newest if none is stored. */
  readonly first: number;
  /** The client's position after this push. */
  readonly offset: number;
  /** Entries of all types, without holes. */
  readonly messages: readonly EntryPush[];
  /** True if the client must join again from `offset` to get the rest. */
  readonly more: boolean;
  /** True if `messages` continue from the client's position. */
  readonly recovered: boolean;
  readonly title?: string;
  /** Messages skipped between the client's position and the first of `messages`. */
  readonly missed?: number;
  /** Members in the room; only if `more` is false. */
  readonly count?: number;
  /** The members; only if `more` is false and the room is not crowded. */
  readonly members?: readonly MemberInfo[];
}
/** The fields that all entries of a room's log have. */
interface EntryFields {
  readonly room: string;
  readonly offset: number;
  readonly member: string;
  readonly from: string;
  /** Milliseconds since 1970, never earlier than the previous entry. */
  readonly at: number;
  readonly nonce: string;
  /** The entry's epoch, if it differs from the previous entry's. */
  readonly epoch?: string;
}
export interface MessagePush extends EntryFields {
  readonly type: "message";
  /** The current text; absent if the message is deleted. */
  readonly text?: string;
  /** Offset of the message that it replies to. */
  readonly reply?: number;
  /** Offset of the last entry that edited or deleted it. */
  readonly amended?: number;
  /** When its text was last edited, in ms since 1970. */
  readonly editedAt?: number;
  readonly deletedBy?: string;
}
export interface EditPush extends EntryFields {
  readonly type: "edit";
  /** Offset of the message whose text is replaced. */
  readonly target: number;
  /** The new text; absent if a later entry has amended the message, or it has been pruned. */
  readonly text?: string;
}
export interface DeletePush extends EntryFields {
  readonly type: "delete";
  /** Offsets of the messages and titles that are deleted. */
  readonly targets: readonly number[];
  /** Whether the room's current title is removed. */
  readonly untitled?: true;
}
export interface TitlePush extends EntryFields {
  readonly type: "title";
  /** Absent if the title was deleted since. */
  readonly text?: string;
  /** Whether only moderators can set the next title. */
  readonly locked?: true;
  /** Offset of the entry that deleted it. */
  readonly amended?: number;
  readonly deletedBy?: string;
}
export type EntryPush = MessagePush | EditPush | DeletePush | TitlePush;

export interface AckPush {
  readonly type: "ack";
  readonly room: string;
  readonly nonce: string;
  readonly offset: number;
}
export interface HistoryPush {
  readonly type: "history";
  readonly room: string;
  /** Entries of all types, without holes. */
  readonly messages: readonly EntryPush[];
  /** Offset of the oldest stored entry. */
  readonly first: number;
  /** Offset of the newest entry when this page was read; it includes all amendments up to there. */
  readonly head: number;
}
export interface SearchResult
  extends Pick<EntryFields, "room" | "offset" | "member" | "from" | "at"> {
  /** The text, or an excerpt. */
  readonly text: string;
  /** The matches in `text`. */
  readonly ranges: readonly MatchRange[];
}
export interface ResultsPush {
  readonly type: "results";
  /** Newest first. */
  readonly results: readonly SearchResult[];
  /** Continues the search; absent if there are no more results. */
  readonly next?: string;
  /** Time of the oldest message searched, in ms since 1970, if not all were. */
  readonly since?: number;
}
interface MemberChange {
  readonly room: string;
  /** True if clients show no line for it. */
  readonly quiet?: boolean;
}
export interface JoinedPush extends MemberInfo, MemberChange {
  readonly type: "joined";
}
export interface LeftPush extends MemberInfo, MemberChange {
  readonly type: "left";
  readonly reason: LeftReason;
}
/** `quit`: the member left. `timeout`: it lost its connection and did not return. */
export type LeftReason = "quit" | "timeout";
export interface RenamedPush extends MemberChange {
  readonly type: "renamed";
  readonly member: string;
  readonly from: string;
  readonly to: string;
}
export interface CountPush {
  readonly type: "count";
  readonly room: string;
  readonly count: number;
  /** All members, once, when the room stops being crowded. */
  readonly members?: readonly MemberInfo[];
}
export interface TypingPush {
  readonly type: "typing";
  readonly room: string;
  readonly usernames: readonly string[];
}
/** A mute or a ban in force. */
export interface Sanction {
  readonly id: number;
  readonly kind: "mute" | "ban";
  readonly member: string;
  /** The member's name when it was imposed; empty if unknown. */
  readonly username: string;
  /** When it was imposed and when it ends, in ms since 1970. */
  readonly at: number;
  readonly until: number;
  /** Username of the moderator. */
  readonly by: string;
  /** Only for a ban of a network: how many other members it reached. */
  readonly others?: number;
}
export interface SanctionsPush {
  readonly type: "sanctions";
  /** Newest first, up to 500. */
  readonly sanctions: readonly Sanction[];
}
export interface NeighborsPush {
  readonly type: "neighbors";
  readonly member: string;
  /** How many others shared its network in the last 24 h; absent if that cannot be banned. */
  readonly others?: number;
}
export interface ErrorPush {
  readonly type: "error";
  /** The type of the refused command. */
  readonly re: string;
  readonly code: ErrorCode;
  /** A sentence a person can act on. */
  readonly message: string;
  readonly nonce?: string;
  readonly room?: string;
  /** When to retry, in ms from now. */
  readonly retryAfter?: number;
}

/** A server's push. A frame is an array of these, in order. */
export type Push =
  | WelcomePush
  | { readonly type: "you"; readonly username: string }
  | RoomPush
  | EntryPush
  | AckPush
  | HistoryPush
  | ResultsPush
  | JoinedPush
  | LeftPush
  | RenamedPush
  | CountPush
  | TypingPush
  | { readonly type: "moderator" }
  | SanctionsPush
  | NeighborsPush
  | ErrorPush;

/** Codes of `error` pushes. A client treats an unknown code as final for the command. */
export type ErrorCode =
  | "access_denied"
  | "access_locked"
  | "access_required"
  | "already_greeted"
  | "banned"
  | "draining"
  | "edits_exhausted"
  | "field_invalid"
  | "forbidden"
  | "hello_required"
  | "moderator_denied"
  | "moderator_locked"
  | "muted"
  | "network_protected"
  | "nonce_invalid"
  | "not_found"
  | "not_joined"
  | "not_sealed"
  | "query_invalid"
  | "rate_limited"
  | "room_invalid"
  | "rooms_full"
  | "search_off"
  | "storage_full"
  | "storage_unavailable"
  | "text_empty"
  | "text_too_long"
  | "title_invalid"
  | "title_locked"
  | "token_invalid"
  | "too_many_rooms"
  | "unknown_type"
  | "username_characters"
  | "username_empty"
  | "username_ends"
  | "username_marks"
  | "username_mixed_scripts"
  | "username_spaces"
  | "username_taken"
  | "username_too_long";

/** A room in the directory, `GET /rooms`. */
export interface DirectoryRoom {
  readonly room: string;
  readonly members: number;
  /** Time of its newest entry in ms since 1970, if it has any. */
  readonly at?: number;
  readonly title?: string;
}

/** Codes of HTTP errors: the `code` member of problem+json (RFC 9457, section 3.2). */
export type ProblemCode =
  | ErrorCode
  | "address_full"
  | "body_timeout"
  | "body_too_large"
  | "credentials_required"
  | "connection_reset"
  | "handshake_invalid"
  | "host_denied"
  | "host_invalid"
  | "internal"
  | "local_only"
  | "media_type_unsupported"
  | "method_not_allowed"
  | "nonce_reused"
  | "not_acceptable"
  | "origin_denied"
  | "precondition_failed"
  | "server_full"
  | "subprotocol_unsupported"
  | "token_required"
  | "upgrade_dropped"
  | "upgrade_required"
  | "url_too_long"
  | "version_unsupported";

const retryableCodes: ReadonlySet<string> = new Set<ErrorCode>([
  "rate_limited",
  "storage_unavailable",
  "draining",
]);

/** Returns true if a client retries an entry refused with `code`, with the same nonce. */
export function mayRetry(code: string): boolean {
  return retryableCodes.has(code);
}
