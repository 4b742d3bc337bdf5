// The database of a broker: its tables, and its file, which is reopened after repeated failures
// unless it belongs to another process or is no longer at its path.

import type { Draft, Entry } from "../../chat/broker.ts";
import { errorMessage } from "../../core/error_message.ts";
import { fileInfo } from "../../core/file_info.ts";
import { DatabaseFile } from "./database.ts";
import { Names } from "./names.ts";
import { Nonces } from "./nonces.ts";
import { openError } from "./open_error.ts";
import type { SqliteOptions } from "./options.ts";
import { Retention } from "./retention.ts";
import { RoomLog } from "./room_log.ts";
import { Sanctions } from "./sanctions.ts";
import { schemaVersion } from "./schema.ts";
import { SearchIndex } from "./search_index.ts";

/** Max wait for another program's lock on startup. Later, waiting would block the chat. */
const startWaitMs = 500;

/** The tables by subject, and the file that has them. Most parts cache some rows. */
export class ReopeningDatabase {
  readonly nonces: Nonces;
  readonly names: Names;
  readonly sanctions: Sanctions;
  readonly index: SearchIndex;
  readonly log: RoomLog;
  readonly retention: Retention;
  readonly #options: SqliteOptions;
  readonly #onForked: () => void;
  /** Undefined after repeated failures, until the file is reopened. */
  #file: DatabaseFile | undefined;
  /** Defined during a batch. */
  #batchFile: DatabaseFile | undefined;
  /** Consecutive failures. */
  #failures = 0;
  /** Entries from a commit that reported failure but succeeded; not yet delivered. */
  #undelivered: readonly Entry[] = [];
  /** Whether the open file is no longer the one at its path. */
  #isMoved = false;

  /**
   * Opens the database, or creates it, and starts an epoch. Calls `onForked` when the reopened file
   * lacks messages.
   *
   * @throws {Error} If the file cannot be used; the message says why.
   */
  constructor(options: SqliteOptions, onForked: () => void) {
    const { path, durability, report } = options;
    this.#options = options;
    this.#onForked = onForked;
    this.nonces = new Nonces(options);
    this.names = new Names(options);
    this.sanctions = new Sanctions(options);
    this.index = new SearchIndex(options.search ?? false);
    this.log = new RoomLog(options, this.nonces, this.sanctions, this.index);
    this.retention = new Retention(options, this.nonces, this.index);
    const isExisting = fileInfo(path) !== undefined;
    const file = new DatabaseFile(path, durability, startWaitMs);
    const { versionBefore } = file;
    if (versionBefore > 0 && versionBefore < schemaVersion) {
      report("database_upgraded", `from version ${versionBefore} to ${schemaVersion}`);
    } else if (versionBefore === 0 && isExisting) {
      report("database_empty", `${path} was empty: this is a new chat`);
    }
    try {
      file.transaction(() => {
        this.log.beginEpoch(file);
        this.names.holdAll(file);
      });
      this.nonces.load(file);
      this.sanctions.load(file);
    } catch (error) {
      file.close();
      throw openError(path, error);
    }
    this.#file = file;
  }

  /** Returns the file, reopening it after failures. */
  open(): DatabaseFile {
    return this.#file ??= this.#reopen();
  }

  #reopen(): DatabaseFile {
    const { path, durability, report } = this.#options;
    const file = new DatabaseFile(path, durability, 0);
    try {
      const late = this.log.catchUp(file);
      this.#undelivered = late === undefined ? [] : [...this.#undelivered, ...late];
      this.#rollback();
      if (late === undefined) {
        // In one transaction: if it fails, the file's epoch stays, and the next call starts over.
        file.transaction(() => {
          this.log.startOver(file);
          this.names.holdAll(file);
        });
        report("storage_changed", new Error("the file lacks messages stored earlier"));
        this.#onForked();
      }
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Runs `work` in one transaction, or in that of the batch. If it throws, nothing has changed. */
  transaction<T>(work: (file: DatabaseFile) => T): T {
    if (this.#batchFile !== undefined) return work(this.#batchFile);
    try {
      if (this.#isMoved) throw new Error("the file was moved away");
      const file = this.open();
      const result = file.transaction(() => work(file), () => this.#options.lock?.check());
      this.log.commit();
      this.nonces.commit();
      return result;
    } catch (error) {
      this.#rollback(error);
      this.#fail(error);
      throw error;
    }
  }

  /** Runs all transactions that `work` starts as a single one. */
  batch(work: () => void): void {
    this.transaction((file) => {
      this.#batchFile = file;
      try {
        work();
      } finally {
        this.#batchFile = undefined;
      }
    });
  }

  /** Drops the changes of a failed transaction. Without an error, the file was reopened. */
  #rollback(error?: unknown): void {
    for (const part of [this.nonces, this.names, this.sanctions, this.index]) part.rollback(error);
    this.log.rollback();
  }

  /** Stores drafts inside a transaction. */
  store(file: DatabaseFile, drafts: readonly Draft[]): ReturnType<RoomLog["append"]> {
    this.nonces.writeSome(file);
    this.sanctions.load(file);
    const appended = this.log.append(file, drafts, this.#options.now());
    for (const { member } of appended.entries) {
      if (this.names.markWriter(file, member)) this.sanctions.markWriter(file, member);
    }
    return appended;
  }

  #fail(error: unknown): void {
    if (this.#failures++ === 0) this.#options.report("storage_failed", error);
    // A full disk can still be read, so the first failure does not close the file. After a second
    // one, the connection may be stuck.
    const isStuck = this.#failures % 2 === 0 && this.#options.path !== ":memory:";
    if (this.isAbandoned || (!isStuck && this.#file?.isSound !== false)) return;
    // If the file was moved, only this connection has its messages.
    if (this.#file?.isInPlace()) this.#close();
  }

  /** Reports that storage works again, if it had failed. Returns the entries still to deliver. */
  takeUndelivered(): readonly Entry[] {
    if (this.#failures > 0) {
      this.#failures = 0;
      this.#options.report("storage_recovered", "messages can be stored again");
    }
    const undelivered = this.#undelivered;
    this.#undelivered = [];
    return undelivered;
  }

  /**
   * Whether the files at the path belong to another process. Then the database is never closed,
   * since SQLite would remove the journal at the path.
   */
  get isAbandoned(): boolean {
    return this.#isMoved || this.#options.lock?.lossReason !== undefined;
  }

  /** Writes to the file to find out whether a message could be stored now. */
  isWritable(): boolean {
    if (this.isAbandoned) return false;
    try {
      const file = this.open();
      file.transaction(() => file.probe(), () => this.#options.lock?.check());
      return true;
    } catch {
      return false;
    }
  }

  /** Checks that the open file is still at its path. If not, saves a copy (see `SqliteBroker`). */
  async saveIfMoved(): Promise<string | undefined> {
    const { path, now } = this.#options;
    const file = this.#file;
    if (this.#isMoved || file === undefined || file.isInPlace()) return undefined;
    this.#isMoved = true;
    const problem = `${path} was moved, removed or replaced while the server was using it`;
    const copy = `${path}.saved-${fileTimestamp(now())}`;
    try {
      await file.copyTo(copy);
      file.discardJournal();
      return `${problem}; its messages are in ${copy}, which "restore" brings back`;
    } catch (error) {
      return `${problem}; saving its messages in ${copy} failed: ${errorMessage(error)}`;
    }
  }

  close(): void {
    if (this.isAbandoned) this.#file?.closeFreeSpace();
    if (this.isAbandoned || this.#file === undefined) return;
    try {
      // Saves the next start from reading entries, some of which may be damaged, for their nonces.
      this.transaction((file) => this.nonces.write(file));
    } catch {
      // The next start reads them.
    }
    if (!this.isAbandoned) this.#close();
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}

/** Returns a time as it appears in file names. */
export function fileTimestamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(":", "");
}
