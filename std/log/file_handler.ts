// A handler that appends to a file through a buffer.

import { BufferedFile, file } from "./_buffered_file.ts";
import { BaseHandler, type BaseHandlerOptions } from "./base_handler.ts";
import { type LevelName, LogLevels } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** `a` appends, `w` truncates, `x` creates a new file and throws if one exists. */
export type LogMode = "a" | "w" | "x";

/** Options of `FileHandler`. */
export interface FileHandlerOptions extends BaseHandlerOptions {
  filename: string;
  /** Default: `a`. */
  mode?: LogMode;
  /** Size of the buffer in bytes. Default: 4096. */
  bufferSize?: number;
}

const encoder = new TextEncoder();

/**
 * Writes lines to a file. They stay in a buffer until it is full, a critical record is handled, the
 * program ends, or `flush()` or `destroy()` is called.
 */
export class FileHandler extends BaseHandler {
  protected readonly [file]: BufferedFile;
  readonly #onUnload = () => this.destroy();

  /** Does not open the file; `setup()` does. */
  constructor(levelName: LevelName, options: FileHandlerOptions) {
    super(levelName, options);
    const { filename, mode = "a", bufferSize = 4096 } = options;
    const openOptions = {
      write: true,
      create: mode !== "x",
      createNew: mode === "x",
      append: mode === "a",
      truncate: mode === "w",
    };
    this[file] = new BufferedFile(filename, openOptions, bufferSize);
  }

  /** Opens the file. Throws the errors of `Deno.openSync()`. */
  override setup(): void {
    this[file].open();
    addEventListener("unload", this.#onUnload);
  }

  override handle(logRecord: LogRecord): void {
    super.handle(logRecord);
    if (logRecord.level > LogLevels.ERROR) this.flush();
  }

  override log(msg: string): void {
    this[file].write(encoder.encode(`${msg}\n`));
  }

  /** Writes the buffer to the file. */
  flush(): void {
    this[file].flush();
  }

  /** Flushes and closes the file. */
  override destroy(): void {
    removeEventListener("unload", this.#onUnload);
    this[file].close();
  }
}
