// Removes old drafts. Separate from drafts.ts, because the page's first view does not need it.

import { draftPrefix, keysWithPrefix, removeKey } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const maxDrafts = 40;

/** Removes the drafts of rooms that are not open, if there are more than 40. */
export function pruneDrafts(storage: KeyValue, openRooms: { has(room: string): boolean }): void {
  const keys = keysWithPrefix(storage, draftPrefix);
  if (keys.length <= maxDrafts) return;
  for (const key of keys) {
    if (!openRooms.has(key.slice(draftPrefix.length))) removeKey(storage, key);
  }
}
