// The open database file: transactions, statements, and whether it is still at its path.

import { dirname } from "@std/path";
import { backup, DatabaseSync } from "node:sqlite";
import type { SQLInputValue, StatementResultingChanges, StatementSync } from "node:sqlite";
import { fileIdentity } from "../../core/file_info.ts";
import { FreeSpace } from "./free_space.ts";
import { openError } from "./open_error.ts";
import { migrate, schemaVersion } from "./schema.ts";

declare module "node:sqlite" {
  interface DatabaseSync {
    /** Not in Deno's types yet. True, the default, protects SQLite's own tables. */
    enableDefensive(active: boolean): void;
  }
}

/** `normal`: commits survive a crash of the process. `full`: they survive power loss too. */
export type Durability = "normal" | "full";

/** SQLite's page cache, in KiB. A larger one is no faster, since the kernel caches the file too. */
const cacheKiB = 4_000;
const pageBytes = 4_096;
/**
 * Size of the journal, in pages, at which a commit runs a checkpoint. Each checkpoint waits for the
 * disk, and with it one tick: 25 ms every 1,000 busy ticks, or 16 ms every 500 with half the pages.
 */
const journalPages = 8_000;
/** The files of a database in use: the database, its journal and the journal's index. */
const suffixes = ["", "-wal", "-shm"];

/** Max rows that one statement of a `BulkInsert` inserts. More are no faster. */
const bulkRows = 8;

/**
 * Collects rows for one table and inserts several with each statement, which halves the cost of a
 * row. The rows are in the table after `flush`.
 */
export class BulkInsert {
  readonly #columns: number;
  /** The statements for 1 to `bulkRows` rows. */
  readonly #statements: readonly string[];
  #values: SQLInputValue[] = [];

  /** `insert` is the statement up to its column names. */
  constructor(insert: string, columns: readonly string[]) {
    this.#columns = columns.length;
    const row = `(${columns.map(() => "?").join(", ")})`;
    const one = `${insert} (${columns.join(", ")}) VALUES ${row}`;
    this.#statements = Array.from({ length: bulkRows }, (_, i) => one + `, ${row}`.repeat(i));
  }

  /** Returns the array to push the next row to, with a value for each column. */
  next(file: DatabaseFile): SQLInputValue[] {
    if (this.#values.length === bulkRows * this.#columns) this.flush(file);
    return this.#values;
  }

  /** Inserts the remaining rows. */
  flush(file: DatabaseFile): void {
    const values = this.#values;
    const statement = this.#statements[values.length / this.#columns - 1];
    if (statement === undefined) return;
    this.#values = [];
    file.run(statement, ...values);
  }

  /** Drops the remaining rows, after a failed transaction. */
  clear(): void {
    this.#values = [];
  }
}

/** An open database file with the current schema. */
export class DatabaseFile {
  /** The schema's version when the file was opened; 0 if it was empty. */
  readonly versionBefore: number;
  readonly #database: DatabaseSync;
  readonly #path: string;
  #freeSpace: FreeSpace | undefined;
  readonly #statements = new Map<string, StatementSync>();
  /** Identifies the opened files, whatever is at their paths later. */
  readonly #identities: readonly (string | undefined)[];

  /**
   * Opens the file at `path`, or creates it. Waits up to `waitMs` for another program's lock.
   *
   * @throws {Error} If the file cannot be used; the message says why.
   */
  constructor(path: string, durability: Durability, waitMs: number) {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path);
      // Only in an empty file: in an existing database, this would write to it.
      const { page_count: pages } = database.prepare("PRAGMA page_count").get() ?? {};
      if (pages === 0) database.exec("PRAGMA auto_vacuum = INCREMENTAL");
      database.exec(`
        PRAGMA busy_timeout = ${waitMs};
        PRAGMA journal_mode = WAL;
        PRAGMA secure_delete = ON;
        PRAGMA synchronous = ${durability};
        PRAGMA temp_store = MEMORY;
        PRAGMA cache_size = -${cacheKiB};
        PRAGMA wal_autocheckpoint = ${journalPages};
        PRAGMA journal_size_limit = ${journalPages * pageBytes};
      `);
      this.versionBefore = migrate(database);
      database.exec("PRAGMA busy_timeout = 0");
    } catch (error) {
      database?.close();
      throw openError(path, error);
    }
    this.#database = database;
    this.#path = path;
    this.#identities = suffixes.map((suffix) => fileIdentity(path + suffix));
  }

  /** Runs a statement that returns no rows. Statements are prepared once. */
  run(sql: string, ...values: SQLInputValue[]): StatementResultingChanges {
    return this.prepare(sql).run(...values);
  }

  /**
   * Runs a statement on an internal table of a full-text table, which SQLite protects. Returns how
   * many rows it changed.
   */
  runOnShadowTable(sql: string, ...values: SQLInputValue[]): number {
    this.#database.enableDefensive(false);
    try {
      return Number(this.#database.prepare(sql).run(...values).changes);
    } finally {
      this.#database.enableDefensive(true);
    }
  }

  /** Returns the first row of a query. */
  get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.prepare(sql).get(...values);
  }

  /** Returns all rows of a query. */
  all(sql: string, ...values: SQLInputValue[]): Record<string, unknown>[] {
    return this.prepare(sql).all(...values);
  }

  /** Returns a statement, for callers that run it many times in a row. */
  prepare(sql: string): StatementSync {
    return this.#statements.getOrInsertComputed(sql, () => this.#database.prepare(sql));
  }

  /**
   * Runs `work` in one transaction, and `beforeCommit` at its end.
   *
   * @throws If either throws or the commit fails; then nothing has changed.
   */
  transaction<T>(work: () => T, beforeCommit: () => void = () => {}): T {
    this.run("BEGIN IMMEDIATE");
    try {
      const result = work();
      beforeCommit();
      this.run("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * Erases deleted text from the unused space of up to `pages` pages. Returns whether more pages
   * are left: all of them again if `isNew`, because text was deleted since the last call.
   */
  eraseFreeSpace(pages: number, isNew: boolean): boolean {
    this.#freeSpace ??= new FreeSpace(this.#path);
    if (isNew) this.#freeSpace.restart();
    this.#database.exec("PRAGMA shrink_memory");
    return this.#freeSpace.erase(pages);
  }

  /** Closes the file handle of `eraseFreeSpace`, which drops SQLite's locks too. */
  closeFreeSpace(): void {
    this.#freeSpace?.close();
    this.#freeSpace = undefined;
  }

  /** Returns the bytes of the database, without free pages and the journal. */
  usedBytes(): number {
    const pages = Number(this.get("PRAGMA page_count")?.page_count);
    const free = Number(this.get("PRAGMA freelist_count")?.freelist_count);
    return (pages - free) * pageBytes;
  }

  /** Tests whether the disk accepts a write: writes a value that is already there. */
  probe(): void {
    this.#database.exec(`PRAGMA user_version = ${schemaVersion}`);
  }

  /** Returns whether the open files are still at their paths, as far as that can be checked. */
  isInPlace(): boolean {
    return suffixes.every((suffix, i) => {
      const found = fileIdentity(this.#path + suffix);
      return found === this.#identities[i] || found === "unknown";
    });
  }

  /** Copies the open database to a new file, and creates its folder if needed. */
  async copyTo(path: string): Promise<void> {
    const unfinished = `${path}.unfinished`;
    Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await backup(this.#database, unfinished, { rate: -1 });
      Deno.renameSync(unfinished, path);
    } catch (error) {
      for (const rest of [unfinished, `${unfinished}-journal`]) {
        if (fileIdentity(rest) !== undefined) Deno.removeSync(rest);
      }
      throw error;
    }
  }

  /** Removes the journal from its path, where SQLite would apply it to another database. */
  discardJournal(): void {
    try {
      // If the database was only moved, it is complete now.
      this.#database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // The copy has everything.
    }
    suffixes.forEach((suffix, i) => {
      const path = this.#path + suffix;
      const isOurs = fileIdentity(path) === this.#identities[i];
      if (suffix !== "" && isOurs && this.#identities[i] !== undefined) Deno.removeSync(path);
    });
  }

  /** Whether the connection still works after a failure. */
  get isSound(): boolean {
    try {
      this.get("SELECT id FROM rooms LIMIT 1");
      return !this.#database.isTransaction;
    } catch {
      return false;
    }
  }

  close(): void {
    try {
      this.#database.close();
    } catch {
      // A write failed. SQLite repairs the file when it is opened again.
    }
    this.closeFreeSpace();
  }
}
