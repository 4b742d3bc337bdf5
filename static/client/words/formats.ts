// Formats numbers, lists and times for the words of every language.

import type { Problem } from "../state/problem.ts";

export function formatsOf(language: string) {
  const number = new Intl.NumberFormat(language).format;
  const list = (names: readonly string[]) => new Intl.ListFormat(language).format(names);
  const withUnit = (count: number, unit: string) =>
    new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
  return {
    number,
    list,
    /** Returns a number with its noun: "1 day". */
    plural: (count: number, one: string, many: string) =>
      `${number(count)} ${count === 1 ? one : many}`,
    /** Returns up to three names, or two names and `others(number of the rest)`. */
    people: (names: readonly string[], others: (count: string) => string) =>
      names.length <= 3
        ? list(names)
        : `${names[0]}, ${names[1]} ${others(number(names.length - 2))}`,
    /** Returns a duration in its largest unit: "7 days". */
    duration(seconds: number): string {
      if (seconds < 3_600) return withUnit(seconds / 60, "minute");
      return seconds < 86_400
        ? withUnit(seconds / 3_600, "hour")
        : withUnit(seconds / 86_400, "day");
    },
    /** Returns how long to wait before a retry: in seconds if it is less than two minutes. */
    wait({ retryAfter = 0 }: Problem): string {
      const seconds = Math.ceil(retryAfter / 1_000);
      return seconds < 120
        ? withUnit(seconds, "second")
        : withUnit(Math.ceil(seconds / 60), "minute");
    },
    dateTime: new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format,
  };
}

const endTimes = new WeakMap<Problem, number>();

/** Returns when a mute or ban ends, in ms since 1970. The time stays the same for each problem. */
export function endOf(problem: Problem): number {
  const end = endTimes.get(problem) ?? Date.now() + (problem.retryAfter ?? 0);
  endTimes.set(problem, end);
  return end;
}

/** Returns when a ban ends, in ms since 1970, if a close reason says so (SPEC.md, B4). */
export function banEndIn(closeReason: string): number | undefined {
  return /^\d{12,}$/.test(closeReason) ? Number(closeReason) : undefined;
}
