// Opens a data folder for a server, and watches for the loss of its lock or database.

import { basename, dirname } from "@std/path";
import { fileIdentity } from "../../core/file_info.ts";
import { FolderLock, lockPathOf } from "./lock.ts";
import { thisProcess } from "./lock_file.ts";
import { SqliteBroker } from "./sqlite_broker.ts";
import type { SqliteOptions } from "./options.ts";

interface SqliteStorageOptions extends Omit<SqliteOptions, "lock"> {
  /** Runs `task` after `ms`; the returned function cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

/** An open data folder. */
export interface SqliteStorage {
  readonly broker: SqliteBroker;
  holdsLock(): boolean;
  /** Resolves with the reason when the database or lock is lost, so that the server must exit. */
  readonly lost: Promise<string>;
  /** Checks both one last time and closes them. Returns the reason if either is lost. */
  close(): Promise<string | undefined>;
}

const checkMs = 1_000;
/** Delay before new messages are indexed. */
const indexMs = 1_000;
/** Delay before indexing is retried after a failure. */
const indexRetryMs = 5_000;
/** Pause after an indexing step, as a multiple of its duration, to use a sixth of a core. */
const indexingPause = 5;
/** Entries per second above which indexing steps are rarer, so that they don't slow sending. */
const busyPerSecond = 200;
const busyIndexMs = 2_000;

/**
 * Locks a data folder and opens its database.
 *
 * @throws {Error} If another process uses the folder or it cannot be used; the message says why.
 */
export async function openSqliteStorage(options: SqliteStorageOptions): Promise<SqliteStorage> {
  const { path, now, later } = options;
  const lock = await FolderLock.acquire({
    path: lockPathOf(path),
    owner: thisProcess(),
    now,
    wait: (ms) => new Promise((resolve) => void later(ms, resolve)),
  });
  let broker: SqliteBroker;
  try {
    refuseLeftovers(path);
    broker = new SqliteBroker({ ...options, lock });
  } catch (error) {
    lock.release();
    throw error;
  }
  const lost = Promise.withResolvers<string>();
  let isClosed = false;
  let cancel = () => {};
  let checked = Promise.resolve<string | undefined>(undefined);
  const check = () =>
    checked = checked.then(async (reason) => {
      if (reason !== undefined) return reason;
      const found = await broker.saveIfMoved();
      if (found === undefined) {
        lock.refresh();
        broker.eraseDeleted();
      }
      return found ?? lock.lossReason;
    });
  const checkAgain = async () => {
    const reason = await check();
    if (reason !== undefined) lost.resolve(reason);
    else if (!isClosed) cancel = later(checkMs, checkAgain);
  };
  void checkAgain();
  let cancelIndexing = () => {};
  let indexedAt = -Infinity;
  let stored = 0;
  const index = () => {
    const startedAt = performance.now();
    const isBusy = broker.storedCount - stored > (startedAt - indexedAt) / 1000 * busyPerSecond;
    indexedAt = startedAt;
    stored = broker.storedCount;
    let waitMs = indexMs;
    try {
      const hasMore = broker.index();
      if (!hasMore && options.search !== true) return;
      if (isBusy) waitMs = busyIndexMs;
      else if (hasMore) waitMs = (performance.now() - startedAt) * indexingPause;
    } catch {
      // The broker has reported the error.
      waitMs = indexRetryMs;
    }
    cancelIndexing = later(waitMs, index);
  };
  index();
  return {
    broker,
    lost: lost.promise,
    holdsLock: () => lock.lossReason === undefined,
    async close() {
      isClosed = true;
      cancel();
      cancelIndexing();
      const reason = await check();
      broker.close();
      lock.release();
      return reason;
    },
  };
}

/**
 * Throws if the database is missing but the folder has a copy of it: a new database would hide the
 * messages in the copy.
 */
function refuseLeftovers(path: string): void {
  if (fileIdentity(path) !== undefined) return;
  const names = [...Deno.readDirSync(dirname(path))].map(({ name }) => name).toSorted();
  const find = (...suffixes: readonly string[]) =>
    names.findLast((name) => suffixes.some((suffix) => name.startsWith(basename(path) + suffix)));
  const copy = find(".before-", ".saved-");
  if (copy !== undefined) {
    throw new Error(
      `Cannot create ${path}: ${copy} in the same folder may contain its messages. ` +
        `Restore that file with "restore", or move it away`,
    );
  }
  if (find(".unfinished") !== undefined) {
    throw new Error(
      `Cannot create ${path}: a "restore" or an "import-chat" was interrupted. Run it again, or ` +
        `move ${basename(path)}.unfinished* away`,
    );
  }
}
