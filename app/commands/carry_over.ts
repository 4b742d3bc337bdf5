// Carries bans, mutes and deletions over from a database to the older copy that replaces it.

import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { DatabaseFile } from "../broker/sqlite/database.ts";
import { addEntry } from "../broker/sqlite/entries.ts";
import { removeIndex } from "../broker/sqlite/search_index.ts";
import { randomName } from "../core/identity.ts";
import { openDatabase } from "./database_access.ts";

/** Each is replaced as a whole. A sweep starts again from the first room. */
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
  message: `SELECT member, nonce, text FROM entries WHERE offset = ? AND kind = 0
            AND room = (SELECT id FROM rooms WHERE name = ?)`,
  room: "SELECT id, head, at FROM rooms WHERE name = ?",
  updateRoom: "UPDATE rooms SET head = ?, at = ? WHERE id = ?",
  addEpoch: "INSERT INTO epochs (name) VALUES (?)",
} as const;

/**
 * Carries sanctions and deletions over from the database at `path` to the copy at `to`, which
 * becomes one of this version. Deletions are added to the logs, so that clients learn about them.
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
      if (carryDeletions(from, copy)) removeIndex(copy);
    });
  } finally {
    copy.close();
  }
}

/** Gives the members that are banned in either database the names that they have in the first. */
function carryNames(from: DatabaseSync, copy: DatabaseFile): void {
  const banned = [...from.prepare(sql.banned).all(), ...copy.all(sql.banned)];
  const namesOf = from.prepare(sql.namesOf);
  for (const { member } of banned) {
    copy.run(sql.deleteNames, String(member));
    for (const name of namesOf.all(String(member))) insert(copy, "names", nameColumns, name);
  }
}

/** Deletes the messages deleted since the copy was made. Returns whether there are any. */
function carryDeletions(from: DatabaseSync, copy: DatabaseFile): boolean {
  const original = from.prepare(sql.message);
  let epoch: { readonly id: number; readonly name: string } | undefined;
  for (const row of from.prepare(sql.deletions).iterate()) {
    const [room, nonce] = [String(row.room), String(row.nonce)];
    const targets = (JSON.parse(String(row.text)) as readonly number[]).filter((offset) => {
      const message = original.get(offset, room);
      const copied = copy.get(sql.message, offset, room);
      return typeof copied?.text === "string" && copied.member === message?.member &&
        copied.nonce === message?.nonce;
    });
    const found = copy.get(sql.room, room);
    if (targets.length === 0 || found === undefined) continue;
    if (epoch === undefined) {
      const name = randomName();
      epoch = { id: Number(copy.run(sql.addEpoch, name).lastInsertRowid), name };
    }
    const [id, offset] = [Number(found.id), Number(found.head) + 1];
    const at = Math.max(Number(found.at), Number(row.at));
    const author = { member: String(row.member), from: String(row.username) };
    const draft = { type: "delete", room, ...author, targets, nonce } as const;
    addEntry(copy, { room: id, offset, epoch, at }, draft, targets);
    copy.run(sql.updateRoom, offset, at, id);
  }
  return epoch !== undefined;
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
