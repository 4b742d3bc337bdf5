// What a crash test's clients talk to: something that is started, fails in some way in each round, and is judged at the end.

import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Books } from "./ledger.ts";
import type { Client } from "./crash_client.ts";
import type { Plan } from "./crash.ts";

/** One server, or several. */
export interface Site {
  /** Where the clients may connect. */
  readonly urls: readonly string[];
  /** How long starts took until the server could be reached, in ms. */
  readonly startMs: readonly number[];
  /** What failed, and how often. */
  readonly faults: ReadonlyMap<string, number>;
  start(): Promise<void>;
  /** Something fails, and is repaired. */
  fail(): Promise<void>;
  /** Compares what is kept with the books, when everything has arrived. Answers how many messages that is. */
  judge(): Promise<number>;
  /** Ends whatever still runs. */
  end(): Promise<void>;
  /** What servers wrote into their error logs and must not have. */
  errors(): Promise<readonly string[]>;
}

/** What a site works with. */
export interface Surroundings {
  readonly plan: Plan;
  /** Its folder. */
  readonly dir: string;
  readonly chance: SeededRandom;
  readonly books: Books;
  readonly clients: () => readonly Client[];
  /** Waits; with `otherwise` as the error when it takes too long. */
  readonly until: (condition: () => boolean, otherwise: string) => Promise<void>;
  readonly pause: (ms: number) => Promise<void>;
}

/** What the standard and what Deno says of a connection that ended without a close frame. */
export const abnormalCodes: readonly number[] = [1006, 0];
export const restartingCode = 1012;
/** Longest wait between two signals, so that the second falls anywhere in what the first causes. */
export const jitterMs = 12;

/**
 * A port that the system gives to no outgoing connection: a client that dials a port where nobody listens could otherwise be
 * given that very port, and be connected to itself.
 */
export function freePort(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Where a server on a port takes connections. */
export function urlOf(port: number): string {
  return `ws://127.0.0.1:${port}/ws`;
}

/** The lines of the error log in a folder. */
export async function errorsIn(logDir: string): Promise<readonly string[]> {
  const text = await Deno.readTextFile(`${logDir}/error.log`).catch(() => "");
  return text.split("\n").filter((line) => line !== "");
}
