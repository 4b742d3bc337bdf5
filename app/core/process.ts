// Guards for the whole process: uncaught errors, memory and descriptors.

import { closeSync, openSync } from "node:fs";
import { constrainedMemory } from "node:process";

const memoryCheckMs = 5_000;

/**
 * Reports uncaught errors instead of ending the process. One bad request or frame must not take the
 * chat down, and a text message beyond V8's string limit rejects a promise that nothing can catch.
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

/** Enough for 10,000 connections. */
const defaultMaxMib = 2_048;

/**
 * Returns the default of MAX_RSS_MB: three quarters of the memory that the machine or the container
 * has, up to 2 GiB, or 0 if that cannot be determined.
 */
export function defaultMaxRssMb(): number {
  try {
    const bytes = Math.min(Deno.systemMemoryInfo().total, constrainedMemory() || Infinity);
    return Math.min(defaultMaxMib, Math.floor(bytes * 0.75 / 1024 / 1024));
  } catch {
    return 0;
  }
}

/** Calls `onExceeded` once, when the process uses more than `maxMib` MiB of memory. */
export function watchMemory({ maxMib, readBytes, later, onExceeded }: {
  readonly maxMib: number;
  readonly readBytes: () => number;
  readonly later: (ms: number, task: () => void) => () => void;
  readonly onExceeded: (mib: number) => void;
}): void {
  const check = () => {
    const mib = Math.round(readBytes() / 1024 / 1024);
    if (mib > maxMib) onExceeded(mib);
    else later(memoryCheckMs, check);
  };
  later(memoryCheckMs, check);
}

/**
 * Returns roughly how many file descriptors the process uses, if that can be determined. Deno
 * forbids reading /proc/self/fd, but the kernel gives a new file the lowest free number. `path` is
 * any readable file.
 */
export function countDescriptors(path: string): number | undefined {
  try {
    const descriptor = openSync(path, "r");
    closeSync(descriptor);
    return descriptor;
  } catch {
    return undefined;
  }
}
