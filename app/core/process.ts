// Guards for the whole process: uncaught errors, memory and descriptors.

import { closeSync, openSync } from "node:fs";
import { constrainedMemory } from "node:process";

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

/** A chat of 10,000 connections needs less. */
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

/** The variable that the launcher sets: stdin is a pipe that ends when the launcher does. */
export const launcherVariable = "ENDS_WITH_STDIN";

/** Calls `onEnd` when the launcher ends before this process, because it was killed. */
export async function watchLauncher(onEnd: () => void): Promise<void> {
  if (!isLaunched()) return;
  const buffer = new Uint8Array(64);
  while (await Deno.stdin.read(buffer) !== null);
  onEnd();
}

function isLaunched(): boolean {
  try {
    return Deno.env.get(launcherVariable) === "1";
  } catch {
    // No permission to read it.
    return false;
  }
}

/** The variable in which the launcher passes the max on: Deno forbids reading it under /proc. */
export const descriptorsVariable = "MAX_DESCRIPTORS";

/** Returns how many file descriptors the process may use, if the launcher has found out. */
export function maxDescriptors(): number | undefined {
  try {
    return Number(Deno.env.get(descriptorsVariable)) || undefined;
  } catch {
    return undefined;
  }
}

/** Returns the size of a file, if there is one. */
export function fileBytes(path: string): number | undefined {
  try {
    return Deno.statSync(path).size;
  } catch {
    return undefined;
  }
}

/**
 * Returns about how many file descriptors the process uses, if that can be determined. The kernel
 * gives a new file the lowest free number, and Deno forbids reading /proc/self/fd. `path` is
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
