// The lock file: its text, which names the owner, and the operating system's lock on it.

import { errorMessage } from "../../core/error_message.ts";
import { openError } from "./open_error.ts";

/** A process that uses a data folder. */
export interface LockOwner {
  readonly host: string;
  readonly pid: number;
  /** Random, since pids and host names repeat. */
  readonly id: string;
}

const maxBytes = 512;
/** The host's name if this process may not read it. */
const unknownHost = "unknown";

/** Returns this process as an owner. */
export function thisProcess(): LockOwner {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  const host = state === "granted" ? Deno.hostname().replaceAll(/[^\w.-]/g, "-") : "";
  return { host: host.slice(0, 255) || unknownHost, pid: Deno.pid, id: crypto.randomUUID() };
}

/** Returns the owner as error messages name it. */
export function nameOf(owner: LockOwner | undefined): string {
  if (owner === undefined) return "another process";
  const { host, pid } = owner;
  return host === unknownHost ? `process ${pid}` : `process ${pid} on host ${host}`;
}

/** Returns the text of a lock file. `beat` differs each time its owner writes it. */
export function formatLock({ host, pid, id }: LockOwner, beat: number): string {
  return `${host} ${pid} ${id} ${beat}\n`;
}

/** Returns the owner in the text of a lock file; `undefined` if it names none. */
export function parseLock(text = ""): LockOwner | undefined {
  const [, host, pid, id] = /^([\w.-]{1,255}) (\d{1,10}) ([\w-]{1,64}) \d+\n/.exec(text) ?? [];
  if (host === undefined || pid === undefined || id === undefined) return undefined;
  return { host, pid: Number(pid), id };
}

/** Opens the lock file, or creates it. */
export function openOrCreate(
  path: string,
): { readonly file: Deno.FsFile; readonly isNew: boolean } {
  for (;;) {
    try {
      const file = Deno.openSync(path, { createNew: true, read: true, write: true });
      return { file, isNew: true };
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw openError(path, error);
    }
    const file = openIfPresent(path);
    if (file !== undefined) return { file, isNew: false };
  }
}

/** Opens the lock file; returns `undefined` if there is none. */
export function openIfPresent(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path, { read: true, write: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw openError(path, error);
  }
}

/** Returns whether `path` still names the open file. */
export function isAtPath(file: Deno.FsFile, path: string): boolean {
  const { dev, ino } = file.statSync();
  using found = openIfPresent(path);
  const at = found?.statSync();
  return at?.dev === dev && at.ino === ino;
}

/** Returns the text of the lock file at a path; `undefined` if there is none. */
export function readLock(path: string): string | undefined {
  using file = openIfPresent(path);
  return file === undefined ? undefined : readFrom(file);
}

export function readFrom(file: Deno.FsFile): string {
  const bytes = new Uint8Array(maxBytes);
  file.seekSync(0, Deno.SeekMode.Start);
  return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

/** Replaces the text of an open lock file, in place: it fits even on a full disk. */
export function writeTo(file: Deno.FsFile, text: string): void {
  const bytes = new TextEncoder().encode(text);
  file.seekSync(0, Deno.SeekMode.Start);
  file.writeSync(bytes);
  file.truncateSync(bytes.length);
}

/**
 * Takes the operating system's lock. Returns false if another process holds it.
 *
 * @throws {Error} If the file system has no locks (ENOLCK and the like).
 */
export function tryLock(
  path: string,
  file: Deno.FsFile,
  lock = (file: Deno.FsFile) => file.tryLockSync(true),
): boolean {
  try {
    return lock(file);
  } catch (error) {
    const reason = `its file system does not support locks (${errorMessage(error)})`;
    throw new Error(`Cannot lock ${path}: ${reason}; use a folder on a local disk`, {
      cause: error,
    });
  }
}
