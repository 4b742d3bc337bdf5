// Deletes entries beyond the retention limits from the start of each room, in bounded steps.

import type { DatabaseFile } from "./database.ts";
import { countMessages } from "./entries.ts";
import type { Nonces } from "./nonces.ts";
import type { SearchIndex } from "./search_index.ts";
import type { SqliteOptions } from "./options.ts";

type RetentionOptions = Pick<SqliteOptions, "retentionDays" | "retentionMessages">;

const dayMs = 86_400_000;
/** Max rooms that one step visits. */
const stepRooms = 500;

const sql = {
  roomsFrom: "SELECT id, name, first, head FROM rooms WHERE id >= ? ORDER BY id LIMIT ?",
  nthMessage: `SELECT offset FROM entries WHERE room = ? AND offset >= ? AND kind = 0
               ORDER BY offset LIMIT 1 OFFSET ?`,
  firstSince: `SELECT offset FROM entries WHERE room = ? AND offset >= ? AND offset < ? AND at >= ?
               ORDER BY offset LIMIT 1`,
  deleteBefore: "DELETE FROM entries WHERE room = ? AND offset < ?",
  setFirst: `UPDATE rooms SET first = ?1, title = CASE WHEN ?1 > head THEN NULL ELSE title END,
             title_at = CASE WHEN ?1 > head THEN NULL ELSE title_at END,
             title_locked = title_locked AND ?1 <= head WHERE id = ?2`,
} as const;

/** Applies the retention limits to one database. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #nonces: Nonces;
  readonly #index: SearchIndex;
  /** Id of the room where the next step starts; `undefined` once all rooms have been visited. */
  #nextRoom: number | undefined;

  constructor(options: RetentionOptions, nonces: Nonces, index: SearchIndex) {
    this.#options = options;
    this.#nonces = nonces;
    this.#index = index;
  }

  /**
   * Deletes up to `rows` entries, in the caller's transaction. `pruned` lists the rooms that lost
   * entries, each with the offset of its oldest remaining entry.
   */
  prune(file: DatabaseFile, now: number, rows: number) {
    const { retentionDays, retentionMessages } = this.#options;
    const pruned: [name: string, first: number][] = [];
    if (retentionDays === 0 && retentionMessages === 0) {
      return { pruned, removed: 0, hasMore: false };
    }
    let left = rows;
    const rooms = file.all(sql.roomsFrom, this.#nextRoom ?? 0, stepRooms);
    this.#nextRoom = rooms.length < stepRooms ? undefined : Number(rooms.at(-1)?.id) + 1;
    for (const room of rooms) {
      const [id, first, head] = [Number(room.id), Number(room.first), Number(room.head)];
      const max = Math.min(head + 1, first + left);
      const next = Math.max(
        first,
        this.#firstByCount(file, id, first, head, max),
        this.#firstByAge(file, id, first, max, now),
      );
      if (next === first) continue;
      this.#nonces.keep(file, id, next, now);
      this.#index.prune(file, id, first, next);
      file.run(sql.deleteBefore, id, next);
      file.run(sql.setFirst, next, id);
      pruned.push([String(room.name), next]);
      left -= next - first;
      if (left > 0) continue;
      // This room may have more to delete.
      this.#nextRoom = id;
      break;
    }
    return { pruned, removed: rows - left, hasMore: this.#nextRoom !== undefined };
  }

  /** Returns the first offset to keep, up to `max`, so that at most `retentionMessages` remain. */
  #firstByCount(file: DatabaseFile, id: number, first: number, head: number, max: number): number {
    const { retentionMessages } = this.#options;
    if (retentionMessages === 0) return first;
    const excess = countMessages(file, id, first - 1, head) - retentionMessages;
    if (excess <= 0) return first;
    const next = file.get(sql.nthMessage, id, first, Math.min(excess, max - first));
    return Math.min(Number(next?.offset ?? max), max);
  }

  /** Returns the first offset below `max` whose entry is recent enough to keep, or `max`. */
  #firstByAge(file: DatabaseFile, id: number, first: number, max: number, now: number): number {
    const { retentionDays } = this.#options;
    if (retentionDays === 0) return first;
    const oldestAt = now - retentionDays * dayMs;
    return Number(file.get(sql.firstSince, id, first, max, oldestAt)?.offset ?? max);
  }
}
