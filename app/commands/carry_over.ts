// Carries bans, mutes, deletions and title locks over from a database to the older copy that
// replaces it.

import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { DatabaseFile } from "../broker/sqlite/database.ts";
import { addEntry } from "../broker/sqlite/entries.ts";
import { removeIndex } from "../broker/sqlite/search_index.ts";
import type { Draft } from "../chat/broker.ts";
import { randomName } from "../core/identity.ts";
import { openDatabase } from "./database_access.ts";

/** The tables that are replaced as a whole. Sweeps start again from the first room. */
const tables = {
  members: ["member", "network", "seen", "wrote_at"],
  moderators: ["member", "mac"],
  sanctions: ["id", "kind", "member", "username", "members", "network", "at", "until", "by"],
  sweeps: ["id", "members", "since", "member", "username"],
} as const;
const nameColumns = ["key", "member", "username", "current", "live", "wrote", "held_until"];

const sql = {
  banned: "SELECT DISTINCT value AS member FROM sanctions, json_each(members) WHERE kind = 'ban'",
  namesOf: "SELECT * FROM names WHERE member = ?",
  deleteNames: "DELETE FROM names WHERE member = ?",
  deletions:
    `SELECT rooms.name AS room, entries.at AS at, member, username, nonce, text FROM entries
              JOIN rooms ON rooms.id = room WHERE kind = 2 ORDER BY room, offset`,
  target: `SELECT member, nonce, text, epochs.name AS epoch FROM entries
           JOIN epochs ON epochs.id = epoch WHERE offset = ? AND kind IN (0, 3)
           AND room = (SELECT id FROM rooms WHERE name = ?)`,
  hasEpoch: "SELECT 1 FROM epochs WHERE name = ?",
  // Retention may have removed the entry of a title.
  titles: `SELECT rooms.name AS room, title_locked, title AS text,
                  coalesce(entries.at, rooms.at) AS at, coalesce(member, 'operator') AS member,
                  coalesce(username, 'Operator') AS username,
                  coalesce(nonce, 'title.' || title_at) AS nonce
           FROM rooms LEFT JOIN entries ON room = rooms.id AND offset = title_at`,
  setLock: "UPDATE rooms SET title_locked = ? WHERE name = ?",
  room: "SELECT id, head, at, title FROM rooms WHERE name = ?",
  updateRoom: "UPDATE rooms SET head = ?, at = ? WHERE id = ?",
  addEpoch: "INSERT INTO epochs (name) VALUES (?)",
} as const;

/**
 * Carries sanctions, deletions and title locks over from the database at `path` to the copy at
 * `to`, which gets the current schema. Deletions and locked titles are added to the logs, so
 * that clients learn about them.
 *
 * @throws {Error} If either cannot be used. The sanctions of the copy are unchanged then.
 */
export function carryOver(path: string, to: string): void {
  using from = openDatabase(path);
  const copy = new DatabaseFile(to, "normal", 0);
  try {
    copy.transaction(() => {
      carryNames(from, copy);
      for (const [table, columns] of Object.entries(tables)) {
        copy.run(`DELETE FROM ${table}`);
        const rows = from.prepare(`SELECT ${columns.join(", ")} FROM ${table}`).iterate();
        for (const row of rows) insert(copy, table, columns, row);
      }
      const add = appenderTo(copy);
      if (carryDeletions(from, copy, add)) removeIndex(copy);
      carryTitles(from, copy, add);
    });
  } finally {
    copy.close();
  }
}

/** Gives members that are banned in either database the names that they have in `from`. */
function carryNames(from: DatabaseSync, copy: DatabaseFile): void {
  const banned = [...from.prepare(sql.banned).all(), ...copy.all(sql.banned)];
  const namesOf = from.prepare(sql.namesOf);
  for (const { member } of banned) {
    copy.run(sql.deleteNames, String(member));
    for (const name of namesOf.all(String(member))) insert(copy, "names", nameColumns, name);
  }
}

/**
 * Deletes the messages and titles deleted since the copy was made. Returns whether there are any.
 */
function carryDeletions(from: DatabaseSync, copy: DatabaseFile, add: Append): boolean {
  const original = from.prepare(sql.target);
  const epoch = from.prepare(sql.hasEpoch);
  let hasDeleted = false;
  for (const row of from.prepare(sql.deletions).iterate()) {
    const room = String(row.room);
    const targets = (JSON.parse(String(row.text)) as readonly number[]).filter((offset) => {
      const message = original.get(offset, room);
      const copied = copy.get(sql.target, offset, room);
      if (typeof copied?.text !== "string") return false;
      // Retention has removed the deleted message.
      if (message === undefined) return epoch.get(String(copied.epoch)) !== undefined;
      return copied.member === message.member && copied.nonce === message.nonce;
    });
    if (targets.length === 0) continue;
    add({ type: "delete", ...fieldsOf(row), targets }, Number(row.at), targets);
    hasDeleted = true;
  }
  return hasDeleted;
}

/** Sets and locks the titles that are locked in `from`, and unlocks all others. */
function carryTitles(from: DatabaseSync, copy: DatabaseFile, add: Append): void {
  for (const row of from.prepare(sql.titles).iterate()) {
    const { title_locked: lock, text } = row;
    const copied = copy.get(sql.room, String(row.room));
    if (lock === 1 && typeof text === "string" && copied && copied.title !== text) {
      add({ type: "title", ...fieldsOf(row), text, locked: true }, Number(row.at), []);
    } else copy.run(sql.setLock, Number(lock), String(row.room));
  }
}

type Append = ReturnType<typeof appenderTo>;

/** Returns a function that adds entries to rooms of a database, in a new epoch. */
function appenderTo(copy: DatabaseFile) {
  let epoch: { readonly id: number; readonly name: string } | undefined;
  return (draft: Draft, addedAt: number, targets: readonly number[]): void => {
    const found = copy.get(sql.room, draft.room);
    if (found === undefined) return;
    if (epoch === undefined) {
      const name = randomName();
      epoch = { id: Number(copy.run(sql.addEpoch, name).lastInsertRowid), name };
    }
    const [room, offset] = [Number(found.id), Number(found.head) + 1];
    const at = Math.max(Number(found.at), addedAt);
    addEntry(copy, { room, offset, epoch, at }, draft, targets);
    copy.run(sql.updateRoom, offset, at, room);
  };
}

function fieldsOf({ room, member, username, nonce }: Readonly<Record<string, SQLOutputValue>>) {
  const [author, from] = [String(member), String(username)];
  return { room: String(room), member: author, from, nonce: String(nonce) };
}

function insert(
  copy: DatabaseFile,
  table: string,
  columns: readonly string[],
  row: Readonly<Record<string, SQLOutputValue>>,
): void {
  const marks = columns.map(() => "?").join(", ");
  const statement = `INSERT OR REPLACE INTO ${table} (${columns.join(", ")}) VALUES (${marks})`;
  copy.run(statement, ...columns.map((column) => row[column] ?? null));
}
