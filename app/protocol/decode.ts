// Decoding: turns an untrusted frame into a validated command, or says why it is refused. SPEC.md rules P2 to P5.

import {
  cleanText,
  isRoomName,
  parseUsername,
  roomNameRule,
  roomPattern,
  utf8Length,
} from "./text.ts";
import type { Validated } from "./text.ts";
import { closeCode, limits } from "./wire.ts";
import type { Command, ErrorCode, ErrorPush, RoomRequest } from "./wire.ts";

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
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
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
    return closing(closeCode.protocolError, "a frame is JSON text");
  }
  if (!isFields(value)) {
    return closing(closeCode.protocolError, "a frame is one JSON object");
  }
  const type = value.type;
  if (typeof type !== "string") {
    return closing(closeCode.protocolError, "a command has a type");
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

function valueOf<T>(checked: Validated<T>): T {
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
  code: ErrorCode,
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
