// Reads a SQLite database at the end of a run, to compare it with the ledger.

import { DatabaseSync } from "node:sqlite";
import type { Ledger, StoredLog, StoredMessage } from "./ledger.ts";

/**
 * Checks a database of a stopped server against the ledger. Returns the number of stored messages.
 */
export function checkDatabase(path: string, ledger: Ledger): number {
  const database = new DatabaseSync(path);
  try {
    const [result] = database.prepare("PRAGMA integrity_check").all();
    if (result?.integrity_check !== "ok") {
      ledger.addViolation(`the database is damaged: ${JSON.stringify(result)}`);
    }
    return ledger.check(readStored(database));
  } finally {
    database.close();
  }
}

/** Reads everything from a database. */
function readStored(database: DatabaseSync): StoredLog {
  const messages = database.prepare(
    `SELECT rooms.name AS room, rooms.head, entries.offset, epochs.name AS epoch, entries.at,
       entries.member, entries.username AS "from", entries.text, entries.nonce,
       iif(entries.offset > rooms.indexed, entries.offset, nonces.offset) AS nonceOffset
     FROM entries JOIN rooms ON rooms.id = entries.room JOIN epochs ON epochs.id = entries.epoch
       LEFT JOIN nonces ON nonces.room = entries.room AND nonces.member = entries.member
         AND nonces.nonce = entries.nonce
     ORDER BY entries.room, entries.offset`,
  ).all() as unknown as StoredMessage[];
  const names = database.prepare("SELECT key, member, live, held_until FROM names").all()
    .filter(({ live, held_until }) => live === 1 || Number(held_until) > Date.now());
  const owners = new Map(names.map(({ key, member }) => [String(key), String(member)]));
  return { messages, owners };
}
