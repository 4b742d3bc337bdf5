// The broker of a single node: keeps all messages and names in one SQLite file and returns results
// synchronously. A failing disk makes drafts unavailable and never ends the server.

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
import { SearchQueue } from "../search_queue.ts";
import { Cleanup } from "./cleanup.ts";
import type { SqliteOptions } from "./options.ts";
import { ReopeningDatabase } from "./reopening_database.ts";
import { expressionsOf } from "./search_index.ts";
import { StepSize } from "./step_size.ts";
import { sweepStep } from "./sweeps.ts";

/** Rows of each kind that one call of `prune` deletes, and rooms that it visits. */
const pruneRows = 500;
/** Max time of a search, and of one with a phrase, not counting the pauses between steps. */
const searchMaxMs = 95;
const phraseSearchMaxMs = 220;
/** Time after which a search pauses. */
const searchStepMs = 1;

export class SqliteBroker implements Broker {
  readonly #options: SqliteOptions;
  readonly #database: ReopeningDatabase;
  readonly #cleanup: Cleanup;
  /** Entries that one step of pruning or sweeping removes: fewer if they are indexed. */
  readonly #removals: StepSize;
  readonly search: Broker["search"];
  #listener: BrokerListener | undefined;
  /** Number of entries stored by this process. */
  storedCount = 0;

  /**
   * Opens the database, or creates it, and starts an epoch.
   *
   * @throws {Error} If the file cannot be used; the message says why.
   */
  constructor(options: SqliteOptions) {
    const { monotonic } = options;
    this.#options = options;
    this.#database = new ReopeningDatabase(options, () => this.#listener?.reset?.());
    this.#cleanup = new Cleanup(monotonic);
    const isIndexed = this.#database.index.isOn;
    this.#removals = new StepSize(isIndexed ? 1 : pruneRows, pruneRows, monotonic);
    if (isIndexed) {
      const queue = new SearchQueue();
      this.search = (request) => queue.add(() => this.#search(request));
    }
  }

  append(drafts: readonly Draft[]): readonly AppendResult[] {
    let appended;
    try {
      appended = this.#database.transaction((file) => this.#database.store(file, drafts));
    } catch {
      return drafts.map(() => ({ kind: "unavailable" }));
    }
    this.#report(appended.entries);
    return appended.results;
  }

  /** Reports entries after their commit. */
  #report(stored: readonly Entry[]): void {
    const { log, index } = this.#database;
    this.#cleanup.hasGarbage ||= log.hasEvicted;
    const entries = [...this.#database.takeUndelivered(), ...stored];
    this.storedCount += entries.length;
    for (const { room, type } of entries) {
      index.roomChanged(room);
      if (type === "delete") this.#cleanup.hasDeletedText = true;
    }
    if (entries.length > 0) this.#listener?.entries(entries);
  }

  readonly moderation: Moderation = {
    appoint: (member) =>
      this.#database.transaction((file) => this.#database.sanctions.appoint(file, member)),
    isModerator: (member) => this.#database.sanctions.isModerator(this.#database.open(), member),
    moderate: (command, by) => {
      const { sanctions } = this.#database;
      const result = this.#database.transaction((file) => {
        sanctions.load(file);
        return sanctions.moderate(file, command, by);
      });
      const { newBan } = sanctions;
      if (newBan !== undefined) this.#listener?.membersBanned?.(newBan.members, newBan.until);
      return result;
    },
    mutedFor: (member) => this.#database.sanctions.mutedFor(member),
    sweep: () => {
      const { entries, deleted, hasMore } = this.#removals.take(
        (rows) =>
          this.#database.transaction((file) => {
            const { drafts, hasMore } = sweepStep(file, rows);
            const entries = drafts.length > 0 ? this.#database.store(file, drafts).entries : [];
            const deleted = entries.flatMap((entry) =>
              entry.type === "delete" ? entry.targets : []
            );
            return { entries, deleted: deleted.length, hasMore };
          }),
        ({ deleted }) => deleted,
      );
      if (entries.length > 0) this.#report(entries);
      return { deleted, hasMore };
    },
  };

  read(room: string, query: ReadQuery): Page {
    return this.#database.log.read(this.#database.open(), room, query);
  }

  newestRooms(limit: number): readonly RoomSummary[] {
    return this.#database.log.newestRooms(this.#database.open(), limit);
  }

  /** Searches the tables of the index from newest to oldest, at least one, until time is up. */
  async #search({ query, before, limit }: SearchRequest): Promise<SearchPage | undefined> {
    const { index, log } = this.#database;
    if (before !== undefined && !/^[1-9]\d{0,14}$/.test(before)) return undefined;
    const { room: name } = query;
    const room = name === undefined ? undefined : log.idOf(this.#database.open(), name);
    if (name !== undefined && room === undefined) return { messages: [] };
    const hasPhrase = query.phrases.some(({ words }) => words.length > 1);
    const maxMs = this.#options.searchMaxMs ?? (hasPhrase ? phraseSearchMaxMs : searchMaxMs);
    const expressions = expressionsOf(query, room);
    const found: number[] = [];
    let from = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
    let [startedAt, busyMs] = [performance.now(), 0];
    do {
      const left = limit + 1 - found.length;
      const step = index.find(this.#database.open(), expressions, from, left);
      found.push(...step.found);
      from = step.before;
      const stepMs = performance.now() - startedAt;
      if (stepMs < searchStepMs) continue;
      busyMs += stepMs;
      if (from > 0) await this.#options.pause?.(stepMs);
      startedAt = performance.now();
    } while (from > 0 && found.length <= limit && busyMs < maxMs);
    busyMs += performance.now() - startedAt;
    // Reads all of them only now, so that none has been deleted since it was read.
    const file = this.#database.open();
    const messages = found.slice(0, limit).map((document) => index.message(file, document))
      .filter((message) => message !== undefined);
    const page = { messages, busyMs };
    if (found.length > limit) return { ...page, next: String(found[limit - 1]) };
    if (from <= 0) return page;
    const since = index.timeOf(file, from);
    return { ...page, next: String(from), ...(since === undefined ? {} : { since }) };
  }

  forget(room: string): void {
    this.#database.log.forget(room);
  }

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  batch(work: () => void): void {
    this.#database.batch(work);
  }

  claim(
    member: string,
    username: string | undefined,
    _tab?: string,
    network?: string,
  ): string | undefined | Banned {
    const { names, sanctions } = this.#database;
    return this.#database.transaction((file) => {
      sanctions.load(file);
      const refusal = sanctions.claimRefusal(file, member, network);
      if (refusal !== undefined) return refusal;
      const claimed = names.claim(file, member, username);
      if (claimed !== undefined && network !== undefined) {
        sanctions.markSeen(file, member, network);
      }
      return claimed;
    });
  }

  holdsName(member: string): boolean {
    return this.#database.names.isHolder(this.#database.open(), member);
  }

  rename(member: string, username: string): boolean {
    return this.#database.transaction((file) =>
      this.#database.names.rename(file, member, username)
    );
  }

  release(member: string, isFreed = false): void {
    this.#database.transaction((file) => {
      this.#database.names.release(file, member, isFreed);
      this.#database.sanctions.markLeft(file, member);
    });
  }

  /** Does nothing: the file tells the next server which members were present. */
  renewHolds(): void {}

  prune(): boolean {
    const now = this.#options.now();
    const { nonces, names, sanctions, retention, log } = this.#database;
    const partsHaveMore = this.#database.transaction((file) => {
      const hasMore = [nonces, names, sanctions].map((part) => part.prune(file, now, pruneRows));
      return hasMore.includes(true);
    });
    const { pruned, hasMore } = this.#removals.take(
      (rows) => this.#database.transaction((file) => retention.prune(file, now, rows)),
      ({ removed }) => removed,
    );
    for (const [room, first] of pruned) {
      log.setFirst(room, first);
      this.#listener?.pruned(room, first);
    }
    if (pruned.length > 0) this.#cleanup.hasGarbage = true;
    if (partsHaveMore || hasMore) return true;
    return this.#cleanup.hasGarbage && this.#cleanup.shrink(this.#database.open());
  }

  /**
   * After a deletion, empties the journal and takes a step through the file to erase copies of the
   * deleted text. Call it about once a second.
   */
  eraseDeleted(): void {
    const isInMemory = this.#options.path === ":memory:";
    if (!this.#cleanup.mustErase || this.#database.isAbandoned || isInMemory) return;
    try {
      this.#cleanup.erase(this.#database.open());
    } catch {
      // The next call tries again. If storage fails, the next append reports it.
    }
  }

  /**
   * Takes a step of indexing messages for `search`, a few ms long. Returns whether there is more to
   * do now.
   */
  index(): boolean {
    const { index, log } = this.#database;
    const { hasWork, mustErase } = index;
    const mayGrow = !log.hasReachedSize;
    if (!hasWork || !mayGrow && !mustErase || this.#database.isAbandoned) return false;
    const hasMore = this.#database.transaction((file) => index.step(file, mayGrow));
    // The walk through the file erases copies of the words too.
    if (mustErase && !index.mustErase) this.#cleanup.hasDeletedText = true;
    if (!index.isOn) this.#cleanup.hasGarbage = true;
    return hasMore;
  }

  /** Whether messages are refused because the database has reached `maxDataBytes`. */
  get isFull(): boolean {
    return this.#database.log.hasReachedSize;
  }

  /** Writes to the file to find out whether a message could be stored now. */
  isWritable(): boolean {
    return this.#database.isWritable();
  }

  /**
   * Checks that the open file is still the one at its path; call it about once a second. If not,
   * stores nothing more, saves a copy beside the path and returns why the server must exit.
   */
  saveIfMoved(): Promise<string | undefined> {
    return this.#database.saveIfMoved();
  }

  close(): void {
    this.#database.close();
  }
}
