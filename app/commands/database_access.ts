// Opens and checks databases outside the server, which may be using them.

import { DatabaseSync } from "node:sqlite";
import { schemaVersion } from "../broker/sqlite/schema.ts";
import { errorMessage } from "../core/error_message.ts";

/** The database and the files that SQLite keeps beside it. */
export const databaseSuffixes = ["", "-wal", "-shm", "-journal"];
/** Max wait for a server that is starting and replays its journal. */
const busyMs = 5_000;

/**
 * Opens the database at `path`; a server that uses it goes on.
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
    throw new Error(`Cannot open ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

/**
 * Turns a copy with its journal into a single file, and reads all of it.
 *
 * @throws {Error} If it is not a whole database of this version or an earlier one. The message calls
 *   it `name`.
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

/** Returns what is at a path, following links; `undefined` if nothing is. */
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
