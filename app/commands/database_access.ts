// Opens and checks databases for commands, while a server may be using them.

import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { checkReadable, lockPathOf } from "../broker/sqlite/lock.ts";
import type { FolderLockOptions } from "../broker/sqlite/lock.ts";
import { thisProcess } from "../broker/sqlite/lock_file.ts";
import { openError, sqliteReason } from "../broker/sqlite/open_error.ts";
import { migrations, schemaVersion } from "../broker/sqlite/schema.ts";
import { errorMessage } from "../core/error_message.ts";
import { fileInfo, isAbsent, isLink } from "../core/file_info.ts";

/** Suffixes of the database file and of the files that SQLite keeps next to it. */
export const databaseSuffixes = ["", "-wal", "-shm", "-journal"];
/** Max wait for a server that is starting up and replaying its journal. */
const busyMs = 5_000;

const offsetMax = 999_999_999_999_999;
/** Largest time of a `Date`, in ms. */
const timeMax = 8_640_000_000_000_000;
/** No entry is larger, in bytes. */
const textMaxBytes = 1_048_576;
/** Matches control characters. */
const controls = "'*[' || char(1) || '-' || char(31) || ']*'";

/** Conditions that rows of our tables never fulfill: they would break pages, streams or startup. */
const unsoundRows: Readonly<Record<string, string>> = {
  epochs: "name GLOB '*[^A-Za-z0-9_-]*'",
  rooms: `name GLOB '*[^a-z0-9-]*' OR NOT (first BETWEEN 1 AND head + 1) OR
          NOT (head BETWEEN 0 AND ${offsetMax}) OR NOT (at BETWEEN 0 AND ${timeMax})`,
  entries: `NOT (offset BETWEEN 1 AND ${offsetMax}) OR NOT (at BETWEEN 0 AND ${timeMax}) OR
            NOT (edited_at BETWEEN 0 AND ${timeMax}) OR kind NOT IN (0, 1, 2, 3) OR
            typeof(text) NOT IN ('text', 'null') OR octet_length(text) > ${textMaxBytes} OR
            username GLOB ${controls} OR kind = 2 AND NOT json_valid(text)`,
  names: `username GLOB ${controls}`,
  sanctions: "NOT json_valid(members)",
  sweeps: "NOT json_valid(members)",
};

/** Returns the options with which this process locks the folder of a database. */
export function folderLock(path: string): FolderLockOptions {
  return { path: lockPathOf(path), owner: thisProcess(), now: Date.now, wait: sleep };
}

/**
 * Opens the database at `path` for reading. A server may be using it.
 *
 * @throws {Error} As `openDatabase` does, or if a server is using the database and SQLite's locks
 *   have no effect between it and this process.
 */
export async function openToRead(path: string): Promise<DatabaseSync> {
  await checkReadable(folderLock(path));
  return openDatabase(path);
}

/**
 * Opens the database at `path`. The caller must hold the lock of its folder; to read a database
 * that a server may be using, call `openToRead`.
 *
 * @throws {Error} If it does not exist, or is not a Parley database of this version or an earlier
 *   one.
 */
export function openDatabase(path: string): DatabaseSync {
  checkExists(path);
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
 * Checks that there is a database at `path`.
 *
 * @throws {Error} If there is none.
 */
export function checkExists(path: string): void {
  if (infoOf(path) === undefined) throw new Error(`Cannot open ${path}: it does not exist`);
}

/**
 * Merges the journal of a copy into the copy, and checks that the whole file is readable.
 *
 * @throws {Error} If it is damaged, or not a Parley database of this version or an earlier one. The
 *   message calls it `name`.
 */
export function checkCopy(path: string, name = path): void {
  try {
    using database = new DatabaseSync(path);
    database.exec("PRAGMA journal_mode = DELETE");
    checkSchema(database);
    const { quick_check: result } = database.prepare("PRAGMA quick_check(1)").get() ?? {};
    if (result !== "ok") throw new Error(String(result));
  } catch (error) {
    throw new Error(`Cannot use ${name}: ${sqliteReason(error)}`, { cause: error });
  }
}

/**
 * Checks that no other program has changed our tables and indexes in a copy, added a trigger, or
 * stored values that no server stores: these could make a server lose messages, or fail.
 *
 * @throws {Error} If one has. The message calls the copy `name`.
 */
export function checkTables(path: string, name: string): void {
  using database = new DatabaseSync(path);
  using expected = new DatabaseSync(":memory:");
  for (const step of migrations.slice(0, versionOf(database))) expected.exec(step);
  const ours = objectsOf(expected);
  const found = objectsOf(database);
  const tables = [...ours.values()].map(({ table }) => table);
  const changed = ours.keys().find((object) => ours.get(object)?.sql !== found.get(object)?.sql) ??
    found.entries().find(([object, { type, table }]) =>
      !ours.has(object) && (type === "trigger" || type === "index" && tables.includes(table))
    )?.[0];
  if (changed !== undefined) {
    throw new Error(`Cannot use ${name}: another program has added or changed ${changed}`);
  }
  for (const [table, condition] of Object.entries(unsoundRows)) {
    if (database.prepare(`SELECT 1 FROM ${table} WHERE ${condition} LIMIT 1`).get()) {
      throw new Error(`Cannot use ${name}: its table ${table} has values that no server stores`);
    }
  }
}

/** Returns the tables, indexes, views and triggers of a database, by type and name. */
function objectsOf(database: DatabaseSync) {
  const rows = database.prepare(
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL",
  ).all();
  return new Map(rows.map(({ type, name, tbl_name, sql }) => [
    `${type} ${name}`,
    { type, table: String(tbl_name), sql: String(sql).replace(/\s+/g, " ") },
  ]));
}

function versionOf(database: DatabaseSync): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version);
}

function checkSchema(database: DatabaseSync): void {
  const version = versionOf(database);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE name IN (?, ?)")
    .all("entries", "epochs");
  if (version < 1 || tables.length !== 2) throw new Error("it is not a Parley database");
  if (version > schemaVersion) throw new Error("it was made by a newer version of Parley");
}

/** Removes a database and the files that SQLite keeps next to it, if they exist. */
export function removeDatabase(path: string): void {
  for (const file of databaseSuffixes.map((suffix) => path + suffix)) {
    if (fileInfo(file) !== undefined || isLink(file)) Deno.removeSync(file);
  }
}

/**
 * Returns information about the file at a path, following symlinks, or `undefined` if absent.
 *
 * @throws {Error} If this process lacks the permission to look.
 */
export function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    const reason = error instanceof Deno.errors.NotCapable
      ? "Deno does not let programs use it"
      : errorMessage(error);
    throw new Error(`Cannot read ${path}: ${reason}`, { cause: error });
  }
}

/** Returns whether two paths lead to the same file. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [infoOf(one), infoOf(other)];
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}
