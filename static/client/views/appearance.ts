// Applies the settings to the page, and follows changes made in other tabs.

import { loadSettings, saveSettings, settingsKey } from "../state/settings.ts";
import type { Settings } from "../state/settings.ts";
import type { KeyValue } from "../state/storage.ts";

/** Loads and applies the settings; `change` stores and applies new ones. */
export function mountSettings(storage: KeyValue) {
  let settings = loadSettings(storage);
  const apply = () => {
    const { dataset } = document.documentElement;
    dataset.theme = settings.theme;
    dataset.density = settings.density;
    // The browser's toolbar takes the colour of the theme.
    const metas = document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]');
    metas.forEach((meta, i) => {
      const theme = i === 0 ? "light" : "dark";
      const isChosen = settings.theme === theme ? "all" : "not all";
      meta.media = settings.theme === "system" ? `(prefers-color-scheme: ${theme})` : isChosen;
    });
  };
  apply();
  addEventListener("storage", ({ key }) => {
    if (key !== settingsKey) return;
    settings = loadSettings(storage);
    apply();
  });
  return {
    get current(): Settings {
      return settings;
    },
    change(part: Partial<Settings>): void {
      settings = { ...settings, ...part };
      saveSettings(storage, settings);
      apply();
    },
  };
}
