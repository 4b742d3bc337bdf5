// When mutes and bans end.

import type { Problem } from "../state/problem.ts";

const endTimes = new WeakMap<Problem, number>();

/** Returns when a mute or a ban ends, in ms since 1970: the same each time a problem is shown. */
export function endOf(problem: Problem): number {
  const known = endTimes.get(problem) ?? Date.now() + (problem.retryAfter ?? 0);
  endTimes.set(problem, known);
  return known;
}

/** Returns when a ban ends if that is the reason of a close (SPEC.md, B4), in ms since 1970. */
export function endInReason(reason: string): number | undefined {
  return /^\d{12,}$/.test(reason) ? Number(reason) : undefined;
}
