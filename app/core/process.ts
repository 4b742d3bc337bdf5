// Guards for the whole process: uncaught errors and memory.

const memoryCheckMs = 5_000;

/**
 * Reports uncaught errors instead of ending the process. One bad request or frame must not take the
 * chat down, and a text over V8's string limit rejects where no handler can catch it.
 */
export function catchUncaughtErrors(report: (error: unknown) => void): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
}

/** Calls `onExceeded` once the process uses more than `maxMib` MiB of memory. */
export function watchMemory(maxMib: number, onExceeded: (mib: number) => void): void {
  const timer = setInterval(() => {
    const mib = Math.round(Deno.memoryUsage().rss / 1024 / 1024);
    if (mib <= maxMib) return;
    clearInterval(timer);
    onExceeded(mib);
  }, memoryCheckMs);
}
