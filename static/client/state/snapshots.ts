// The last messages of each room, kept in the browser, so that a page has something to show before its server answers and goes
// on from there. Pure over the storage that comes in.

import type { Position } from "../../../app/protocol/wire.ts";
import { isMessage } from "./room.ts";
import type { Room, Snapshot } from "./room.ts";
import { keysWithPrefix, readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const prefix = "parley.last.";
const most = 50;
/** All rooms together have to fit into what a browser gives a page, which is about 5 million. */
const mostCharacters = 20_000;

/** Keeps the end of each room, and forgets rooms that are not among them. */
export function saveSnapshots(storage: KeyValue, rooms: Iterable<Room>): void {
  const gone = new Set(keysWithPrefix(storage, prefix));
  for (const room of rooms) {
    const key = prefix + room.name;
    const snapshot = room.snapshot(most, mostCharacters);
    if (snapshot !== undefined && writeJson(storage, key, snapshot)) gone.delete(key);
  }
  for (const key of gone) removeKey(storage, key);
}

/** Gives a room that has nothing yet what was kept of it. */
export function restoreSnapshot(storage: KeyValue, room: Room): void {
  const kept = readJson(storage, prefix + room.name);
  if (!isSnapshot(kept)) return;
  room.restore(kept);
  // Where it was never noted what was read, all of it was.
  if (room.readOffset === 0) room.markRead();
}

function isSnapshot(value: unknown): value is Snapshot {
  const { position, first, messages } = Object(value) as { [K in keyof Snapshot]?: unknown };
  const { epoch, offset } = Object(position) as { [K in keyof Position]?: unknown };
  if (!Array.isArray(messages) || typeof epoch !== "string") return false;
  // The last one stands at the position, and each before it one further back.
  const start = Number(offset) - messages.length + 1;
  return messages.length > 0 && Number.isSafeInteger(offset) && Number.isSafeInteger(first) &&
    start >= Number(first) &&
    messages.every((message, i) => isMessage(message) && message.offset === start + i);
}
