// Goes on with what a broker answers, at once or later. Knows nothing of what was asked.

import type { Outcome } from "./broker.ts";
import type { HubLog } from "./ports.ts";

/**
 * Asks, and hands the answer to `done` or what was thrown to `failed`: in this turn when the answer is there in this turn.
 * What the two throw later is logged.
 */
export function whenDone<T>(
  ask: () => Outcome<T>,
  done: (value: T) => void,
  failed: (error: unknown) => void,
  log: HubLog,
): void {
  let outcome: Outcome<T>;
  try {
    outcome = ask();
  } catch (error) {
    return failed(error);
  }
  if (outcome instanceof Promise) {
    outcome.then(done, failed).catch((error) => log.error("internal", error));
  } else done(outcome);
}
