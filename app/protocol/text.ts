// Names and message text: cleaning, checking and comparing. SPEC.md rules N1 to N4, M1, M2 and L5.

import { limits } from "./wire.ts";
import type { ErrorCode } from "./wire.ts";

/** A checked value, or why it was refused: a code for programs and a sentence for people. */
export type Validated<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

function accept<T>(value: T): Validated<T> {
  return { ok: true, value };
}

function refuse(
  code: ErrorCode,
  message: string,
): { readonly ok: false; readonly code: ErrorCode; readonly message: string } {
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
export function parseUsername(input: string): Validated<string> {
  // Before anything else: normalising is not free, and no valid name is this long.
  if (input.length > 8 * limits.usernameMaxLength) {
    return refuse("username_too_long", nameTooLong);
  }
  const name = input.normalize("NFC").trim();
  if (name === "") return refuse("username_empty", "Choose a name");
  if (codePointLength(name) > limits.usernameMaxLength) {
    return refuse("username_too_long", nameTooLong);
  }
  if (!nameCharacters.test(name) || invisible.test(name)) {
    return refuse("username_characters", "Use letters, digits, spaces and _ - .");
  }
  if (!nameStart.test(name) || !nameEnd.test(name)) {
    return refuse("username_ends", "Start and end with a letter or digit");
  }
  if (name.includes("  ")) {
    return refuse("username_spaces", "Use single spaces");
  }
  if (markRun.test(name)) {
    return refuse("username_marks", "Too many accents on one letter");
  }
  const folded = name.normalize("NFKC");
  if (latin.test(folded) && cyrillicOrGreek.test(folded)) {
    return refuse("username_mixed_scripts", "Don't mix Latin with Cyrillic or Greek");
  }
  return accept(name);
}

const nameTooLong = `Names can have up to ${limits.usernameMaxLength} characters`;

/** The form in which names are compared: two names with one key are one name (NFKC, case folded). */
export function usernameKey(username: string): string {
  // Upper case on the way maps what lower case alone keeps apart (ß, final sigma, dotless i).
  return username.normalize("NFKC").toUpperCase().toLowerCase().normalize(
    "NFKC",
  );
}

/** Matches a room name (rule L5). */
export const roomPattern = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** What a room name is, in words. */
export const roomNameRule = "1 to 32 of a-z 0-9 -, not starting with -";

/** True when `room` is a room name. */
export function isRoomName(room: string): boolean {
  return roomPattern.test(room);
}

// deno-lint-ignore no-control-regex -- these are what is taken out
const removedControls = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Cleans a message text as rule M2 says, and checks its length (M1). */
export function cleanText(input: string): Validated<string> {
  const text = input.toWellFormed().replace(/\r\n?/g, "\n")
    .replace(removedControls, "").trim();
  if (text === "") return refuse("text_empty", "Write something first");
  // There are never more code points than code units.
  if (text.length > limits.textMaxLength && codePointLength(text) > limits.textMaxLength) {
    return refuse(
      "text_too_long",
      `Messages can have up to ${limits.textMaxLength.toLocaleString("en")} characters`,
    );
  }
  return accept(text);
}
