// The search index: full-text tables that are filled in the background, in short steps. They are a
// cache: each message is removed from them when it is deleted, and they can be dropped at any time.

import type { MessageEntry } from "../../chat/broker.ts";
import type { DatabaseSync } from "node:sqlite";
import { searchVersion, wordsOf } from "../../protocol/search.ts";
import { isPrivateRoom } from "../../protocol/text.ts";
import type { Phrase, SearchQuery } from "../../protocol/wire.ts";
import type { DatabaseFile } from "./database.ts";
import { entryOf, selectEntries } from "./entries.ts";
import type { EntryRow } from "./entries.ts";

/**
 * A document is a message. Documents are numbered in the order they are indexed, oldest first, and
 * each table has this many, so that every query, merge and removal is bounded.
 */
const tableDocuments = 2 ** 15;
/** Max messages that one step indexes. */
const stepRows = 32;
/** A step ends after this many characters. */
const stepCharacters = 8_192;
/** Max rooms with new messages that one step looks up. */
const stepRooms = 100;
/** Max pages that one step merges in each of two tables. */
const mergePages = 8;
/**
 * Leaves merging to `#merge`, since SQLite would merge in a single long step. It still would once a
 * level has 1,999 segments, but `#merge` is faster.
 */
const tableOptions = "('automerge', 0), ('crisismerge', 1999), ('secure-delete', 1)";

const tablePrefix = `search_${searchVersion}_`;
/** Table that maps documents to messages: `count` documents from `id` on are those from `offset` on. */
const runs = `search_runs_${searchVersion}`;

const sql = {
  tables: `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'search_*' AND
           (sql LIKE 'CREATE VIRTUAL%' OR name GLOB 'search_runs_*') ORDER BY name`,
  create: `CREATE TABLE IF NOT EXISTS ${runs} (
             id INTEGER PRIMARY KEY, room INTEGER NOT NULL, offset INTEGER NOT NULL,
             count INTEGER NOT NULL, UNIQUE (room, offset))`,
  lastRun: `SELECT id, room, offset, count FROM ${runs} ORDER BY id DESC LIMIT 1`,
  runOfDocument: `SELECT id, room, offset FROM ${runs} WHERE id <= ? ORDER BY id DESC LIMIT 1`,
  runOfMessage: `SELECT id, offset, count FROM ${runs} WHERE room = ? AND offset <= ?
                 ORDER BY offset DESC LIMIT 1`,
  addRun: `INSERT INTO ${runs} (id, room, offset, count) VALUES (?, ?, ?, ?)`,
  extendRun: `UPDATE ${runs} SET count = ? WHERE id = ?`,
  // The last run of a room stays, since it says how far the room is indexed.
  pruneRuns: `DELETE FROM ${runs} WHERE room = ?1 AND offset + count <= ?2 AND
              offset < (SELECT max(offset) FROM ${runs} WHERE room = ?1)`,
  rooms: "SELECT id, name FROM rooms WHERE head >= first",
  roomByName: "SELECT id, name FROM rooms WHERE name = ?",
  roomName: "SELECT name FROM rooms WHERE id = ?",
  entriesFrom: `SELECT offset, at, username, CASE kind WHEN 0 THEN text END AS text FROM entries
                WHERE room = ? AND offset >= ? ORDER BY offset LIMIT ?`,
  message: `SELECT username, text FROM entries
            WHERE room = ? AND offset = ? AND kind = 0 AND text IS NOT NULL`,
  entry: `${selectEntries} WHERE room = ? AND offset = ? AND kind = 0`,
  totalChanges: "SELECT total_changes() AS count",
} as const;

/** SQLITE_CORRUPT_VTAB (https://www.sqlite.org/rescode.html). */
const corruptTable = 267;
/** Begins each word in the tables that SQLite keeps. */
const mainIndexMark = "0";
/** Follows every word. */
const lastWord = "\u{10ffff}";
const encoder = new TextEncoder();

/** Stands for the last run while there is none. */
const noRun = { id: 1, room: 0, offset: 0, count: 0 };

/** The next entry of a room to index. */
interface Next {
  readonly offset: number;
  readonly at: number;
}

/** The index of one database. Its methods run in the caller's transaction. */
export class SearchIndex {
  /** If false, `step` removes the index. */
  readonly isOn: boolean;
  #isLoaded = false;
  /** Whether the tables are of this version and can be used. */
  #isUsable = false;
  /** Whether the tables are corrupt and must be rebuilt. */
  #isCorrupt = false;
  /** Tables to drop, one per step. */
  #obsolete: string[] = [];
  /** Numbers of the full-text tables. */
  #tables = new Set<number>();
  #run = noRun;
  /** Rooms with entries that are not indexed, by id. */
  #pending = new Map<number, Next>();
  /** Names of the rooms that got entries since the last step. */
  readonly #changed = new Set<string>();
  /** Tables with segments to merge. The value is whether the table is full. */
  readonly #merging = new Map<number, boolean>();

  constructor(isOn: boolean) {
    this.isOn = isOn;
  }

  /** Records that a room got entries. */
  roomChanged(name: string): void {
    if (this.isOn) this.#changed.add(name);
  }

  /** Whether `step` has something to do. */
  get hasWork(): boolean {
    if (!this.#isLoaded || this.#obsolete.length > 0) return true;
    const parts = [this.#pending, this.#changed, this.#merging];
    return this.isOn && (!this.#isUsable || parts.some(({ size }) => size > 0));
  }

  /** Drops the copy in memory after a failed transaction, or when the database was reopened. */
  rollback(error?: unknown): void {
    this.#isLoaded = false;
    if (typeof error !== "object" || error === null || !("errcode" in error)) return;
    this.#isCorrupt ||= error.errcode === corruptTable;
  }

  #load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    const names = file.all(sql.tables).map(({ name }) => String(name));
    // Without its runs, or with SEARCH=0, a table may have messages that were deleted since.
    this.#isUsable = this.isOn && !this.#isCorrupt && names.includes(runs);
    const isKept = (name: string) =>
      this.#isUsable && (name === runs || name.startsWith(tablePrefix));
    this.#obsolete = names.filter((name) => !isKept(name));
    this.#tables = new Set(
      names.filter((name) => isKept(name) && name !== runs)
        .map((name) => Number(name.slice(tablePrefix.length))),
    );
    this.#pending.clear();
    this.#merging.clear();
    if (this.#isUsable) this.#findWork(file);
    this.#isLoaded = true;
  }

  /** Finds where indexing continues. */
  #findWork(file: DatabaseFile): void {
    const last = file.get(sql.lastRun);
    this.#run = last === undefined ? noRun : {
      id: Number(last.id),
      room: Number(last.room),
      offset: Number(last.offset),
      count: Number(last.count),
    };
    const newest = Math.max(...this.#tables);
    for (const table of this.#tables) {
      if (table >= newest - 1) this.#merging.set(table, table !== newest);
    }
    for (const room of file.all(sql.rooms)) this.#findNext(file, room);
  }

  /** Finds the next entry of a room to index. */
  #findNext(file: DatabaseFile, { id, name }: Record<string, unknown>): void {
    if (isPrivateRoom(String(name))) return;
    const run = file.get(sql.runOfMessage, Number(id), Number.MAX_SAFE_INTEGER);
    const from = run === undefined ? 1 : Number(run.offset) + Number(run.count);
    const row = file.get(sql.entriesFrom, Number(id), from, 1);
    if (row === undefined) this.#pending.delete(Number(id));
    else this.#pending.set(Number(id), { offset: Number(row.offset), at: Number(row.at) });
  }

  /**
   * Indexes some messages and merges some segments, or drops an unused table. Returns whether there
   * is more to do.
   */
  step(file: DatabaseFile): boolean {
    this.#load(file);
    const table = this.#obsolete.pop();
    if (table !== undefined) {
      file.run(`DROP TABLE ${table}`);
      return this.hasWork;
    }
    if (!this.isOn) return false;
    if (!this.#isUsable) {
      file.run(sql.create);
      this.#isUsable = true;
      this.#isCorrupt = false;
      this.#findWork(file);
    }
    for (const name of this.#changed.values().take(stepRooms)) {
      this.#changed.delete(name);
      const room = file.get(sql.roomByName, name);
      if (room !== undefined && !this.#pending.has(Number(room.id))) this.#findNext(file, room);
    }
    this.#fill(file);
    this.#merge(file);
    return this.hasWork;
  }

  /** Indexes the oldest entries of all rooms that are not indexed yet. */
  #fill(file: DatabaseFile): void {
    let [rows, characters] = [stepRows, stepCharacters];
    while (rows > 0 && characters > 0) {
      let [oldest, second]: [number | undefined, number] = [undefined, Infinity];
      let oldestAt = Infinity;
      for (const [room, { at }] of this.#pending) {
        if (oldest === undefined || at < oldestAt) {
          [oldest, second, oldestAt] = [room, oldestAt, at];
        } else if (at < second) second = at;
      }
      const next = oldest === undefined ? undefined : this.#pending.get(oldest);
      if (oldest === undefined || next === undefined) return;
      const room = oldest;
      this.#pending.delete(room);
      for (const row of file.all(sql.entriesFrom, room, next.offset, rows + 1)) {
        const [offset, at] = [Number(row.offset), Number(row.at)];
        if (rows === 0 || characters <= 0 || at > second) {
          this.#pending.set(room, { offset, at });
          break;
        }
        const id = this.#addToRun(file, room, offset);
        if (typeof row.text === "string") {
          this.#insert(file, id, room, String(row.username), row.text);
          characters -= row.text.length;
        }
        rows--;
      }
    }
  }

  /** Numbers the next entry to index. Returns its document. */
  #addToRun(file: DatabaseFile, room: number, offset: number): number {
    const { id, count } = this.#run;
    if (this.#run.room === room && this.#run.offset + count === offset) {
      this.#run = { ...this.#run, count: count + 1 };
      file.run(sql.extendRun, count + 1, id);
      return id + count;
    }
    this.#run = { id: id + count, room, offset, count: 1 };
    file.run(sql.addRun, id + count, room, offset, 1);
    return id + count;
  }

  #insert(file: DatabaseFile, id: number, room: number, from: string, text: string): void {
    const number = Math.floor(id / tableDocuments);
    const table = tableOf(number);
    if (!this.#tables.has(number)) {
      file.run(`CREATE VIRTUAL TABLE ${table} USING fts5(
        text, author, room, content = '', columnsize = 0, tokenize = 'ascii')`);
      file.run(`INSERT INTO ${table} (${table}, rank) VALUES ${tableOptions}`);
      this.#tables.add(number);
      if (this.#merging.has(number - 1)) this.#merging.set(number - 1, true);
    }
    if (!this.#merging.get(number)) this.#merging.set(number, false);
    const statement = `INSERT INTO ${table} (rowid, text, author, room) VALUES (?, ?, ?, ?)`;
    file.run(statement, id, indexed(text), indexed(from), String(room));
  }

  /** Merges a few pages: into one segment if the table is full. */
  #merge(file: DatabaseFile): void {
    for (const [number, isFull] of this.#merging) {
      const before = Number(file.get(sql.totalChanges)?.count);
      const table = tableOf(number);
      const pages = isFull ? -mergePages : mergePages;
      file.run(`INSERT INTO ${table} (${table}, rank) VALUES ('merge', ?)`, pages);
      // SQLite documents fewer than 2 changes as the sign that nothing is left to merge.
      const changes = Number(file.get(sql.totalChanges)?.count) - before;
      if (changes < 2) this.#merging.delete(number);
    }
  }

  /** Returns a message and the number of its document, or `undefined` if it isn't indexed. */
  #indexedMessage(file: DatabaseFile, room: number, offset: number) {
    this.#load(file);
    const run = this.#isUsable ? file.get(sql.runOfMessage, room, offset) : undefined;
    const distance = offset - Number(run?.offset);
    if (run === undefined || distance >= Number(run.count)) return undefined;
    const row = file.get(sql.message, room, offset);
    if (row === undefined) return undefined;
    return { id: Number(run.id) + distance, from: String(row.username), text: String(row.text) };
  }

  /** Removes a message. Call it before its text is changed or deleted. */
  remove(file: DatabaseFile, room: number, offset: number): void {
    const found = this.#indexedMessage(file, room, offset);
    if (found === undefined) return;
    const [text, author] = [indexed(found.text), indexed(found.from)];
    const table = tableOf(Math.floor(found.id / tableDocuments));
    file.run(
      `INSERT INTO ${table} (${table}, rowid, text, author, room) VALUES ('delete', ?, ?, ?, ?)`,
      ...[found.id, text, author, String(room)],
    );
    this.#eraseSeparators(file, table, text.split(" "));
  }

  /** Adds a message again whose text was changed after `remove`. */
  add(file: DatabaseFile, room: number, offset: number): void {
    const found = this.#indexedMessage(file, room, offset);
    if (found !== undefined) this.#insert(file, found.id, room, found.from, found.text);
  }

  /**
   * Erases words from the separators that SQLite keeps between the pages of a table. A separator may
   * be any string after the last word of one page, up to the first of the next.
   */
  #eraseSeparators(file: DatabaseFile, table: string, words: readonly string[]): void {
    // A query makes SQLite write the removal to its tables.
    file.get(`SELECT rowid FROM ${table} WHERE ${table} MATCH '"x"' LIMIT 1`);
    const encoded = words.map((word) => mainIndexMark + byteString(encoder.encode(word)));
    for (const { segid, term } of file.all(`SELECT segid, term FROM ${table}_idx`)) {
      const separator = term instanceof Uint8Array ? term : encoder.encode(String(term));
      const found = byteString(separator);
      if (found.length < 2 || !encoded.some((word) => word.startsWith(found))) continue;
      file.run(`CREATE VIRTUAL TABLE temp.search_terms USING fts5vocab(main, ${table}, instance)`);
      const next = file.get(
        "SELECT term FROM temp.search_terms WHERE term >= CAST(? AS TEXT) LIMIT 1",
        separator.subarray(1),
      );
      file.run("DROP TABLE temp.search_terms");
      const replacement = encoder.encode(mainIndexMark + String(next?.term ?? lastWord));
      // Nothing to hide if a remaining word begins with it.
      if (byteString(replacement).startsWith(found)) continue;
      file.runOnShadowTable(
        `UPDATE OR IGNORE ${table}_idx SET term = ? WHERE segid = ? AND term = ?`,
        ...[replacement, Number(segid), separator],
      );
    }
  }

  /** Removes the entries of a room from `first` up to `next` (exclusive). Call it before they go. */
  prune(file: DatabaseFile, room: number, first: number, next: number): void {
    this.#load(file);
    if (!this.#isUsable) return;
    for (let offset = first; offset < next; offset++) this.remove(file, room, offset);
    file.run(sql.pruneRuns, room, next);
    this.#pending.delete(room);
  }

  /**
   * Returns the numbers of up to `limit` documents before `before` that match, newest first, from
   * the newest table with such documents. `before` in the result is where to continue.
   */
  find(
    file: DatabaseFile,
    expression: string,
    before: number,
    limit: number,
  ): { readonly found: readonly number[]; readonly before: number } {
    this.#load(file);
    const number = Math.max(
      ...this.#tables.values().filter((number) => number * tableDocuments < before),
    );
    if (!this.#isUsable || number < 0) return { found: [], before: 0 };
    const table = tableOf(number);
    const rows = file.all(
      `SELECT rowid FROM ${table} WHERE ${table} MATCH ? AND rowid < ?
       ORDER BY rowid DESC LIMIT ?`,
      ...[expression, before, limit],
    );
    return { found: rows.map(({ rowid }) => Number(rowid)), before: number * tableDocuments };
  }

  /** Returns the message of a document, unless it is gone. */
  message(file: DatabaseFile, document: number): MessageEntry | undefined {
    const run = file.get(sql.runOfDocument, document);
    if (run === undefined) return undefined;
    const [room, offset] = [Number(run.room), Number(run.offset) + document - Number(run.id)];
    const row = file.get(sql.entry, room, offset) as EntryRow | undefined;
    const name = file.get(sql.roomName, room)?.name;
    const entry = row && entryOf(String(name), row);
    return entry?.type === "message" && entry.text !== undefined ? entry : undefined;
  }
}

/** Removes the index of a database that no server uses. The next server rebuilds it. */
export function removeIndex(database: Pick<DatabaseSync, "prepare">): void {
  for (const { name } of database.prepare(sql.tables).all()) {
    database.prepare(`DROP TABLE ${name}`).run();
  }
}

/** Returns an expression of SQLite's query language. Words have no characters special to it. */
export function expressionOf({ phrases, from }: SearchQuery, room: number | undefined): string {
  const parts = from === undefined ? [] : [`author : ${expressionOfPhrase(from)}`];
  if (phrases.length > 0) parts.push(`text : (${phrases.map(expressionOfPhrase).join(" AND ")})`);
  if (room !== undefined) parts.push(`room : "${room}"`);
  return parts.join(" AND ");
}

function expressionOfPhrase({ words, isPrefix }: Phrase): string {
  return `"${words.join(" ")}"${isPrefix ? " *" : ""}`;
}

function tableOf(number: number): string {
  return tablePrefix + number;
}

/** Returns a text as it is indexed. */
function indexed(text: string): string {
  return wordsOf(text).map(({ word }) => word).join(" ");
}

/** Returns a character for each byte. */
function byteString(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
