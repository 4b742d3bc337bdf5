// Continues with the result of a broker call, whether it is available at once or later.

import type { Outcome } from "./broker.ts";
import type { HubLog } from "./ports.ts";

/**
 * Calls `ask` and passes its result to `done`, or what it threw to `failed`: before returning if
 * the result is available at once. Errors thrown later by these two are logged.
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
