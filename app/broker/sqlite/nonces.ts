// Which messages are known by their nonces: the last ones in memory, since their messages bring them back after a restart, and
// those before them in a table of their own. One by one, each nonce would have a page of that table written anew.

import type { DatabaseFile } from "./database.ts";

/** So many are in memory before they go into the table: the fewer at a time, the fewer share a page; the more, the longer it takes. */
const recentMost = 2_048;
const keptMs = 7 * 86_400_000;
/** So often `prune` walks through all that are in the table. */
const walkMs = 3_600_000;

/** Room, member and nonce, in the order of the table. */
type NonceKey = readonly [number, string, string];
const firstNonce: NonceKey = [0, "", ""];
const lastNonce: NonceKey = [Number.MAX_SAFE_INTEGER, "", ""];

/**
 * The nonces of one file. What a transaction changes is pending until its end: the owner then calls `keepPending`, or
 * `forgetPending` when it failed.
 */
export class NonceBook {
  readonly #most: number;
  /** Offsets by member and nonce of the messages whose nonces are not in the table, by the id of their room. */
  readonly #recent = new Map<number, Map<string, number>>();
  #size = 0;
  /** Those of the transaction under way. */
  readonly #added = new Map<string, readonly [number, string, number]>();
  /** Rooms whose nonces it has put into the table. */
  readonly #noted = new Set<number>();
  /** The nonce after which the walk of `prune` goes on; undefined between two walks. */
  #walkFrom: NonceKey | undefined;
  #walkAt = -Infinity;

  /** `most` are in memory, besides those of one transaction. */
  constructor(most = recentMost) {
    this.#most = most;
  }

  /** Reads again what is not in the table. */
  load(file: DatabaseFile): void {
    this.forgetPending();
    this.#recent.clear();
    this.#size = 0;
    for (const { room, member, nonce, offset } of file.recentNonces.all()) {
      this.#keep(Number(room), `${member} ${nonce}`, Number(offset));
    }
  }

  /** Offset of the message that has this nonce already. */
  find(file: DatabaseFile, room: number, member: string, nonce: string): number | undefined {
    const key = `${member} ${nonce}`;
    const recent = this.#recent.get(room)?.get(key) ?? this.#added.get(`${room} ${key}`)?.[2];
    if (recent !== undefined) return recent;
    const row = file.findNonce.get(room, member, nonce);
    return row === undefined ? undefined : Number(row.offset);
  }

  /** A message has its place now; it is stored by the same transaction. */
  add(room: number, member: string, nonce: string, offset: number): void {
    const key = `${member} ${nonce}`;
    this.#added.set(`${room} ${key}`, [room, key, offset]);
  }

  /** Puts all that are in memory into the table, when they are many. */
  noteIfMany(file: DatabaseFile): void {
    if (this.#size >= this.#most) this.noteAll(file);
  }

  /** Puts all that are in memory into the table. */
  noteAll(file: DatabaseFile): void {
    for (const room of this.#recent.keys()) this.note(file, room);
  }

  /** Does so for one room, whose messages may be removed after that. */
  note(file: DatabaseFile, room: number): void {
    if (!this.#recent.has(room)) return;
    // In the order of the table, so that it goes through its pages once.
    file.noteNonces.run(room);
    file.setNoted.run(room);
    this.#noted.add(room);
  }

  keepPending(): void {
    for (const room of this.#noted) {
      this.#size -= this.#recent.get(room)?.size ?? 0;
      this.#recent.delete(room);
    }
    this.#noted.clear();
    for (const added of this.#added.values()) this.#keep(...added);
    this.#added.clear();
  }

  forgetPending(): void {
    this.#noted.clear();
    this.#added.clear();
  }

  #keep(room: number, key: string, offset: number): void {
    let offsets = this.#recent.get(room);
    if (offsets === undefined) this.#recent.set(room, offsets = new Map());
    offsets.set(key, offset);
    this.#size++;
  }

  /**
   * One step of a walk through the table, when one is due: looks at `rows` nonces, and forgets those older than 7 days. Answers
   * whether the walk goes on.
   */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    // The clock can have been set back.
    const isDue = Math.abs(now - this.#walkAt) >= walkMs;
    if (this.#walkFrom === undefined) {
      if (!isDue) return false;
      this.noteAll(file);
    }
    const from = this.#walkFrom ?? firstNonce;
    const next = file.nonceAfter.get(...from, rows - 1);
    const to: NonceKey = next === undefined
      ? lastNonce
      : [Number(next.room), String(next.member), String(next.nonce)];
    file.pruneNonces.run(...from, ...to, now - keptMs);
    this.#walkFrom = next === undefined ? undefined : to;
    this.#walkAt = now;
    return this.#walkFrom !== undefined;
  }
}
