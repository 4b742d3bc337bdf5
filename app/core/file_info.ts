// Identifies the file at a path, to detect that it was moved or replaced.

/**
 * Returns the device and inode of the file at a path, `undefined` if there is none, and `"unknown"`
 * if that cannot be determined.
 */
export function fileIdentity(path: string): string | undefined {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    return isAbsent ? undefined : "unknown";
  }
}
