// Guards for the whole process: uncaught errors, memory and descriptors.

import { closeSync, openSync } from "node:fs";

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

/**
 * Returns about how many file descriptors the process uses, or 0 if that cannot be determined. The
 * kernel gives a new file the lowest free number, and Deno forbids reading /proc/self/fd. `path` is
 * any readable file.
 */
export function countDescriptors(path: string): number {
  try {
    const descriptor = openSync(path, "r");
    closeSync(descriptor);
    return descriptor;
  } catch {
    return 0;
  }
}
