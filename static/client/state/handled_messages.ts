// The messages that a tab of this browser has notified about or shown, so that the others don't.

import { readJson, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const handledKey = "parley.notified";
/** Max messages remembered: enough for a tab that reconnects late. */
const handledMax = 50;

/** Records that this tab handles a message. Returns false if a tab has done so before. */
export function markHandled(storage: KeyValue, id: string): boolean {
  const stored = readJson(storage, handledKey);
  const handled: unknown[] = Array.isArray(stored) ? stored : [];
  if (handled.includes(id)) return false;
  writeJson(storage, handledKey, [...handled, id].slice(-handledMax));
  return true;
}
