// Exports a chat from a SQLite database, and imports one into a new database.

import { DatabaseFile } from "../broker/sqlite/database.ts";
import { entryOf, importEntry, selectEntries } from "../broker/sqlite/entries.ts";
import type { EntryRow } from "../broker/sqlite/entries.ts";
import { Nonces } from "../broker/sqlite/nonces.ts";
import { FolderLock } from "../broker/sqlite/lock.ts";
import type { Entry } from "../chat/broker.ts";
import { errorMessage } from "../core/error_message.ts";
import { hubLimits } from "../protocol/wire.ts";
import { usernameKey } from "../protocol/names.ts";
import { isEntry } from "./chat_archive.ts";
import type { ArchiveItem, ArchiveSource, ArchiveTarget } from "./chat_archive.ts";
import { checkCopy, folderLock, infoOf, openToRead, removeDatabase } from "./database_access.ts";

const select = {
  rooms: "SELECT id, name, first, head, at, title, title_at, title_locked FROM rooms ORDER BY id",
  entries: `${selectEntries} WHERE room = ? AND offset BETWEEN ? AND ? ORDER BY offset`,
  nonces: `SELECT 'nonce' AS kind, rooms.name AS room, member, nonce, offset, nonces.at AS at
           FROM nonces JOIN rooms ON rooms.id = room`,
  names: `SELECT member, username, wrote, live, held_until,
                 (SELECT key FROM names AS former WHERE former.member = names.member
                  AND current = 0) AS formerKey
          FROM names WHERE current = 1`,
} as const;

const insert = {
  room: `INSERT INTO rooms (name, first, head, at, title, title_at, title_locked)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
  epoch: "INSERT OR IGNORE INTO epochs (name) VALUES (?)",
  nonce: "INSERT OR IGNORE INTO nonces (room, offset, member, nonce, at) VALUES (?, ?, ?, ?, ?)",
  name: `INSERT OR IGNORE INTO names (key, member, username, current, live, wrote, held_until)
         VALUES (?, ?, ?, ?, 0, ?, ?)`,
} as const;

/** Opens a snapshot of a database for export. A server may be using the database. */
export async function openSqliteSource(path: string, nameHoldMs: number): Promise<ArchiveSource> {
  const database = await openToRead(path);
  database.exec("BEGIN");
  const rows = (sql: string, ...values: readonly (string | number)[]) =>
    database.prepare(sql).iterate(...values);
  const items = function* (): Generator<ArchiveItem> {
    for (const { id, name, first, head, at, title, title_at, title_locked } of rows(select.rooms)) {
      const room = String(name);
      const numbers = { first: Number(first), head: Number(head), at: Number(at) };
      const titleFields = {
        ...(title === null ? {} : { title: String(title) }),
        ...(title_at === null ? {} : { titleAt: Number(title_at) }),
        ...(title_locked === 1 && { titleLocked: true }),
      };
      yield { kind: "room", room, ...numbers, ...titleFields };
      for (const row of rows(select.entries, Number(id), numbers.first, numbers.head)) {
        // The columns are named after the fields of an entry.
        const entry = entryOf(room, row as unknown as EntryRow);
        const { type: kind, offset, epoch, at, member, from, text, nonce, ...rest } = entry;
        // The text of an edit is exported with its message.
        const own = kind === "edit" ? {} : { text };
        const fields = { kind, room, offset, epoch, at, member, from, ...own, nonce };
        yield { ...fields, ...rest } as ArchiveItem;
      }
    }
    // The columns are named after the fields of an item.
    yield* rows(select.nonces) as Iterable<unknown> as Iterable<ArchiveItem>;
    for (const { member, username, wrote, live, held_until, formerKey } of rows(select.names)) {
      const hasWritten = wrote === 1;
      const holdMs = hasWritten ? nameHoldMs : hubLimits.readerHoldMs;
      yield {
        kind: "name",
        member: String(member),
        username: String(username),
        formerKey: String(formerKey ?? ""),
        hasWritten,
        heldUntil: live === 1 ? Date.now() + holdMs : Number(held_until),
      };
    }
  };
  return { items, [Symbol.asyncDispose]: () => Promise.resolve(database.close()) };
}

/**
 * Prepares a new database, which is moved to `path` once it is complete.
 *
 * @throws {Error} If `path` already exists, or a server is using its folder.
 */
export async function openSqliteTarget(path: string): Promise<ArchiveTarget> {
  const lock = await FolderLock.acquire(folderLock(path));
  const unfinished = `${path}.unfinished`;
  const discard = () => {
    removeDatabase(unfinished);
    lock.release();
    return Promise.resolve();
  };
  let file: DatabaseFile;
  try {
    if (infoOf(path) !== undefined) {
      throw new Error(`Cannot import into ${path}: it already exists; move it elsewhere first`);
    }
    removeDatabase(unfinished);
    file = new DatabaseFile(unfinished, "normal", 0);
  } catch (error) {
    await discard();
    throw error;
  }
  const target: Target = { file, nonces: new Nonces({ report: () => {} }), rooms: new Map() };
  const transaction = (work: () => void) => {
    try {
      file.transaction(work, () => lock.check());
    } catch (error) {
      throw new Error(`Cannot write ${unfinished}: ${errorMessage(error)}`, { cause: error });
    }
  };
  return {
    write: (items) => {
      transaction(() => {
        target.nonces.writeSome(file);
        for (const item of items) store(target, item);
      });
      target.nonces.commit();
      return Promise.resolve();
    },
    complete: () => {
      transaction(() => target.nonces.write(file));
      file.close();
      checkCopy(unfinished);
      lock.check();
      Deno.renameSync(unfinished, path);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => {
      file.close();
      return discard();
    },
  };
}

interface Target {
  readonly file: DatabaseFile;
  readonly nonces: Nonces;
  /** Ids by name. */
  readonly rooms: Map<string, number>;
}

function store({ file, nonces, rooms }: Target, item: ArchiveItem): void {
  if (isEntry(item) || item.kind === "nonce") {
    const { room, offset, at, member, nonce } = item;
    const id = rooms.get(room) ?? 0;
    nonces.add(nonces.hash(id, member, nonce), offset, at);
    if (item.kind === "nonce") return void file.run(insert.nonce, id, offset, member, nonce, at);
    const { kind: type, ...fields } = item;
    file.run(insert.epoch, item.epoch);
    importEntry(file, { type, ...fields } as Entry);
    return;
  }
  switch (item.kind) {
    case "room": {
      const { room, first, head, at, title = null, titleAt = null, titleLocked = false } = item;
      const row = file.run(insert.room, room, first, head, at, title, titleAt, Number(titleLocked));
      rooms.set(room, Number(row.lastInsertRowid));
      return;
    }
    case "name": {
      const { member, username, formerKey, hasWritten, heldUntil } = item;
      const wrote = Number(hasWritten);
      file.run(insert.name, usernameKey(username), member, username, 1, wrote, heldUntil);
      if (formerKey !== "") file.run(insert.name, formerKey, member, username, 0, wrote, heldUntil);
    }
  }
}
