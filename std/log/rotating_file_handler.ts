// Lines in a file that makes room for a new one when it is full.

import { FileHandler, type FileHandlerOptions, type LogMode } from "./file_handler.ts";
import type { LevelName } from "./levels.ts";

/** Which file, and when it is full. */
export interface RotatingFileHandlerOptions extends FileHandlerOptions {
  /** Bytes that a file may have, unless one line alone has more; at least 1. */
  maxBytes: number;
  /** How many full files are kept, `.1` being the newest; at least 1. */
  maxBackupCount: number;
}

const encoder = new TextEncoder();

/**
 * Writes lines to a file that is renamed to `{filename}.1` before a line would make it too large; the older ones move on
 * to `.2` and so on, and the oldest goes. `w` removes the old ones at the start, `x` throws if there is one.
 */
export class RotatingFileHandler extends FileHandler {
  readonly #filename: string;
  readonly #mode: LogMode;
  readonly #maxBytes: number;
  readonly #maxBackupCount: number;
  /** Bytes of the file, with those that are in the buffer. */
  #size = 0;

  /** Opens nothing yet: `setup()` does. */
  constructor(levelName: LevelName, options: RotatingFileHandlerOptions) {
    super(levelName, options);
    this.#filename = options.filename;
    this.#mode = options.mode ?? "a";
    this.#maxBytes = options.maxBytes;
    this.#maxBackupCount = options.maxBackupCount;
  }

  /** Opens the file. Throws an `Error` for limits below 1, `AlreadyExists` by mode `x`, and what `Deno.openSync()` does. */
  override setup(): void {
    if (this.#maxBytes < 1) {
      throw new Error(`"maxBytes" must be >= 1: received ${this.#maxBytes}`);
    }
    if (this.#maxBackupCount < 1) {
      throw new Error(
        `"maxBackupCount" must be >= 1: received ${this.#maxBackupCount}`,
      );
    }
    super.setup();
    this.#size = this.#mode === "a" ? Deno.statSync(this.#filename).size : 0;
    if (this.#mode === "a") return;
    for (let index = 1; index <= this.#maxBackupCount; index++) {
      const path = this.#path(index);
      if (!exists(path)) continue;
      if (this.#mode === "x") {
        this.destroy();
        throw new Deno.errors.AlreadyExists(
          `Backup log file ${path} already exists`,
        );
      }
      Deno.removeSync(path);
    }
  }

  override log(msg: string): void {
    const bytes = encoder.encode(msg).length + 1;
    if (this.#size + bytes > this.#maxBytes) this.rotateLogFiles();
    super.log(msg);
    this.#size += bytes;
  }

  /** Makes the file `.1` and begins a new one, whatever its size. */
  rotateLogFiles(): void {
    this._file.close();
    for (let index = this.#maxBackupCount; index >= 1; index--) {
      const older = this.#path(index - 1);
      if (exists(older)) Deno.renameSync(older, this.#path(index));
    }
    this._file.open();
    this.#size = 0;
  }

  /** Path of the file (0) or of one that was it. */
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
