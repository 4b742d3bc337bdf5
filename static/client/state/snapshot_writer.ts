// Stores the newest messages of each room for the next visit.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import type { Message } from "./message.ts";
import type { Room } from "./room.ts";
import { keysWithPrefix, readJson, removeKey, snapshotPrefix, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const messagesMax = 50;
/** Twenty rooms of this size fit into the 5 million characters that browsers allow. */
const charactersMax = 20_000;

/** Stores a snapshot of each room, and removes those of other rooms. */
export function saveSnapshots(storage: KeyValue, rooms: Iterable<Room>): void {
  const obsolete = new Set(keysWithPrefix(storage, snapshotPrefix));
  for (const room of rooms) {
    const key = snapshotPrefix + room.name;
    // A disconnected tab could bring back messages that another tab knows to be deleted.
    const isStale = room.phase !== "live" && headOf(readJson(storage, key)) > room.log.head;
    if (isStale) obsolete.delete(key);
    const snapshot = isStale ? undefined : snapshotOf(room);
    if (snapshot !== undefined && writeJson(storage, key, snapshot)) obsolete.delete(key);
  }
  for (const key of obsolete) removeKey(storage, key);
}

/** Returns the offset where a snapshot ends; NaN if there is none. */
function headOf(snapshot: unknown): number {
  return Number(Object(Object(snapshot).position).offset);
}

/** Returns the newest messages within both limits, or `undefined` if there are none. */
function snapshotOf({ name, log }: Room) {
  const { messages, position, first, oldest } = log;
  let characters = 0;
  const overflowAt = messages.findLastIndex(({ text = "" }) =>
    (characters += text.length) > charactersMax
  );
  const kept = messages.slice(overflowAt + 1).slice(-messagesMax);
  const [start] = kept;
  if (position === undefined || start === undefined) return undefined;
  const range = {
    position,
    first,
    oldest: kept.length < messages.length ? start.offset : oldest,
  };
  return isPrivateRoom(name)
    ? { ...range, sealed: kept.map(sealedOf) }
    : { ...range, messages: kept };
}

/** Returns a message of a private room in its sealed form. */
function sealedOf({ text, sealed, answered: _, isUnverified, ...message }: Message): Message {
  const isDeleted = text === undefined && (!isUnverified || message.deletedBy !== undefined);
  return { ...message, ...!isDeleted && { text: sealed } };
}
