// `parley remove-room` and `parley repair-times`: changes to the database of a stopped server.

import type { DatabaseSync } from "node:sqlite";
import { FolderLock } from "../broker/sqlite/lock.ts";
import { removeIndex } from "../broker/sqlite/search_index.ts";
import { checkExists, folderLock, openDatabase } from "./database_access.ts";

const sql = {
  // The names of banned members are held until the ban ends.
  shortenHolds: `UPDATE names SET held_until = min(held_until, max(?1, coalesce((
                   SELECT max(until) FROM sanctions, json_each(members)
                   WHERE kind = 'ban' AND value = names.member), 0)))`,
} as const;

/**
 * Removes a room and all its entries.
 *
 * @throws {Error} If a server is using the folder, or the room has never had a message.
 */
export async function removeRoom(path: string, room: string): Promise<void> {
  await change(path, (database) => {
    const found = database.prepare("SELECT id FROM rooms WHERE name = ?").get(room);
    if (found === undefined) throw new Error(`Cannot remove ${room}: it has no messages`);
    const id = Number(found.id);
    database.prepare("DELETE FROM entries WHERE room = ?").run(id);
    removeIndex(database);
    database.prepare("DELETE FROM nonces WHERE room = ?").run(id);
    database.prepare("DELETE FROM rooms WHERE id = ?").run(id);
  });
}

/**
 * Changes all times after `now` (in ms since 1970) to `now`. Returns the number of entries changed.
 * They were stored while the clock was ahead, so age-based retention would keep them, and all later
 * messages in their rooms, for too long. Sanctions imposed then keep their length, counted from
 * `now`. Names are held for at most `nameHoldMs`.
 *
 * @throws {Error} If a server is using the folder.
 */
export async function repairTimes(path: string, now: number, nameHoldMs: number): Promise<number> {
  return await change(path, (database) => {
    const { changes } = database.prepare("UPDATE entries SET at = ? WHERE at > ?").run(now, now);
    database.prepare("UPDATE entries SET edited_at = ? WHERE edited_at > ?").run(now, now);
    database.prepare("UPDATE nonces SET at = ? WHERE at > ?").run(now, now);
    database.prepare("UPDATE nonce_chunks SET at = ? WHERE at > ?").run(now, now);
    database.prepare("UPDATE nonce_filters SET at = ? WHERE at > ?").run(now, now);
    database.prepare("UPDATE rooms SET at = ? WHERE at > ?").run(now, now);
    // A member's network is forgotten a day after `seen`. A network ban spares members that wrote
    // before it.
    database.prepare("UPDATE members SET seen = ? WHERE seen > ?").run(now, now);
    database.prepare("UPDATE members SET wrote_at = ?1 - 1 WHERE wrote_at > ?1").run(now);
    database.prepare("UPDATE sanctions SET until = until - at + ?1, at = ?1 WHERE at > ?1").run(
      now,
    );
    database.prepare(sql.shortenHolds).run(now + nameHoldMs);
    return Number(changes);
  });
}

/** Changes the database in one transaction, while holding the lock of its folder. */
async function change<T>(path: string, work: (database: DatabaseSync) => T): Promise<T> {
  checkExists(path);
  const lock = await FolderLock.acquire(folderLock(path));
  try {
    using database = openDatabase(path);
    database.exec("PRAGMA secure_delete = ON; BEGIN IMMEDIATE");
    const result = work(database);
    lock.check();
    database.exec("COMMIT");
    // Otherwise the removed text would remain in the journal and in free pages.
    database.prepare("PRAGMA incremental_vacuum").all();
    database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    return result;
  } finally {
    lock.release();
  }
}
