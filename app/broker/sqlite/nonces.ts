// Recognizes repeats by their nonces. Entries store their nonces, so the index only maps hashes
// to offsets. Nonces are random, so a table would write a page for almost every nonce. The index
// consists of generations instead, each with the hashes of about 260,000 consecutive entries.
//
// The current and the previous generation are in memory. They are also in the file as chunks, in
// the order of their entries, from which a restart reads them. With each chunk of the current
// generation, a slice of the previous one is sorted into pages, so that no step takes long. Of
// older generations, only the filters are in memory; the file has them too.

import type { DatabaseFile } from "./database.ts";
import { filterWords, NonceFilter, nonceHash, NonceKey } from "./nonce_filter.ts";
import type { NonceHash } from "./nonce_filter.ts";
import { chains, NonceGeneration, offsetAt, wordsPerHash } from "./nonce_generation.ts";
import type { SqliteOptions } from "./options.ts";

/** Hashes per chunk. Just below a power of two, so that a generation's arrays rarely grow. */
const chunkHashes = 8_000;
/** Chunks, and slices, per generation. */
const parts = 32;
/** Pages per generation. Each has about 250 hashes. */
const pages = 1_024;
const pagesPerSlice = pages / parts;
const chainsPerPage = chains / pages;
const wordsPerSlice = filterWords / parts;
const keptMs = 7 * 86_400_000;

/** A row's id is `generation * parts + index`, or `generation * pages + index` for a page. */
const sql = {
  // CROSS makes SQLite start with the rooms: most have nothing new, and there may be millions of
  // entries.
  recent: `SELECT room, offset, member, nonce, entries.at AS at
           FROM rooms CROSS JOIN entries ON room = id AND offset > indexed WHERE head > indexed
           UNION ALL
           SELECT room, offset, member, nonce, nonces.at AS at
           FROM rooms CROSS JOIN nonces ON room = id AND offset > indexed WHERE head > indexed`,
  setIndexed: "UPDATE rooms SET indexed = head WHERE indexed < head",
  key: "SELECT data FROM nonce_key WHERE id = ?",
  lastChunk: "SELECT max(id) AS id FROM nonce_chunks",
  chunk: "SELECT at, data FROM nonce_chunks WHERE id = ?",
  addChunk: "INSERT OR REPLACE INTO nonce_chunks (id, at, data) VALUES (?, ?, ?)",
  filter: "SELECT at, data FROM nonce_filters WHERE id = ?",
  addFilter: "INSERT OR REPLACE INTO nonce_filters (id, at, data) VALUES (?, ?, ?)",
  page: "SELECT data FROM nonce_pages WHERE id = ?",
  addPage: "INSERT OR REPLACE INTO nonce_pages (id, data) VALUES (?, ?)",
  entry: "SELECT member, nonce FROM entries WHERE room = ? AND offset = ?",
  removed: "SELECT member, nonce FROM nonces WHERE room = ? AND offset = ?",
  keep: `INSERT OR IGNORE INTO nonces (room, offset, member, nonce, at)
         SELECT room, offset, member, nonce, at FROM entries
         WHERE room = ? AND offset < ? AND at >= ?`,
  prune: `DELETE FROM nonces WHERE (room, offset) IN
          (SELECT room, offset FROM nonces WHERE at < ? LIMIT ?)`,
  deleteFilters: `DELETE FROM nonce_filters WHERE id IN
                  (SELECT id FROM nonce_filters WHERE id < ? LIMIT 4)`,
  deletePages:
    "DELETE FROM nonce_pages WHERE id IN (SELECT id FROM nonce_pages WHERE id < ? LIMIT 32)",
  deleteChunks: `DELETE FROM nonce_chunks WHERE id IN
                 (SELECT id FROM nonce_chunks WHERE id < ? LIMIT 1)`,
} as const;

/** A generation whose hashes are only in the file. */
type OldGeneration = Pick<NonceGeneration, "id" | "at" | "filter">;

type NonceOptions = Pick<SqliteOptions, "report" | "recentNonces">;

/** The nonces of one database. Changes belong inside a transaction. */
export class Nonces {
  readonly #options: NonceOptions;
  readonly #chunkHashes: number;
  #key = new NonceKey([]);
  /** Oldest first. */
  #old: OldGeneration[] = [];
  #previous = new NonceGeneration(0);
  #current = new NonceGeneration(1);
  /** Complete chunks of the current generation, and the number of their hashes. */
  #chunks = 0;
  #chunksEnd = 0;
  /** `#chunksEnd` after the current transaction, if that completes a chunk. */
  #nextChunksEnd: number | undefined;
  /** Hashes of the current generation that are not from the current transaction. */
  #committed = 0;
  /** Whether the memory matches the database. */
  #isLoaded = false;
  #hasDamage = false;
  /** Statements and ids of the rows that cannot be read. */
  readonly #damaged = new Set<string>();

  constructor(options: NonceOptions) {
    this.#options = options;
    this.#chunkHashes = options.recentNonces ?? chunkHashes;
  }

  /** Reads the index. On startup, it reads 4 MB for a million nonces. */
  load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    this.#key = new NonceKey(wordsOf(this.#read(file, sql.key, 1)?.data));
    const last = Number(file.get(sql.lastChunk)?.id ?? parts);
    let id = Math.floor(last / parts);
    if (last % parts === parts - 1) {
      this.#readChunks(file, id);
      // The last generation is complete, so it is the previous one. `prune` may have deleted chunks
      // of the one before it, whose nonces are in pages.
      if (this.#chunks === parts) id++;
    }
    this.#previous = this.#readChunks(file, id - 1);
    this.#current = this.#readChunks(file, id);
    const known = new Map(this.#old.map((generation) => [generation.id, generation]));
    this.#old = [];
    for (let oldId = id - 2; oldId > 0; oldId--) {
      const generation = known.get(oldId) ?? this.#readFilter(file, oldId);
      if (generation === undefined) break;
      this.#old.unshift(generation);
    }
    for (const { room, member, nonce, offset, at } of file.all(sql.recent)) {
      const hash = this.hash(Number(room), String(member), String(nonce));
      this.add(hash, Number(offset), Number(at));
    }
    this.#committed = this.#current.count;
    this.#isLoaded = true;
  }

  /** Reads the chunks of a generation, and counts the complete ones. */
  #readChunks(file: DatabaseFile, id: number): NonceGeneration {
    const generation = new NonceGeneration(id);
    let isComplete = true;
    this.#chunks = this.#chunksEnd = 0;
    for (let chunk = 0; chunk < parts; chunk++) {
      const row = this.#read(file, sql.chunk, id * parts + chunk);
      if (row === undefined) break;
      [this.#chunks, this.#chunksEnd] = [chunk, generation.count];
      generation.addAll(wordsOf(row.data), Number(row.at ?? 0));
      const count = generation.count - this.#chunksEnd;
      isComplete = count >= this.#chunkHashes || row.data === undefined;
    }
    // A stopped server leaves its last chunk incomplete.
    if (isComplete && generation.count > 0) {
      this.#chunks++;
      this.#chunksEnd = generation.count;
    }
    return generation;
  }

  /** Reads the filter of an old generation, if the file has all of it. */
  #readFilter(file: DatabaseFile, id: number): OldGeneration | undefined {
    const filter = new NonceFilter();
    let at = 0;
    for (let slice = 0; slice < parts; slice++) {
      const row = this.#read(file, sql.filter, id * parts + slice);
      if (row === undefined) return undefined;
      const start = slice * wordsPerSlice;
      // Without its filter, a slice may have any nonce.
      if (row.data === undefined) filter.words.fill(-1, start, start + wordsPerSlice);
      else filter.words.set(wordsOf(row.data).subarray(0, wordsPerSlice), start);
      at = Math.max(at, Number(row.at ?? 0));
    }
    return { id, at, filter };
  }

  /**
   * Returns a row, if there is one. A row on a damaged page is returned without columns: that
   * may lose nonces, but must not stop the chat. Reading it fails the transaction, so it is read
   * only once.
   */
  #read(file: DatabaseFile, statement: string, id: number): Record<string, unknown> | undefined {
    const key = `${statement} ${id}`;
    if (this.#damaged.has(key)) return {};
    try {
      return file.get(statement, id);
    } catch (error) {
      if (!this.#isDamage(error)) throw error;
      this.#damaged.add(key);
      return {};
    }
  }

  /** Returns whether SQLite has found a damaged page (https://www.sqlite.org/rescode.html). */
  #isDamage(error: unknown): boolean {
    const isSqlite = error instanceof Error && "errcode" in error;
    if (!isSqlite || (Number(error.errcode) & 0xff) !== 11) return false;
    if (!this.#hasDamage) this.#options.report("nonces_damaged", error);
    this.#hasDamage = true;
    return true;
  }

  /** Makes the current generation the previous one. Keeps only the filter of the one before. */
  #beginGeneration(): void {
    const { id, at, filter } = this.#previous;
    if (id > 0) this.#old.push({ id, at, filter });
    this.#previous = this.#current;
    this.#current = new NonceGeneration(this.#previous.id + 1);
    this.#current.addAll(this.#previous.from(this.#chunksEnd), this.#previous.at);
    this.#previous.truncate(this.#chunksEnd);
    this.#chunks = this.#chunksEnd = 0;
  }

  /** Returns the hash of a member's nonce in a room. The index must be loaded. */
  hash(room: number, member: string, nonce: string): NonceHash {
    return nonceHash(this.#key, room, member, nonce);
  }

  /** Returns false if no entry has a nonce with this hash. */
  mayHave(hash: NonceHash): boolean {
    if (this.#current.filter.mayHave(hash) || this.#previous.filter.mayHave(hash)) return true;
    for (const { filter } of this.#old) if (filter.mayHave(hash)) return true;
    return false;
  }

  /** Returns the offset of the entry with this nonce. All entries must be in their table. */
  find(
    file: DatabaseFile,
    hash: NonceHash,
    room: number,
    member: string,
    nonce: string,
  ): number | undefined {
    const isEntry = (offset: number) => {
      const row = file.get(sql.entry, room, offset) ?? file.get(sql.removed, room, offset);
      return row?.member === member && row.nonce === nonce;
    };
    let offset = this.#current.find(hash, isEntry) ?? this.#previous.find(hash, isEntry);
    // Most repeats are recent.
    for (let i = this.#old.length - 1; i >= 0 && offset === undefined; i--) {
      const { id, filter } = this.#old[i] as OldGeneration;
      if (!filter.mayHave(hash)) continue;
      const page = Math.floor((hash.high >>> 0) / 2 ** 32 * pages);
      const row = this.#read(file, sql.page, id * pages + page);
      offset = findIn(wordsOf(row?.data), hash, isEntry);
    }
    return offset;
  }

  /** Adds the nonce of an entry stored by the same transaction. */
  add(hash: NonceHash, offset: number, at: number): void {
    this.#current.add(hash, offset, at);
  }

  /** Writes a chunk and a slice if there are enough new hashes. Call it before storing entries. */
  writeSome(file: DatabaseFile): void {
    this.load(file);
    const { count } = this.#current;
    if (count - this.#chunksEnd < this.#chunkHashes) return;
    this.write(file);
    this.#nextChunksEnd = count;
  }

  /** Writes the hashes that are in no complete chunk, if any, and a slice if they complete one. */
  write(file: DatabaseFile): void {
    this.load(file);
    const { id, at, count } = this.#current;
    const hashes = this.#current.from(this.#chunksEnd);
    if (hashes.length === 0) return;
    file.run(sql.addChunk, id * parts + this.#chunks, at, bytesOf(hashes));
    file.run(sql.setIndexed);
    const isComplete = count - this.#chunksEnd >= this.#chunkHashes;
    if (isComplete && this.#previous.id > 0) this.#writeSlice(file);
  }

  /** Writes the pages and the filter of the previous generation's next slice. */
  #writeSlice(file: DatabaseFile): void {
    const { id, at, filter } = this.#previous;
    const slice = this.#chunks;
    const words = filter.words.slice(slice * wordsPerSlice, (slice + 1) * wordsPerSlice);
    file.run(sql.addFilter, id * parts + slice, at, bytesOf(words));
    for (let page = slice * pagesPerSlice; page < (slice + 1) * pagesPerSlice; page++) {
      const hashes = this.#previous.inChains(page * chainsPerPage, (page + 1) * chainsPerPage);
      if (hashes.length > 0) file.run(sql.addPage, id * pages + page, bytesOf(hashes));
    }
  }

  /** Keeps the nonces of a room's entries before `offset`, which are about to be deleted. */
  keep(file: DatabaseFile, room: number, offset: number, now: number): void {
    file.run(sql.keep, room, offset, now - keptMs);
  }

  /** Keeps the changes of a transaction that succeeded. */
  commit(): void {
    if (this.#nextChunksEnd !== undefined) {
      this.#chunksEnd = this.#nextChunksEnd;
      this.#nextChunksEnd = undefined;
      if (++this.#chunks === parts) this.#beginGeneration();
    }
    this.#committed = this.#current.count;
  }

  /** Drops the changes of a failed transaction. Without an error, the database was reopened. */
  rollback(error?: unknown): void {
    this.#nextChunksEnd = undefined;
    this.#current.truncate(this.#committed);
    if (error === undefined) this.#isLoaded = false;
  }

  /** Deletes some nonces older than 7 days. Returns whether there may be more. */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    this.load(file);
    const { changes } = file.run(sql.prune, now - keptMs, rows);
    while (this.#old[0] !== undefined && this.#old[0].at < now - keptMs) this.#old.shift();
    const oldest = this.#old[0] ?? this.#previous;
    return this.#delete(file, [
      [sql.deleteFilters, oldest.id * parts],
      [sql.deletePages, oldest.id * pages],
      [sql.deleteChunks, this.#previous.id * parts],
    ]) || Number(changes) === rows;
  }

  /** Deletes some rows of the index. Returns whether there may be more. */
  #delete(file: DatabaseFile, deletions: readonly (readonly [sql: string, id: number])[]): boolean {
    // Touching a damaged page again would fail again.
    if (this.#hasDamage) return false;
    try {
      return deletions.map(([sql, id]) => file.run(sql, id).changes).some((count) => count > 0);
    } catch (error) {
      this.#isDamage(error);
      throw error;
    }
  }
}

/** Returns the words of a blob, without an incomplete hash. */
function wordsOf(data: unknown): Int32Array {
  if (!(data instanceof Uint8Array)) return new Int32Array();
  return new Int32Array(data.buffer, 0, data.length >> 2);
}

function bytesOf({ buffer }: Int32Array<ArrayBuffer>): Uint8Array {
  return new Uint8Array(buffer);
}

/** Returns the last offset in a list that has this hash and passes the check. */
function findIn(
  hashes: Int32Array,
  { high, low }: NonceHash,
  check: (offset: number) => boolean,
): number | undefined {
  for (let i = hashes.length - wordsPerHash; i >= 0; i -= wordsPerHash) {
    if (hashes[i] !== high || hashes[i + 1] !== low) continue;
    const offset = offsetAt(hashes, i);
    if (check(offset)) return offset;
  }
  return undefined;
}
