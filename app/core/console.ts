// The console: text for people, and log lines that never block the server.

/** Max log text buffered for a console that isn't being read. Lines beyond it are dropped. */
const mirrorMaxChars = 1024 * 1024;

/** Writes text to standard output. */
export function print(text: string): void {
  writeAll(Deno.stdout, text);
}

/**
 * Writes a line to standard error, if possible. Shortens Deno's advice to grant all permissions of
 * a kind, and leaves out the system calls that Deno names in its errors.
 */
export function printError(line: string): void {
  const advice = /, run again with the (--allow-[a-z]+) flag/;
  const text = line.replace(advice, "; $1 must include it, see the docs")
    .replace(/ \(os error \d+\)(: [a-z]+ '[^']*')?/, "");
  try {
    writeAll(Deno.stderr, `${text}\n`);
  } catch {
    // There is nowhere to report this: the reader is gone, or the disk is full.
  }
}

export type ConsoleMirror = ReturnType<typeof consoleMirror>;

/** Mirrors log lines to standard output without waiting for its reader. */
export function consoleMirror() {
  let pendingChars = 0;
  let written = Promise.resolve();
  const writePending = async (text: string) => {
    const bytes = new TextEncoder().encode(text);
    try {
      for (let count = 0; count < bytes.length;) {
        count += await Deno.stdout.write(bytes.subarray(count));
      }
    } finally {
      pendingChars -= text.length;
    }
  };
  return {
    /** Writes text in the background. */
    write(text: string): void {
      if (pendingChars + text.length > mirrorMaxChars) return;
      pendingChars += text.length;
      // If the reader is gone for good, the log files have every line.
      written = written.then(() => writePending(text)).catch(() => {});
    },
    /** Resolves when everything has been written, which is never if nobody reads the console. */
    drained: (): Promise<void> => written,
  };
}

/**
 * Writes text, however many calls that takes.
 *
 * @throws {Error} If any of it cannot be written.
 */
export function writeAll(writer: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let written = 0; written < bytes.length;) {
    written += writer.writeSync(bytes.subarray(written));
  }
}
