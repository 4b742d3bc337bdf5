// Applies what the person has chosen to the page, and follows the other tabs.

import { loadSettings, saveSettings, settingsKey } from "../state/settings.ts";
import type { Settings } from "../state/settings.ts";
import type { KeyValue } from "../state/storage.ts";

/** The settings of the page: read, applied, and followed when another tab changes them. */
export function mountSettings(storage: KeyValue) {
  let settings = loadSettings(storage);
  const apply = () => {
    const { dataset } = document.documentElement;
    dataset.theme = settings.theme;
    dataset.density = settings.density;
    // The browser's own bar around the page has the colour of the theme too.
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
    get now(): Settings {
      return settings;
    },
    change(part: Partial<Settings>): void {
      settings = { ...settings, ...part };
      saveSettings(storage, settings);
      apply();
    },
  };
}
