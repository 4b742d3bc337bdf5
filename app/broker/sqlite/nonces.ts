// Recognizes stored messages by their nonces. The latest nonces are kept in memory, and a restart
// reads them from their messages; earlier ones are in a table. Written one by one, each nonce would
// rewrite a page of that table.

import type { DatabaseFile } from "./database.ts";
import { NonceFilter } from "./nonce_filter.ts";

/** Nonces to flush at once. Fewer would rarely share a page of the table; more take longer. */
const recentMax = 2_048;
const keptMs = 7 * 86_400_000;
/** Time between two walks of `prune` through the table. */
const walkMs = 3_600_000;

const sql = {
  // CROSS makes SQLite start with the rooms: most have nothing new, and there may be millions of
  // messages.
  recent: `SELECT room, member, nonce, offset
           FROM rooms CROSS JOIN messages ON room = id AND offset > indexed WHERE head > indexed`,
  // In the order of the table, so that each of its pages is visited once.
  flush: `INSERT OR IGNORE INTO nonces (room, member, nonce, offset, at)
          SELECT room, member, nonce, offset, at FROM messages
          WHERE room = ?1 AND offset > (SELECT indexed FROM rooms WHERE id = ?1)
          ORDER BY member, nonce`,
  setIndexed: "UPDATE rooms SET indexed = head WHERE id = ?",
  find: "SELECT offset FROM nonces WHERE room = ? AND member = ? AND nonce = ?",
  any: "SELECT 1 FROM nonces LIMIT 1",
  next: `SELECT room, member, nonce FROM nonces WHERE (room, member, nonce) > (?, ?, ?)
         ORDER BY room, member, nonce LIMIT ?`,
  prune: `DELETE FROM nonces
          WHERE (room, member, nonce) > (?, ?, ?) AND (room, member, nonce) <= (?, ?, ?) AND at < ?`,
} as const;

/** Room id, member and nonce, in the order of the table. */
type NonceKey = readonly [number, string, string];
const firstKey: NonceKey = [0, "", ""];
const lastKey: NonceKey = [Number.MAX_SAFE_INTEGER, "", ""];

/** The nonces of one database. Changes belong inside a transaction. */
export class Nonces {
  readonly #max: number;
  /** By room id: offsets by member and nonce, of messages whose nonces are not in the table. */
  readonly #recent = new Map<number, Map<string, number>>();
  #size = 0;
  /** Whether `#recent` matches the database. It doesn't after a transaction has failed. */
  #isLoaded = false;
  /** Covers the whole table; undefined until a walk has read a table that was not empty. */
  #filter: NonceFilter | undefined;
  /** The filter that the current walk fills. */
  #nextFilter: NonceFilter | undefined;
  /** The key after which the walk of `prune` continues; undefined between walks. */
  #walkFrom: NonceKey | undefined;
  #walkAt = -Infinity;

  /** Keeps up to `max` nonces in memory, besides those of one transaction. */
  constructor(max = recentMax) {
    this.#max = max;
  }

  /** Reads the nonces that are not in the table, unless they are known. */
  load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    this.#recent.clear();
    this.#size = 0;
    for (const { room, member, nonce, offset } of file.all(sql.recent)) {
      this.add(Number(room), String(member), String(nonce), Number(offset));
    }
    this.#filter = file.get(sql.any) === undefined ? new NonceFilter() : undefined;
    this.#walkFrom = undefined;
    this.#walkAt = -Infinity;
    this.#isLoaded = true;
  }

  /** Returns the offset of the message with this nonce. */
  find(file: DatabaseFile, room: number, member: string, nonce: string): number | undefined {
    const key = `${member} ${nonce}`;
    const recent = this.#recent.get(room)?.get(key);
    if (recent !== undefined) return recent;
    if (this.#filter?.mayHave(room, key) === false) return undefined;
    const row = file.get(sql.find, room, member, nonce);
    return row === undefined ? undefined : Number(row.offset);
  }

  /** Adds the nonce of a message stored by the same transaction. */
  add(room: number, member: string, nonce: string, offset: number): void {
    let offsets = this.#recent.get(room);
    if (offsets === undefined) this.#recent.set(room, offsets = new Map());
    offsets.set(`${member} ${nonce}`, offset);
    this.#size++;
  }

  /** Moves the nonces in memory to the table if there are too many. */
  flushIfFull(file: DatabaseFile): void {
    this.load(file);
    if (this.#size >= this.#max) this.flush(file);
  }

  /** Moves all nonces in memory to the table. */
  flush(file: DatabaseFile): void {
    this.load(file);
    for (const room of this.#recent.keys()) this.flushRoom(file, room);
  }

  /** Moves those of one room, whose messages may then be deleted. */
  flushRoom(file: DatabaseFile, room: number): void {
    this.load(file);
    const offsets = this.#recent.get(room);
    if (offsets === undefined) return;
    file.run(sql.flush, room);
    file.run(sql.setIndexed, room);
    this.#size -= offsets.size;
    this.#recent.delete(room);
    for (const filter of [this.#filter, this.#nextFilter]) {
      for (const key of filter === undefined ? [] : offsets.keys()) filter?.add(room, key);
    }
  }

  /** A transaction failed, or the database was opened again. */
  rollback(): void {
    this.#isLoaded = false;
  }

  /**
   * Takes one step of a walk through the table, if one is due: reads `rows` nonces for the filter
   * and deletes those older than 7 days. Returns whether the walk continues.
   */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    this.load(file);
    if (this.#walkFrom === undefined) {
      // The clock may have been set back.
      if (Math.abs(now - this.#walkAt) < walkMs) return false;
      this.flush(file);
      this.#nextFilter = new NonceFilter();
    }
    const from = this.#walkFrom ?? firstKey;
    const keys = file.all(sql.next, ...from, rows).map(nonceKey);
    for (const [room, member, nonce] of keys) this.#nextFilter?.add(room, `${member} ${nonce}`);
    const last = keys.length === rows ? keys.at(-1) : undefined;
    file.run(sql.prune, ...from, ...(last ?? lastKey), now - keptMs);
    this.#walkFrom = last;
    this.#walkAt = now;
    if (last === undefined) {
      this.#filter = this.#nextFilter;
      this.#nextFilter = undefined;
    }
    return last !== undefined;
  }
}

function nonceKey({ room, member, nonce }: Record<string, unknown>): NonceKey {
  return [Number(room), String(member), String(nonce)];
}
