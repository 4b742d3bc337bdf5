// A rotating log file that survives a full disk, and being moved or removed.

import { RotatingFileHandler } from "@std/log";
import type { LogRecord } from "@std/log";
import { dirname } from "@std/path";
import { checkCanOpen, fileIdentity } from "./file_info.ts";

export interface LogFileOptions {
  readonly filename: string;
  readonly maxBytes: number;
  readonly maxBackupCount: number;
  readonly formatter: (record: LogRecord) => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Called after lines were added. */
  readonly onLine: () => void;
  /** Called when lines are lost. */
  readonly onLoss: (error: unknown, lines: number) => void;
}

/** Interval at which a failed file is reopened, or an open one is checked. */
const retryMs = 1_000;
const bufferBytes = 64 * 1024;
/** Max length of a batch. Encoding and counting lines one by one costs twice as much. */
const batchMaxChars = 16_384;

/**
 * A handler that never throws. If a write fails, it closes the file, drops the buffered lines, and
 * reopens the file after a second or more.
 */
export class LogFile extends RotatingFileHandler {
  readonly #options: LogFileOptions;
  #isOpen = false;
  /** Whether a method of the base class is running. */
  #isWriting = false;
  /** The error that closed the file. */
  #error: unknown;
  #triedAt = -Infinity;
  /** Identity of the open file, to notice that the path leads to another one. */
  #identity: string | undefined;
  /** Lines for the next call of `super.log()`. */
  #batch = "";
  /** Number of lines that may not be on disk yet. */
  #unwrittenLines = 0;

  constructor(options: LogFileOptions) {
    super("NOTSET", { ...options, bufferSize: bufferBytes });
    this.#options = options;
  }

  override setup(): void {
    this.#open();
  }

  override log(lines: string): void {
    if (this.#isDue()) {
      if (this.#isOpen && fileIdentity(this.#options.filename) !== this.#identity) this.destroy();
      if (!this.#isOpen) this.#open();
    }
    // A code unit is at most three bytes, and a batch is not split between files.
    const maxChars = Math.min(batchMaxChars, this.#options.maxBytes / 4);
    if (lines.length <= maxChars) this.#add(lines, maxChars);
    else for (const line of lines.split("\n")) this.#add(line, maxChars);
    this.#options.onLine();
  }

  #add(lines: string, maxChars: number): void {
    this.#unwrittenLines += lineCount(lines);
    if (!this.#isOpen) return this.#reportLoss();
    if (this.#batch.length + lines.length > maxChars) this.#writeBatch();
    this.#batch += this.#batch === "" ? lines : `\n${lines}`;
  }

  override flush(): void {
    if (!this.#isOpen) return;
    // Upstream's log() and rotateLogFiles() call flush() too.
    if (this.#isWriting) return super.flush();
    this.#writeBatch();
    this.#attempt(() => super.flush());
    this.#unwrittenLines = 0;
  }

  override destroy(): void {
    this.flush();
    this.#close();
  }

  #open(): void {
    this.#triedAt = this.#options.now();
    this.#isOpen = true;
    this.#attempt(() => {
      const { filename } = this.#options;
      Deno.mkdirSync(dirname(filename), { recursive: true });
      checkCanOpen(filename);
      super.setup();
      this.#identity = fileIdentity(filename);
    });
  }

  #writeBatch(): void {
    if (this.#batch === "") return;
    const batch = this.#batch;
    this.#batch = "";
    this.#attempt(() => super.log(batch));
  }

  /** Calls `use`, and closes the file if that throws. */
  #attempt(use: () => void): void {
    if (!this.#isOpen) return;
    this.#isWriting = true;
    try {
      use();
    } catch (error) {
      this.#error = error;
      this.#triedAt = this.#options.now();
      this.#close();
      this.#reportLoss();
    } finally {
      this.#isWriting = false;
    }
  }

  #close(): void {
    this.#isOpen = false;
    this.#batch = "";
    try {
      // Upstream's destroy() closes the file only if flush() doesn't throw. With #isOpen false, our
      // flush() does nothing.
      super.destroy();
    } catch {
      // The cause has already been reported, or the file is already closed.
    }
  }

  #reportLoss(): void {
    this.#options.onLoss(this.#error, this.#unwrittenLines);
    this.#unwrittenLines = 0;
  }

  /** Returns true once per `retryMs`, and after the clock was set back. */
  #isDue(): boolean {
    const now = this.#options.now();
    if (Math.abs(now - this.#triedAt) < retryMs) return false;
    this.#triedAt = now;
    return true;
  }
}

function lineCount(text: string): number {
  let count = 1;
  for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) count++;
  return count;
}
