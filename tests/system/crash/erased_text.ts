// Searches the files of a server for the texts of deleted messages, byte by byte.

import type { Ledger } from "./ledger.ts";

/** Twice the time in which Redis forgets deleted text with the lease of these tests. */
const erasedMs = 20_000;
const retryMs = 250;
/**
 * The end of a marked word. An index omits the beginning that a word shares with the previous one.
 * The end is long enough that no two of ten thousand words share it by chance.
 */
const wordEnd = /(?=([a-z0-9]{8}zq))/g;
const wordEndLength = 10;

/**
 * Waits until no file has the text of a deleted message, and reports those that keep one.
 * `findDirs` returns the folders to search; it is called before each search.
 */
export async function checkErased(
  findDirs: () => Promise<readonly string[]>,
  ledger: Ledger,
): Promise<void> {
  const ends = new Set(ledger.deletedWords.values().map((word) => word.slice(-wordEndLength)));
  const deadline = performance.now() + erasedMs;
  for (;;) {
    const left = (await findDirs()).flatMap((dir) => findWords(dir, ends));
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      for (const { path, word } of left) {
        ledger.addViolation(`${path} has the deleted text ${word}`);
      }
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

/** Returns the files of a folder that have a word with one of the ends, and the first such end. */
function findWords(
  dir: string,
  ends: ReadonlySet<string>,
): readonly { readonly path: string; readonly word: string }[] {
  return [...Deno.readDirSync(dir)].flatMap(({ name, isDirectory }) => {
    const path = `${dir}/${name}`;
    if (isDirectory) return findWords(path, ends);
    const bytes = new TextDecoder("latin1").decode(Deno.readFileSync(path));
    const word = bytes.matchAll(wordEnd).map(([, end = ""]) => end).find((end) => ends.has(end));
    return word === undefined ? [] : [{ path, word }];
  });
}
