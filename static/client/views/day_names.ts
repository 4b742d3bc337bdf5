// Names days as the reader does.

import { locale } from "../words/language.ts";
import { clockTime, dayNumber } from "./times.ts";

/** Returns the time of day, after its day unless that is today. */
export function shortTime(at: number): string {
  const days = daysAgo(at);
  if (days === 0) return clockTime(at);
  const day = days < 7
    ? { weekday: "short" } as const
    : { day: "numeric", month: "short" } as const;
  return `${Intl.DateTimeFormat(locale, day).format(at)} ${clockTime(at)}`;
}

/** Returns the name of a day, such as "Today". */
export function dayName(at: number): string {
  const days = daysAgo(at);
  if (days === 0 || days === 1) {
    const name = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-days, "day");
    return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
  }
  const isThisYear = new Date(at).getFullYear() === new Date().getFullYear();
  const year = isThisYear ? {} : { year: "numeric" } as const;
  return Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long", ...year })
    .format(at);
}

function daysAgo(at: number): number {
  return dayNumber(Date.now()) - dayNumber(at);
}
