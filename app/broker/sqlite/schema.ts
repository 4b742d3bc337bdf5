// The tables of the database, and the migrations that upgrade an older one.

import type { DatabaseSync } from "node:sqlite";

/**
 * The step to each version from the previous one. The first creates the tables in an empty file.
 * Released steps never change.
 *
 * `names.key` is the username normalized for comparison. One of a member's names is `current`, and
 * at most one is former. `rooms.title_at` is the offset of the entry that set the title.
 *
 * `nonces` has the nonces of entries that were removed. The hashes of the nonces of all entries up
 * to `rooms.indexed` are in `nonce_chunks` or `nonce_pages`, with the entries' offsets (nonces.ts).
 * `nonce_key` is the secret key of these hashes.
 *
 * `members.network` is forgotten after a day. `wrote_at` is when the member first wrote.
 * `sanctions.members` and `sweeps.members` are JSON arrays.
 *
 * The columns of an entry from `kind` on differ from their defaults only if it is a reply, was
 * amended or is not a message (entries.ts).
 */
export const migrations: readonly string[] = [
  `
    CREATE TABLE epochs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE rooms (
      id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
      first INTEGER NOT NULL, head INTEGER NOT NULL, at INTEGER NOT NULL,
      indexed INTEGER NOT NULL DEFAULT 0,
      title TEXT, title_at INTEGER, title_locked INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE entries (
      room INTEGER NOT NULL, offset INTEGER NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL,
      member TEXT NOT NULL, username TEXT NOT NULL, text TEXT, nonce TEXT NOT NULL,
      kind INTEGER NOT NULL DEFAULT 0, ref INTEGER, amended INTEGER, edited_at INTEGER,
      edits INTEGER NOT NULL DEFAULT 0, deleted_by TEXT, ordinal INTEGER,
      PRIMARY KEY (room, offset)
    ) WITHOUT ROWID;
    CREATE INDEX entries_other ON entries (room, offset, ordinal) WHERE kind > 0;
    CREATE TABLE nonce_key (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    INSERT INTO nonce_key VALUES (1, randomblob(16));
    CREATE TABLE nonce_chunks (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE TABLE nonce_filters (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL);
    CREATE TABLE nonce_pages (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
    CREATE TABLE nonces (
      room INTEGER NOT NULL, offset INTEGER NOT NULL, member TEXT NOT NULL, nonce TEXT NOT NULL,
      at INTEGER NOT NULL,
      PRIMARY KEY (room, offset)
    ) WITHOUT ROWID;
    CREATE INDEX nonces_at ON nonces (at);
    CREATE TABLE names (
      key TEXT PRIMARY KEY, member TEXT NOT NULL, username TEXT NOT NULL,
      current INTEGER NOT NULL, live INTEGER NOT NULL, wrote INTEGER NOT NULL,
      held_until INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX names_member ON names (member);
    CREATE INDEX names_expiry ON names (live, held_until);
    CREATE TABLE members (
      member TEXT PRIMARY KEY, network TEXT, seen INTEGER NOT NULL, wrote_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX members_network ON members (network) WHERE network IS NOT NULL;
    CREATE INDEX members_network_seen ON members (seen) WHERE network IS NOT NULL;
    CREATE INDEX members_seen ON members (seen);
    CREATE TABLE moderators (member TEXT PRIMARY KEY, mac TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE sanctions (
      id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, member TEXT NOT NULL,
      username TEXT NOT NULL, members TEXT NOT NULL, network TEXT,
      at INTEGER NOT NULL, until INTEGER NOT NULL, by TEXT NOT NULL
    );
    CREATE TABLE sweeps (
      id INTEGER PRIMARY KEY AUTOINCREMENT, members TEXT NOT NULL, since INTEGER NOT NULL,
      member TEXT NOT NULL, username TEXT NOT NULL,
      room INTEGER NOT NULL DEFAULT 0, before INTEGER NOT NULL DEFAULT 0
    );
  `,
];

export const schemaVersion = migrations.length;

/**
 * Upgrades a database to the current version, in one transaction. Returns its previous version.
 * Writes nothing to a current database, so that one on a full disk can still be read.
 *
 * @throws {Error} If a newer version of Parley made it, or it cannot be written.
 */
export function migrate(database: DatabaseSync, steps: readonly string[] = migrations): number {
  const version = Number(database.prepare("PRAGMA user_version").get()?.user_version);
  if (version > steps.length) throw new Error("it was made by a newer version of Parley");
  if (version === steps.length) return version;
  try {
    database.exec("BEGIN IMMEDIATE");
    for (const step of steps.slice(version)) database.exec(step);
    database.exec(`PRAGMA user_version = ${steps.length}; COMMIT`);
    return version;
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
