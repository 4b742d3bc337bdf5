// The broker of a single node: keeps all messages and names in one SQLite file and returns results
// at once. A failing disk makes drafts unavailable and never ends the server.

import type {
  AppendResult,
  Banned,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Moderation,
  Page,
  ReadQuery,
  RoomSummary,
  SearchPage,
  SearchRequest,
} from "../../chat/broker.ts";
import { errorMessage } from "../../core/error_message.ts";
import { SearchQueue } from "../search_queue.ts";
import { DatabaseFile } from "./database.ts";
import { Names } from "./names.ts";
import { Nonces } from "./nonces.ts";
import { openError } from "./open_error.ts";
import type { SqliteOptions } from "./options.ts";
import { Retention } from "./retention.ts";
import { RoomLog } from "./room_log.ts";
import { Sanctions } from "./sanctions.ts";
import { schemaVersion } from "./schema.ts";
import { expressionsOf, SearchIndex } from "./search_index.ts";
import { StepSize } from "./step_size.ts";
import { sweepStep } from "./sweeps.ts";

/** Free pages that one call of `prune` returns to the file system. */
const shrinkPages = 200;
/** Rows of each kind that one call of `prune` deletes, and rooms that it visits. */
const pruneRows = 500;
/** Pages whose unused space one call of `eraseDeleted` erases: 2 to 8 MB, in a few ms. */
const minErasePages = 512;
const maxErasePages = 2_048;
/** Max time of a search, and of one with a phrase, not counting the pauses between steps. */
const searchMaxMs = 95;
const phraseSearchMaxMs = 220;
/** A search continues in the next event-loop turn after this time. */
const searchStepMs = 1;
/** Max wait for another program's lock at the start. Later, waiting would block the chat. */
const startWaitMs = 500;

export class SqliteBroker implements Broker {
  readonly #options: SqliteOptions;
  readonly #nonces: Nonces;
  readonly #names: Names;
  readonly #sanctions: Sanctions;
  readonly #log: RoomLog;
  readonly #retention: Retention;
  readonly #index: SearchIndex;
  readonly search: Broker["search"];
  /** Entries that one step of pruning or sweeping removes: fewer if they are indexed. */
  readonly #removals: StepSize;
  readonly #erasing: StepSize;
  /** Undefined after repeated failures, until the file is reopened. */
  #file: DatabaseFile | undefined;
  /** Defined during a batch. */
  #batchFile: DatabaseFile | undefined;
  #listener: BrokerListener | undefined;
  /** Consecutive failures. */
  #failures = 0;
  /** Number of entries stored by this process. */
  storedCount = 0;
  /** Entries from a commit that reported failure but succeeded; not yet delivered. */
  #undelivered: readonly Entry[] = [];
  /** Whether the open file is no longer the one at its path. */
  #isMoved = false;
  /** Whether the file or the journal may have free pages to return to the file system. */
  #hasGarbage = false;
  /** Whether the journal may have deleted text. A killed server may have left some. */
  #hasDeletedText = true;
  /** Whether a walk through the file's unused space continues. */
  #isErasing = false;

  /**
   * Opens the database, or creates it, and starts an epoch.
   *
   * @throws {Error} If the file cannot be used; the message says why.
   */
  constructor(options: SqliteOptions) {
    this.#options = options;
    this.#nonces = new Nonces(options);
    this.#names = new Names(options);
    this.#sanctions = new Sanctions(options);
    this.#index = new SearchIndex(options.search ?? false);
    const { monotonic } = options;
    this.#removals = new StepSize(this.#index.isOn ? 1 : pruneRows, pruneRows, monotonic);
    this.#erasing = new StepSize(minErasePages, maxErasePages, monotonic);
    this.#log = new RoomLog(options, this.#nonces, this.#sanctions, this.#index);
    this.#retention = new Retention(options, this.#nonces, this.#index);
    if (this.#index.isOn) {
      const queue = new SearchQueue();
      this.search = (request) => queue.add(() => this.#search(request));
    }
    const file = new DatabaseFile(options.path, options.durability, startWaitMs);
    const { versionBefore } = file;
    if (versionBefore > 0 && versionBefore < schemaVersion) {
      options.report("database_upgraded", `from version ${versionBefore} to ${schemaVersion}`);
    }
    try {
      file.transaction(() => {
        this.#log.beginEpoch(file);
        this.#names.holdAll(file);
      });
      this.#nonces.load(file);
      this.#sanctions.load(file);
    } catch (error) {
      file.close();
      throw openError(options.path, error);
    }
    this.#file = file;
  }

  append(drafts: readonly Draft[]): readonly AppendResult[] {
    let appended;
    try {
      appended = this.#transaction((file) => this.#store(file, drafts));
    } catch {
      return drafts.map(() => ({ kind: "unavailable" }));
    }
    this.#report(appended.entries);
    return appended.results;
  }

  /** Stores drafts inside a transaction. */
  #store(file: DatabaseFile, drafts: readonly Draft[]): ReturnType<RoomLog["append"]> {
    this.#nonces.writeSome(file);
    this.#sanctions.load(file);
    const appended = this.#log.append(file, drafts, this.#options.now());
    for (const { member } of appended.entries) {
      if (this.#names.markWriter(file, member)) this.#sanctions.markWriter(file, member);
    }
    return appended;
  }

  /** Reports entries after their commit. */
  #report(stored: readonly Entry[]): void {
    this.#recover();
    this.#hasGarbage ||= this.#log.hasEvicted;
    this.#hasDeletedText ||= this.#log.hasDeleted;
    const entries = [...this.#undelivered, ...stored];
    this.#undelivered = [];
    this.storedCount += entries.length;
    for (const { room } of entries) this.#index.roomChanged(room);
    if (entries.length > 0) this.#listener?.entries(entries);
  }

  readonly moderation: Moderation = {
    appoint: (member) => this.#transaction((file) => this.#sanctions.appoint(file, member)),
    isModerator: (member) => this.#sanctions.isModerator(this.#openFile(), member),
    moderate: (command, by) => {
      const result = this.#transaction((file) => {
        this.#sanctions.load(file);
        return this.#sanctions.moderate(file, command, by);
      });
      const { newBan } = this.#sanctions;
      if (newBan !== undefined) this.#listener?.membersBanned?.(newBan.members, newBan.until);
      return result;
    },
    mutedFor: (member) => this.#sanctions.mutedFor(member),
    sweep: () => {
      const { entries, deleted, hasMore } = this.#removals.take(
        (rows) =>
          this.#transaction((file) => {
            const { drafts, hasMore } = sweepStep(file, rows);
            const { entries } = drafts.length > 0 ? this.#store(file, drafts) : { entries: [] };
            const deleted = entries.reduce(
              (count, entry) => entry.type === "delete" ? count + entry.targets.length : count,
              0,
            );
            return { entries, deleted, hasMore };
          }),
        ({ deleted }) => deleted,
      );
      if (entries.length > 0) this.#report(entries);
      return { deleted, hasMore };
    },
  };

  read(room: string, query: ReadQuery): Page {
    return this.#log.read(this.#openFile(), room, query);
  }

  newestRooms(limit: number): readonly RoomSummary[] {
    return this.#log.newestRooms(this.#openFile(), limit);
  }

  /** Searches the tables of the index from newest to oldest, at least one, until time is up. */
  async #search({ query, before, limit }: SearchRequest): Promise<SearchPage | undefined> {
    if (before !== undefined && !/^[1-9]\d{0,14}$/.test(before)) return undefined;
    const { room: name } = query;
    const room = name === undefined ? undefined : this.#log.idOf(this.#openFile(), name);
    if (name !== undefined && room === undefined) return { messages: [] };
    const hasPhrase = query.phrases.some(({ words }) => words.length > 1);
    const maxMs = this.#options.searchMaxMs ?? (hasPhrase ? phraseSearchMaxMs : searchMaxMs);
    const expressions = expressionsOf(query, room);
    const found: number[] = [];
    let from = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
    let [startedAt, busyMs] = [performance.now(), 0];
    do {
      const left = limit + 1 - found.length;
      const step = this.#index.find(this.#openFile(), expressions, from, left);
      found.push(...step.found);
      from = step.before;
      const stepMs = performance.now() - startedAt;
      if (stepMs < searchStepMs) continue;
      busyMs += stepMs;
      if (from > 0) await this.#options.nextTurn?.(stepMs);
      startedAt = performance.now();
    } while (from > 0 && found.length <= limit && busyMs < maxMs);
    busyMs += performance.now() - startedAt;
    // Read all at once, so that none was deleted before the last one was found.
    const file = this.#openFile();
    const messages = found.slice(0, limit).map((document) => this.#index.message(file, document))
      .filter((message) => message !== undefined);
    const page = { messages, busyMs };
    if (found.length > limit) return { ...page, next: String(found[limit - 1]) };
    if (from <= 0) return page;
    const since = this.#index.timeOf(file, from);
    return { ...page, next: String(from), ...(since === undefined ? {} : { since }) };
  }

  forget(room: string): void {
    this.#log.forget(room);
  }

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  batch(work: () => void): void {
    this.#transaction((file) => {
      this.#batchFile = file;
      try {
        work();
      } finally {
        this.#batchFile = undefined;
      }
    });
  }

  claim(
    member: string,
    username: string | undefined,
    _tab?: string,
    network?: string,
  ): string | undefined | Banned {
    return this.#transaction((file) => {
      this.#sanctions.load(file);
      const refusal = this.#sanctions.claimRefusal(file, member, network);
      if (refusal !== undefined) return refusal;
      const claimed = this.#names.claim(file, member, username);
      if (claimed !== undefined && network !== undefined) {
        this.#sanctions.markSeen(file, member, network);
      }
      return claimed;
    });
  }

  holdsName(member: string): boolean {
    return this.#names.isHolder(this.#openFile(), member);
  }

  rename(member: string, username: string): boolean {
    return this.#transaction((file) => this.#names.rename(file, member, username));
  }

  release(member: string, isFreed = false): void {
    this.#transaction((file) => {
      this.#names.release(file, member, isFreed);
      this.#sanctions.forget(file, member);
    });
  }

  /** Does nothing: the file tells the next server which members were present. */
  renewHolds(): void {}

  prune(): boolean {
    const now = this.#options.now();
    const hasMoreParts = this.#transaction((file) => {
      const hasMore = [this.#nonces, this.#names, this.#sanctions]
        .map((part) => part.prune(file, now, pruneRows));
      return hasMore.includes(true);
    });
    const { pruned, hasMore } = this.#removals.take(
      (rows) => this.#transaction((file) => this.#retention.prune(file, now, rows)),
      ({ removed }) => removed,
    );
    for (const [room, first] of pruned) {
      this.#log.setFirst(room, first);
      this.#listener?.pruned(room, first);
    }
    if (pruned.length > 0) this.#hasGarbage = true;
    return hasMoreParts || hasMore || this.#shrink();
  }

  /** Shrinks the file by one step after a deletion. Returns whether there is more to do. */
  #shrink(): boolean {
    if (!this.#hasGarbage) return false;
    const file = this.#openFile();
    const isShrinking = file.shrink(shrinkPages);
    // Shrinking may have moved pages past the walk.
    this.#hasDeletedText ||= this.#isErasing;
    if (isShrinking) return true;
    this.#hasGarbage = !file.truncateJournal();
    return false;
  }

  /**
   * After a deletion, empties the journal and takes a step through the file to erase copies of the
   * deleted text. Call it about once a second.
   */
  eraseDeleted(): void {
    const hasWork = this.#hasDeletedText || this.#isErasing;
    if (!hasWork || this.#isAbandoned || this.#options.path === ":memory:") return;
    try {
      const file = this.#openFile();
      // Fails while another program reads an older state.
      if (!file.truncateJournal()) return;
      this.#isErasing = this.#erasing.take(
        (pages) => file.eraseFreeSpace(pages, this.#hasDeletedText),
        (hasMore) => hasMore ? maxErasePages : 0,
      );
      this.#hasDeletedText = false;
    } catch {
      // The next call tries again. If storage fails, the next append reports it.
    }
  }

  /**
   * Takes a step of indexing messages for `search`, a few ms long. Returns whether there is more to
   * do now.
   */
  index(): boolean {
    const { hasWork, mustErase } = this.#index;
    const mayGrow = !this.#log.hasReachedSize;
    if (!hasWork || !mayGrow && !mustErase || this.#isAbandoned) return false;
    const hasMore = this.#transaction((file) => this.#index.step(file, mayGrow));
    // The walk through the file erases copies of the words too.
    if (mustErase && !this.#index.mustErase) this.#hasDeletedText = true;
    if (!this.#index.isOn) this.#hasGarbage = true;
    return hasMore;
  }

  /** Whether messages are refused because the database has reached `maxDataBytes`. */
  get isFull(): boolean {
    return this.#log.hasReachedSize;
  }

  /** Writes to the file to find out whether a message could be stored now. */
  isWritable(): boolean {
    if (this.#isAbandoned) return false;
    try {
      const file = this.#openFile();
      file.transaction(() => file.probe(), () => this.#options.lock?.check());
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Checks that the open file is still the one at its path; call it about once a second. If not,
   * stores nothing more, saves a copy beside the path and returns why the server must end.
   */
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
    const file = this.#file;
    if (this.#isAbandoned) file?.closeFreeSpace();
    if (this.#isAbandoned || file === undefined) return;
    try {
      // Spares the next start reading entries for their nonces. Some entries may be damaged.
      this.#transaction((file) => this.#nonces.write(file));
    } catch {
      // The next start reads them.
    }
    if (!this.#isAbandoned) this.#closeFile();
  }

  /**
   * Whether the files at the path belong to another process. Then the database is never closed,
   * since SQLite would remove the journal at the path.
   */
  get #isAbandoned(): boolean {
    return this.#isMoved || this.#options.lock?.lossReason !== undefined;
  }

  /** Runs `work` in one transaction, or in that of the batch. If it throws, nothing has changed. */
  #transaction<T>(work: (file: DatabaseFile) => T): T {
    if (this.#batchFile !== undefined) return work(this.#batchFile);
    try {
      if (this.#isMoved) throw new Error("the file was moved away");
      const file = this.#openFile();
      const result = file.transaction(() => work(file), () => this.#options.lock?.check());
      this.#log.commit();
      this.#nonces.commit();
      return result;
    } catch (error) {
      for (const part of this.#parts) part.rollback(error);
      this.#log.rollback();
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    if (this.#failures++ === 0) this.#options.report("storage_failed", error);
    // A full disk can still be read, so the first failure does not close the file. After a second
    // one, the connection may be stuck.
    const isStuck = this.#failures % 2 === 0 && this.#options.path !== ":memory:";
    if (this.#isAbandoned || (!isStuck && this.#file?.isSound !== false)) return;
    // If the file was moved, only this connection has its messages.
    if (this.#file?.isInPlace()) this.#closeFile();
  }

  #recover(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#options.report("storage_recovered", "messages can be stored again");
  }

  /** The parts that cache some of the database, except the log. */
  get #parts() {
    return [this.#nonces, this.#names, this.#sanctions, this.#index];
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Returns the file, reopening it after failures. */
  #openFile(): DatabaseFile {
    return this.#file ??= this.#reopen();
  }

  #reopen(): DatabaseFile {
    const { path, durability, report } = this.#options;
    const file = new DatabaseFile(path, durability, 0);
    try {
      const late = this.#log.catchUp(file);
      if (late === undefined) report("storage_changed", "the file lacks messages stored earlier");
      this.#undelivered = late === undefined ? [] : [...this.#undelivered, ...late];
      for (const part of this.#parts) part.rollback();
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

/** Returns a time as it appears in file names. */
export function fileTimestamp(ms: number): string {
  return new Date(ms).toISOString().replaceAll(":", "");
}
