// `parley restore`: replaces the database with a copy.

import { FolderLock } from "../broker/sqlite/lock.ts";
import { fileTimestamp } from "../broker/sqlite/reopening_database.ts";
import { errorMessage } from "../core/error_message.ts";
import { carryOver } from "./carry_over.ts";
import {
  checkCopy,
  checkTables,
  folderLock,
  infoOf,
  isSameFile,
  openDatabase,
  removeDatabase,
} from "./database_access.ts";

/**
 * Replaces the database at `path` with the copy `from` and its journal, if it has one. Keeps the
 * previous database and returns its new path, if there was one. Carries its bans, mutes and
 * deletions over to the copy; if that fails, calls `warn` with a sentence, unless the disk is full.
 *
 * @throws {Error} If a server is using the folder, the disk is full, `from` is not an intact Parley
 *   database, or another program has changed its tables.
 */
export async function restore(
  path: string,
  from: string,
  now: Date,
  warn: (problem: string) => void = () => {},
): Promise<string | undefined> {
  const found = infoOf(from);
  if (!found?.isFile) {
    const reason = found === undefined ? "it does not exist" : "it is not a regular file";
    throw new Error(`Cannot copy ${from}: ${reason}`);
  }
  const unfinished = `${path}.unfinished`;
  if (isSameFile(from, unfinished)) {
    throw new Error(`Cannot copy ${from}: it is incomplete; run the interrupted command again`);
  }
  const lock = await FolderLock.acquire(folderLock(path));
  try {
    removeDatabase(unfinished);
    await copyDatabase(from, unfinished);
    checkCopy(unfinished, from);
    checkTables(unfinished, from);
    if (infoOf(path) !== undefined) {
      try {
        carryOver(path, unfinished);
      } catch (error) {
        const problem = "Cannot carry bans, mutes and deletions over from the previous database: " +
          errorMessage(error);
        if (/disk is full|disk I\/O/.test(problem)) {
          throw new Error(`${problem}. Free some space, or move ${path} away`, { cause: error });
        }
        warn(`${problem}. Deleted messages may be back`);
      }
    }
    // Copying may have taken so long that another process took the lock.
    lock.check();
    const previous = keepPrevious(path, `${path}.before-${fileTimestamp(now.getTime())}`);
    // Replaces the database atomically: if this program is killed, `path` still has a database.
    Deno.renameSync(unfinished, path);
    return previous;
  } finally {
    removeDatabase(unfinished);
    lock.release();
  }
}

/** Copies a database and its journal, following symlinks. */
async function copyDatabase(from: string, to: string): Promise<void> {
  try {
    const real = Deno.realPathSync(from);
    await Deno.copyFile(real, to);
    if (infoOf(`${real}-wal`) !== undefined) await Deno.copyFile(`${real}-wal`, `${to}-wal`);
  } catch (error) {
    throw new Error(`Cannot copy ${from}: ${errorMessage(error)}`, { cause: error });
  }
}

/** Gives the database at `path` a second path, `to` or similar. Returns it, if there is one. */
function keepPrevious(path: string, name: string): string | undefined {
  if (infoOf(path) === undefined) return undefined;
  // Restores that started in the same millisecond have waited for each other.
  let to = name;
  for (let number = 2; infoOf(to) !== undefined; number++) to = `${name}-${number}`;
  try {
    // Merges the journal into the database.
    openDatabase(path).close();
  } catch {
    // A damaged database is kept as it is.
  }
  // Moves the journal of a damaged database first, so that it is never next to another database.
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
