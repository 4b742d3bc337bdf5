// Runs retention in the background.

import type { Broker } from "../chat/broker.ts";
import type { ClockTrust } from "./clock_trust.ts";

const pruneMs = 60_000;
/** Delay between steps while there is more to prune. */
const pruneStepMs = 20;

export interface PruningOptions {
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
            "has gone steadily for 24 hours"
          : "the system clock is trusted again",
      );
    }
    try {
      if (!isPaused) hasMore = await broker.prune();
    } catch {
      // The broker has logged the error; the next run makes up for this one.
    }
    cancel = later(hasMore ? pruneStepMs : pruneMs, prune);
  };
  let cancel = later(pruneMs, prune);
  return () => cancel();
}
