// Recognizes repeats by their nonces. Entries have nonces, so an index leads from their hashes to
// offsets. Nonces are random: a table would write a page for almost every nonce. So the latest
// hashes are collected in memory, which a restart reads from the entries, and written together.

import type { DatabaseFile } from "./database.ts";
import { NonceFilter, nonceHash } from "./nonce_filter.ts";
import type { NonceHash } from "./nonce_filter.ts";

/** Max hashes in memory before they are written. Each page of the file then gets about 192. */
const recentMax = 12_288;
/** The upper bits of `low` say in which page of a block a hash is. */
const pageBits = 6;
const pagesPerBlock = 2 ** pageBits;
/** A hash in a list: `high`, `low`, and the lower and upper half of the entry's offset. */
const wordsPerHash = 4;
const keptMs = 7 * 86_400_000;

const sql = {
  // CROSS makes SQLite start with the rooms: most have nothing new, and there may be millions of
  // entries.
  recent: `SELECT room, offset, member, nonce, entries.at AS at
           FROM rooms CROSS JOIN entries ON room = id AND offset > indexed WHERE head > indexed
           UNION ALL
           SELECT room, offset, member, nonce, nonces.at AS at
           FROM rooms CROSS JOIN nonces ON room = id AND offset > indexed WHERE head > indexed`,
  setIndexed: "UPDATE rooms SET indexed = head WHERE indexed < head",
  addPage: "INSERT INTO nonce_pages (id, at, data) VALUES (?, ?, ?)",
  countPages: "SELECT count(*) AS count FROM nonce_pages",
  allPages: "SELECT id, at, data FROM nonce_pages ORDER BY id",
  page: "SELECT data FROM nonce_pages WHERE id = ?",
  deletePages: "DELETE FROM nonce_pages WHERE id < ?",
  entry: "SELECT member, nonce FROM entries WHERE room = ? AND offset = ?",
  removed: "SELECT member, nonce FROM nonces WHERE room = ? AND offset = ?",
  keep: `INSERT OR IGNORE INTO nonces (room, offset, member, nonce, at)
         SELECT room, offset, member, nonce, at FROM entries
         WHERE room = ? AND offset < ? AND at >= ?`,
  prune: `DELETE FROM nonces WHERE (room, offset) IN
          (SELECT room, offset FROM nonces WHERE at < ? LIMIT ?)`,
} as const;

/** Hashes that were written together. */
interface Block {
  /** Id of its first page. */
  readonly id: number;
  /** Time of its newest entry. */
  readonly at: number;
}

/** The nonces of one database. Changes belong inside a transaction. */
export class Nonces {
  readonly #max: number;
  /** Has all nonces, also some that are too old or whose transaction failed. */
  #filter = new NonceFilter();
  /** Hashes that are not in a block. */
  #recent = new Uint32Array(1_024);
  #recentCount = 0;
  /** Time of the newest of their entries. */
  #newestAt = 0;
  /** Oldest first. */
  #blocks: Block[] = [];
  /** Whether the memory matches the database. Excess hashes do no harm. */
  #isLoaded = false;
  /** Whether the latest transaction has written a block. */
  #hasWritten = false;

  /** Writes the hashes in memory to the file once there are `max`. */
  constructor(max = recentMax) {
    this.#max = max;
  }

  /** Reads the index. Takes about 150 ms for a million nonces. */
  load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    this.#recentCount = 0;
    this.#blocks = [];
    this.#makeFilter(file);
    for (const { room, member, nonce, offset, at } of file.all(sql.recent)) {
      const hash = nonceHash(Number(room), String(member), String(nonce));
      this.add(hash, Number(offset), Number(at));
    }
    this.#isLoaded = true;
  }

  /** Makes a filter of all blocks, and finds those that are not known yet. */
  #makeFilter(file: DatabaseFile): void {
    const pages = Number(file.get(sql.countPages)?.count);
    this.#filter = new NonceFilter(pages * this.#max / pagesPerBlock);
    this.#blocks = [];
    for (const { id, at, data } of file.prepare(sql.allPages).iterate()) {
      if (Number(id) % pagesPerBlock === 0) this.#blocks.push({ id: Number(id), at: Number(at) });
      const words = wordsOf(data);
      for (let i = 0; i < words.length; i += wordsPerHash) {
        this.#filter.add({ high: words[i] ?? 0, low: words[i + 1] ?? 0 });
      }
    }
  }

  /** Returns false if no entry has a nonce with this hash. */
  mayHave(hash: NonceHash): boolean {
    return this.#filter.mayHave(hash);
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
    const recent = this.#recent.subarray(0, this.#recentCount * wordsPerHash);
    let offset = findIn(recent, hash, isEntry);
    // Most repeats are recent.
    for (let i = this.#blocks.length - 1; i >= 0 && offset === undefined; i--) {
      const page = file.get(sql.page, (this.#blocks[i]?.id ?? 0) + (hash.low >>> 32 - pageBits));
      offset = findIn(wordsOf(page?.data), hash, isEntry);
    }
    return offset;
  }

  /** Adds the nonce of an entry stored by the same transaction. */
  add(hash: NonceHash, offset: number, at: number): void {
    const start = this.#recentCount++ * wordsPerHash;
    if (start === this.#recent.length) {
      const smaller = this.#recent;
      this.#recent = new Uint32Array(2 * smaller.length);
      this.#recent.set(smaller);
    }
    this.#recent[start] = hash.high;
    this.#recent[start + 1] = hash.low;
    this.#recent[start + 2] = offset;
    this.#recent[start + 3] = offset / 2 ** 32;
    this.#newestAt = Math.max(this.#newestAt, at);
    this.#filter.add(hash);
  }

  /** Writes the hashes in memory if there are enough. Call it before storing entries. */
  writeSome(file: DatabaseFile): void {
    this.load(file);
    this.#hasWritten = false;
    if (this.#recentCount >= this.#max) this.write(file);
  }

  /** Writes the hashes in memory, if any, as a block. */
  write(file: DatabaseFile): void {
    this.load(file);
    if (this.#recentCount === 0) return;
    const id = (this.#blocks.at(-1)?.id ?? 0) + pagesPerBlock;
    const at = this.#newestAt;
    const pages = Array.from({ length: pagesPerBlock }, (): number[] => []);
    const recent = this.#recent;
    for (let i = 0; i < this.#recentCount * wordsPerHash; i += wordsPerHash) {
      const page = pages[(recent[i + 1] ?? 0) >>> 32 - pageBits];
      for (let word = i; word < i + wordsPerHash; word++) page?.push(recent[word] ?? 0);
    }
    for (const [i, words] of pages.entries()) {
      file.run(sql.addPage, id + i, at, new Uint8Array(Uint32Array.from(words).buffer));
    }
    file.run(sql.setIndexed);
    this.#hasWritten = true;
    this.#recentCount = 0;
    this.#newestAt = 0;
    this.#blocks.push({ id, at });
    if (this.#filter.isFull) this.#makeFilter(file);
  }

  /** Keeps the nonces of a room's entries before `offset`, which are about to be deleted. */
  keep(file: DatabaseFile, room: number, offset: number, now: number): void {
    file.run(sql.keep, room, offset, now - keptMs);
  }

  /** Marks the memory as stale, after a failed transaction or a reopened database. */
  rollback(error?: unknown): void {
    if (this.#hasWritten || error === undefined) this.#isLoaded = false;
  }

  /** Deletes up to `rows` nonces older than 7 days. Returns whether there may be more. */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    this.load(file);
    const { changes } = file.run(sql.prune, now - keptMs, rows);
    const [oldest, next] = this.#blocks;
    const isOld = oldest !== undefined && oldest.at < now - keptMs;
    if (isOld) {
      file.run(sql.deletePages, oldest.id + pagesPerBlock);
      this.#blocks.shift();
      this.#hasWritten = true;
    }
    return isOld && next !== undefined || Number(changes) === rows;
  }
}

/** Returns a list of hashes that was read from the file. */
function wordsOf(data: unknown): Uint32Array {
  return data instanceof Uint8Array ? new Uint32Array(data.slice().buffer) : new Uint32Array();
}

/** Returns the last offset in a list that has this hash and passes the check. */
function findIn(
  words: Uint32Array,
  { high, low }: NonceHash,
  check: (offset: number) => boolean,
): number | undefined {
  for (let i = words.length - wordsPerHash; i >= 0; i -= wordsPerHash) {
    if (words[i] !== high || words[i + 1] !== low) continue;
    const offset = (words[i + 2] ?? 0) + (words[i + 3] ?? 0) * 2 ** 32;
    if (check(offset)) return offset;
  }
  return undefined;
}
