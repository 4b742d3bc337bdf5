// Stores the newest messages of each room, so that a page can show them before its server answers
// and resume from there.

import type { Position } from "../../../app/protocol/wire.ts";
import { isMessage } from "./room.ts";
import type { Room, Snapshot } from "./room.ts";
import { keysWithPrefix, readJson, removeKey, snapshotPrefix, writeJson } from "./storage.ts";
import type { KeyValue, Unchecked } from "./storage.ts";

const messagesMax = 50;
/** Twenty rooms of this size fit into the 5 million characters that browsers allow. */
const charactersMax = 20_000;

/** Stores a snapshot of each room, and removes those of other rooms. */
export function saveSnapshots(storage: KeyValue, rooms: Iterable<Room>): void {
  const obsolete = new Set(keysWithPrefix(storage, snapshotPrefix));
  for (const room of rooms) {
    const key = snapshotPrefix + room.name;
    const snapshot = room.snapshot(messagesMax, charactersMax);
    if (snapshot !== undefined && writeJson(storage, key, snapshot)) obsolete.delete(key);
  }
  for (const key of obsolete) removeKey(storage, key);
}

/** Restores the snapshot of a room that has nothing loaded. */
export function restoreSnapshot(storage: KeyValue, room: Room): void {
  const snapshot = readJson(storage, snapshotPrefix + room.name);
  if (!isSnapshot(snapshot)) return;
  room.restore(snapshot);
  // Without a stored read offset, all of it counts as read.
  if (room.readOffset === 0) room.markRead();
}

function isSnapshot(value: unknown): value is Snapshot {
  const { position, first, messages }: Unchecked<Snapshot> = Object(value);
  const { epoch, offset }: Unchecked<Position> = Object(position);
  if (!Array.isArray(messages) || typeof epoch !== "string") return false;
  const oldest = Number(offset) - messages.length + 1;
  return messages.length > 0 && Number.isSafeInteger(offset) && Number.isSafeInteger(first) &&
    oldest >= Number(first) &&
    messages.every((message, i) => isMessage(message) && message.offset === oldest + i);
}
