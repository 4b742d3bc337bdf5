// The servers that the clients of a crash test connect to. They fail in each round, and their
// storage is checked at the end.

import type { SeededRandom } from "../../support/seeded_random.ts";
import { bannedCode, floodingCode } from "./close_codes.ts";
import type { Client } from "./crash_client.ts";
import type { Ledger } from "./ledger.ts";
import type { Plan } from "./plan.ts";

/** One node or several. */
export interface CrashTarget {
  /** The WebSocket URLs of the nodes. */
  readonly urls: readonly string[];
  /** Duration of each start, until the server was reachable. */
  readonly startMs: readonly number[];
  /** Number of faults of each kind. */
  readonly faults: ReadonlyMap<string, number>;
  start(): Promise<void>;
  /** Causes a fault and repairs it. */
  fail(): Promise<void>;
  /**
   * Stops the nodes and compares their storage with the ledger. Returns the number of stored
   * messages.
   */
  check(): Promise<number>;
  /** Ends every process. */
  end(): Promise<void>;
  /** Returns the lines of the error logs that the faults don't explain. */
  unexpectedErrors(): Promise<readonly string[]>;
}

/** Everything that a target needs from the run. */
export interface TargetOptions {
  readonly plan: Plan;
  /** Folder for data and logs. */
  readonly dir: string;
  readonly random: SeededRandom;
  readonly ledger: Ledger;
  readonly clients: () => readonly Client[];
  /** Waits for a condition. Throws an error with the message `failure` on timeout. */
  readonly waitUntil: (condition: () => boolean, failure: string) => Promise<void>;
}

/** Max random delay before a signal, so that it can hit any moment of the server's work. */
export const jitterMs = 12;

/** Returns the WebSocket URL of a server on a port. */
export function urlOf(port: number): string {
  return `ws://127.0.0.1:${port}/ws`;
}

/**
 * Part of the expected lines of an error log: bans, muted clients with a long outbox, and programs
 * with many requests.
 */
const expectedLines: readonly string[] = [
  `code=${bannedCode}`,
  `code=${floodingCode}`,
  "event=log_limited",
];

/** Returns the unexpected lines of the error log in a folder. */
export async function readErrorLog(logDir: string): Promise<readonly string[]> {
  const text = await Deno.readTextFile(`${logDir}/error.log`).catch(() => "");
  return text.split("\n").filter((line) =>
    line !== "" && !expectedLines.some((part) => line.includes(part))
  );
}
