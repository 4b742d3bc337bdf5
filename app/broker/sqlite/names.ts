// The names that members hold, and for how long.

import { usernameKey } from "../../protocol/names.ts";
import { hubLimits } from "../../protocol/wire.ts";
import type { DatabaseFile } from "./database.ts";
import type { SqliteOptions } from "./options.ts";

type NamesOptions = Pick<SqliteOptions, "now" | "nameHoldMs" | "graceMs">;

/** Min hold of the names that were live when the server last stopped. */
const restartHoldMs = 60_000;

const sql = {
  byKey: "SELECT * FROM names WHERE key = ?",
  currentOf: "SELECT * FROM names WHERE member = ? AND current = 1",
  put: `INSERT OR REPLACE INTO names (key, member, username, current, live, wrote, held_until)
        VALUES (?, ?, ?, 1, 1, ?, 0)`,
  deleteAll: "DELETE FROM names WHERE member = ?",
  free: "DELETE FROM names WHERE member = ? AND held_until <= ?",
  deleteFormer: "DELETE FROM names WHERE member = ? AND current = 0",
  deleteExpired: `DELETE FROM names WHERE key IN
                  (SELECT key FROM names WHERE live = 0 AND held_until <= ? LIMIT ?)`,
  setFormer: "UPDATE names SET current = 0 WHERE member = ?",
  setLive: "UPDATE names SET live = 1, held_until = 0 WHERE member = ?",
  setWrote: "UPDATE names SET wrote = 1 WHERE member = ? AND wrote = 0",
  // `held_until` is 0 for a live name, unless its member was banned: then it is the ban's end.
  hold: `UPDATE names SET live = 0,
         held_until = max(held_until, CASE wrote WHEN 1 THEN ? ELSE ? END) WHERE member = ?`,
  holdAll: `UPDATE names SET live = 0,
            held_until = max(held_until, CASE wrote WHEN 1 THEN ? ELSE ? END) WHERE live = 1`,
} as const;

/** The names in one database. Changes belong inside a transaction. */
export class Names {
  readonly #options: NamesOptions;
  /** Members known to be marked as having written. Forgotten when a transaction fails. */
  readonly #writers = new Set<string>();

  constructor(options: NamesOptions) {
    this.#options = options;
  }

  /**
   * Returns the name that a member holds. If it holds none, gives it `username`. Returns
   * `undefined` if there is no `username` or another member holds it.
   */
  claim(file: DatabaseFile, member: string, username: string | undefined): string | undefined {
    const own = file.get(sql.currentOf, member);
    if (own !== undefined && this.#isHeld(own)) {
      file.run(sql.setLive, member);
      return String(own.username);
    }
    if (username === undefined || this.#isTaken(file, member, username)) return undefined;
    file.run(sql.deleteAll, member);
    file.run(sql.put, usernameKey(username), member, username, 0);
    return username;
  }

  /** Returns whether a member holds a name. */
  isHolder(file: DatabaseFile, member: string): boolean {
    const current = file.get(sql.currentOf, member);
    return current !== undefined && this.#isHeld(current);
  }

  /** Renames a member, and keeps its current name as its former one. Returns false if taken. */
  rename(file: DatabaseFile, member: string, username: string): boolean {
    if (this.#isTaken(file, member, username)) return false;
    const key = usernameKey(username);
    const current = file.get(sql.currentOf, member);
    if (current?.key !== key) {
      file.run(sql.deleteFormer, member);
      file.run(sql.setFormer, member);
    }
    file.run(sql.put, key, member, username, Number(current?.wrote ?? 0));
    return true;
  }

  /** Starts the hold of a member's names, or frees them unless the member is banned. */
  release(file: DatabaseFile, member: string, isFreed: boolean): void {
    const { now, nameHoldMs } = this.#options;
    this.#writers.delete(member);
    if (isFreed) file.run(sql.free, member, now());
    const readerHoldMs = Math.min(nameHoldMs, hubLimits.readerHoldMs);
    file.run(sql.hold, now() + nameHoldMs, now() + readerHoldMs, member);
  }

  /** Starts the hold of all names that were live when the file was last used. */
  holdAll(file: DatabaseFile): void {
    const { now, nameHoldMs, graceMs } = this.#options;
    const minHoldMs = Math.max(graceMs, restartHoldMs);
    file.run(sql.holdAll, now() + Math.max(nameHoldMs, minHoldMs), now() + minHoldMs);
  }

  /**
   * Marks a member as having written, so that its names are held longer after it leaves. Returns
   * false if it is known to be marked already.
   */
  markWriter(file: DatabaseFile, member: string): boolean {
    if (this.#writers.has(member)) return false;
    file.run(sql.setWrote, member);
    this.#writers.add(member);
    return true;
  }

  /** Removes up to `rows` names whose hold is over. Returns whether there may be more. */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    return Number(file.run(sql.deleteExpired, now, rows).changes) === rows;
  }

  /** Clears the cache after a failed transaction, or when the database was reopened. */
  rollback(): void {
    this.#writers.clear();
  }

  #isTaken(file: DatabaseFile, member: string, username: string): boolean {
    const name = file.get(sql.byKey, usernameKey(username));
    return name !== undefined && name.member !== member && this.#isHeld(name);
  }

  #isHeld(name: Record<string, unknown>): boolean {
    return name.live === 1 || Number(name.held_until) > this.#options.now();
  }
}
