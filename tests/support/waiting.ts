// Waits with a timeout, whose error names the missing event.

/** Longer than any successful wait, even on a busy machine. */
const defaultMaxMs = 60_000;
const pollMs = 5;

/** Waits for a promise. Throws an error that names `what` after `maxMs`. */
export async function withDeadline<T>(
  what: string,
  promise: Promise<T>,
  maxMs = defaultMaxMs,
): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timeoutError(what, maxMs)), maxMs);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Polls a condition that reports no event. Throws an error that names `what`, by default the
 * condition's source, after `maxMs`.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = String(condition),
  maxMs = defaultMaxMs,
): Promise<void> {
  const deadline = Date.now() + maxMs;
  while (!await condition()) {
    if (Date.now() > deadline) throw timeoutError(what, maxMs);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function timeoutError(what: string, maxMs: number): Error {
  return new Error(`Timed out after ${maxMs / 1000} s: ${what}`);
}
