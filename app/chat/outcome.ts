// Handles the result of a broker call, whether it is returned at once or as a promise.

import type { Outcome } from "./broker.ts";
import type { HubLog, LogFields } from "./ports.ts";

/**
 * Calls the broker and passes the result to `onResult`. On an error, logs it as `event`, unless
 * that is undefined, and calls `onError`. Both callbacks run before this function returns, unless
 * the result is a promise; then errors that they throw are logged.
 */
export function whenDone<T>(
  log: HubLog,
  event: string | undefined,
  callBroker: () => Outcome<T>,
  onResult: (value: T) => void = () => {},
  onError: () => void = () => {},
  fields?: LogFields,
): void {
  const fail = (error: unknown) => {
    if (event !== undefined) log.error(event, error, fields);
    onError();
  };
  let outcome: Outcome<T>;
  try {
    outcome = callBroker();
  } catch (error) {
    return fail(error);
  }
  if (outcome instanceof Promise) {
    outcome.then(onResult, fail).catch((error) => log.error("internal", error));
  } else onResult(outcome);
}
