// What the tables of a database are, and how those of every earlier version become so.

import type { DatabaseSync } from "node:sqlite";

/** The step to each version from the one before; the first makes an empty file a database. Steps that were released never change. */
export const migrations: readonly string[] = [
  `
    CREATE TABLE terms (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE rooms (
      id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
      first INTEGER NOT NULL, head INTEGER NOT NULL, at INTEGER NOT NULL
    );
    CREATE TABLE messages (
      room INTEGER NOT NULL, offset INTEGER NOT NULL, term INTEGER NOT NULL, at INTEGER NOT NULL,
      member TEXT NOT NULL, username TEXT NOT NULL, text TEXT NOT NULL, nonce TEXT NOT NULL,
      PRIMARY KEY (room, offset)
    ) WITHOUT ROWID;
    CREATE TABLE nonces (
      room INTEGER NOT NULL, member TEXT NOT NULL, nonce TEXT NOT NULL,
      offset INTEGER NOT NULL, at INTEGER NOT NULL,
      PRIMARY KEY (room, member, nonce)
    ) WITHOUT ROWID;
    CREATE INDEX nonces_at ON nonces (at);
    CREATE TABLE names (
      key TEXT PRIMARY KEY, member TEXT NOT NULL, username TEXT NOT NULL,
      current INTEGER NOT NULL, live INTEGER NOT NULL, spoke INTEGER NOT NULL,
      held_until INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX names_member ON names (member);
  `,
  // Old nonces are found by walking through them: the index cost every message more than that.
  "DROP INDEX nonces_at",
  // The nonces of later messages are not in their table yet, only with the messages.
  "ALTER TABLE rooms ADD COLUMN noted INTEGER NOT NULL DEFAULT 0; UPDATE rooms SET noted = head",
];

/** The version that `migrate` leads to. */
export const schemaVersion = migrations.length;

/**
 * Brings a database to the present version, all steps or none. Nothing is written to one that is there already: a file on a
 * full disk can still be read.
 *
 * @throws {Error} If a newer program has made it, or it cannot be written.
 */
export function migrate(database: DatabaseSync, steps: readonly string[] = migrations): void {
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  if (version > steps.length) throw new Error("a newer Parley has made it");
  if (version === steps.length) return;
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const step of steps.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${steps.length}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
