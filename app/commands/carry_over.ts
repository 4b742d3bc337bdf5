// Carries bans, mutes and deletions over from a database to the older copy that replaces it.

import { DatabaseSync } from "node:sqlite";
import { migrate } from "../broker/sqlite/schema.ts";
import { removeIndex } from "../broker/sqlite/search_index.ts";
import { openDatabase } from "./database_access.ts";

/** Each is replaced as a whole. A sweep starts again from the first room. */
const tables = {
  members: ["member", "network", "seen", "wrote_at"],
  moderators: ["member", "mac"],
  sanctions: ["id", "kind", "member", "username", "members", "network", "at", "until", "by"],
  sweeps: ["id", "members", "since", "member", "username"],
} as const;

const deleted = `SELECT name, offset, member, nonce, deleted_by FROM entries
                 JOIN rooms ON rooms.id = room WHERE kind = 0 AND text IS NULL`;
const deleteText = `UPDATE entries
  SET text = NULL, edited_at = NULL, amended = coalesce(amended, offset), deleted_by = ?
  WHERE room = (SELECT id FROM rooms WHERE name = ?) AND offset = ? AND member = ? AND nonce = ?
        AND kind = 0 AND text IS NOT NULL`;

/**
 * Carries sanctions and deletions over from the database at `path` to the copy at `to`, which
 * becomes one of this version.
 *
 * @throws {Error} If either cannot be used; then the copy has the sanctions that it had.
 */
export function carryOver(path: string, to: string): void {
  using from = openDatabase(path);
  using copy = new DatabaseSync(to);
  migrate(copy);
  copy.exec("PRAGMA secure_delete = ON; BEGIN IMMEDIATE");
  for (const [table, columns] of Object.entries(tables)) {
    copy.exec(`DELETE FROM ${table}`);
    const names = columns.join(", ");
    const marks = columns.map(() => "?").join(", ");
    const insert = copy.prepare(`INSERT INTO ${table} (${names}) VALUES (${marks})`);
    for (const row of from.prepare(`SELECT ${names} FROM ${table}`).iterate()) {
      insert.run(...columns.map((column) => row[column] ?? null));
    }
  }
  const remove = copy.prepare(deleteText);
  let changes = 0;
  for (const { name, offset, member, nonce, deleted_by } of from.prepare(deleted).iterate()) {
    changes += Number(
      remove.run(deleted_by ?? null, name ?? null, offset ?? null, member ?? null, nonce ?? null)
        .changes,
    );
  }
  if (changes > 0) removeIndex(copy);
  copy.exec("COMMIT");
}
