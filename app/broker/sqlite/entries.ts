// The rows of the entries table: how entries are stored, read and amended.

import type {
  AppendResult,
  DeleteDraft,
  Draft,
  EditDraft,
  Entry,
  MessageEntry,
} from "../../chat/broker.ts";
import { hubLimits } from "../../protocol/wire.ts";
import type { DatabaseFile } from "./database.ts";

/** `entries.kind` of each type. */
const kinds = { message: 0, edit: 1, delete: 2, title: 3 } as const;

/**
 * The entries of a room that are not messages, numbered by `ordinal`. Without the hint, SQLite
 * would look for them among all entries.
 */
const nonMessages = "FROM entries INDEXED BY entries_other WHERE room = ?1 AND kind > 0";

const sql = {
  add: `INSERT INTO entries (room, offset, epoch, at, member, username, text, nonce, kind, ref,
                             ordinal)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, CASE ?9 WHEN 0 THEN NULL ELSE
          1 + coalesce((SELECT ordinal ${nonMessages} ORDER BY offset DESC LIMIT 1), 0) END)`,
  import: `INSERT INTO entries (room, epoch, offset, at, member, username, nonce, kind, text, ref,
                                amended, edited_at, deleted_by, ordinal)
           SELECT rooms.id, epochs.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                  CASE ?8 WHEN 0 THEN NULL ELSE 1 + coalesce((
                    SELECT ordinal FROM entries INDEXED BY entries_other
                    WHERE room = rooms.id AND kind > 0 ORDER BY offset DESC LIMIT 1), 0) END
           FROM rooms, epochs WHERE rooms.name = ?1 AND epochs.name = ?2`,
  countEdit: `UPDATE entries SET edits = edits + 1
              WHERE offset = ? AND room = (SELECT id FROM rooms WHERE name = ?)`,
  findTarget: `SELECT member, kind, edits FROM entries
               WHERE room = ? AND offset = ? AND kind IN (0, 3) AND text IS NOT NULL`,
  edit: `UPDATE entries SET text = ?3, amended = ?4, edited_at = ?5, edits = edits + 1
         WHERE room = ?1 AND offset = ?2`,
  delete: `UPDATE entries SET text = NULL, amended = ?3, edited_at = NULL, deleted_by = ?4
           WHERE room = ?1 AND offset = ?2`,
  setTitle: "UPDATE rooms SET title = ?, title_at = ?, title_locked = ? WHERE id = ?",
  removeTitle: "UPDATE rooms SET title = NULL, title_at = NULL WHERE id = ?",
  isTitle: "SELECT 1 FROM rooms WHERE id = ? AND title_at = ?",
  countNonMessages: `
    SELECT (SELECT ordinal ${nonMessages} AND offset > ?2 AND offset <= ?3
            ORDER BY offset DESC LIMIT 1) -
           (SELECT ordinal ${nonMessages} AND offset > ?2 AND offset <= ?3
            ORDER BY offset LIMIT 1) + 1 AS count`,
} as const;

/** Selects the columns that `entryOf` reads. The last edit of a message has its text. */
export const selectEntries = `
  SELECT offset, epochs.name AS epoch, at, member, username, nonce, kind, ref, amended, edited_at,
         deleted_by, CASE kind WHEN 1 THEN (
           SELECT text FROM entries AS target WHERE target.room = entries.room AND
           target.offset = entries.ref AND target.amended = entries.offset) ELSE text END AS text
  FROM entries JOIN epochs ON epochs.id = epoch`;

/** A row that `selectEntries` returns. */
export interface EntryRow {
  readonly offset: number;
  readonly epoch: string;
  readonly at: number;
  readonly member: string;
  readonly username: string;
  readonly nonce: string;
  readonly kind: number;
  /**
   * The offset that a reply answers or an edit targets, or 1 if a title is locked or a deletion
   * has removed the room's title.
   */
  readonly ref: number | null;
  readonly amended: number | null;
  readonly edited_at: number | null;
  readonly deleted_by: string | null;
  /** The targets of a deletion, as JSON. */
  readonly text: string | null;
}

/** Returns the entry in a row. */
export function entryOf(room: string, row: EntryRow): Entry {
  const { member, username: from, nonce, offset, epoch, at, kind, ref, text } = row;
  const fields = { room, member, from, nonce, offset, epoch, at };
  const textField = text === null ? {} : { text };
  const amendment = {
    ...(row.amended === null ? {} : { amended: row.amended }),
    ...(row.edited_at === null ? {} : { editedAt: row.edited_at }),
    ...(row.deleted_by === null ? {} : { deletedBy: row.deleted_by }),
  };
  switch (kind) {
    case kinds.edit:
      return { type: "edit", ...fields, target: ref ?? 0, ...textField };
    case kinds.delete: {
      const targets = JSON.parse(text ?? "[]");
      return { type: "delete", ...fields, targets, ...(ref === 1 && { untitled: true as const }) };
    }
    case kinds.title:
      return {
        type: "title",
        ...fields,
        ...textField,
        ...(ref === 1 && { locked: true as const }),
        ...amendment,
      };
    default:
      return {
        type: "message",
        ...fields,
        ...textField,
        ...(ref === null ? {} : { reply: ref }),
        ...amendment,
      };
  }
}

/** Returns the offsets that an edit or a deletion may touch, or why it is refused. */
export function checkTargets(
  file: DatabaseFile,
  room: number,
  draft: EditDraft | DeleteDraft,
  isModerator: () => boolean,
): readonly number[] | AppendResult {
  const isEdit = draft.type === "edit";
  const found: number[] = [];
  for (const offset of new Set(isEdit ? [draft.target] : draft.targets)) {
    const row = file.get(sql.findTarget, room, offset);
    if (row === undefined || isEdit && row.kind !== kinds.message) continue;
    const isAllowed = row.member === draft.member ||
      draft.type === "delete" && (draft.isModerator === true || isModerator());
    if (!isAllowed) return { kind: "forbidden" };
    if (isEdit && Number(row.edits) >= hubLimits.editsMax) return { kind: "edits_exhausted" };
    found.push(offset);
  }
  return found.length > 0 ? found : { kind: "not_found" };
}

/** Where and when an entry is stored. */
export interface Slot {
  readonly room: number;
  readonly offset: number;
  readonly epoch: { readonly id: number; readonly name: string };
  readonly at: number;
}

/**
 * Stores an entry of any type, applies it to its targets, and returns it. A title without text
 * becomes a deletion of the current title. `RoomLog` stores plain messages with a faster statement.
 */
export function addEntry(
  file: DatabaseFile,
  { room, offset, epoch, at }: Slot,
  draft: Draft,
  targets: readonly number[],
): Entry {
  const { type, member, from, nonce } = draft;
  const fields = { room: draft.room, member, from, nonce, offset, epoch: epoch.name, at };
  const add = (text: string | null, ref: number | null, kind: number = kinds[type]) =>
    file.run(sql.add, room, offset, epoch.id, at, member, from, text, nonce, kind, ref);
  const deleteTargets = (untitled: boolean): Entry => {
    add(JSON.stringify(targets), untitled ? 1 : null, kinds.delete);
    for (const target of targets) file.run(sql.delete, room, target, offset, member);
    return { type: "delete", ...fields, targets, ...(untitled && { untitled: true as const }) };
  };
  switch (draft.type) {
    case "message": {
      const { text, reply } = draft;
      add(text, reply ?? null);
      return { type: "message", ...fields, text, ...(reply === undefined ? {} : { reply }) };
    }
    case "edit": {
      const { target, text } = draft;
      add(null, target);
      file.run(sql.edit, room, target, text, offset, at);
      return { type: "edit", ...fields, target, text };
    }
    case "delete": {
      const untitled = targets.some((target) => file.get(sql.isTitle, room, target) !== undefined);
      if (untitled) file.run(sql.removeTitle, room);
      return deleteTargets(untitled);
    }
    case "title": {
      const { text, locked } = draft;
      file.run(sql.setTitle, text || null, text && offset || null, Number(locked ?? 0), room);
      if (text === "") return deleteTargets(true);
      add(text, locked ? 1 : null);
      return { type: "title", ...fields, text, ...(locked && { locked }) };
    }
  }
}

/**
 * Copies an entry from another database. Its room and epoch must exist, and the entries of a room
 * must be added in order.
 */
export function importEntry(file: DatabaseFile, entry: Entry): void {
  const { type, room, epoch, offset, at, member, from, nonce } = entry;
  const { text = null, ref, amended, editedAt, deletedBy } = columnsOf(entry);
  const fields = [room, epoch, offset, at, member, from, nonce, kinds[type]];
  const amendment = [amended ?? null, editedAt ?? null, deletedBy ?? null];
  file.run(sql.import, ...fields, text, ref ?? null, ...amendment);
  if (type === "edit") file.run(sql.countEdit, entry.target, room);
}

interface Columns extends Partial<Pick<MessageEntry, "amended" | "editedAt" | "deletedBy">> {
  readonly text?: string | undefined;
  readonly ref?: number | undefined;
}

function columnsOf(entry: Entry): Columns {
  switch (entry.type) {
    case "message":
      return { ...entry, ref: entry.reply };
    case "edit":
      return { ref: entry.target };
    case "delete":
      return { text: JSON.stringify(entry.targets), ref: entry.untitled && 1 };
    case "title":
      return { ...entry, ref: entry.locked && 1 };
  }
}

/** Returns how many of a room's entries from `after` (exclusive) to `to` are messages. */
export function countMessages(
  file: Pick<DatabaseFile, "get">,
  room: number,
  after: number,
  to: number,
): number {
  return to - after - Number(file.get(sql.countNonMessages, room, after, to)?.count ?? 0);
}
