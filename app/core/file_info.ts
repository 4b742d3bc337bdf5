// Information about the file at a path, as far as this process may have it.

/** Returns information about a file, following symlinks, or `undefined` if that fails. */
export function fileInfo(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

/**
 * Returns the device and inode of the file at a path, to detect that it was moved or replaced;
 * `undefined` if there is none, and `"unknown"` if that cannot be determined.
 */
export function fileIdentity(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    return isAbsent(error) ? undefined : "unknown";
  }
}

/**
 * Checks that opening a file to write to it doesn't block. Opening a named pipe stops the whole
 * process until another one reads from it.
 *
 * @throws {Error} If it is a named pipe.
 */
export function checkCanOpen(path: string): void {
  if (fileInfo(path)?.isFifo) throw new Error("it is a named pipe; remove it");
}

/** Returns whether there is a symbolic link at a path. */
export function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

/** Returns whether an error says that there is no file at a path. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory;
}
