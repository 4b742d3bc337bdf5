// Drafts: the unsent text of each room's composer, stored under a key of its room in the storage of
// all tabs, which a new tab reads, and in that of the tab, so that it keeps its own over a reload.

import { readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const draftPrefix = "parley.draft.";
/** Max length of a draft in UTF-16 code units: enough for a text to send as ten messages. */
const maxLength = 40_000;

/** Returns the draft of a room, or an empty string. The last storage is the tab's own. */
export function loadDraft(storages: readonly KeyValue[], room: string): string {
  const drafts = storages.map((storage) => readJson(storage, draftPrefix + room));
  return String(drafts.findLast((draft) => typeof draft === "string") ?? "");
}

/** Stores the start of a draft in each storage with space for it, if it has changed. */
export function saveDraft(storages: readonly KeyValue[], room: string, text: string): void {
  // A tab that only shows the draft of another must not keep it.
  if (text === loadDraft(storages, room)) return;
  const key = draftPrefix + room;
  // Don't cut a character in half.
  const start = text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, "");
  for (const storage of storages) {
    if (text.trim() === "" || !writeJson(storage, key, start)) removeKey(storage, key);
  }
}
