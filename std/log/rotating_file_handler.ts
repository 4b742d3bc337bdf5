// A file handler that rotates its file when it is full.

import { file } from "./_buffered_file.ts";
import { FileHandler, type FileHandlerOptions, type LogMode } from "./file_handler.ts";
import type { LevelName } from "./levels.ts";

interface RotatingFileHandlerOptions extends FileHandlerOptions {
  /** Max size of a file in bytes, unless a single line is longer; at least 1. */
  maxBytes: number;
  /** Number of rotated files to keep, `.1` being the newest; at least 1. */
  maxBackupCount: number;
}

const encoder = new TextEncoder();

/**
 * Writes lines to a file. Before a line would exceed `maxBytes`, the file becomes `{filename}.1`,
 * older ones move to `.2` and so on, and the oldest is removed. Mode `w` removes rotated files at
 * setup; mode `x` throws if there are any.
 */
export class RotatingFileHandler extends FileHandler {
  readonly #filename: string;
  readonly #mode: LogMode;
  readonly #maxBytes: number;
  readonly #maxBackupCount: number;
  /** Size of the file, including the buffer. */
  #bytes = 0;

  /** Does not open the file; `setup()` does. */
  constructor(levelName: LevelName, options: RotatingFileHandlerOptions) {
    super(levelName, options);
    this.#filename = options.filename;
    this.#mode = options.mode ?? "a";
    this.#maxBytes = options.maxBytes;
    this.#maxBackupCount = options.maxBackupCount;
  }

  /**
   * Opens the file. Throws an `Error` if a limit is below 1, `AlreadyExists` if mode `x` finds a
   * rotated file, and the errors of `Deno.openSync()`.
   */
  override setup(): void {
    if (this.#maxBytes < 1) {
      throw new Error(`"maxBytes" must be >= 1: received ${this.#maxBytes}`);
    }
    if (this.#maxBackupCount < 1) {
      throw new Error(`"maxBackupCount" must be >= 1: received ${this.#maxBackupCount}`);
    }
    super.setup();
    this.#bytes = this.#mode === "a" ? Deno.statSync(this.#filename).size : 0;
    if (this.#mode === "a") return;
    for (let index = 1; index <= this.#maxBackupCount; index++) {
      const path = this.#path(index);
      if (!exists(path)) continue;
      if (this.#mode === "x") {
        this.destroy();
        throw new Deno.errors.AlreadyExists(`Backup log file ${path} already exists`);
      }
      Deno.removeSync(path);
    }
  }

  override log(msg: string): void {
    const line = encoder.encode(`${msg}\n`);
    if (this.#bytes + line.length > this.#maxBytes) this.rotateLogFiles();
    this[file].write(line);
    this.#bytes += line.length;
  }

  /** Rotates the files, whatever the size of the current one. */
  rotateLogFiles(): void {
    this[file].close();
    for (let index = this.#maxBackupCount; index >= 1; index--) {
      const newer = this.#path(index - 1);
      if (exists(newer)) Deno.renameSync(newer, this.#path(index));
    }
    this[file].open();
    this.#bytes = 0;
  }

  /** Returns the path of the current file (0) or of a rotated one. */
  #path(index: number): string {
    return index === 0 ? this.#filename : `${this.#filename}.${index}`;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
