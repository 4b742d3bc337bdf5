// Where the messages are.

import type { Config } from "./config.ts";
import { errorMessage } from "./error_message.ts";

/** Prefix of all keys in Redis. */
export const redisPrefix = "parley:{chat}:";

export function databasePath({ dataDir }: Config): string {
  return `${dataDir}/parley.db`;
}

/**
 * Creates the data folder if it is missing.
 *
 * @throws {Error} If it cannot be created; the message says why.
 */
export function makeDataDir({ dataDir }: Config): void {
  try {
    Deno.mkdirSync(dataDir, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "must be a folder" : errorMessage(error);
    throw new Error(`Cannot use DATA_DIR=${JSON.stringify(dataDir)}: ${why}`, { cause: error });
  }
}
