// Drafts: the unsent text of each room's composer. Stored by room, in the storage that all tabs
// share, for new tabs, and in the tab's own, so that each tab keeps its draft over a reload.

import { readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const draftPrefix = "parley.draft.";
/** Max length of a draft in UTF-16 code units: enough for a text to send as ten messages. */
const maxLength = 40_000;

/** Returns the draft of a room, or an empty string. The tab's own storage is last, and wins. */
export function loadDraft(storages: readonly KeyValue[], room: string): string {
  const drafts = storages.map((storage) => readJson(storage, draftPrefix + room));
  return String(drafts.findLast((draft) => typeof draft === "string") ?? "");
}

/** Stores the start of a draft in each storage with space for it, if it has changed. */
export function saveDraft(storages: readonly KeyValue[], room: string, text: string): void {
  // A tab that only shows another tab's draft must not store it as its own.
  if (text === loadDraft(storages, room)) return;
  const key = draftPrefix + room;
  // Don't cut a character in half.
  const start = text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
  for (const storage of storages) {
    if (text.trim() === "" || !writeJson(storage, key, start)) removeKey(storage, key);
  }
}
