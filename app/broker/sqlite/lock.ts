// The lock of a data folder: a file that names the process using the folder.
//
// Where the operating system's locks work, they decide, and the lock of a killed process is free at
// once. Some network disks grant every lock, or know only the locks of their own host. So the owner
// also rewrites the file once a second, and another process takes over a lock that may be another
// host's only after the file has not changed for a while.

import { dirname, join } from "@std/path";
import { errorMessage } from "../../core/error_message.ts";

/** A process that uses a data folder. */
export interface LockOwner {
  readonly host: string;
  readonly pid: number;
  /** Random, since pids and host names repeat. */
  readonly id: string;
}

export interface FolderLockOptions {
  /** The lock file. */
  readonly path: string;
  /** This process. */
  readonly owner: LockOwner;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Takes the operating system's exclusive lock; returns false if another process holds it. */
  readonly tryLock?: (file: Deno.FsFile) => boolean;
}

/** Max time to wait for a server that is about to end. */
const handoverMs = 500;
const handoverPollMs = 50;
/** A lock file that has not changed for this long belongs to a dead process. */
const staleMs = 6_000;
const stalePollMs = 500;
/** Time in which another process that takes over the same stale lock would overwrite the file. */
const settleMs = 1_000;
/** Max age of the last check at a commit: well below `staleMs`. */
const checkMs = 2_000;
const fileMaxBytes = 512;
/** The host where the permission to ask for its name is missing. */
const unknownHost = "unknown";
/** On Windows no other handle can read a locked file, and no process can replace it. */
const isWindows = Deno.build.os === "windows";

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
   * Takes the lock. Waits a moment for a server that is about to end, and for signs of life where
   * locks cannot be trusted.
   *
   * @throws {Error} If another process holds the lock, or the file cannot be written or locked; the
   *   message says which process or why.
   */
  static async acquire(options: FolderLockOptions): Promise<FolderLock> {
    const { path, wait } = options;
    for (let waitedMs = 0;; waitedMs += handoverPollMs) {
      const { file, isNew } = openLockFile(path);
      const lock = new FolderLock(options, file);
      try {
        const isLocked = lock.#tryLock(file);
        if (isLocked && isAtPath(file, path) && await lock.#takeOver(isNew)) return lock;
        if (!isLocked && waitedMs >= handoverMs) throw heldBy(path, ownerIn(path));
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
    const { host = owner.host } = parseOwner(found) ?? {};
    const isDecided = isNew || (host === owner.host && this.#locksExclude());
    for (let waitedMs = 0; !isDecided && waitedMs < staleMs; waitedMs += stalePollMs) {
      await wait(stalePollMs);
      const text = readLock(path);
      if (text === undefined) return false;
      if (text !== found) throw heldBy(path, parseOwner(text));
    }
    this.#write(this.#file);
    if (isDecided) return true;
    await wait(settleMs);
    const winner = ownerIn(path);
    if (winner?.id !== owner.id) throw heldBy(path, winner);
    return true;
  }

  /** Why the lock is lost, once it is: another process took it, or its file was removed. */
  get lossReason(): string | undefined {
    return this.#lossReason;
  }

  /**
   * Checks that this process still holds the lock, unless a check a moment ago found so. Call it
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
      // A failing disk is no loss: `check` decides before the next commit.
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

  /** Calls `use` with the file at the path if it is still this process's. Otherwise the lock is lost. */
  #withOwnFile(use: (file: Deno.FsFile) => void): void {
    const { path, owner, now } = this.#options;
    if (this.#lossReason !== undefined) return;
    // Opened each time: network file systems compare their caches on opening and write on closing.
    const file = isWindows ? this.#file : openIfThere(path);
    if (file === undefined) {
      this.#lossReason = `Lost the lock ${path}: the file was removed`;
      return;
    }
    try {
      const found = parseOwner(readFrom(file));
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

  /** Returns whether a second lock on the locked file is refused, as it should be. */
  #locksExclude(): boolean {
    const second = openIfThere(this.#options.path);
    try {
      return second !== undefined && !this.#tryLock(second);
    } finally {
      second?.close();
    }
  }

  #tryLock(file: Deno.FsFile): boolean {
    try {
      return this.#options.tryLock?.(file) ?? file.tryLockSync(true);
    } catch (error) {
      // Such as ENOLCK. A lock held by another process is no error.
      const why = `its file system does not support locks (${errorMessage(error)})`;
      throw new Error(
        `Cannot lock ${this.#options.path}: ${why}; use a folder on a local disk`,
        { cause: error },
      );
    }
  }

  #write(file: Deno.FsFile): void {
    const { host, pid, id } = this.#options.owner;
    const bytes = new TextEncoder().encode(`${host} ${pid} ${id} ${++this.#beats}\n`);
    // In place, so that a full disk still has room for it.
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(bytes);
    file.truncateSync(bytes.length);
  }
}

/** Returns the path of the lock of the folder that a database is in. */
export function lockPathOf(databasePath: string): string {
  return join(dirname(databasePath), "parley.lock");
}

/** Returns this process as an owner. */
export function thisProcess(): LockOwner {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  const host = state === "granted" ? Deno.hostname().replaceAll(/[^\w.-]/g, "-") : "";
  return { host: host.slice(0, 255) || unknownHost, pid: Deno.pid, id: crypto.randomUUID() };
}

function openLockFile(path: string): { readonly file: Deno.FsFile; readonly isNew: boolean } {
  for (;;) {
    try {
      const file = Deno.openSync(path, { createNew: true, read: true, write: true });
      return { file, isNew: true };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw cannotOpen(path, error);
    }
    const file = openIfThere(path);
    if (file !== undefined) return { file, isNew: false };
  }
}

function openIfThere(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw cannotOpen(path, error);
  }
}

function cannotOpen(path: string, error: unknown): Error {
  return new Error(`Cannot open ${path}: ${errorMessage(error)}`, { cause: error });
}

/** Returns whether `path` still names the open file. */
function isAtPath(file: Deno.FsFile, path: string): boolean {
  const { dev, ino } = file.statSync();
  using found = openIfThere(path);
  const at = found?.statSync();
  return at?.dev === dev && at.ino === ino;
}

/** Returns the text of the lock file; `undefined` if there is none. */
function readLock(path: string): string | undefined {
  using file = openIfThere(path);
  return file === undefined ? undefined : readFrom(file);
}

function readFrom(file: Deno.FsFile): string {
  const bytes = new Uint8Array(fileMaxBytes);
  file.seekSync(0, Deno.SeekMode.Start);
  return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

/** Returns who holds the lock, as far as the file says. */
function ownerIn(path: string): LockOwner | undefined {
  try {
    return parseOwner(readLock(path));
  } catch {
    // Windows lets nobody else read it.
    return undefined;
  }
}

function parseOwner(text = ""): LockOwner | undefined {
  const [, host, pid, id] = /^([\w.-]{1,255}) (\d{1,10}) ([\w-]{1,64}) \d+\n/.exec(text) ?? [];
  if (host === undefined || pid === undefined || id === undefined) return undefined;
  return { host, pid: Number(pid), id };
}

function nameOf(owner: LockOwner | undefined): string {
  if (owner === undefined) return "another process";
  const { host, pid } = owner;
  return host === unknownHost ? `process ${pid}` : `process ${pid} on host ${host}`;
}

function heldBy(path: string, owner: LockOwner | undefined): Error {
  return new Error(`Cannot lock ${path}: ${nameOf(owner)} is using this folder; stop it first`);
}
