// The wire protocol, version 1: commands, pushes, limits and close codes. Shared by the server, the page and the tests;
// SPEC.md states the rules. Imports nothing.

/** The WebSocket subprotocol of this version (RFC 6455, section 1.9). */
export const subprotocol = "parley.v1";

/** The protocol version that `welcome` announces. */
export const protocolVersion = 1;

/** Bounds that no configuration changes. */
export const limits = {
  /** Largest frame a client may send, in bytes of UTF-8. */
  frameMaxBytes: 64 * 1024,
  /** Longest message text, in code points after cleaning. */
  textMaxLength: 4_000,
  /** Longest username, in code points. */
  usernameMaxLength: 24,
  /** Rooms that one session may be in. */
  roomsPerSession: 20,
  /** Messages in a `history` push when the command names no limit. */
  historyDefault: 50,
  /** Most messages in a `history` push, and in a `room` push that did not recover. */
  historyMax: 100,
  /** Most messages that a resume sends; who is further behind starts from the newest. */
  resumeMax: 1_000,
  /** Bytes of messages in one `room` push. */
  pageMaxBytes: 256 * 1024,
  /** Bytes of messages in all `room` pushes that answer one `hello`. */
  helloMaxBytes: 512 * 1024,
} as const;

/** Why a connection ends. Codes from 4000 to 4099, and 1000, mean: do not come back. */
export const closeCode = {
  left: 1000,
  goingAway: 1001,
  frameTooBig: 1009,
  internal: 1011,
  restarting: 1012,
  full: 1013,
  protocolError: 4000,
  replaced: 4005,
  noHello: 4100,
  slowConsumer: 4101,
  flooding: 4102,
  timeout: 4103,
} as const;

/** True when a client that was closed with `code` connects again by itself. */
export function mayReconnect(code: number): boolean {
  return code !== closeCode.left && !(code >= 4000 && code <= 4099);
}

/** A place in a room's log: the term of the entry there, and its number. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** A room to enter, and where the client stopped in it. */
export interface RoomRequest {
  readonly room: string;
  readonly position?: Position;
}

export interface HelloCommand {
  readonly type: "hello";
  readonly username: string;
  readonly token?: string;
  readonly tab?: string;
  readonly access?: string;
  readonly rooms: readonly RoomRequest[];
}
export interface JoinCommand extends RoomRequest {
  readonly type: "join";
}
export interface LeaveCommand {
  readonly type: "leave";
  readonly room: string;
}
export interface MessageCommand {
  readonly type: "message";
  readonly room: string;
  /** Cleaned by {@linkcode cleanText}. */
  readonly text: string;
  readonly nonce: string;
}
export interface HistoryCommand {
  readonly type: "history";
  readonly room: string;
  /** Messages with smaller offsets are asked for. */
  readonly before: number;
  readonly limit: number;
}
export interface TypingCommand {
  readonly type: "typing";
  readonly room: string;
}
export interface RenameCommand {
  readonly type: "rename";
  readonly username: string;
}
export interface PongCommand {
  readonly type: "pong";
}

/** What a client may send, decoded and validated. */
export type Command =
  | HelloCommand
  | JoinCommand
  | LeaveCommand
  | MessageCommand
  | HistoryCommand
  | TypingCommand
  | RenameCommand
  | PongCommand;

/** A member of a room, as others see it. */
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
/** What a client must know about this server's bounds. */
export interface ServerLimits {
  readonly frameMaxBytes: number;
  readonly textMaxLength: number;
  readonly usernameMaxLength: number;
  readonly roomsPerSession: number;
  readonly historyMax: number;
  /** Messages may be sent in a burst of this many, then `ratePerSecond`; 0 is no limit. */
  readonly rateBurst: number;
  readonly ratePerSecond: number;
  /** How long messages are kept; 0 is for ever. */
  readonly retentionDays: number;
  /** How many messages of a room are kept; 0 is all. */
  readonly retentionMessages: number;
}
/** How often the server sends an empty frame, and after how much silence either side gives up, in ms. */
export interface Heartbeat {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}
export interface YouPush {
  readonly type: "you";
  readonly username: string;
}
export interface RoomPush {
  readonly type: "room";
  readonly room: string;
  /** Term of the entry at `offset`, or the present term where there is none. */
  readonly epoch: string;
  /** Offset of the oldest message kept, or one past the newest when none is. */
  readonly first: number;
  /** Offset of the last message that this push brings the client to. */
  readonly offset: number;
  readonly messages: readonly MessagePush[];
  /** True when the client must join again from `offset` to get the rest. */
  readonly more: boolean;
  /** True when `messages` continue the position that the client gave. */
  readonly recovered: boolean;
  /** Messages between the client's position and the first of `messages` that it does not get. */
  readonly missed?: number;
  /** How many members are in the room; only when `more` is false. */
  readonly count?: number;
  /** Who they are; only when `more` is false and the room is not crowded. */
  readonly members?: readonly MemberInfo[];
}
export interface MessagePush {
  readonly type: "message";
  readonly room: string;
  readonly offset: number;
  readonly member: string;
  readonly from: string;
  readonly text: string;
  /** Milliseconds since 1970, never earlier than the message before. */
  readonly at: number;
  readonly nonce: string;
  /** The entry's term, when it differs from the entry before. */
  readonly epoch?: string;
}
export interface AckPush {
  readonly type: "ack";
  readonly room: string;
  readonly nonce: string;
  readonly offset: number;
}
export interface HistoryPush {
  readonly type: "history";
  readonly room: string;
  readonly messages: readonly MessagePush[];
  readonly first: number;
}
export interface JoinedPush extends MemberInfo {
  readonly type: "joined";
  readonly room: string;
  /** True when the page shows no line for it. */
  readonly quiet?: boolean;
}
export interface LeftPush extends MemberInfo {
  readonly type: "left";
  readonly room: string;
  readonly reason: LeftReason;
}
/** `quit`: the member said goodbye; `timeout`: its connection was lost and did not return. */
export type LeftReason = "quit" | "timeout";
export interface RenamedPush {
  readonly type: "renamed";
  readonly room: string;
  readonly member: string;
  readonly from: string;
  readonly to: string;
}
export interface CountPush {
  readonly type: "count";
  readonly room: string;
  readonly count: number;
  /** The whole list, once, when the room stops being crowded. */
  readonly members?: readonly MemberInfo[];
}
export interface TypingPush {
  readonly type: "typing";
  readonly room: string;
  readonly usernames: readonly string[];
}
export interface ErrorPush {
  readonly type: "error";
  /** The type of the command that was refused. */
  readonly re: string;
  readonly code: ErrorCode;
  /** A sentence that a person can act on. */
  readonly message: string;
  readonly nonce?: string;
  readonly room?: string;
  /** Try again after this many ms. */
  readonly retryAfter?: number;
}

/** What the server may send; a frame is an array of these, in order. */
export type Push =
  | WelcomePush
  | YouPush
  | RoomPush
  | MessagePush
  | AckPush
  | HistoryPush
  | JoinedPush
  | LeftPush
  | RenamedPush
  | CountPush
  | TypingPush
  | ErrorPush;

/** Codes of `error` pushes. A client treats a code it does not know as final for the command. */
export type ErrorCode =
  | "access_denied"
  | "access_locked"
  | "access_required"
  | "already_greeted"
  | "draining"
  | "field_invalid"
  | "hello_required"
  | "nonce_invalid"
  | "not_joined"
  | "rate_limited"
  | "room_invalid"
  | "rooms_full"
  | "storage_unavailable"
  | "text_empty"
  | "text_too_long"
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

/** Codes of HTTP problems: the `code` member of problem+json (RFC 9457, section 3.2). */
export type ProblemCode =
  | "address_full"
  | "draining"
  | "handshake_invalid"
  | "host_invalid"
  | "internal"
  | "local_only"
  | "method_not_allowed"
  | "not_found"
  | "origin_denied"
  | "server_full"
  | "storage_unavailable"
  | "subprotocol_unsupported"
  | "token_required"
  | "upgrade_dropped"
  | "upgrade_required"
  | "version_unsupported";

/** Codes of `error` pushes after which a message is sent again by itself, with the same nonce. */
const retryableCodes: ReadonlySet<string> = new Set([
  "rate_limited",
  "storage_unavailable",
  "draining",
]);

/** True when a message that was refused with `code` is sent again by itself, with the same nonce. */
export function mayRetry(code: string): boolean {
  return retryableCodes.has(code);
}
