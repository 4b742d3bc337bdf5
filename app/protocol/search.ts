// Search: splits texts into words, parses queries, and matches texts against them.

import { isRoomName } from "./text.ts";
import type { MatchRange, Phrase, SearchQuery } from "./wire.ts";

/** Increase it when `wordsOf` or the tables change: an index of another version is rebuilt. */
export const searchVersion = 3;

/** Max length of a query, in UTF-16 code units. */
export const queryMaxLength = 200;
/** Max words and phrases of a query. */
const phrasesMax = 10;
/** Max prefixes among them, since all words with a prefix must be read. */
const prefixesMax = 3;
/** Describes valid queries, for error messages. */
export const queryRule = `up to ${queryMaxLength} characters, with 1 to ${phrasesMax} words, ` +
  `up to ${prefixesMax} of them with * or a single character of a script without spaces, ` +
  "or a name after from:, and a room's name after in:";
/** Longer words are truncated. */
const wordMaxLength = 64;
/** Max code units of a word that are normalized, with their accents. Thousands can take 15 ms. */
const normalizedMaxLength = 4 * wordMaxLength;
/** Shorter prefixes match too much; they are taken as words. */
const prefixMinLength = 2;

/** A normalized word, and where it is in the text, in UTF-16 code units. */
export interface Word {
  readonly word: string;
  readonly start: number;
  readonly end: number;
}

/** Scripts without spaces between words: Chinese, Japanese, Thai, Lao, Khmer and Burmese. */
const unspacedScripts = ["Han", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"]
  .map((script) => String.raw`\p{scx=${script}}`).join("");
/** A character of these scripts, with its marks. */
const unspaced = String.raw`[[\p{L}\p{N}]&&[${unspacedScripts}]]\p{M}*`;
const characters = new RegExp(unspaced, "gv");
const isUnspaced = new RegExp(`^${unspaced}`, "v");
/** A run of characters that normalizing doesn't change, each of one code unit and without marks. */
const isPlain = /^[\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff]*$/;
const runs = new RegExp(
  String.raw`(?:${unspaced})+|(?!${unspaced})[\p{L}\p{N}](?:(?!${unspaced})[\p{L}\p{N}\p{M}])*`,
  "gv",
);
/** Accents, the optional vowels of Hebrew and Arabic, and marks of emoji. */
const ignoredMarks =
  /[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u065f\u0670\u20d0-\u20ff\ufe00-\ufe0f]/g;

/**
 * Returns the words of a text, in order, without case and accents. A run of characters of a script
 * without spaces is split into overlapping pairs of neighbors, and its last character.
 */
export function wordsOf(text: string): readonly Word[] {
  const words: Word[] = [];
  const add = (start: number, end: number) => {
    const word = normalize(text.slice(start, Math.min(end, start + normalizedMaxLength)));
    if (word !== "") words.push({ word, start, end });
  };
  for (const { 0: run, index } of text.matchAll(runs)) {
    if (!isUnspaced.test(run)) {
      add(index, index + run.length);
      continue;
    }
    const end = index + run.length;
    // Matching and normalizing each character takes most of the time.
    if (isPlain.test(run)) {
      for (let start = index; start < end; start++) {
        const word = text.slice(start, Math.min(start + 2, end));
        words.push({ word, start, end: start + word.length });
      }
      continue;
    }
    const starts = Array.from(run.matchAll(characters), (match) => index + match.index);
    starts.forEach((start, i) => add(start, starts[i + 2] ?? end));
  }
  return words;
}

function normalize(text: string): string {
  const lower = text.toLowerCase();
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(lower)) return lower.slice(0, wordMaxLength);
  return text.normalize("NFKD").toLowerCase().replace(ignoredMarks, "").normalize("NFKC")
    .replaceAll("ß", "ss").replaceAll("ς", "σ").replace(/[^\p{L}\p{N}\p{M}]/gu, "")
    .slice(0, wordMaxLength).toWellFormed();
}

/**
 * Parses a query: words, prefixes (`word*`), `"phrases"`, `from:name`, `in:room`. Returns
 * `undefined` if there is nothing to search for, or too much.
 */
export function parseQuery(text: string): SearchQuery | undefined {
  if (text.length > queryMaxLength) return undefined;
  const phrases: Phrase[] = [];
  let [from, room]: [Phrase?, string?] = [];
  const parts = /(?:(from|in):)?(?:"([^"]*)"?|([^\s"*]+))(\*?)/gi;
  for (const [, key, quoted, bare, star] of text.replace(/[“”„«»]/g, '"').matchAll(parts)) {
    const value = quoted ?? bare ?? "";
    if (key?.toLowerCase() === "in") {
      room = value.replace(/^#/, "").toLowerCase();
      if (!isRoomName(room)) return undefined;
      continue;
    }
    const phrase = phraseOf(value, star !== "");
    if (phrase === undefined) continue;
    if (key === undefined) phrases.push(phrase);
    else from = phrase;
  }
  const prefixes = [...phrases, ...(from === undefined ? [] : [from])]
    .filter(({ isPrefix }) => isPrefix).length;
  if (phrases.length > phrasesMax || prefixes > prefixesMax) return undefined;
  if (phrases.length === 0 && from === undefined) return undefined;
  return {
    phrases,
    ...(from === undefined ? {} : { from }),
    ...(room === undefined ? {} : { room }),
  };
}

function phraseOf(text: string, hasStar: boolean): Phrase | undefined {
  const words = [...wordsOf(text)];
  const last = words.at(-1);
  if (last === undefined) return undefined;
  if (isUnspaced.test(text.slice(last.start))) {
    // In a message, the last character may begin another pair.
    const isPaired = words.at(-2)?.end === last.end;
    if (isPaired) words.pop();
    return { words: words.map(({ word }) => word), isPrefix: !isPaired };
  }
  const isPrefix = hasStar && last.word.length >= prefixMinLength;
  return { words: words.map(({ word }) => word), isPrefix };
}

/**
 * Returns the matches of a query in a message, in order and without overlaps, or `undefined` if the
 * message doesn't match. Ignores the query's room.
 */
export function matchesOf(
  { phrases, from }: SearchQuery,
  message: { readonly from: string; readonly text: string },
): readonly MatchRange[] | undefined {
  if (from !== undefined && find(from, wordsOf(message.from)).length === 0) return undefined;
  const words = wordsOf(message.text);
  const found: MatchRange[] = [];
  for (const phrase of phrases) {
    const ranges = find(phrase, words);
    if (ranges.length === 0) return undefined;
    found.push(...ranges);
  }
  const merged: MatchRange[] = [];
  for (const [start, end] of found.sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last === undefined || start > last[1]) merged.push([start, end]);
    else merged[merged.length - 1] = [last[0], Math.max(last[1], end)];
  }
  return merged;
}

function find({ words, isPrefix }: Phrase, text: readonly Word[]): MatchRange[] {
  const found: MatchRange[] = [];
  for (let i = 0; i + words.length <= text.length; i++) {
    const isMatch = words.every((word, j) => {
      const other = text[i + j]?.word ?? "";
      return isPrefix && j === words.length - 1 ? other.startsWith(word) : other === word;
    });
    const [first, last] = [text[i], text[i + words.length - 1]];
    if (!isMatch || first === undefined || last === undefined) continue;
    // A single character matches only itself, not the pair that it begins.
    const isCharacter = isPrefix && words.length === 1 && isUnspaced.test(words[0] ?? "");
    const length = isCharacter ? words[0]?.length ?? 0 : Infinity;
    found.push([first.start, Math.min(first.start + length, last.end)]);
  }
  return found;
}
