// The lock of a data folder: a file that names the process using the folder.
//
// Where the operating system's locks work, they decide, and the lock of a killed process is free at
// once. Some network disks grant every lock, or know only the locks of their own host. So the owner
// also rewrites the file once a second. A process takes over a lock that may belong to another host
// only after the file has not changed for a while.

import { dirname, join } from "@std/path";
import { errorMessage } from "../../core/error_message.ts";
import { isLink } from "../../core/file_info.ts";
import {
  formatLock,
  isAtPath,
  nameOf,
  openIfPresent,
  openOrCreate,
  parseLock,
  readFrom,
  readLock,
  tryLock,
  writeTo,
} from "./lock_file.ts";
import type { LockOwner } from "./lock_file.ts";

export interface FolderLockOptions {
  /** The lock file. */
  readonly path: string;
  /** This process. */
  readonly owner: LockOwner;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Takes the operating system's lock and returns whether it was granted; for tests. */
  readonly tryLock?: (file: Deno.FsFile) => boolean;
}

/** Max time to wait for a server that is stopping. */
const handoverMs = 500;
const handoverPollMs = 50;
/** A lock file that has not changed for this long belongs to a dead process. */
const staleMs = 6_000;
const stalePollMs = 500;
/** How long another process that takes over the same stale lock may take to overwrite the file. */
const settleMs = 1_000;
/** Max age of the last check at a commit: well below `staleMs`. */
const checkMs = 2_000;
/** On Windows no other handle can read a locked file, and no process can replace it. */
const isWindows = Deno.build.os === "windows";

/**
 * Returns the path of the lock of the folder that a database is in.
 *
 * @throws {Error} If the database is a symbolic link: its own folder may have another lock.
 */
export function lockPathOf(databasePath: string): string {
  if (isLink(databasePath)) {
    const remedy = "link its folder instead, or set DATA_DIR to that folder";
    throw new Error(`Cannot open ${databasePath}: it is a symbolic link; ${remedy}`);
  }
  return join(dirname(databasePath), "parley.lock");
}

/** A data folder that this process holds. */
export class FolderLock {
  readonly #options: FolderLockOptions;
  readonly #file: Deno.FsFile;
  #beats = 0;
  #checkedAt = -Infinity;
  #lossReason: string | undefined;
  #isReleased = false;

  private constructor(options: FolderLockOptions, file: Deno.FsFile) {
    this.#options = options;
    this.#file = file;
  }

  /**
   * Takes the lock. Waits a moment for a server that is stopping, and for signs of life where locks
   * cannot be trusted.
   *
   * @throws {Error} If another process holds the lock, or the file cannot be written or locked; the
   *   message says which process or why.
   */
  static async acquire(options: FolderLockOptions): Promise<FolderLock> {
    const { path, wait } = options;
    for (let waitedMs = 0;; waitedMs += handoverPollMs) {
      const { file, isNew } = openOrCreate(path);
      const lock = new FolderLock(options, file);
      try {
        const isLocked = tryLock(path, file, options.tryLock);
        if (isLocked && isAtPath(file, path) && await lock.#takeOver(isNew)) return lock;
        if (!isLocked && waitedMs >= handoverMs) throw heldBy(path, readOwner(path));
      } catch (error) {
        file.close();
        throw error;
      }
      file.close();
      await wait(handoverPollMs);
    }
  }

  /** Writes this process into the file. Returns false if the file was removed meanwhile. */
  async #takeOver(isNew: boolean): Promise<boolean> {
    const { path, owner, wait } = this.#options;
    const found = isNew ? "" : readLock(path);
    const isDecided = isNew || isFree(this.#options, found);
    if (!isDecided) {
      const text = await nextText(this.#options, found);
      if (text === undefined) return false;
      if (text !== found) throw heldBy(path, parseLock(text));
    }
    try {
      this.#write(this.#file);
    } catch (error) {
      throw new Error(`Cannot write ${path}: ${errorMessage(error)}`, { cause: error });
    }
    if (isDecided) return true;
    await wait(settleMs);
    const winner = readOwner(path);
    if (winner?.id !== owner.id) throw heldBy(path, winner);
    return true;
  }

  /** Why the lock was lost, if it was: another process took it, or its file was removed. */
  get lossReason(): string | undefined {
    return this.#lossReason;
  }

  /**
   * Checks that this process still holds the lock, unless a recent check confirmed it. Call it
   * before each commit: a process that was suspended must not write into another's folder.
   *
   * @throws {Error} If the lock is lost, or its file cannot be read.
   */
  check(): void {
    // The clock may have been set back.
    if (Math.abs(this.#options.now() - this.#checkedAt) > checkMs) this.#withOwnFile(() => {});
    if (this.#lossReason !== undefined) throw new Error(this.#lossReason);
  }

  /** Checks the lock and shows that its owner is alive. Call it about once a second. */
  refresh(): void {
    try {
      this.#withOwnFile((file) => this.#write(file));
    } catch {
      // A failing disk doesn't mean that the lock is lost: `check` decides before a commit.
    }
  }

  /** Releases the lock and removes the file, so that the next process starts at once. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    try {
      this.#withOwnFile(() => {});
      if (this.#lossReason === undefined) Deno.removeSync(this.#options.path);
    } catch {
      // The next process takes it over.
    }
    this.#file.close();
  }

  /** Calls `use` with the file at the path. If it names another owner, the lock is lost. */
  #withOwnFile(use: (file: Deno.FsFile) => void): void {
    const { path, owner, now } = this.#options;
    if (this.#lossReason !== undefined) return;
    // Opened each time: network file systems compare their caches on opening and write on closing.
    const file = isWindows ? this.#file : openIfPresent(path);
    if (file === undefined) {
      this.#lossReason = `Lost the lock ${path}: the file was removed`;
      return;
    }
    try {
      const found = parseLock(readFrom(file));
      if (found?.id === owner.id) {
        use(file);
        this.#checkedAt = now();
      } else {
        this.#lossReason = `Lost the lock ${path}: ${nameOf(found)} took it`;
      }
    } finally {
      if (file !== this.#file) file.close();
    }
  }

  #write(file: Deno.FsFile): void {
    writeTo(file, formatLock(this.#options.owner, ++this.#beats));
  }
}

/**
 * Checks that this process may read the database while the owner of the folder writes. Where the
 * owner's locks have no effect on this process, SQLite's have none either, and even reading does
 * damage.
 *
 * @throws {Error} If the locks have no effect and the owner is alive.
 */
export async function checkReadable(options: FolderLockOptions): Promise<void> {
  const { path } = options;
  const file = openIfPresent(path);
  if (file === undefined) return;
  let found: string;
  try {
    if (!tryLock(path, file, options.tryLock)) return;
    found = readFrom(file);
    if (isFree(options, found)) return;
  } finally {
    // Releases the lock, so that a server can start meanwhile.
    file.close();
  }
  const text = await nextText(options, found);
  if (text === undefined || text === found) return;
  throw new Error(
    `Cannot read ${dirname(path)}: ${nameOf(parseLock(text))} is using it, ` +
      "and its locks have no effect here; stop it first",
  );
}

/** Returns whether a granted lock is free: locks work, and its owner would hold it if alive. */
function isFree(
  { path, owner, ...options }: FolderLockOptions,
  found: string | undefined,
): boolean {
  const { host } = parseLock(found) ?? owner;
  if (host !== owner.host) return false;
  // A second lock must be refused.
  using second = openIfPresent(path);
  return second !== undefined && !tryLock(path, second, options.tryLock);
}

/**
 * Waits until the text of the lock file is no longer `found`, or its owner must be dead. Returns
 * the text; `undefined` if the file was removed.
 */
async function nextText(
  { path, wait }: FolderLockOptions,
  found: string | undefined,
): Promise<string | undefined> {
  let text = found;
  for (let waitedMs = 0; text === found && waitedMs < staleMs; waitedMs += stalePollMs) {
    await wait(stalePollMs);
    text = readLock(path);
  }
  return text;
}

/** Returns the owner of the lock, if the file can be read. */
function readOwner(path: string): LockOwner | undefined {
  try {
    return parseLock(readLock(path));
  } catch {
    return undefined;
  }
}

function heldBy(path: string, owner: LockOwner | undefined): Error {
  return new Error(`Cannot lock ${path}: ${nameOf(owner)} is using this folder; stop it first`);
}
