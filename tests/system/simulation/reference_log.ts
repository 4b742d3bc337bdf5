// The log that a simulated chat must have, recorded at each commit beside the broker under test.

import type { Entry } from "../../../app/chat/broker.ts";
import { Violation } from "./deployment.ts";

export type RoomLogs = ReadonlyMap<string, readonly Entry[]>;

export class ReferenceLog {
  readonly #rooms = new Map<string, Entry[]>();
  /** Nonces of messages that a restored backup lacked. */
  readonly lost = new Set<string>();

  /** The entries of each room; the index is offset - 1. */
  get rooms(): RoomLogs {
    return this.#rooms;
  }

  /**
   * Adds an entry that was committed.
   *
   * @throws {Violation} If it does not follow the one before.
   */
  append(entry: Entry): void {
    const log = this.#rooms.get(entry.room) ?? [];
    this.#rooms.set(entry.room, log);
    if (entry.offset !== log.length + 1) {
      throw new Violation(`${entry.room}: offset ${entry.offset} follows ${log.length}`);
    }
    const before = log.at(-1);
    if (before !== undefined && before.at > entry.at) {
      throw new Violation(`${entry.room}: the time of ${entry.offset} is before that of the last`);
    }
    log.push(entry);
  }

  /** Returns a copy for `restore`. */
  backup(): RoomLogs {
    return new Map([...this.#rooms].map(([room, entries]) => [room, [...entries]]));
  }

  /** Goes back to a backup; the messages since then are lost. */
  restore(backup: RoomLogs): void {
    for (const [room, entries] of this.#rooms) {
      const kept = backup.get(room)?.length ?? 0;
      for (const { nonce } of entries.slice(kept)) this.lost.add(nonce);
      this.#rooms.set(room, entries.slice(0, kept));
    }
  }
}
