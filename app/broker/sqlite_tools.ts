// What can be done with a database from outside the server: copy it, put a copy in its place, and write a room out. Each
// works on a path, while a server serves it or not, as far as that can be.

import { dirname } from "@std/path";
import { backup, DatabaseSync } from "node:sqlite";
import { whileFrozen } from "./sqlite_freeze.ts";
import { schemaVersion } from "./sqlite_schema.ts";

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
 * Copies the database at `path` to the file `to`, which is complete when it is there: one that is there already is replaced at
 * the end. A server that has the database open goes on serving; it is given `answerMs` to say that it is there.
 *
 * @throws {Error} If there is no database, it cannot be read, or the copy cannot be written; the message says why.
 */
export async function backUp(path: string, to: string, answerMs?: number): Promise<void> {
  if (!exists(path)) throw new Error(`Cannot back up ${path}: it is not there`);
  if (exists(to) && Deno.realPathSync(to) === Deno.realPathSync(path)) {
    throw new Error(`Cannot back up to ${to}: this is the database itself`);
  }
  const unfinished = `${to}.unfinished`;
  removeDatabase(unfinished);
  try {
    const database = openAlone(path);
    if (database === undefined) {
      await whileFrozen(path, () => Deno.copyFile(path, unfinished), answerMs);
    } else {
      await backup(database, unfinished).finally(() => database.close());
    }
    check(unfinished);
    Deno.renameSync(unfinished, to);
  } finally {
    removeDatabase(unfinished);
  }
}

/**
 * Puts the copy `from` in the place of the database at `path`. What was there is kept under the name that is answered, if there
 * was something.
 *
 * @throws {Error} If a server has the database open, or `from` is not a whole database of Parley.
 */
export async function restore(path: string, from: string, now: Date): Promise<string | undefined> {
  const unfinished = `${path}.unfinished`;
  removeDatabase(unfinished);
  const saved = `${path}.before-${now.toISOString().replaceAll(":", "")}`;
  try {
    await copyFrom(from, unfinished);
    check(unfinished, from);
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
 * Writes every message of a room that is kept, the oldest first: as JSON lines, or as text for people.
 *
 * @throws {Error} If there is no such room, or the database cannot be read.
 */
export async function exportRoom(
  path: string,
  room: string,
  format: "jsonl" | "text",
  write: (part: string) => void,
): Promise<void> {
  // Beside the database, where a program with few permissions may write too.
  const dir = await Deno.makeTempDir({ dir: dirname(path), prefix: "export-" });
  try {
    await backUp(path, `${dir}/copy.db`);
    using database = new DatabaseSync(`${dir}/copy.db`, { readOnly: true });
    const found = database.prepare("SELECT id FROM rooms WHERE name = ?").get(room);
    if (found === undefined) throw new Error(`Cannot export ${room}: nobody has written there`);
    const rows = database.prepare(
      "SELECT offset, at, member, username, text FROM messages WHERE room = ? ORDER BY offset",
    );
    const lineOf = format === "jsonl" ? jsonLine : textLines;
    for (const row of rows.iterate(Number(found.id))) {
      write(lineOf({
        room,
        offset: Number(row.offset),
        at: new Date(Number(row.at)).toISOString(),
        member: String(row.member),
        from: String(row.username),
        text: String(row.text),
      }));
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
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

/** Opens a database so that no server can; `undefined` when one has it. */
function openAlone(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");
    return database;
  } catch (error) {
    database.close();
    if (isLocked(error)) return undefined;
    throw new Error(`Cannot open ${path}: ${messageOf(error)}`, { cause: error });
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

/** Throws unless a file is a whole database of Parley that this version can open; leaves it as a single file. */
function check(path: string, name = path): void {
  let why: string | undefined;
  try {
    using database = new DatabaseSync(path);
    const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
    const found = database.prepare(
      "SELECT count(*) AS count FROM sqlite_schema WHERE name IN (?, ?)",
    )
      .get("messages", "terms");
    const checked = String(database.prepare("PRAGMA quick_check(1)").get()?.quick_check);
    if (version === 0 || found?.count !== 2) why = "it is no database of Parley";
    else if (version > schemaVersion) why = "a newer Parley has made it";
    else if (checked !== "ok") why = checked;
    else database.exec("PRAGMA journal_mode = DELETE");
  } catch (error) {
    why = messageOf(error);
  }
  if (why !== undefined) throw new Error(`Cannot use ${name}: ${why}`);
}

async function copyFrom(from: string, to: string): Promise<void> {
  try {
    await Deno.copyFile(from, to);
  } catch (error) {
    throw new Error(`Cannot copy ${from}: ${messageOf(error)}`, { cause: error });
  }
}

function isLocked(error: unknown): boolean {
  return messageOf(error).includes("locked");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function removeDatabase(path: string): void {
  for (const part of ["", "-wal", "-shm", "-journal"]) {
    if (exists(path + part)) Deno.removeSync(path + part);
  }
}
