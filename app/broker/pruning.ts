// Runs retention in the background.

import type { Broker } from "../chat/broker.ts";

const pruneMs = 60_000;
/** Delay between steps while there is more to prune. */
const pruneStepMs = 20;

/** Prunes `broker` every minute. Returns a function that stops it. */
export function startPruning(
  broker: Pick<Broker, "prune">,
  later: (ms: number, task: () => void) => () => void,
): () => void {
  const prune = async () => {
    let hasMore = false;
    try {
      hasMore = await broker.prune();
    } catch {
      // The broker has logged the error; the next run makes up for this one.
    }
    cancel = later(hasMore ? pruneStepMs : pruneMs, prune);
  };
  let cancel = later(pruneMs, prune);
  return () => cancel();
}
