// Cleaning of room titles. SPEC.md, E5.

import { codePointLength, refuse } from "./text.ts";
import type { Validated } from "./text.ts";
import { fourMarks, joiner } from "./usernames.ts";
import { limits } from "./wire.ts";

/**
 * Characters without a visible shape: invisible and private-use ones, annotation marks, and
 * the blank Braille pattern, which does not count as a space.
 */
const invisible = /[\p{Default_Ignorable_Code_Point}\p{Co}\u2800\ufff9-\ufffb]/u;
/** Emoji may contain invisible characters. */
const emoji = /\p{RGI_Emoji}/gv;

/** Cleans a room's title, and checks its length and characters (E5). */
export function cleanTitle(input: string): Validated<string> {
  const max = limits.titleMaxLength;
  // Normalizing long input is slow, and no valid title is this long.
  const text = input.slice(0, 16 * max).toWellFormed().normalize("NFC")
    .replace(/[\s\p{Cc}]+/gu, " ").trim();
  if (text === "" || codePointLength(text) > max) {
    return refuse("title_invalid", `Titles have 1 to ${max} characters`);
  }
  if (invisible.test(text.replace(emoji, "").replace(joiner, ""))) {
    return refuse("title_invalid", "Use visible characters only");
  }
  if (fourMarks.test(text)) return refuse("title_invalid", "Too many accents on one letter");
  return { ok: true, value: text };
}
