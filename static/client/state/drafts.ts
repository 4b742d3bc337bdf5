// Drafts: the unsent text of each room's composer, stored under a key of its room.

import { keysWithPrefix, readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const prefix = "parley.draft.";
const maxLength = 10_000;
const maxDrafts = 40;

/** Returns the draft of a room, or an empty string. */
export function loadDraft(storage: KeyValue, room: string): string {
  const draft = readJson(storage, prefix + room);
  return typeof draft === "string" ? draft : "";
}

/** Stores the first 10,000 characters of a draft; removes a blank one. */
export function saveDraft(storage: KeyValue, room: string, text: string): void {
  if (text.trim() === "") removeKey(storage, prefix + room);
  else writeJson(storage, prefix + room, text.slice(0, maxLength));
}

/** Removes the drafts of rooms that are not open, if there are more than 40. */
export function pruneDrafts(storage: KeyValue, open: { has(room: string): boolean }): void {
  const keys = keysWithPrefix(storage, prefix);
  if (keys.length <= maxDrafts) return;
  for (const key of keys) if (!open.has(key.slice(prefix.length))) removeKey(storage, key);
}
