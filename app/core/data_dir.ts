// The folders for data and logs, and the location of the messages.

import type { Config } from "./config.ts";
import { errorMessage } from "./error_message.ts";

/** Prefix of all keys in Redis. */
export const redisPrefix = "parley:{chat}:";

export function databasePath({ dataDir }: Config): string {
  return `${dataDir}/parley.db`;
}

/** Creates the data folder if it is missing; see `makeDir`. */
export function makeDataDir({ dataDir }: Config): void {
  makeDir("DATA_DIR", dataDir);
}

/**
 * Creates the log folder if it is missing, and checks that logs can be written. A full disk is not
 * an error: logging resumes once there is space.
 *
 * @throws {Error} If it cannot be used; the message says why.
 */
export function makeLogDir({ logDir }: Config): void {
  makeDir("LOG_DIR", logDir);
  try {
    Deno.openSync(`${logDir}/error.log`, { append: true, create: true }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) return;
    const assigned = `LOG_DIR=${JSON.stringify(logDir)}`;
    throw new Error(`Cannot use ${assigned}: ${errorMessage(error)}`, { cause: error });
  }
}

/**
 * Creates the folder that a setting names, if it is missing.
 *
 * @throws {Error} If it cannot be created; the message says why.
 */
function makeDir(setting: string, path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "must be a folder" : errorMessage(error);
    throw new Error(`Cannot use ${setting}=${JSON.stringify(path)}: ${why}`, { cause: error });
  }
}
