// Where the messages are.

import type { Config } from "./config.ts";
import { errorMessage } from "./error_message.ts";

/** Prefix of all keys in Redis. */
export const redisPrefix = "parley:{chat}:";

export function databasePath({ dataDir }: Config): string {
  return `${dataDir}/parley.db`;
}

/** Creates the data folder if it is missing; see {@linkcode makeDir}. */
export function makeDataDir({ dataDir }: Config): void {
  makeDir("DATA_DIR", dataDir);
}

/**
 * Creates the folder that a setting names, if it is missing.
 *
 * @throws {Error} If it cannot be created; the message says why.
 */
export function makeDir(setting: string, path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "must be a folder" : errorMessage(error);
    throw new Error(`Cannot use ${setting}=${JSON.stringify(path)}: ${why}`, { cause: error });
  }
}
