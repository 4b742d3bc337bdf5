// Removes old drafts. Apart from drafts.ts, because the page's first view does not need it.

import { draftPrefix, keysWithPrefix, removeKey } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const maxDrafts = 40;

/** Removes the drafts of rooms that are not open, if there are more than 40. */
export function pruneDrafts(storage: KeyValue, open: { has(room: string): boolean }): void {
  const keys = keysWithPrefix(storage, draftPrefix);
  if (keys.length <= maxDrafts) return;
  for (const key of keys) if (!open.has(key.slice(draftPrefix.length))) removeKey(storage, key);
}
