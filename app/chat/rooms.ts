// The rooms with members on this node.

import type { Broker } from "./broker.ts";
import { Room } from "./room.ts";

/** Rooms by name, each from its first member here to its last. */
export class Rooms {
  readonly #broker: Broker;
  readonly #rooms = new Map<string, Room>();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  get size(): number {
    return this.#rooms.size;
  }

  get(name: string): Room | undefined {
    return this.#rooms.get(name);
  }

  values(): Iterable<Room> {
    return this.#rooms.values();
  }

  /** Returns the room, creating it if it is not in memory. */
  open(name: string): Room {
    const create = () => new Room(name, this.#broker.cluster?.remoteMembers(name));
    return this.#rooms.getOrInsertComputed(name, create);
  }

  /** Forgets a room without members here, unless its log is still being read. */
  releaseIfEmpty(room: Room): void {
    if (room.roster.hasLocal || room.state === "reading") return;
    if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
    if (!this.#rooms.has(room.name)) this.#broker.forget?.(room.name);
  }

  clear(): void {
    this.#rooms.clear();
  }
}
