// The folders for data and logs, and the location of the messages.

import { dirname } from "@std/path";
import type { Config } from "./config.ts";
import { errorMessage } from "./error_message.ts";
import { checkCanOpen, fileInfo } from "./file_info.ts";
import { SettingError } from "./setting_error.ts";

export const redisPrefix = "parley:{chat}:";

export function databasePath({ dataDir }: Config): string {
  return `${dataDir}/parley.db`;
}

/**
 * Creates the data folder if it is missing.
 *
 * @throws {SettingError} If it cannot be created; the message says why.
 */
export function makeDataDir({ dataDir }: Config): void {
  makeDir("DATA_DIR", dataDir);
}

/**
 * Creates the log folder if it is missing, and checks that logs can be written. A full disk is not
 * an error: logging resumes once there is space.
 *
 * @throws {SettingError} If it cannot be used; the message says why.
 */
export function makeLogDir({ logDir }: Config, uid = ownUid()): void {
  makeDir("LOG_DIR", logDir);
  const path = `${logDir}/error.log`;
  try {
    checkCanOpen(path);
    Deno.openSync(path, { append: true, create: true }).close();
  } catch (error) {
    const isDenied = error instanceof Deno.errors.PermissionDenied;
    if (!isDenied && !/read-only|is a directory|is a pipe/i.test(errorMessage(error))) return;
    const reason = isDenied && foreignOwner(path, uid) || errorMessage(error);
    throw new SettingError(`Cannot use LOG_DIR=${JSON.stringify(logDir)}: ${reason}`, {
      cause: error,
    });
  }
}

function makeDir(setting: string, path: string): void {
  try {
    Deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new SettingError(`Cannot use ${setting}=${JSON.stringify(path)}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

/** Returns why a folder cannot be created. */
function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
    return "must be a folder";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `cannot create it: ${errorMessage(error)}; create it, and give it to user ${ownUid()}`;
  }
  return error instanceof Deno.errors.NotCapable
    ? "Deno does not let programs write there"
    : errorMessage(error);
}

/**
 * Returns an explanation, with a remedy, if a file or its folder belongs to a user other than
 * `uid`, the user of this process.
 */
export function foreignOwner(path: string, uid: number | null): string | undefined {
  const dir = realPath(dirname(path));
  for (const found of [dir, realPath(path)]) {
    const owner = fileInfo(found)?.uid ?? null;
    if (uid === null || owner === null || owner === uid) continue;
    const problem = `${found} belongs to user ${owner}, but this process runs as user ${uid}`;
    return isShared(dir)
      ? `${problem}, and other programs use the folder too; choose one for Parley alone`
      : `${problem}; start it as user ${owner}, or run: chown -R ${uid} ${dir}`;
  }
  return undefined;
}

/** Returns whether a folder has files but none of ours: it may be /var/log, or even /. */
function isShared(dir: string): boolean {
  try {
    const names = Array.from(Deno.readDirSync(dir), ({ name }) => name)
      .filter((name) => !/^\.|^lost\+found$/.test(name));
    return names.length > 0 &&
      !names.some((name) => /^parley\.|^(access|error|messages|websocket)\.log/.test(name));
  } catch {
    return false;
  }
}

/** Resolves a path, so that a message makes sense in any folder. */
function realPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path;
  }
}

/** Returns the user that this process runs as; `null` without the permission to read it. */
export function ownUid(): number | null {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  return state === "granted" ? Deno.uid() : null;
}
