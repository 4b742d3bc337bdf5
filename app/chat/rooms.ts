// The rooms with members or followers on this node.

import type { Broker } from "./broker.ts";
import { Room } from "./room.ts";

/** Rooms by name, each kept while it has members or followers here. */
export class Rooms extends Map<string, Room> {
  readonly #broker: Broker;
  readonly #hasJoinLines: boolean;

  constructor(broker: Broker, hasJoinLines: boolean) {
    super();
    this.#broker = broker;
    this.#hasJoinLines = hasJoinLines;
  }

  /** Returns the room, creating it if it is not in memory. */
  open(name: string): Room {
    const create = () =>
      new Room(name, this.#broker.cluster?.remoteMembers(name), this.#hasJoinLines);
    return this.getOrInsertComputed(name, create);
  }

  /** Forgets a room without members or followers here, unless its log is being read. */
  forgetIfEmpty(room: Room): void {
    if (room.roster.hasLocal || room.followers.size > 0 || room.state === "reading") return;
    if (this.get(room.name) === room) this.delete(room.name);
    if (!this.has(room.name)) this.#broker.forget?.(room.name);
  }
}
