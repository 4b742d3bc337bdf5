// Applies the settings to the page, and follows changes made in other tabs.

import { loadSettings, saveSettings, settingsKey } from "../state/settings.ts";
import type { Settings } from "../state/settings.ts";
import type { KeyValue } from "../state/storage.ts";
import { refreshTimes } from "./times.ts";

declare global {
  /** Applies theme and density; from theme.js. */
  var applyAppearance: (settings: Settings) => void;
}

export type PageSettings = ReturnType<typeof mountSettings>;

/** Loads and applies the settings; `change` stores and applies new ones. Then it calls `redraw`. */
export function mountSettings(storage: KeyValue, redraw: () => void) {
  let settings = loadSettings(storage);
  const apply = () => {
    applyAppearance(settings);
    refreshTimes(settings.hours);
  };
  apply();
  addEventListener("storage", ({ key }) => {
    if (key !== settingsKey) return;
    settings = loadSettings(storage);
    apply();
    redraw();
  });
  return {
    get current(): Settings {
      return settings;
    },
    change(part: Partial<Settings>): void {
      settings = { ...settings, ...part };
      saveSettings(storage, settings);
      apply();
      redraw();
    },
  };
}
