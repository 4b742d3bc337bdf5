// Recognizes stored messages by their nonces. The latest nonces are kept in memory, and a restart
// reads them from their messages; earlier ones are in a table. Members' nonces are random, so each
// one written alone would rewrite a page of that table.

import { BulkInsert } from "./database.ts";
import type { DatabaseFile } from "./database.ts";
import { NonceFilter } from "./nonce_filter.ts";

/** Nonces in memory at which they start to move. Fewer would rarely share a page of the table. */
const recentMax = 4_096;
const keptMs = 7 * 86_400_000;
/** Time between two walks of `prune` through the table. */
const walkMs = 3_600_000;

const sql = {
  // CROSS makes SQLite start with the rooms: most have nothing new, and there may be millions of
  // messages.
  recent: `SELECT room, member, nonce, offset, entries.at AS at
           FROM rooms CROSS JOIN entries ON room = id AND offset > indexed WHERE head > indexed
           ORDER BY room, offset`,
  setIndexed: "UPDATE rooms SET indexed = ? WHERE id = ?",
  find: "SELECT offset FROM nonces WHERE room = ? AND member = ? AND nonce = ?",
  any: "SELECT 1 FROM nonces LIMIT 1",
  next: `SELECT room, member, nonce FROM nonces WHERE (room, member, nonce) > (?, ?, ?)
         ORDER BY room, member, nonce LIMIT ?`,
  prune: `DELETE FROM nonces
          WHERE (room, member, nonce) > (?, ?, ?) AND (room, member, nonce) <= (?, ?, ?) AND at < ?`,
} as const;

const columns = ["room", "member", "nonce", "offset", "at"];

/** Room id, member and nonce, in the order of the table. */
type NonceKey = readonly [number, string, string];
const firstKey: NonceKey = [0, "", ""];
const lastKey: NonceKey = [Number.MAX_SAFE_INTEGER, "", ""];

/** The nonces of consecutive messages of one room. */
interface RoomNonces {
  /** Offsets by member and nonce. */
  readonly members: Map<string, Map<string, number>>;
  /** Offset and time of the last message. */
  last: number;
  at: number;
}

/** The nonces of one database. Changes belong inside a transaction. */
export class Nonces {
  readonly #max: number;
  /** A crash may have interrupted the move of a room, so some rows may exist. */
  readonly #insert = new BulkInsert("INSERT OR IGNORE INTO nonces", columns);
  /** By room id: nonces that are not in the table. */
  #recent = new Map<number, RoomNonces>();
  #recentCount = 0;
  /** Earlier ones, on their way to the table. */
  #moving = new Map<number, RoomNonces>();
  /** Whether the nonces in memory match the database. They don't after a failed transaction. */
  #isLoaded = false;
  /** Covers the whole table; undefined until a walk has read a table that was not empty. */
  #filter: NonceFilter | undefined;
  /** The filter that the current walk fills. */
  #nextFilter: NonceFilter | undefined;
  /** Where the walk of `prune` is: before the table, after a key of it, or between two walks. */
  #walk: "moving" | NonceKey | undefined;
  #walkAt = -Infinity;

  /** Moves nonces to the table once `max` are in memory. */
  constructor(max = recentMax) {
    this.#max = max;
  }

  /** Reads the nonces that are not in the table, unless they are known. */
  load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    this.#recent.clear();
    this.#recentCount = 0;
    this.#moving.clear();
    for (const { room, member, nonce, offset, at } of file.all(sql.recent)) {
      this.add(Number(room), String(member), String(nonce), Number(offset), Number(at));
    }
    this.#filter = file.get(sql.any) === undefined ? new NonceFilter() : undefined;
    this.#walk = undefined;
    this.#walkAt = -Infinity;
    this.#isLoaded = true;
  }

  /** Returns the offset of the message with this nonce. */
  find(file: DatabaseFile, room: number, member: string, nonce: string): number | undefined {
    for (const rooms of [this.#recent, this.#moving]) {
      const offset = rooms.get(room)?.members.get(member)?.get(nonce);
      if (offset !== undefined) return offset;
    }
    if (this.#filter?.mayHave(room, member, nonce) === false) return undefined;
    const row = file.get(sql.find, room, member, nonce);
    return row === undefined ? undefined : Number(row.offset);
  }

  /** Adds the nonce of a message stored by the same transaction, the last one of its room. */
  add(room: number, member: string, nonce: string, offset: number, at: number): void {
    let nonces = this.#recent.get(room);
    if (nonces === undefined) {
      this.#recent.set(room, nonces = { members: new Map(), last: offset, at });
    }
    let offsets = nonces.members.get(member);
    if (offsets === undefined) nonces.members.set(member, offsets = new Map());
    offsets.set(nonce, offset);
    nonces.last = offset;
    nonces.at = at;
    this.#recentCount++;
  }

  /**
   * Moves up to `rows` nonces to the table if there are too many in memory. Call it before each
   * append, with more rows than it adds.
   */
  moveSome(file: DatabaseFile, rows: number): void {
    this.load(file);
    if (this.#moving.size > 0 || this.#recentCount >= this.#max) this.#moveSome(file, rows);
  }

  #moveSome(file: DatabaseFile, rows: number): void {
    if (this.#moving.size === 0) {
      this.#moving = this.#recent;
      this.#recent = new Map();
      this.#recentCount = 0;
    }
    let left = rows;
    for (const room of this.#moving.keys()) {
      left -= this.#move(file, this.#moving, room, left);
      if (left === 0) return;
    }
  }

  /** Moves all nonces in memory to the table. */
  moveAll(file: DatabaseFile): void {
    this.load(file);
    for (const room of [...this.#moving.keys(), ...this.#recent.keys()]) {
      this.moveRoom(file, room);
    }
  }

  /**
   * Moves up to `max` nonces of a room. Returns whether none are left, so that its messages may be
   * deleted.
   */
  moveRoom(file: DatabaseFile, room: number, max = Infinity): boolean {
    this.load(file);
    const moved = this.#move(file, this.#moving, room, max);
    if (moved < max) this.#recentCount -= this.#move(file, this.#recent, room, max - moved);
    return !this.#moving.has(room) && !this.#recent.has(room);
  }

  /** Moves up to `max` nonces of a room. Returns their number, which is `max` if some are left. */
  #move(
    file: DatabaseFile,
    rooms: Map<number, RoomNonces>,
    room: number,
    max: number,
  ): number {
    const nonces = rooms.get(room);
    if (nonces === undefined) return 0;
    let moved = 0;
    for (const [member, offsets] of nonces.members) {
      for (const [nonce, offset] of offsets) {
        if (moved === max) {
          this.#insert.flush(file);
          return moved;
        }
        this.#insert.add(file, room, member, nonce, offset, nonces.at);
        this.#filter?.add(room, member, nonce);
        this.#nextFilter?.add(room, member, nonce);
        offsets.delete(nonce);
        moved++;
      }
      nonces.members.delete(member);
    }
    this.#insert.flush(file);
    file.run(sql.setIndexed, nonces.last, room);
    rooms.delete(room);
    return moved;
  }

  /** A transaction failed, or the database was opened again. */
  rollback(): void {
    this.#insert.clear();
    this.#isLoaded = false;
  }

  /**
   * Takes one step of a walk, if one is due: moves up to `rows` nonces to the table, then reads
   * `rows` of the table for the filter and deletes those older than 7 days. Returns whether the
   * walk continues.
   */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    this.load(file);
    if (this.#walk === undefined) {
      // The clock may have been set back.
      if (Math.abs(now - this.#walkAt) < walkMs) return false;
      this.#walk = "moving";
      this.#moveSome(file, rows);
    } else if (this.#walk === "moving") this.moveSome(file, rows);
    this.#walkAt = now;
    if (this.#walk === "moving") {
      if (this.#moving.size > 0) return true;
      this.#nextFilter = new NonceFilter();
      this.#walk = firstKey;
    }
    const keys = file.all(sql.next, ...this.#walk, rows).map(nonceKey);
    for (const [room, member, nonce] of keys) this.#nextFilter?.add(room, member, nonce);
    const last = keys.length === rows ? keys.at(-1) : undefined;
    file.run(sql.prune, ...this.#walk, ...(last ?? lastKey), now - keptMs);
    this.#walk = last;
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
