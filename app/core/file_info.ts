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
 * Checks that opening a file doesn't block. Opening a pipe stops the whole process until another
 * one opens its other end.
 *
 * @throws {Error} If it is a pipe.
 */
export function checkCanOpen(path: string): void {
  if (fileInfo(path)?.isFifo) throw new Error("it is a pipe; use a regular file");
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
  const { NotFound, NotADirectory, FilesystemLoop } = Deno.errors;
  return [NotFound, NotADirectory, FilesystemLoop].some((reason) => error instanceof reason);
}
