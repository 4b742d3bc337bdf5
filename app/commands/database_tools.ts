// What can be done with a database from outside the server: copy it, put a copy in its place, and write a room out. Each
// works on a path, while a server serves it or not, as far as that can be.

import { basename, dirname } from "@std/path";
import { backup, DatabaseSync } from "node:sqlite";
import { newCopyPath, removeLeftCopies, whileFrozen } from "../broker/sqlite/freeze.ts";
import { schemaVersion } from "../broker/sqlite/schema.ts";
import { errorMessage } from "../core/error_message.ts";

/** A message as it is written out. */
interface Exported {
  readonly room: string;
  readonly offset: number;
  /** ISO 8601, in UTC. */
  readonly at: string;
  readonly member: string;
  readonly from: string;
  readonly text: string;
}

/**
 * Copies the database at `path` to the file `to`, which is complete when it is there: a database that is there already is
 * replaced at the end. A server that has the database open goes on serving; it is given `answerMs` to say that it is there.
 *
 * @throws {Error} If there is no database, it cannot be read, or the copy cannot be written; the message says why.
 */
export async function backUp(path: string, to: string, answerMs?: number): Promise<void> {
  checkTarget(path, to);
  if (!mayBeCopy(to)) throw new Error(`Cannot write ${to}: it is there, and is no database`);
  const unfinished = `${to}.unfinished`;
  await copyAlone(path, unfinished, () => {}, answerMs);
  try {
    checkFile(unfinished);
    Deno.renameSync(unfinished, to);
  } finally {
    removeDatabase(unfinished);
  }
}

/**
 * Puts the copy `from`, and the journal that stands beside it if one does, in the place of the database at `path`. What was
 * there is kept under the name that is answered, if there was something.
 *
 * @throws {Error} If a server has the database open, or `from` is not a whole database of Parley.
 */
export async function restore(path: string, from: string, now: Date): Promise<string | undefined> {
  const unfinished = `${path}.unfinished`;
  removeDatabase(unfinished);
  const saved = `${path}.before-${now.toISOString().replaceAll(":", "")}`;
  try {
    await copyFrom(from, unfinished);
    checkFile(unfinished, from);
    const isThere = exists(path);
    if (isThere) {
      settle(path);
      // In this order, so that no journal ever stands beside a database that it is not of.
      for (const part of ["-wal", "-shm", ""]) {
        if (exists(path + part)) Deno.renameSync(path + part, saved + part);
      }
    }
    Deno.renameSync(unfinished, path);
    return isThere ? saved : undefined;
  } finally {
    removeDatabase(unfinished);
  }
}

/**
 * Writes every message of a room that is kept to a file, as `exportRoom` has it, which is complete when it is there: one that
 * is there already is replaced at the end.
 *
 * @throws {Error} If there is no such room, the database cannot be read, or the file cannot be written.
 */
export async function exportToFile(
  path: string,
  room: string,
  format: "jsonl" | "text",
  file: string,
): Promise<void> {
  checkTarget(path, file);
  const unfinished = `${file}.unfinished`;
  if (exists(unfinished)) Deno.removeSync(unfinished);
  try {
    const parts = ReadableStream.from(exportRoom(path, room, format));
    await Deno.writeTextFile(unfinished, parts, { createNew: true });
    Deno.renameSync(unfinished, file);
  } catch (error) {
    // What the system says of a disk that is full has no name in it.
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new Error(`Cannot write ${unfinished}: ${error.message}`, { cause: error });
  } finally {
    if (exists(unfinished)) Deno.removeSync(unfinished);
  }
}

/**
 * Every message of a room that is kept, the oldest first: as JSON lines, or as text for people.
 *
 * @throws {Error} If there is no such room, or the database cannot be read.
 */
export async function* exportRoom(
  path: string,
  room: string,
  format: "jsonl" | "text",
): AsyncGenerator<string> {
  // Beside the database, where a program with few permissions may write too.
  const copy = newCopyPath(path);
  using opened = new DisposableStack();
  opened.defer(() => removeDatabase(copy));
  const database = await copyAlone(path, copy, () => {
    const database = opened.use(openCopy(copy));
    // It is read without a name, so that nothing is left of it however this program ends. Windows keeps names of open files.
    if (Deno.build.os !== "windows") removeDatabase(copy);
    return database;
  });
  check(database, copy);
  const found = database.prepare("SELECT id FROM rooms WHERE name = ?").get(room);
  if (found === undefined) throw new Error(`Cannot export ${room}: nobody has written there`);
  const rows = database.prepare(
    "SELECT offset, at, member, username, text FROM messages WHERE room = ? ORDER BY offset",
  );
  const lineOf = format === "jsonl" ? jsonLine : textLines;
  for (const row of rows.iterate(Number(found.id))) {
    yield lineOf({
      room,
      offset: Number(row.offset),
      at: new Date(Number(row.at)).toISOString(),
      member: String(row.member),
      from: String(row.username),
      text: String(row.text),
    });
  }
}

function jsonLine(message: Exported): string {
  return `${JSON.stringify(message)}\n`;
}

/** Lines after the first are moved in, so that nobody can write one that looks like somebody else's. */
function textLines({ at, from, text }: Exported): string {
  const [day = "", time = ""] = at.split("T");
  return `${day} ${time.slice(0, 8)} ${from}: ${text.replaceAll("\n", "\n    ")}\n`;
}

/** Throws where no file can be written: in the place of the database itself, of what is no file, or where no folder is. */
function checkTarget(path: string, to: string): void {
  if (!exists(path)) throw new Error(`Cannot copy ${path}: it is not there`);
  const real = Deno.realPathSync(path);
  // Of a journal that is not there now the name counts.
  const isOwn = ["", "-wal", "-shm", "-journal"].some((part) =>
    isSame(to, real + part) ||
    basename(to) === basename(real) + part && isSame(dirname(to), dirname(real))
  );
  const found = infoOf(to);
  const why = isOwn
    ? "this is the database itself"
    : found !== undefined && !found.isFile
    ? "it is there, and is no regular file"
    : infoOf(dirname(to))?.isDirectory
    ? undefined
    : `there is no folder ${dirname(to)}`;
  if (why !== undefined) throw new Error(`Cannot write ${to}: ${why}`);
}

/**
 * Copies the database at `path` to the new file `to`, and does `use` with it before a server can write or another program can
 * copy. Leaves no copy when it throws.
 */
async function copyAlone<T>(
  path: string,
  to: string,
  use: () => T,
  answerMs?: number,
): Promise<T> {
  if (!exists(path)) throw new Error(`Cannot copy ${path}: it is not there`);
  let isOurs = false;
  const copy = async (make: () => Promise<unknown>) => {
    removeLeftCopies(path);
    removeDatabase(to);
    isOurs = true;
    try {
      await make();
    } catch (error) {
      throw new Error(`Cannot write ${to}: ${errorMessage(error)}`, { cause: error });
    }
    return use();
  };
  try {
    const database = openAlone(path);
    return database === undefined
      ? await whileFrozen(path, () => copy(() => Deno.copyFile(path, to)), answerMs)
      : await copy(() => backup(database, to)).finally(() => database.close());
  } catch (error) {
    if (isOurs) removeDatabase(to);
    throw error;
  }
}

/** Opens a database so that no server can; `undefined` when one has it. */
function openAlone(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");
    return database;
  } catch (error) {
    database?.close();
    if (isLocked(error)) return undefined;
    throw new Error(`Cannot open ${path}: ${errorMessage(error)}`, { cause: error });
  }
}

/** Brings a database's journal into it; one that is broken stays as it is. */
function settle(path: string): void {
  let database: DatabaseSync | undefined;
  try {
    database = openAlone(path);
  } catch {
    return;
  }
  if (database === undefined) {
    throw new Error(`Cannot restore ${path}: a server is using it, stop it first`);
  }
  database.close();
}

/** Throws unless a copy is a whole database of Parley that this version can open; leaves it as a single file. */
function checkFile(path: string, name = path): void {
  using database = openCopy(path, name);
  check(database, name);
}

/** Opens a copy, with everything in it that was in its journal. */
function openCopy(path: string, name = path): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA journal_mode = DELETE");
    return database;
  } catch (error) {
    database.close();
    throw new Error(`Cannot use ${name}: ${errorMessage(error)}`, { cause: error });
  }
}

/** Throws unless this is a whole database of Parley that this version can open. */
function check(database: DatabaseSync, name: string): void {
  let why: string | undefined;
  try {
    const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
    const found = database.prepare(
      "SELECT count(*) AS count FROM sqlite_schema WHERE name IN (?, ?)",
    )
      .get("messages", "terms");
    const checked = String(database.prepare("PRAGMA quick_check(1)").get()?.quick_check);
    if (version === 0 || found?.count !== 2) why = "it is no database of Parley";
    else if (version > schemaVersion) why = "a newer Parley has made it";
    else if (checked !== "ok") why = checked;
  } catch (error) {
    why = errorMessage(error);
  }
  if (why !== undefined) throw new Error(`Cannot use ${name}: ${why}`);
}

async function copyFrom(from: string, to: string): Promise<void> {
  try {
    if (infoOf(from) === undefined) throw new Error("it is not there");
    const real = Deno.realPathSync(from);
    await Deno.copyFile(real, to);
    if (exists(`${real}-wal`)) await Deno.copyFile(`${real}-wal`, `${to}-wal`);
  } catch (error) {
    throw new Error(`Cannot copy ${from}: ${errorMessage(error)}`, { cause: error });
  }
}

function isLocked(error: unknown): boolean {
  return errorMessage(error).includes("locked");
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Whether a file begins as every SQLite database does (section 1.3 of its file format), or there is nothing in it. */
function mayBeCopy(path: string): boolean {
  if (infoOf(path) === undefined) return true;
  using file = Deno.openSync(path);
  const bytes = new Uint8Array(16);
  const length = file.readSync(bytes);
  return length === null || new TextDecoder().decode(bytes) === "SQLite format 3\0";
}

function removeDatabase(path: string): void {
  for (const part of ["", "-wal", "-shm", "-journal"]) {
    if (exists(path + part)) Deno.removeSync(path + part);
  }
}

/** Whether two names, perhaps through links, are of one file. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [infoOf(one), infoOf(other)];
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}

/** What stands under a name, links followed, if something does. */
function infoOf(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return undefined;
    throw error;
  }
}
