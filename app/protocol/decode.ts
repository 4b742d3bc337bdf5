// Decoding: turns an untrusted frame into a validated command, or an error. SPEC.md, P2 to P5.

import { validateUsername } from "./names.ts";
import { isTooComplex, parseJson } from "./parse_json.ts";
import { isSealed } from "./sealed.ts";
import { parseQuery, queryRule } from "./search.ts";
import { cleanTitle } from "./titles.ts";
import {
  cleanText,
  isPrivateRoom,
  isRoomName,
  roomNameRule,
  roomPattern,
  utf8Length,
} from "./text.ts";
import type { Validated } from "./text.ts";
import { closeCode, hubLimits, limits } from "./wire.ts";
import type { Command, ErrorCode, ErrorPush, RoomRequest, SearchQuery } from "./wire.ts";

/** A command, or the error for the client. */
export type DecodedFields =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly push: ErrorPush };

/** A command, the error for the client, or the code and reason to close the connection with. */
export type Decoded =
  | DecodedFields
  | {
    readonly ok: false;
    readonly push?: undefined;
    readonly code: number;
    readonly reason: string;
  };

/** The fields of a command before they are checked. */
export type Fields = Readonly<Record<string, unknown>>;

/** The first invalid field of a command. Thrown and caught in this file only. */
class FieldError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Decodes one frame from a client. Never throws. Ignores unknown fields. An unknown type or an
 * invalid field gives an `error` push; anything but a JSON object with a `type` closes the
 * connection, as does a frame of more than `maxBytes`.
 */
export function decodeCommand(frame: string, maxBytes: number = hubLimits.frameMaxBytes): Decoded {
  if (isLargerThan(frame, maxBytes)) {
    return close(closeCode.frameTooBig, `frames can have up to ${maxBytes} bytes`);
  }
  const { nestingMax, valuesMax } = hubLimits;
  if (isTooComplex(frame, nestingMax)) {
    const rule = `nested up to ${nestingMax} deep, and have up to ${valuesMax} values`;
    return close(closeCode.protocolError, `JSON can be ${rule}`);
  }
  let value: unknown;
  try {
    value = parseJson(frame);
  } catch {
    return close(closeCode.protocolError, "a frame must be JSON");
  }
  if (!isFields(value)) return close(closeCode.protocolError, "a frame must be a JSON object");
  const { type } = value;
  if (typeof type !== "string") return close(closeCode.protocolError, "a command must have a type");
  return decodeFields(type, value);
}

/** Decodes the fields of a command that was not sent in a frame. Never throws. */
export function decodeFields(type: string, fields: Fields): DecodedFields {
  const decode = decoders.get(type);
  if (decode === undefined) {
    const re = type.slice(0, 32).toWellFormed();
    const message = `Unknown command "${re}"`;
    return { ok: false, push: { type: "error", re, code: "unknown_type", message } };
  }
  try {
    return { ok: true, command: decode(fields) };
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    const { nonce, room } = fields;
    const push: ErrorPush = {
      type: "error",
      re: type,
      code: error.code,
      message: error.message,
      ...(isNonce(nonce) ? { nonce } : {}),
      ...(typeof room === "string" && isRoomName(room) ? { room } : {}),
    };
    return { ok: false, push };
  }
}

const decoders = new Map<string, (fields: Fields) => Command>([
  ["hello", (fields) => ({
    type: "hello",
    ...optional(fields, "username", usernameOf),
    ...optional(fields, "token", tokenOf),
    ...optional(fields, "tab", idOf),
    ...optional(fields, "access", codeOf),
    rooms: roomRequestsOf(fields),
  })],
  ["join", (fields) => ({ type: "join", ...roomRequestOf(fields) })],
  ["leave", (fields) => ({ type: "leave", room: roomOf(fields) })],
  ["message", (fields) => {
    const room = roomOf(fields);
    const text = textOf(fields, room);
    const nonce = nonceOf(fields);
    // Not a spread: most messages have no `reply`, and copying takes longer.
    if (fields.reply === undefined) return { type: "message", room, text, nonce };
    return { type: "message", room, text, nonce, reply: offsetOf(fields, "reply") };
  }],
  ["edit", (fields) => {
    const room = roomOf(fields);
    const offset = offsetOf(fields, "offset");
    return { type: "edit", room, offset, text: textOf(fields, room), nonce: nonceOf(fields) };
  }],
  ["delete", (fields) => ({
    type: "delete",
    room: roomOf(fields),
    offset: offsetOf(fields, "offset"),
    nonce: nonceOf(fields),
  })],
  ["title", (fields) => {
    const room = roomOf(fields);
    if (isPrivateRoom(room)) throw new FieldError("title_invalid", "Private rooms have no title");
    const text = fields.text === "" ? "" : valueOf(cleanTitle(stringOf(fields, "text")));
    const command = { type: "title", room, text, nonce: nonceOf(fields) } as const;
    return flagOf(fields, "locked") ? { ...command, locked: true } : command;
  }],
  ["history", (fields) => ({
    type: "history",
    room: roomOf(fields),
    before: offsetOf(fields, "before"),
    limit: fields.limit === undefined
      ? limits.historyDefault
      : integerOf(fields, "limit", 1, hubLimits.historyMax),
  })],
  ["search", (fields) => ({
    type: "search",
    query: queryOf(fields),
    ...optional(fields, "before", (fields) => idOf(fields, "before", "the `next` of results")),
  })],
  ["typing", (fields) => ({ type: "typing", room: roomOf(fields) })],
  ["rename", (fields) => ({ type: "rename", username: usernameOf(fields) })],
  ["moderate", (fields) => ({ type: "moderate", code: codeOf(fields, "code") })],
  ["mute", (fields) => ({ type: "mute", member: memberOf(fields), seconds: secondsOf(fields) })],
  ["ban", (fields) => ({
    type: "ban",
    member: memberOf(fields),
    seconds: secondsOf(fields),
    deleteMessages: flagOf(fields, "deleteMessages"),
    network: flagOf(fields, "network"),
  })],
  ["lift", (fields) => ({ type: "lift", id: offsetOf(fields, "id") })],
  ["sanctions", () => ({ type: "sanctions" })],
  ["neighbors", (fields) => ({ type: "neighbors", member: memberOf(fields) })],
  ["sweep", (fields) => ({ type: "sweep", member: memberOf(fields), seconds: secondsOf(fields) })],
  ["ping", () => ({ type: "ping" })],
  ["pong", () => ({ type: "pong" })],
]);

function close(code: number, reason: string): Decoded {
  return { ok: false, code, reason };
}

function isLargerThan(text: string, maxBytes: number): boolean {
  // A code unit takes 1 to 3 bytes, so most frames need no counting.
  if (text.length > maxBytes) return true;
  return text.length * 3 > maxBytes && utf8Length(text) > maxBytes;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function valueOf<T>(validated: Validated<T>): T {
  if (!validated.ok) throw new FieldError(validated.code, validated.message);
  return validated.value;
}

/** Decodes a field, unless it is absent. */
function optional<K extends string, T>(
  fields: Fields,
  key: K,
  decode: (fields: Fields, key: K) => T,
): { readonly [key in K]?: T } {
  // TypeScript widens a computed key to a string.
  return fields[key] === undefined ? {} : { [key]: decode(fields, key) } as Record<K, T>;
}

function stringOf(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== "string") throw new FieldError("field_invalid", `"${key}" must be a string`);
  return value;
}

/** Returns the text of a message, which must be sealed if its room is private. */
function textOf(fields: Fields, room: string): string {
  const text = valueOf(cleanText(stringOf(fields, "text")));
  if (!isPrivateRoom(room) || isSealed(text)) return text;
  const message = "Rooms whose names start with p- are private: seal the text, or use another room";
  throw new FieldError("not_sealed", message);
}

function integerOf(fields: Fields, key: string, min: number, max: number): number {
  const value = fields[key];
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  throw new FieldError("field_invalid", `"${key}" must be an integer from ${min} to ${max}`);
}

function flagOf(fields: Fields, key: string): boolean {
  const { [key]: value = false } = fields;
  if (typeof value === "boolean") return value;
  throw new FieldError("field_invalid", `"${key}" must be true or false`);
}

function matchOf(
  fields: Fields,
  key: string,
  pattern: RegExp,
  code: ErrorCode,
  rule: string,
): string {
  const value = fields[key];
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new FieldError(code, `"${key}" must be ${rule}`);
}

/** Matches nonces, tabs, epochs and members. */
const idPattern = /^[A-Za-z0-9_-]{1,36}$/;
const idRule = "1 to 36 of A-Z, a-z, 0-9, _ and -";
const tokenPattern = /^[A-Za-z0-9_-]{43}$/;
const codeMaxLength = 256;

function idOf(
  fields: Fields,
  key: string,
  rule = idRule,
  code: ErrorCode = "field_invalid",
): string {
  return matchOf(fields, key, idPattern, code, rule);
}

function isNonce(value: unknown): value is string {
  return typeof value === "string" && idPattern.test(value);
}

function roomOf(fields: Fields): string {
  return matchOf(fields, "room", roomPattern, "room_invalid", roomNameRule);
}

function usernameOf(fields: Fields): string {
  return valueOf(validateUsername(stringOf(fields, "username")));
}

function nonceOf(fields: Fields): string {
  return idOf(fields, "nonce", idRule, "nonce_invalid");
}

function queryOf(fields: Fields): SearchQuery {
  const query = parseQuery(stringOf(fields, "query"));
  if (query === undefined) throw new FieldError("query_invalid", `"query" must have ${queryRule}`);
  return fields.room === undefined ? query : { ...query, room: roomOf(fields) };
}

/** Returns the offset of an entry, as opposed to a position, which can be 0. */
function offsetOf(fields: Fields, key: string): number {
  return integerOf(fields, key, 1, Number.MAX_SAFE_INTEGER);
}

function tokenOf(fields: Fields): string {
  const rule = "32 random bytes in base64url, 43 characters";
  return matchOf(fields, "token", tokenPattern, "token_invalid", rule);
}

function codeOf(fields: Fields, key: string): string {
  const code = stringOf(fields, key);
  if (code.length <= codeMaxLength) return code;
  throw new FieldError("field_invalid", `"${key}" can have up to ${codeMaxLength} characters`);
}

function memberOf(fields: Fields): string {
  return idOf(fields, "member", "the id of a member");
}

function secondsOf(fields: Fields): number {
  return integerOf(fields, "seconds", 1, hubLimits.sanctionMaxSeconds);
}

function roomRequestOf(fields: Fields): RoomRequest {
  const room = roomOf(fields);
  if (fields.epoch === undefined && fields.offset === undefined) return { room };
  const rule = "an epoch from the server, together with offset";
  const epoch = idOf(fields, "epoch", rule);
  const offset = integerOf(fields, "offset", 0, Number.MAX_SAFE_INTEGER);
  return { room, position: { epoch, offset } };
}

function roomRequestsOf(fields: Fields): readonly RoomRequest[] {
  const { rooms } = fields;
  const max = limits.roomsPerSession;
  if (!Array.isArray(rooms) || rooms.length > max) {
    throw new FieldError("field_invalid", `"rooms" must be an array of up to ${max} rooms`);
  }
  const seen = new Set<string>();
  return rooms.map((item: unknown) => {
    if (!isFields(item)) throw new FieldError("field_invalid", '"rooms" must contain objects');
    const request = roomRequestOf(item);
    if (seen.has(request.room)) {
      throw new FieldError("field_invalid", `"rooms" must not repeat ${request.room}`);
    }
    seen.add(request.room);
    return request;
  });
}
