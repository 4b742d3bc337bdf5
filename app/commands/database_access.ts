// Opens and checks databases outside the server, which may be using them.

import { DatabaseSync } from "node:sqlite";
import { checkReadable, lockPathOf } from "../broker/sqlite/lock.ts";
import type { FolderLockOptions } from "../broker/sqlite/lock.ts";
import { thisProcess } from "../broker/sqlite/lock_file.ts";
import { openError } from "../broker/sqlite/open_error.ts";
import { schemaVersion } from "../broker/sqlite/schema.ts";
import { errorMessage } from "../core/error_message.ts";
import { sleep } from "../core/timers.ts";

/** The database and the files that SQLite keeps beside it. */
export const databaseSuffixes = ["", "-wal", "-shm", "-journal"];
/** Max wait for a server that is starting and replays its journal. */
const busyMs = 5_000;

/** Returns the lock of the folder that a database is in, as this process takes it. */
export function folderLock(path: string): FolderLockOptions {
  return { path: lockPathOf(path), owner: thisProcess(), now: Date.now, wait: sleep };
}

/**
 * Opens the database at `path` to read it, while a server may be using it.
 *
 * @throws {Error} As `openDatabase`, or if SQLite's locks do not reach the server.
 */
export async function openToRead(path: string): Promise<DatabaseSync> {
  await checkReadable(folderLock(path));
  return openDatabase(path);
}

/**
 * Opens the database at `path`, in a folder that no server uses unless `openToRead` has checked it.
 *
 * @throws {Error} If there is none, or it is not a database of this version or an earlier one.
 */
export function openDatabase(path: string): DatabaseSync {
  if (infoOf(path) === undefined) throw new Error(`Cannot open ${path}: it does not exist`);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: busyMs });
    checkSchema(database);
    return database;
  } catch (error) {
    database?.close();
    throw openError(path, error);
  }
}

/**
 * Turns a copy with its journal into a single file, and reads all of it.
 *
 * @throws {Error} If it is not a whole database of this version or an earlier one. The message
 *   calls it `name`.
 */
export function checkCopy(path: string, name = path): void {
  try {
    using database = new DatabaseSync(path);
    database.exec("PRAGMA journal_mode = DELETE");
    checkSchema(database);
    const { quick_check: result } = database.prepare("PRAGMA quick_check(1)").get() ?? {};
    if (result !== "ok") throw new Error(String(result));
  } catch (error) {
    throw new Error(`Cannot use ${name}: ${errorMessage(error)}`, { cause: error });
  }
}

function checkSchema(database: DatabaseSync): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE name IN (?, ?)")
    .all("messages", "epochs");
  if (version === 0 || tables.length !== 2) throw new Error("it is not a database of Parley");
  if (version > schemaVersion) throw new Error("it was made by a newer version of Parley");
}

/** Removes a database and the files beside it, as far as they exist. */
export function removeDatabase(path: string): void {
  for (const suffix of databaseSuffixes) {
    if (exists(path + suffix)) Deno.removeSync(path + suffix);
  }
}

/** Returns whether anything is at a path, be it a broken link. */
function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Returns the file at a path, following links, or `undefined` if there is none. */
export function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return undefined;
    throw error;
  }
}
