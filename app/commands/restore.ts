// `parley restore`: puts a copy in the place of the database.

import { FolderLock } from "../broker/sqlite/lock.ts";
import { fileTimestamp } from "../broker/sqlite/sqlite_broker.ts";
import { errorMessage } from "../core/error_message.ts";
import { checkCopy, folderLock, infoOf, openDatabase, removeDatabase } from "./database_access.ts";

/**
 * Puts the copy `from`, with the journal beside it if there is one, in the place of the database at
 * `path`. Keeps the previous database and returns its new path, if there was one.
 *
 * @throws {Error} If a server is using the folder, or `from` is not an intact Parley database.
 */
export async function restore(path: string, from: string, now: Date): Promise<string | undefined> {
  if (infoOf(from) === undefined) throw new Error(`Cannot copy ${from}: it does not exist`);
  const lock = await FolderLock.acquire(folderLock(path));
  const unfinished = `${path}.unfinished`;
  try {
    removeDatabase(unfinished);
    await copyDatabase(from, unfinished);
    checkCopy(unfinished, from);
    // The copy may have taken longer than others wait for signs of life.
    lock.check();
    const previous = keepPrevious(path, `${path}.before-${fileTimestamp(now.getTime())}`);
    // Replaces the database at once: whenever this program is killed, there is one at `path`.
    Deno.renameSync(unfinished, path);
    return previous;
  } finally {
    removeDatabase(unfinished);
    lock.release();
  }
}

/** Copies a database and its journal, through links. */
async function copyDatabase(from: string, to: string): Promise<void> {
  try {
    const real = Deno.realPathSync(from);
    await Deno.copyFile(real, to);
    if (infoOf(`${real}-wal`) !== undefined) await Deno.copyFile(`${real}-wal`, `${to}-wal`);
  } catch (error) {
    throw new Error(`Cannot copy ${from}: ${errorMessage(error)}`, { cause: error });
  }
}

/** Gives the database at `path`, if there is one, a second path, and returns that. */
function keepPrevious(path: string, to: string): string | undefined {
  if (infoOf(path) === undefined) return undefined;
  try {
    // Brings the journal into the database.
    openDatabase(path).close();
  } catch {
    // A damaged database is kept as it is.
  }
  // The journal of a damaged one first, so that it is never beside another.
  for (const suffix of ["-wal", "-shm"]) {
    if (infoOf(path + suffix) !== undefined) Deno.renameSync(path + suffix, to + suffix);
  }
  try {
    Deno.linkSync(path, to);
  } catch {
    // The file system has no hard links.
    Deno.copyFileSync(path, to);
  }
  return to;
}
