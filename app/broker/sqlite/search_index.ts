// The search index: full-text tables that are filled in the background, in short steps. They are a
// cache that can be dropped at any time. Searches stop finding a message when it is deleted, and
// merging erases its words soon after.

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
 * each table has up to this many, so that every query, merge and removal is bounded.
 */
const tableDocuments = 2 ** 13;
/** A table with this many pages gets no more documents; checked every `checkDocuments`. */
const tablePages = 256;
const checkDocuments = 128;
/** Max messages that one step indexes. */
const stepRows = 32;
/** A step ends after this many characters. */
const stepCharacters = 8_192;
/** Max rooms with new messages that one step looks up. */
const stepRooms = 100;
/** Max tables that one step merges, and max pages of each. */
const mergeTables = 2;
const mergePages = 8;
/** Max rows that one step deletes from a table to drop: pages of the index, or runs. */
const dropRows = 64;
/**
 * Leaves merging to `#merge`, since SQLite would merge in a single long step. It still would once a
 * level has 1,999 segments, but `#merge` is faster.
 */
const tableOptions = "('automerge', 0), ('crisismerge', 1999)";

const tablePrefix = `search_${searchVersion}_`;
/** Maps documents to messages: the `count` documents from `id` on are those from `offset` on. */
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
  // Marks an index that is being dropped: the messages deleted since are not removed from it.
  markObsolete: `INSERT OR IGNORE INTO ${runs} (id, room, offset, count) VALUES (0, 0, 0, 0)`,
  isObsolete: `SELECT 1 FROM ${runs} WHERE id = 0`,
  // The last run of a room stays, since it says how far the room is indexed.
  pruneRuns: `DELETE FROM ${runs} WHERE room = ?1 AND offset < ?2 AND offset + count <= ?2 AND
              offset < (SELECT max(offset) FROM ${runs} WHERE room = ?1)`,
  hasMessagesBefore: `SELECT 1 FROM ${runs} JOIN rooms ON rooms.id = room
                      WHERE ${runs}.id < ?1 AND offset + count > first AND
                        ${runs}.id + first - offset < ?1 LIMIT 1`,
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
  /** Tables to drop, the last one first. */
  #obsolete: string[] = [];
  /** Numbers of the full-text tables. */
  #tables = new Set<number>();
  #run = noRun;
  /** Rooms with entries that are not indexed, by id. */
  #pending = new Map<number, Next>();
  /** Names of the rooms that got entries since the last step. */
  readonly #changed = new Set<string>();
  /**
   * Tables with segments to merge. The value is whether to merge them into one: if the table is
   * full, or to erase the words of messages that were removed.
   */
  readonly #merging = new Map<number, boolean>();
  /** Tables with words of removed messages that are not erased yet. */
  readonly #unerased = new Set<number>();

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

  /** Whether words of removed messages are not erased yet. */
  get mustErase(): boolean {
    return this.#unerased.size > 0;
  }

  /** Clears the cache after a failed transaction, or when the database was reopened. */
  rollback(error?: unknown): void {
    this.#isLoaded = false;
    if (typeof error !== "object" || error === null || !("errcode" in error)) return;
    this.#isCorrupt ||= error.errcode === corruptTable;
  }

  #load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    const names = file.all(sql.tables).map(({ name }) => String(name));
    // Without its runs, or with SEARCH=0, a table may have messages that were deleted since.
    this.#isUsable = this.isOn && !this.#isCorrupt && names.includes(runs) &&
      file.get(sql.isObsolete) === undefined;
    const isKept = (name: string) =>
      this.#isUsable && (name === runs || name.startsWith(tablePrefix));
    // The runs of this version are dropped last, since they have the mark.
    this.#obsolete = names.filter((name) => !isKept(name))
      .sort((a, b) => Number(b === runs) - Number(a === runs));
    this.#tables = new Set(
      names.filter((name) => isKept(name) && name !== runs)
        .map((name) => Number(name.slice(tablePrefix.length))),
    );
    this.#pending.clear();
    this.#merging.clear();
    this.#unerased.clear();
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
    for (const table of this.#tables) {
      const segments = file.get(`SELECT count(DISTINCT segid) AS count FROM ${tableOf(table)}_idx`);
      if (Number(segments?.count) < 2) continue;
      this.#merging.set(table, true);
      this.#unerased.add(table);
    }
    for (const room of file.all(sql.rooms)) this.#findNext(file, room);
    // The previous server may have stopped before it finished dropping one.
    this.#dropEmptyTable(file);
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
   * is more to do. Without `mayGrow`, it indexes no messages.
   */
  step(file: DatabaseFile, mayGrow = true): boolean {
    this.#load(file);
    const table = this.#obsolete.at(-1);
    if (table !== undefined) {
      this.#drop(file, table);
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
    if (mayGrow) this.#fill(file);
    this.#merge(file);
    return mayGrow ? this.hasWork : this.mustErase;
  }

  /** Deletes some rows of a table, and drops it with the last ones. All at once takes too long. */
  #drop(file: DatabaseFile, table: string): void {
    if (this.#obsolete.includes(runs)) file.run(sql.markObsolete);
    const rows = table.startsWith("search_runs_") ? table : `${table}_data`;
    const deleted = file.runOnShadowTable(
      `DELETE FROM ${rows} WHERE id IN (
         SELECT id FROM ${rows} WHERE id <> 0 ORDER BY id DESC LIMIT ${dropRows})`,
    );
    if (deleted === dropRows) return;
    file.run(`DROP TABLE ${table}`);
    this.#obsolete.pop();
  }

  /** Indexes the oldest entries of all rooms that are not indexed yet. */
  #fill(file: DatabaseFile): void {
    let [rows, characters] = [stepRows, stepCharacters];
    while (rows > 0 && characters > 0) {
      let oldest: number | undefined;
      let [oldestAt, secondAt] = [Infinity, Infinity];
      for (const [room, { at }] of this.#pending) {
        if (oldest === undefined || at < oldestAt) {
          [oldest, oldestAt, secondAt] = [room, at, oldestAt];
        } else if (at < secondAt) secondAt = at;
      }
      const next = oldest === undefined ? undefined : this.#pending.get(oldest);
      if (oldest === undefined || next === undefined) return;
      const room = oldest;
      this.#pending.delete(room);
      for (const row of file.all(sql.entriesFrom, room, next.offset, rows + 1)) {
        const [offset, at] = [Number(row.offset), Number(row.at)];
        if (rows === 0 || characters <= 0 || at > secondAt) {
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

  /** Assigns the next entry its document, and returns the number. */
  #addToRun(file: DatabaseFile, room: number, offset: number): number {
    const { id, count } = this.#run;
    const next = this.#nextDocument(file);
    if (this.#run.room === room && this.#run.offset + next === id + offset) {
      this.#run = { ...this.#run, count: count + 1 };
      file.run(sql.extendRun, count + 1, id);
      return next;
    }
    this.#run = { id: next, room, offset, count: 1 };
    file.run(sql.addRun, next, room, offset, 1);
    return next;
  }

  #nextDocument(file: DatabaseFile): number {
    const next = this.#run.id + this.#run.count;
    const number = Math.floor(next / tableDocuments);
    if (next % checkDocuments !== 0 || !this.#tables.has(number)) return next;
    const pages = Number(file.get(`SELECT count(*) AS count FROM ${tableOf(number)}_data`)?.count);
    return pages < tablePages ? next : (number + 1) * tableDocuments;
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
    for (const [number, isFull] of this.#merging.entries().take(mergeTables)) {
      if (this.#unerased.has(number)) this.#dropEmptyLevels(file, tableOf(number));
      const before = Number(file.get(sql.totalChanges)?.count);
      const table = tableOf(number);
      const pages = isFull ? -mergePages : mergePages;
      file.run(`INSERT INTO ${table} (${table}, rank) VALUES ('merge', ?)`, pages);
      // SQLite documents fewer than 2 changes as the sign that nothing is left to merge.
      const changes = Number(file.get(sql.totalChanges)?.count) - before;
      if (changes >= 2) continue;
      this.#merging.delete(number);
      this.#unerased.delete(number);
    }
  }

  /**
   * Drops the empty levels above the segments of a table. With them, FTS5 does not notice that it
   * merges the oldest segment, and keeps the words of removed messages. FTS5's structure record has
   * 4 bytes, the number of levels, two other numbers, and the levels. An empty level is two zeros.
   */
  #dropEmptyLevels(file: DatabaseFile, table: string): void {
    // This makes FTS5 write its pending segment now, and read the record again later.
    file.run("SAVEPOINT levels");
    file.run(`INSERT INTO ${table} (${table}, rank) VALUES ('merge', 0)`);
    file.run("ROLLBACK TO levels");
    file.run("RELEASE levels");
    const { block } = file.get(`SELECT block FROM ${table}_data WHERE id = 10`) ?? {};
    if (!(block instanceof Uint8Array)) return;
    let [levels = 0, end] = [block[4], block.length];
    for (; levels > 0 && block[end - 1] === 0 && block[end - 2] === 0; end -= 2) levels--;
    if (end === block.length) return;
    block[4] = levels;
    const kept = block.subarray(0, end);
    file.runOnShadowTable(`UPDATE ${table}_data SET block = ? WHERE id = 10`, kept);
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

  /**
   * Removes a message. Call it before its text is changed or deleted. Its words are erased later:
   * erasing each at once, with SQLite's `secure-delete`, took 0.3 s for a message of 4,000 words.
   */
  remove(file: DatabaseFile, room: number, offset: number): void {
    const found = this.#indexedMessage(file, room, offset);
    if (found === undefined) return;
    const [text, author] = [indexed(found.text), indexed(found.from)];
    const number = Math.floor(found.id / tableDocuments);
    const table = tableOf(number);
    file.run(
      `INSERT INTO ${table} (${table}, rowid, text, author, room) VALUES ('delete', ?, ?, ?, ?)`,
      ...[found.id, text, author, String(room)],
    );
    this.#merging.set(number, true);
    this.#unerased.add(number);
  }

  /** Adds a message again after `remove` and a change of its text. */
  add(file: DatabaseFile, room: number, offset: number): void {
    const found = this.#indexedMessage(file, room, offset);
    if (found !== undefined) this.#insert(file, found.id, room, found.from, found.text);
  }

  /** Removes a room's entries from `first` to `next` (exclusive). Call it before deleting them. */
  prune(file: DatabaseFile, room: number, first: number, next: number): void {
    this.#load(file);
    if (!this.#isUsable) return;
    for (let offset = first; offset < next; offset++) this.remove(file, room, offset);
    file.run(sql.pruneRuns, room, next);
    const pending = this.#pending.get(room);
    if (pending !== undefined && pending.offset < next) {
      this.#pending.set(room, { ...pending, offset: next });
    }
    this.#dropEmptyTable(file);
  }

  /** Lets `step` drop the oldest table if all of its messages were pruned. */
  #dropEmptyTable(file: DatabaseFile): void {
    if (this.#tables.size < 2) return;
    const oldest = Math.min(...this.#tables);
    if (file.get(sql.hasMessagesBefore, (oldest + 1) * tableDocuments) !== undefined) return;
    this.#tables.delete(oldest);
    this.#merging.delete(oldest);
    this.#unerased.delete(oldest);
    this.#obsolete.push(tableOf(oldest));
  }

  /**
   * Returns the numbers of up to `limit` documents before `before` that match, newest first, from
   * the newest table with such documents. `before` in the result is where to continue. A table
   * without a match of `filter` is skipped.
   */
  find(
    file: DatabaseFile,
    { expression, filter }: Expressions,
    before: number,
    limit: number,
  ): { readonly found: readonly number[]; readonly before: number } {
    this.#load(file);
    const number = Math.max(
      ...this.#tables.values().filter((number) => number * tableDocuments < before),
    );
    if (!this.#isUsable || number < 0) return { found: [], before: 0 };
    const table = tableOf(number);
    const matches = (expression: string, limit: number) =>
      file.all(
        `SELECT rowid FROM ${table} WHERE ${table} MATCH ? AND rowid < ?
         ORDER BY rowid DESC LIMIT ?`,
        ...[expression, before, limit],
      ).map(({ rowid }) => Number(rowid));
    const isSkipped = filter !== undefined && matches(filter, 1).length === 0;
    return {
      found: isSkipped ? [] : matches(expression, limit),
      before: number * tableDocuments,
    };
  }

  /** Returns the time of a document, or of the next one in its room if it was pruned. */
  timeOf(file: DatabaseFile, document: number): number | undefined {
    const found = this.#locate(file, document);
    const row = found && file.get(sql.entriesFrom, found.room, found.offset, 1);
    return row && Number(row.at);
  }

  /** Returns the message of a document, unless it is gone. */
  message(file: DatabaseFile, document: number): MessageEntry | undefined {
    const found = this.#locate(file, document);
    if (found === undefined) return undefined;
    const row = file.get(sql.entry, found.room, found.offset) as EntryRow | undefined;
    const name = file.get(sql.roomName, found.room)?.name;
    const entry = row && entryOf(String(name), row);
    return entry?.type === "message" && entry.text !== undefined ? entry : undefined;
  }

  /** Returns the room and offset of a document. */
  #locate(file: DatabaseFile, document: number) {
    const run = file.get(sql.runOfDocument, document);
    if (run === undefined) return undefined;
    return { room: Number(run.room), offset: Number(run.offset) + document - Number(run.id) };
  }
}

/** Removes the index of a database that no server uses. The next server rebuilds it. */
export function removeIndex(database: Pick<DatabaseSync, "prepare">): void {
  for (const { name } of database.prepare(sql.tables).all()) {
    database.prepare(`DROP TABLE ${name}`).run();
  }
}

/** Max words that SQLite compares in all phrases of a query, but at least two in each. */
const phraseWordsMax = 8;

/** A query in SQLite's query language. */
export interface Expressions {
  readonly expression: string;
  /** Matches more, but takes less time: the query without its prefixes, if it has any. */
  readonly filter?: string;
}

/**
 * Returns the expressions of a query. Words contain no character that is special to SQLite.
 * Truncates long phrases, because SQLite compares all positions of all their words: 98 words took
 * 3.5 s. So a message that SQLite finds may not match the query.
 */
export function expressionsOf(query: SearchQuery, room: number | undefined): Expressions {
  const { from } = query;
  const max = Math.max(2, Math.floor(phraseWordsMax / query.phrases.length));
  const phrases = query.phrases.map((phrase): Phrase => {
    const { words } = phrase;
    return words.length <= max ? phrase : { words: words.slice(0, max), isPrefix: false };
  });
  const expression = expressionOf(phrases, from, room);
  const words = phrases.filter(({ isPrefix }) => !isPrefix);
  const filter = expressionOf(words, from?.isPrefix ? undefined : from, room);
  return filter === "" || filter === expression ? { expression } : { expression, filter };
}

function expressionOf(
  phrases: readonly Phrase[],
  from: Phrase | undefined,
  room: number | undefined,
): string {
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

/** Returns a text in its indexed form. */
function indexed(text: string): string {
  return wordsOf(text).map(({ word }) => word).join(" ");
}
