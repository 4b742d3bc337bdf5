// What the person has chosen, as the browser keeps it. Pure over the storage that comes in.

import { readJson, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

/** Of which messages the person is told outside the page. */
export type NotifyLevel = "mention" | "always" | "never";

/** What can be chosen. */
export interface Settings {
  readonly theme: "system" | "light" | "dark";
  readonly density: "roomy" | "dense";
  readonly sound: boolean;
  /** By room, where it is not `mention`. */
  readonly notify: ReadonlyMap<string, NotifyLevel>;
}

/** Where they are kept. */
export const settingsKey = "parley.settings";

/** Reads what was chosen; what is missing or makes no sense is as it was at first. */
export function loadSettings(storage: KeyValue): Settings {
  const { theme, density, sound, notify } = Object(readJson(storage, settingsKey)) as {
    readonly [K in keyof Settings]?: unknown;
  };
  const isWhen = (entry: [string, unknown]): entry is [string, NotifyLevel] =>
    entry[1] === "always" || entry[1] === "never";
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    density: density === "dense" ? density : "roomy",
    sound: sound === true,
    notify: new Map(Object.entries(Object(notify)).filter(isWhen)),
  };
}

/** Keeps what was chosen. */
export function saveSettings(storage: KeyValue, settings: Settings): void {
  const notify = [...settings.notify].filter(([, when]) => when !== "mention");
  writeJson(storage, settingsKey, { ...settings, notify: Object.fromEntries(notify) });
}
