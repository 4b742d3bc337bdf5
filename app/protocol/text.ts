// Room names and message text: validation and cleaning. SPEC.md, M1, M2 and L5.

import { limits } from "./wire.ts";
import type { ErrorCode } from "./wire.ts";

/** A validated value, or why it was refused: a code for programs and a sentence for people. */
export type Validated<T> = { readonly ok: true; readonly value: T } | Refusal;

export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly message: string;
}

export function refuse(code: ErrorCode, message: string): Refusal {
  return { ok: false, code, message };
}

/** Returns the number of code points in `text`, without allocating. */
export function codePointLength(text: string): number {
  let length = text.length;
  for (let i = 0; i + 1 < text.length; i++) {
    if (!isHighSurrogate(text.charCodeAt(i)) || !isLowSurrogate(text.charCodeAt(i + 1))) continue;
    length--;
    i++;
  }
  return length;
}

const beyondAscii = /[\u0080-\uffff]/;

/** Returns the size of `text` in bytes of UTF-8. A lone surrogate counts 3 bytes, like U+FFFD. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  // Most text is ASCII, and this test takes half the time of the loop.
  if (!beyondAscii.test(text)) return bytes;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += unit < 0x800 ? 1 : 2;
    // A pair takes 4 bytes: the first unit is counted as 3, the second as 1.
    if (isHighSurrogate(unit) && isLowSurrogate(text.charCodeAt(i + 1))) i++;
  }
  return bytes;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** Matches a room name (L5). */
export const roomPattern = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** The rule for room names, in words for developers and operators. */
export const roomNameRule = "1 to 32 characters a-z, 0-9 or -, not starting with -";

export function isRoomName(room: string): boolean {
  return roomPattern.test(room);
}

/** Returns true if the messages of a room are sealed, so that the server can't read them. */
export function isPrivateRoom(room: string): boolean {
  return room.startsWith("p-");
}

// deno-lint-ignore no-control-regex -- the characters to remove
const removedControls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Matches every text that `clean` changes. Most are clean, and this takes a third of the time. */
// deno-lint-ignore no-control-regex -- the characters to find
const unclean = /^\s|[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]|\s$/;

/** Cleans a text (M2). */
function clean(input: string): string {
  return input.toWellFormed().replace(/\r\n?/g, "\n").replace(removedControls, "").trimEnd()
    // Keep the indentation of the first line.
    .replace(/^\s*\n/, "");
}

/** Cleans a message text (M2) and checks its length (M1). */
export function cleanText(input: string): Validated<string> {
  const text = unclean.test(input) ? clean(input) : input;
  if (text === "") return refuse("text_empty", "Write something first");
  // A text has at most as many code points as code units, so short texts need no count.
  if (text.length > limits.textMaxLength && codePointLength(text) > limits.textMaxLength) {
    const max = limits.textMaxLength.toLocaleString("en");
    return refuse("text_too_long", `Messages can have up to ${max} characters`);
  }
  return { ok: true, value: text };
}
