// The room directory: the rooms, how many members each has, and when each was last used.

import { isPrivateRoom } from "../protocol/text.ts";
import type { DirectoryRoom } from "../protocol/wire.ts";
import type { HubCore } from "./hub_core.ts";

/** Max rooms listed. The least recently used are left out. */
const roomsMax = 500;

/**
 * Returns the rooms that have members on this node or messages, except private ones. Rejects while
 * storage is unavailable.
 */
export async function readDirectory(
  { ports: { broker }, rooms }: HubCore,
): Promise<readonly DirectoryRoom[]> {
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
  // A room without messages has members, so it is in use now.
  const lastUsed = ({ at = Infinity }: DirectoryRoom) => at;
  return [...found.values()].filter(({ room }) => !isPrivateRoom(room))
    .sort((a, b) => lastUsed(b) - lastUsed(a) || b.members - a.members).slice(0, roomsMax);
}
