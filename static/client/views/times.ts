// Formats times in the reader's language, time zone and clock. The last two may change.

import type { Settings } from "../state/settings.ts";
import { locale } from "../words/language.ts";

let hours: Settings["hours"];
let clock: Intl.DateTimeFormat;
let full: Intl.DateTimeFormat;
/** Changes when all times must be drawn again. */
export let timesVersion = "";

/** Follows the setting, the time zone and the date. Returns whether times must be drawn again. */
export function refreshTimes(wanted = hours): boolean {
  hours = wanted;
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  const version = [hours, timeZone, new Date().toDateString()].join();
  if (version === timesVersion) return false;
  timesVersion = version;
  const cycle = hours === "system" ? {} : { hourCycle: hours };
  const { hour12 } = Intl.DateTimeFormat([], { hour: "numeric", ...cycle }).resolvedOptions();
  const hour = hour12 ? "numeric" : "2-digit";
  clock = Intl.DateTimeFormat([], { hour, minute: "2-digit", ...cycle });
  full = Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium", ...cycle });
  // The column of times is as wide as the longest.
  const { length } = clock.format(new Date(2000, 0, 1, 22, 58));
  document.documentElement.style.setProperty("--time-length", String(length));
  return true;
}

export function clockTime(at: number): string {
  return clock.format(at);
}

export function fullTime(at: number): string {
  return full.format(at);
}

/** Returns the number of a day in the reader's time zone. */
export function dayNumber(at: number): number {
  const date = new Date(at);
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000;
}
