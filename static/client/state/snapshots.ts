// Restores the newest messages of each room, so that a page can show them before the server
// answers, and resume from there.

import { isSnapshot } from "./message.ts";
import type { Room } from "./room.ts";
import { readJson, snapshotPrefix } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

/** Restores the snapshot of a room that has nothing loaded. */
export function restoreSnapshot(storage: KeyValue, room: Room): void {
  const snapshot = readJson(storage, snapshotPrefix + room.name);
  if (isSnapshot(snapshot)) room.restore(snapshot);
}
