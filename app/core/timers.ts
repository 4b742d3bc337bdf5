// Timers that can be cancelled.

/** Runs `task` after `ms`. Returns a function that cancels it. */
export function later(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
}

/** Waits for a promise, but at most `ms`. */
export async function waitAtMost(ms: number, promise: Promise<void>): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const cancel = later(ms, timeout.resolve);
  await Promise.race([promise, timeout.promise]);
  cancel();
}
