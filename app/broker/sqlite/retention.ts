// Deletes messages beyond the retention limits from the start of each room, in bounded steps.

import type { DatabaseFile } from "./database.ts";
import type { Nonces } from "./nonces.ts";

export interface RetentionOptions {
  /** Days to keep messages; 0 means no limit. */
  readonly retentionDays: number;
  /** Max messages kept per room; 0 means no limit. */
  readonly retentionMessages: number;
}

const dayMs = 86_400_000;

const sql = {
  roomsFrom: "SELECT id, name, first, head FROM rooms WHERE id >= ? ORDER BY id LIMIT ?",
  firstSince: `SELECT offset FROM messages WHERE room = ? AND offset >= ? AND offset < ? AND at >= ?
               ORDER BY offset LIMIT 1`,
  deleteBefore: "DELETE FROM messages WHERE room = ? AND offset < ?",
  setFirst: "UPDATE rooms SET first = ? WHERE id = ?",
} as const;

/** Room name and the offset of the oldest message kept. */
export type PrunedRoom = readonly [name: string, first: number];

/** Applies the retention limits to one database. */
export class Retention {
  readonly #options: RetentionOptions;
  readonly #nonces: Nonces;
  /** Id of the room where the next step starts; `undefined` once all rooms have been visited. */
  #nextRoom: number | undefined;

  constructor(options: RetentionOptions, nonces: Nonces) {
    this.#options = options;
    this.#nonces = nonces;
  }

  /** Visits up to `rows` rooms and deletes up to `rows` messages, in the caller's transaction. */
  prune(
    file: DatabaseFile,
    now: number,
    rows: number,
  ): { readonly pruned: readonly PrunedRoom[]; readonly hasMore: boolean } {
    const { retentionDays, retentionMessages } = this.#options;
    const pruned: PrunedRoom[] = [];
    if (retentionDays === 0 && retentionMessages === 0) return { pruned, hasMore: false };
    let left = rows;
    const rooms = file.all(sql.roomsFrom, this.#nextRoom ?? 0, rows);
    this.#nextRoom = rooms.length < rows ? undefined : Number(rooms.at(-1)?.id) + 1;
    for (const room of rooms) {
      const [id, first, head] = [Number(room.id), Number(room.first), Number(room.head)];
      const max = Math.min(head + 1, first + left);
      const next = Math.max(
        first,
        retentionMessages === 0 ? first : Math.min(head - retentionMessages + 1, max),
        this.#firstByAge(file, id, first, max, now),
      );
      if (next === first) continue;
      this.#nonces.moveRoom(file, id);
      file.run(sql.deleteBefore, id, next);
      file.run(sql.setFirst, next, id);
      pruned.push([String(room.name), next]);
      left -= next - first;
      if (left > 0) continue;
      // This room may have more to delete.
      this.#nextRoom = id;
      break;
    }
    return { pruned, hasMore: this.#nextRoom !== undefined };
  }

  /** Returns the first offset below `max` whose message is recent enough to keep, or else `max`. */
  #firstByAge(file: DatabaseFile, id: number, first: number, max: number, now: number): number {
    const { retentionDays } = this.#options;
    if (retentionDays === 0) return first;
    const oldestAt = now - retentionDays * dayMs;
    return Number(file.get(sql.firstSince, id, first, max, oldestAt)?.offset ?? max);
  }
}
