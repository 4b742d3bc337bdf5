// The person's settings, as the browser stores them.

import { readFields, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

/** Which messages of a room cause notifications. */
export type NotifyLevel = "mention" | "always" | "never";

export interface Settings {
  readonly theme: "system" | "light" | "dark";
  readonly density: "comfortable" | "compact";
  readonly hours: "system" | "h12" | "h23";
  readonly sound: boolean;
  /** By room; the default is `mention`. */
  readonly notify: ReadonlyMap<string, NotifyLevel>;
}

export const settingsKey = "parley.settings";

/** Returns the stored settings, with defaults for those missing or invalid. */
export function loadSettings(storage: KeyValue): Settings {
  const { theme, density, hours, sound, notify } = readFields<Settings>(storage, settingsKey);
  const isLevel = (entry: [string, unknown]): entry is [string, NotifyLevel] =>
    entry[1] === "always" || entry[1] === "never";
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    density: density === "compact" ? density : "comfortable",
    hours: hours === "h12" || hours === "h23" ? hours : "system",
    sound: sound === true,
    notify: new Map(Object.entries(Object(notify)).filter(isLevel)),
  };
}

export function saveSettings(storage: KeyValue, settings: Settings): void {
  const notify = [...settings.notify].filter(([, level]) => level !== "mention");
  writeJson(storage, settingsKey, { ...settings, notify: Object.fromEntries(notify) });
}
