// Tracks how far each loaded room has been delivered to the hub, so that no entry is delivered twice
// and gaps can be detected.

import type { Entry } from "../../chat/broker.ts";
import type { Position } from "../../protocol/wire.ts";

/** The position of the last entry delivered in each room that the hub has loaded. */
export class DeliveredPositions {
  readonly #positions = new Map<string, Position>();

  get(room: string): Position | undefined {
    return this.#positions.get(room);
  }

  /** Starts tracking a room that was just read up to `head`, unless it is tracked already. */
  track(room: string, head: Position): void {
    if (!this.#positions.has(room)) this.#positions.set(room, head);
  }

  forget(room: string): void {
    this.#positions.delete(room);
  }

  clear(): void {
    this.#positions.clear();
  }

  all(): readonly (readonly [room: string, epoch: string, offset: string])[] {
    return Array.from(
      this.#positions,
      ([room, { epoch, offset }]) => [room, epoch, String(offset)],
    );
  }

  /** Returns the entries not delivered yet, and counts them as delivered. */
  advance(entries: readonly Entry[]): readonly Entry[] {
    return entries.filter(({ room, epoch, offset }) => {
      const delivered = this.#positions.get(room);
      if (delivered === undefined) return true;
      // The page that loaded the room, or filled a gap in it, already had this entry.
      if (offset <= delivered.offset) return false;
      this.#positions.set(room, { epoch, offset });
      return true;
    });
  }
}
