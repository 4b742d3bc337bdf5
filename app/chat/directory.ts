// The room directory: the rooms, how many members each has, and when each was last used.

import { isPrivateRoom } from "../protocol/text.ts";
import type { DirectoryRoom } from "../protocol/wire.ts";
import type { HubCore } from "./hub_core.ts";

/** Max rooms listed, the most recently used. */
const roomsMax = 500;
/** How long a list is reused, since anyone may request it and reading it can take long. */
const maxAgeMs = 5_000;

/** Lists the rooms that have members on this node or messages, except private ones. */
export class Directory {
  readonly #hub: HubCore;
  #list: Promise<readonly DirectoryRoom[]> | undefined;
  #readAt = 0;

  constructor(hub: HubCore) {
    this.#hub = hub;
  }

  /** Returns the rooms, as they were at most 5 s ago. Rejects while storage is unavailable. */
  list(): Promise<readonly DirectoryRoom[]> {
    const now = this.#hub.ports.clock.now();
    if (this.#list === undefined || now - this.#readAt >= maxAgeMs) {
      this.#readAt = now;
      this.#list = this.#read();
    }
    return this.#list;
  }

  async #read(): Promise<readonly DirectoryRoom[]> {
    const { ports: { broker }, rooms } = this.#hub;
    const stored = await broker.newestRooms(roomsMax);
    const found = new Map<string, DirectoryRoom>();
    for (const { name, roster: { count } } of rooms.values()) {
      if (count > 0) found.set(name, { room: name, members: count });
    }
    for (const { room, at, title } of stored) {
      const members = found.get(room)?.members ??
        broker.cluster?.remoteMembers(room).length ?? 0;
      found.set(room, { room, members, at, ...(title === undefined ? {} : { title }) });
    }
    // A room without messages is in use: it has members.
    const lastUsed = ({ at = Infinity }: DirectoryRoom) => at;
    return [...found.values()].filter(({ room }) => !isPrivateRoom(room))
      .sort((a, b) => lastUsed(b) - lastUsed(a) || b.members - a.members).slice(0, roomsMax);
  }
}
