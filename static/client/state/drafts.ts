// Drafts: the unsent text of each room's composer, stored under a key of its room.

import { draftPrefix, readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const maxLength = 10_000;

/** Returns the draft of a room, or an empty string. */
export function loadDraft(storage: KeyValue, room: string): string {
  const draft = readJson(storage, draftPrefix + room);
  return typeof draft === "string" ? draft : "";
}

/** Stores the first 10,000 characters of a draft; removes a blank one. */
export function saveDraft(storage: KeyValue, room: string, text: string): void {
  if (text.trim() === "") removeKey(storage, draftPrefix + room);
  else writeJson(storage, draftPrefix + room, text.slice(0, maxLength));
}
