// Runs retention in the background, unless the wall clock is wrong enough to delete everything.

import type { Broker } from "../chat/broker.ts";

const hourMs = 3_600_000;
/** How long a clock must run steadily after a jump before it is trusted again. */
const confirmMs = 24 * hourMs;
const pruneMs = 60_000;
/** Delay between steps while there is more to prune. */
const pruneStepMs = 20;

interface PruningOptions {
  readonly broker: Pick<Broker, "prune">;
  readonly clock: Pick<ClockTrust, "check">;
  /** Called when pruning pauses because of the clock, and when it resumes. */
  readonly report: (event: string, message: string) => void;
  /** Runs `task` after `ms`; the returned function cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

/**
 * Prunes the broker every minute, unless the wall clock cannot be trusted. Returns a function that
 * stops it.
 */
export function startPruning({ broker, clock, report, later }: PruningOptions): () => void {
  let isPaused = false;
  const prune = async () => {
    let hasMore = false;
    const wasPaused = isPaused;
    isPaused = !clock.check();
    if (isPaused !== wasPaused) {
      report(
        isPaused ? "pruning_paused" : "pruning_resumed",
        isPaused
          ? "the system clock jumped by over an hour; nothing is pruned until it is right again or " +
            "has run steadily for 24 hours"
          : "the system clock is trusted again",
      );
    }
    try {
      if (!isPaused) hasMore = await broker.prune();
    } catch {
      // The broker has logged the error, and the next run catches up.
    }
    cancel = later(hasMore ? pruneStepMs : pruneMs, prune);
  };
  let cancel = later(pruneMs, prune);
  return () => cancel();
}

/**
 * Compares the wall clock with a monotonic one: with a clock that is years ahead, retention would
 * delete everything.
 */
export class ClockTrust {
  readonly #wallNow: () => number;
  readonly #now: () => number;
  /** Wall time minus monotonic time while the clock was trusted. */
  #trusted: number;
  /** The difference after the clock was set, and the monotonic time when it was first seen. */
  #candidate: { readonly difference: number; readonly since: number } | undefined;

  /** `wallNow` is in ms since 1970, `now` is monotonic in ms. */
  constructor(wallNow: () => number, now: () => number) {
    this.#wallNow = wallNow;
    this.#now = now;
    this.#trusted = wallNow() - now();
  }

  /** Returns false while the clock is more than an hour off. */
  check(): boolean {
    const now = this.#now();
    const difference = this.#wallNow() - now;
    const candidate = this.#candidate;
    const isConfirmed = candidate !== undefined && now - candidate.since >= confirmMs &&
      isNear(difference, candidate.difference);
    if (isConfirmed || isNear(difference, this.#trusted)) {
      // Follows the slow corrections of time synchronization.
      this.#trusted = difference;
      this.#candidate = undefined;
      return true;
    }
    if (candidate === undefined || !isNear(difference, candidate.difference)) {
      this.#candidate = { difference, since: now };
    }
    return false;
  }
}

function isNear(one: number, other: number): boolean {
  return Math.abs(one - other) < hourMs;
}
