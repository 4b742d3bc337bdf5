// `parley backup`: copies the database to a file, whether or not a server is using it.

import { backup } from "node:sqlite";
import { errorMessage } from "../core/error_message.ts";
import { checkCopy, infoOf, openToRead } from "./database_access.ts";
import { checkOutput, writeOutput } from "./output_file.ts";

/** The first bytes of every SQLite file (https://sqlite.org/fileformat2.html, 1.3.1). */
const sqliteMagic = "SQLite format 3\0";

/**
 * Copies the database at `path` to `to`, which may replace an earlier copy. Does not block a server
 * that is using the database. The copy contains all messages stored before it began.
 *
 * @throws {Error} If there is no database, it cannot be read, or the copy cannot be written.
 */
export async function backUp(path: string, to: string): Promise<void> {
  using database = await openToRead(path);
  checkOutput(path, to);
  if (!isReplaceable(to)) throw new Error(`Cannot write ${to}: it exists and is not a database`);
  await writeOutput(to, async (unfinished) => {
    try {
      // Copies all pages in one step, from one snapshot. With several steps, each message that the
      // server stores in between would restart the copy.
      await backup(database, unfinished, { rate: -1 });
    } catch (error) {
      throw new Error(`Cannot write ${unfinished}: ${errorMessage(error)}`, { cause: error });
    }
    checkCopy(unfinished);
  });
}

/** Returns whether a file may be replaced by a copy: it is missing, empty or a database. */
function isReplaceable(path: string): boolean {
  if (infoOf(path) === undefined) return true;
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(sqliteMagic.length);
  return file.readSync(bytes) === null || new TextDecoder().decode(bytes) === sqliteMagic;
}
