// The wire protocol, version 1: every type, limit and close code that server, browser and tests share, and the
// functions that turn untrusted frames into these types. SPEC.md states the rules. Nothing is imported here.

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
  /** Longest nonce, in characters. */
  nonceMaxLength: 36,
  /** Longest room name, in characters. */
  roomMaxLength: 32,
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
  protocolBroken: 4000,
  replaced: 4005,
  noHello: 4100,
  slowConsumer: 4101,
  flooding: 4102,
  silent: 4103,
} as const;

/** True when a client that was closed with `code` connects again by itself. */
export function mayReconnect(code: number): boolean {
  return code !== closeCode.left && !(code >= 4000 && code <= 4099);
}

// ---------------------------------------------------------------- commands: client to server

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

// ---------------------------------------------------------------- pushes: server to client

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
  readonly code: string;
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

// ---------------------------------------------------------------- names and text

/** A checked value, or why it was refused: a code for programs and a sentence for people. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: string; readonly message: string };

function accept<T>(value: T): Checked<T> {
  return { ok: true, value };
}

function refuse(
  code: string,
  message: string,
): { readonly ok: false; readonly code: string; readonly message: string } {
  return { ok: false, code, message };
}

/** Counts code points without making an array of them. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let i = 0; i + 1 < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next < 0xdc00 || next > 0xdfff) continue;
    length--;
    i++;
  }
  return length;
}

const beyondAscii = /[\u0080-\uffff]/;

/** Counts the bytes of `text` in UTF-8; a lone surrogate counts three, as the replacement character does. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  // Most texts have none, and are looked through in half the time that way.
  if (!beyondAscii.test(text)) return bytes;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    if (unit < 0xd800 || unit > 0xdbff || i + 1 === text.length) continue;
    const next = text.charCodeAt(i + 1);
    if (next < 0xdc00 || next > 0xdfff) continue;
    i++;
  }
  return bytes;
}

const nameCharacters = /^[\p{L}\p{M}\p{Nd} _.-]+$/u;
const nameStart = /^[\p{L}\p{Nd}]/u;
const nameEnd = /[\p{L}\p{Nd}]\p{M}*$/u;
const markRun = /\p{M}{4}/u;
const invisible = /\p{Default_Ignorable_Code_Point}/u;
const latin = /\p{Script=Latin}/u;
const cyrillicOrGreek = /[\p{Script=Cyrillic}\p{Script=Greek}]/u;

/** Checks a username against the rules N1 to N6 of SPEC.md and gives it in its stored form (NFC, trimmed). */
export function parseUsername(input: string): Checked<string> {
  const code = "username_invalid";
  // Before anything else: normalising is not free, and no valid name is this long.
  if (input.length > 8 * limits.usernameMaxLength) {
    return refuse(code, nameTooLong);
  }
  const name = input.normalize("NFC").trim();
  if (name === "") return refuse(code, "Choose a name");
  if (codePointLength(name) > limits.usernameMaxLength) {
    return refuse(code, nameTooLong);
  }
  if (!nameCharacters.test(name) || invisible.test(name)) {
    return refuse(code, "Use letters, digits, spaces and _ - . in a name");
  }
  if (!nameStart.test(name) || !nameEnd.test(name)) {
    return refuse(code, "Begin and end a name with a letter or a digit");
  }
  if (name.includes("  ")) {
    return refuse(code, "Put only one space between the parts of a name");
  }
  if (markRun.test(name)) {
    return refuse(code, "Put at most three marks on a letter of a name");
  }
  const folded = name.normalize("NFKC");
  if (latin.test(folded) && cyrillicOrGreek.test(folded)) {
    return refuse(code, "Do not mix Latin with Cyrillic or Greek in a name");
  }
  return accept(name);
}

const nameTooLong = `Keep a name to ${limits.usernameMaxLength} characters or fewer`;

/** The form in which names are compared: two names with one key are one name (NFKC, case folded). */
export function usernameKey(username: string): string {
  // Upper case on the way maps what lower case alone keeps apart (ß, final sigma, dotless i).
  return username.normalize("NFKC").toUpperCase().toLowerCase().normalize(
    "NFKC",
  );
}

const roomPattern = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** What a room name is, in words. */
export const roomNameRule = "1 to 32 of a-z 0-9 -, not starting with -";

/** True when `room` is a room name. */
export function isRoomName(room: string): boolean {
  return roomPattern.test(room);
}

// deno-lint-ignore no-control-regex -- these are what is taken out
const removedControls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Cleans a message text as rule M2 says, and checks its length (M1). */
export function cleanText(input: string): Checked<string> {
  const text = input.toWellFormed().replace(/\r\n?/g, "\n")
    .replace(removedControls, "").trim();
  if (text === "") return refuse("text_empty", "Write something first");
  // There are never more code points than code units.
  if (text.length > limits.textMaxLength && codePointLength(text) > limits.textMaxLength) {
    return refuse(
      "text_too_long",
      `Keep a message to ${limits.textMaxLength} characters or fewer`,
    );
  }
  return accept(text);
}

// ---------------------------------------------------------------- decoding

/** Why a frame is no command: either the connection is closed, or the client is told and goes on. */
export type DecodeFailure =
  | {
    readonly kind: "close";
    readonly code: number;
    readonly reason: string;
  }
  | { readonly kind: "reply"; readonly push: ErrorPush };

/** A decoded command, or why there is none. */
export type Decoded =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly failure: DecodeFailure };

type Fields = Readonly<Record<string, unknown>>;

/** Thrown and caught inside this file only: the first field of a command that is wrong. */
class FieldError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Turns one frame from a client into a command. Never throws. Unknown fields are left behind; an unknown type
 * or a wrong field gives an `error` push; what is not a JSON object with a type closes the connection.
 */
export function decodeCommand(frame: string): Decoded {
  if (isLargerThan(frame, limits.frameMaxBytes)) {
    return closing(
      closeCode.frameTooBig,
      `a frame has at most ${limits.frameMaxBytes} bytes`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    return closing(closeCode.protocolBroken, "a frame is JSON text");
  }
  if (!isFields(value)) {
    return closing(closeCode.protocolBroken, "a frame is one JSON object");
  }
  const type = value.type;
  if (typeof type !== "string") {
    return closing(closeCode.protocolBroken, "a command has a type");
  }
  const decode = decoders.get(type);
  if (decode === undefined) {
    const shown = type.slice(0, 32).toWellFormed();
    return replying({
      type: "error",
      re: shown,
      code: "unknown_type",
      message: `There is no command "${shown}"`,
    });
  }
  try {
    return { ok: true, command: decode(value) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return replying({
      type: "error",
      re: type,
      code: error.code,
      message: error.message,
      ...(isNonce(value.nonce) ? { nonce: value.nonce } : {}),
      ...(typeof value.room === "string" && isRoomName(value.room) ? { room: value.room } : {}),
    });
  }
}

const decoders: ReadonlyMap<string, (fields: Fields) => Command> = new Map<
  string,
  (fields: Fields) => Command
>([
  ["hello", (fields) => ({
    type: "hello",
    username: usernameOf(fields),
    ...tokenOf(fields),
    ...tabOf(fields),
    ...accessOf(fields),
    rooms: roomRequestsOf(fields),
  })],
  ["join", (fields) => ({ type: "join", ...roomRequestOf(fields) })],
  ["leave", (fields) => ({ type: "leave", room: roomOf(fields) })],
  ["message", (fields) => ({
    type: "message",
    room: roomOf(fields),
    text: valueOf(cleanText(stringOf(fields, "text"))),
    nonce: nonceOf(fields),
  })],
  ["history", (fields) => ({
    type: "history",
    room: roomOf(fields),
    before: integerOf(fields, "before", 1, Number.MAX_SAFE_INTEGER),
    limit: fields.limit === undefined
      ? limits.historyDefault
      : integerOf(fields, "limit", 1, limits.historyMax),
  })],
  ["typing", (fields) => ({ type: "typing", room: roomOf(fields) })],
  ["rename", (fields) => ({ type: "rename", username: usernameOf(fields) })],
  ["pong", () => ({ type: "pong" })],
]);

function closing(code: number, reason: string): Decoded {
  return { ok: false, failure: { kind: "close", code, reason } };
}

function replying(push: ErrorPush): Decoded {
  return { ok: false, failure: { kind: "reply", push } };
}

function isLargerThan(text: string, bytes: number): boolean {
  // A code unit has one to three bytes, so most frames are settled without counting.
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && utf8Length(text) > bytes;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueOf<T>(checked: Checked<T>): T {
  if (!checked.ok) throw new FieldError(checked.code, checked.message);
  return checked.value;
}

function stringOf(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== "string") {
    throw new FieldError("field_invalid", `"${key}" is a string`);
  }
  return value;
}

function integerOf(
  fields: Fields,
  key: string,
  least: number,
  most: number,
): number {
  const value = fields[key];
  if (
    typeof value !== "number" || !Number.isInteger(value) || value < least ||
    value > most
  ) {
    throw new FieldError(
      "field_invalid",
      `"${key}" is a whole number from ${least} to ${most}`,
    );
  }
  return value;
}

function matchOf(
  fields: Fields,
  key: string,
  pattern: RegExp,
  code: string,
  rule: string,
): string {
  const value = fields[key];
  if (typeof value !== "string" || !pattern.test(value)) {
    throw new FieldError(code, `"${key}" is ${rule}`);
  }
  return value;
}

const noncePattern = /^[A-Za-z0-9_-]{1,36}$/;
const tokenPattern = /^[A-Za-z0-9_-]{43}$/;
const tabPattern = /^[A-Za-z0-9_-]{1,36}$/;
const epochPattern = /^[A-Za-z0-9_-]{1,36}$/;

function isNonce(value: unknown): value is string {
  return typeof value === "string" && noncePattern.test(value);
}

function nonceOf(fields: Fields): string {
  return matchOf(
    fields,
    "nonce",
    noncePattern,
    "nonce_invalid",
    "1 to 36 of A-Z a-z 0-9 _ -",
  );
}

function roomOf(fields: Fields): string {
  return matchOf(
    fields,
    "room",
    roomPattern,
    "room_invalid",
    roomNameRule,
  );
}

function usernameOf(fields: Fields): string {
  return valueOf(parseUsername(stringOf(fields, "username")));
}

function tokenOf(fields: Fields): { readonly token?: string } {
  if (fields.token === undefined) return {};
  const rule = "32 random bytes in base64url, 43 characters";
  return { token: matchOf(fields, "token", tokenPattern, "token_invalid", rule) };
}

function tabOf(fields: Fields): { readonly tab?: string } {
  if (fields.tab === undefined) return {};
  const rule = "1 to 36 of A-Z a-z 0-9 _ -";
  return { tab: matchOf(fields, "tab", tabPattern, "field_invalid", rule) };
}

function accessOf(fields: Fields): { readonly access?: string } {
  if (fields.access === undefined) return {};
  const access = stringOf(fields, "access");
  if (access.length > 256) {
    throw new FieldError("field_invalid", '"access" has at most 256 characters');
  }
  return { access };
}

function roomRequestOf(fields: Fields): RoomRequest {
  const room = roomOf(fields);
  if (fields.epoch === undefined && fields.offset === undefined) {
    return { room };
  }
  const epoch = matchOf(
    fields,
    "epoch",
    epochPattern,
    "field_invalid",
    "a name that the server gave, and goes with offset",
  );
  const offset = integerOf(fields, "offset", 0, Number.MAX_SAFE_INTEGER);
  return { room, position: { epoch, offset } };
}

function roomRequestsOf(fields: Fields): readonly RoomRequest[] {
  const value = fields.rooms;
  if (!Array.isArray(value) || value.length > limits.roomsPerSession) {
    throw new FieldError(
      "field_invalid",
      `"rooms" is an array of at most ${limits.roomsPerSession} rooms`,
    );
  }
  const seen = new Set<string>();
  return value.map((item: unknown) => {
    if (!isFields(item)) {
      throw new FieldError("field_invalid", '"rooms" has objects with a room');
    }
    const request = roomRequestOf(item);
    if (seen.has(request.room)) {
      throw new FieldError(
        "field_invalid",
        `"rooms" names ${request.room} only once`,
      );
    }
    seen.add(request.room);
    return request;
  });
}
