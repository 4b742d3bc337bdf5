// Lines in a file, through a buffer; when a file is full is not known here.

import { BufferedFile } from "./_buffered_file.ts";
import { BaseHandler, type BaseHandlerOptions } from "./base_handler.ts";
import { type LevelName, LogLevels } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** `a` appends, `w` begins anew, `x` begins anew and throws if there is a file already. */
export type LogMode = "a" | "w" | "x";

/** Which file, and how it is written. */
export interface FileHandlerOptions extends BaseHandlerOptions {
  filename: string;
  /** `a` by default. */
  mode?: LogMode;
  /** Bytes of lines that wait for each other; 4096 by default. */
  bufferSize?: number;
}

const encoder = new TextEncoder();

/**
 * Writes lines to a file. They wait in a buffer until it is full, `flush()` is called, something critical is logged, the
 * handler is destroyed or the program ends.
 */
export class FileHandler extends BaseHandler {
  /** The file, for the handlers of this module. */
  protected readonly _file: BufferedFile;
  readonly #onUnload = () => this.destroy();

  /** Opens nothing yet: `setup()` does. */
  constructor(levelName: LevelName, options: FileHandlerOptions) {
    super(levelName, options);
    const mode = options.mode ?? "a";
    const openOptions = {
      write: true,
      create: mode !== "x",
      createNew: mode === "x",
      append: mode === "a",
      truncate: mode === "w",
    };
    this._file = new BufferedFile(
      options.filename,
      openOptions,
      options.bufferSize ?? 4096,
    );
  }

  /** Opens the file. Throws what `Deno.openSync()` does. */
  override setup(): void {
    this._file.open();
    addEventListener("unload", this.#onUnload);
  }

  override handle(logRecord: LogRecord): void {
    super.handle(logRecord);
    if (logRecord.level > LogLevels.ERROR) this.flush();
  }

  /** Writes a line, into the buffer if it fits. */
  override log(msg: string): void {
    this._file.write(encoder.encode(`${msg}\n`));
  }

  /** Brings every line to the file. */
  flush(): void {
    this._file.flush();
  }

  /** Flushes and closes the file. */
  override destroy(): void {
    removeEventListener("unload", this.#onUnload);
    this._file.close();
  }
}
