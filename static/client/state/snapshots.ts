// Restores the newest messages of each room, so that a page can show them before its server answers
// and resume from there.

import type { Position } from "../../../app/protocol/wire.ts";
import { isMessage } from "./message.ts";
import type { Room, Snapshot } from "./room.ts";
import { readJson, snapshotPrefix } from "./storage.ts";
import type { KeyValue, Unchecked } from "./storage.ts";

/** Restores the snapshot of a room that has nothing loaded. */
export function restoreSnapshot(storage: KeyValue, room: Room): void {
  const snapshot = readJson(storage, snapshotPrefix + room.name);
  if (!isSnapshot(snapshot)) return;
  room.restore(snapshot);
  // Without a stored read offset, all of it counts as read.
  if (room.readOffset === 0) room.markRead();
}

function isSnapshot(value: unknown): value is Snapshot {
  const { position, first, oldest, messages }: Unchecked<Snapshot> = Object(value);
  const { epoch, offset }: Unchecked<Position> = Object(position);
  if (!Array.isArray(messages) || typeof epoch !== "string") return false;
  let before = Number(oldest) - 1;
  return messages.length > 0 && [offset, first, oldest].every(Number.isSafeInteger) &&
    Number(first) <= Number(oldest) &&
    messages.every((message) => isMessage(message) && before < (before = message.offset)) &&
    before <= Number(offset);
}
