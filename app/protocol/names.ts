// The username rules that only the server checks, since they would enlarge the page: one script per
// name, and the form in which names are compared. SPEC.md, N3 and N4.

import confusables from "./confusables.txt" with { type: "text" };
import { memoize } from "./memoize.ts";
import type { Validated } from "./text.ts";
import { parseUsername } from "./usernames.ts";

/** The scripts in modern use (UAX 31, tables 5 and 7). */
export const nameScripts: readonly string[] = `
  Adlam Arabic Armenian Balinese Bamum Batak Bengali Bopomofo Canadian_Aboriginal Chakma Cham
  Cherokee Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul
  Hanifi_Rohingya Hebrew Hiragana Javanese Kannada Katakana Kayah_Li Khmer Lao Latin Lepcha
  Limbu Lisu Malayalam Mandaic Meetei_Mayek Miao Mongolian Myanmar New_Tai_Lue Newa Nko
  Nyiakeng_Puachue_Hmong Ol_Chiki Oriya Osage Saurashtra Sinhala Sundanese Syloti_Nagri Syriac
  Tai_Le Tai_Tham Tai_Viet Tamil Telugu Thaana Thai Tibetan Tifinagh Vai Wancho Yi
`.trim().split(/\s+/);

/** Allowed mixtures: Latin with Japanese, Chinese or Korean (UTS 39, highly restrictive). */
const mixtures = ["Latin Han Hiragana Katakana", "Latin Han Bopomofo", "Latin Han Hangul"];

const uniform = [...mixtures, ...nameScripts].map((scripts) => {
  const letters = scripts.split(" ").map((script) => `\\p{scx=${script}}`).join("");
  return new RegExp(`^[\\p{scx=Common}\\p{scx=Inherited}${letters}]+$`, "v");
});

/** Validates a username completely (N1 to N3) and returns its stored form. */
export const validateUsername = memoize((input): Validated<string> => {
  const parsed = parseUsername(input);
  if (!parsed.ok) return parsed;
  const name = parsed.value.normalize("NFKC").replace(joiners, "");
  if (uniform.some((script) => script.test(name)) && hasOneDigitSet(name)) return parsed;
  const message = "Use letters and digits of one script";
  return { ok: false, code: "username_mixed_scripts", message };
});

const joiners = /[\u200c\u200d]/g;

function hasOneDigitSet(name: string): boolean {
  // The ten digits of a set share all but the last hexadecimal digit of their code points.
  const sets = Array.from(name.matchAll(/\p{Nd}/gu), ([digit]) => (digit.codePointAt(0) ?? 0) >> 4);
  return new Set(sets).size < 2;
}

/** Folds case and compatibility forms, and decomposes. */
export function foldName(name: string): string {
  // Lowercasing first turns ẞ into ß, and uppercasing that into SS.
  return name.normalize("NFKD").toLowerCase().toUpperCase().toLowerCase().normalize("NFKD");
}

const skeletons = new Map<string, string>();
for (const [, skeleton = "", sources = ""] of confusables.matchAll(/([\da-f ]+):([\da-f ]+)/g)) {
  const target = decodeHex(skeleton).join("");
  for (const source of decodeHex(sources)) skeletons.set(source, target);
}

function decodeHex(codePoints: string): readonly string[] {
  return codePoints.split(" ").map((hex) => String.fromCodePoint(parseInt(hex, 16)));
}

/**
 * Returns the form in which names are compared (N4): the skeleton of UTS 39 of the folded name. It
 * ignores case, so I, i, l and 1 are the same character. So are rn and m.
 */
export function usernameKey(username: string): string {
  const folded = foldName(username).replace(joiners, "");
  return Array.from(folded, (character) => skeletons.get(character) ?? character).join("")
    // Repeated marks cover each other, and i and j have a dot already.
    .normalize("NFD").replace(/(\p{M})\1+/gu, "$1").replace(/(?<=[ij]\p{M}*)\u0307/gu, "")
    .replace(/\.$/, "");
}
