// Handles the result of a broker call, whether it is returned at once or as a promise.

import type { Outcome } from "./broker.ts";
import type { HubLog } from "./ports.ts";

/**
 * Calls the broker and passes the result to `onResult`, or the error to `onError`. Both run before
 * this function returns, unless the result is a promise; then errors that they throw are logged.
 */
export function whenDone<T>(
  callBroker: () => Outcome<T>,
  onResult: (value: T) => void,
  onError: (error: unknown) => void,
  log: HubLog,
): void {
  let outcome: Outcome<T>;
  try {
    outcome = callBroker();
  } catch (error) {
    return onError(error);
  }
  if (outcome instanceof Promise) {
    outcome.then(onResult, onError).catch((error) => log.error("internal", error));
  } else onResult(outcome);
}
