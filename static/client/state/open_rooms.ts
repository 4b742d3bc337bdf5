// The rooms this browser has open, and how far each was read.

import { isRoomName } from "../../../app/protocol/text.ts";
import { readJson, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const roomsKey = "parley.rooms";
export const readOffsetsKey = "parley.read";

/** The labels of private rooms in this browser, by name. */
export const roomLabels = new Map<string, string>();

/** Returns the label that the page shows for a room. */
export function labelOf(room: string): string {
  return roomLabels.get(room) ?? room;
}

/** Returns the names of the open rooms, in the order in which they were opened. */
export function loadOpenRooms(storage: KeyValue): string[] {
  const names = readJson(storage, roomsKey);
  if (!Array.isArray(names)) return [];
  return names.filter((name): name is string => typeof name === "string" && isRoomName(name));
}

export function saveOpenRooms(storage: KeyValue, names: readonly string[]): void {
  writeJson(storage, roomsKey, names);
}

/** Returns the offset up to which each room was read. */
export function loadReadOffsets(storage: KeyValue): Map<string, number> {
  const isOffset = (entry: [string, unknown]): entry is [string, number] =>
    Number.isSafeInteger(entry[1]);
  return new Map(Object.entries(Object(readJson(storage, readOffsetsKey))).filter(isOffset));
}

/** Stores the offset up to which each room was read. */
export function saveReadOffsets(storage: KeyValue, offsets: ReadonlyMap<string, number>): void {
  writeJson(storage, readOffsetsKey, Object.fromEntries(offsets));
}
