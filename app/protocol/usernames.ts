// The username rules that server and page check. SPEC.md, N1 to N3.

import { codePointLength, refuse } from "./text.ts";
import type { Validated } from "./text.ts";
import { limits } from "./wire.ts";

const nameCharacters = /^[\p{L}\p{M}\p{Nd} _.'’-]+$/u;
const nameStart = /^[\p{L}\p{Nd}]/u;
const nameEnd = /[\p{L}\p{Nd}]\p{M}*\.?$/u;
/** Matches more marks in a row than any script uses. */
export const fourMarks = /\p{M}{4}/u;
const invisible = /\p{Default_Ignorable_Code_Point}/u;
/** Matches joiners that change how letters connect, in Arabic and Indic scripts. */
export const joiner = /(?<=[\u0600-\u0dff])[\u200c\u200d](?=[\u0600-\u0dff])/g;
const remark = / \(([^()]+)\)$/;
const nameTooLong = `Names can have up to ${limits.usernameMaxLength} characters`;

/**
 * Validates a username (N1, N2 and the marks and joiners of N3) and returns its stored form:
 * trimmed and in NFC. The server also checks its scripts (validateUsername).
 */
export function parseUsername(input: string): Validated<string> {
  // Normalizing long input is slow, and no valid name is this long.
  if (input.length > 8 * limits.usernameMaxLength) return refuse("username_too_long", nameTooLong);
  const name = input.normalize("NFC").trim();
  if (name === "") return refuse("username_empty", "Choose a name");
  if (codePointLength(name) > limits.usernameMaxLength) {
    return refuse("username_too_long", nameTooLong);
  }
  const plain = name.replace(joiner, "").replace(remark, " $1");
  if (!nameCharacters.test(plain) || invisible.test(plain)) {
    return refuse("username_characters", "Use letters, digits, spaces and _ - . '");
  }
  if (!nameStart.test(plain) || !nameEnd.test(plain)) {
    return refuse("username_ends", "Start and end with a letter or digit");
  }
  if (plain.includes("  ")) return refuse("username_spaces", "Use single spaces");
  if (fourMarks.test(plain)) return refuse("username_marks", "Too many accents on one letter");
  return { ok: true, value: name };
}
