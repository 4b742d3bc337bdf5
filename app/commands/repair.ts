// `parley remove-room` and `parley repair-times`: changes to the database of a stopped server.

import type { DatabaseSync } from "node:sqlite";
import { FolderLock } from "../broker/sqlite/lock.ts";
import { folderLock, openDatabase } from "./database_access.ts";

/**
 * Removes a room with all its messages, and returns how many there were.
 *
 * @throws {Error} If a server uses the folder, or the room has never had a message.
 */
export async function removeRoom(path: string, room: string): Promise<number> {
  return await change(path, (database) => {
    const found = database.prepare("SELECT id FROM rooms WHERE name = ?").get(room);
    if (found === undefined) throw new Error(`Cannot remove ${room}: it has no messages`);
    const id = Number(found.id);
    const { changes } = database.prepare("DELETE FROM messages WHERE room = ?").run(id);
    database.prepare("DELETE FROM nonces WHERE room = ?").run(id);
    database.prepare("DELETE FROM rooms WHERE id = ?").run(id);
    return Number(changes);
  });
}

/**
 * Dates the messages from after `now` (in ms since 1970) to `now`, and returns how many there were.
 * They were stored while the clock was ahead, and retention by age would never reach them.
 *
 * @throws {Error} If a server uses the folder.
 */
export async function repairTimes(path: string, now: number): Promise<number> {
  return await change(path, (database) => {
    const { changes } = database.prepare("UPDATE messages SET at = ? WHERE at > ?").run(now, now);
    database.prepare("UPDATE nonces SET at = ? WHERE at > ?").run(now, now);
    database.prepare("UPDATE rooms SET at = ? WHERE at > ?").run(now, now);
    return Number(changes);
  });
}

/** Changes the database in one transaction, in a folder that no server uses. */
async function change<T>(path: string, work: (database: DatabaseSync) => T): Promise<T> {
  const lock = await FolderLock.acquire(folderLock(path));
  try {
    using database = openDatabase(path);
    database.exec("PRAGMA secure_delete = ON; BEGIN IMMEDIATE");
    const result = work(database);
    lock.check();
    database.exec("COMMIT");
    // Otherwise removed text stays in the journal and in free pages.
    database.prepare("PRAGMA incremental_vacuum").all();
    database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    return result;
  } finally {
    lock.release();
  }
}
