// The keys and labels of private rooms, as this browser stores them.

import { readFields, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

export interface StoredRoom {
  /** The key, as in the room's link. */
  readonly secret: string;
  /** The room's name in this browser. */
  readonly label: string;
}

export const storedRoomsKey = "parley.private";

export function loadStoredRooms(storage: KeyValue): Map<string, StoredRoom> {
  const entries = Object.entries(readFields<Record<string, unknown>>(storage, storedRoomsKey));
  return new Map(entries.map(([name, value]) => {
    const { secret, label } = Object(value);
    return [name, { secret: String(secret), label: String(label) }];
  }));
}

/** Stores a private room, or changes it. */
export function storeRoom(storage: KeyValue, name: string, room: StoredRoom): void {
  const rooms = loadStoredRooms(storage).set(name, room);
  writeJson(storage, storedRoomsKey, Object.fromEntries(rooms));
}
