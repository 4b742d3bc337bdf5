// Drafts: the unsent text of each room's composer, stored under a key of its room in the storage of
// all tabs, or in that of the tab if the first is full.

import { readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const draftPrefix = "parley.draft.";
/** Max length of a draft in UTF-16 code units: enough for a text to send as ten messages. */
const maxLength = 40_000;

/** Returns the draft of a room, or an empty string. The last storage with one has the newest. */
export function loadDraft(storages: readonly KeyValue[], room: string): string {
  const drafts = storages.map((storage) => readJson(storage, draftPrefix + room));
  return String(drafts.findLast((draft) => typeof draft === "string") ?? "");
}

/** Stores the start of a draft in the first storage with space for it. */
export function saveDraft(storages: readonly KeyValue[], room: string, text: string): void {
  const key = draftPrefix + room;
  let isDone = text.trim() === "";
  for (const storage of storages) {
    if (isDone) removeKey(storage, key);
    // Don't cut a character in half.
    else isDone = writeJson(storage, key, text.slice(0, maxLength).replace(/[\ud800-\udbff]$/, ""));
  }
}
