// A file written through a buffer.

/** Key under which file handlers keep their file, so that it is not part of the public API. */
export const file: unique symbol = Symbol("file");

/** A file with buffered writes. */
export class BufferedFile {
  readonly #path: string;
  readonly #options: Deno.OpenOptions;
  readonly #buffer: Uint8Array;
  #used = 0;
  #file: Deno.FsFile | undefined;

  /** Does not open the file yet. */
  constructor(path: string, options: Deno.OpenOptions, bufferBytes: number) {
    this.#path = path;
    this.#options = options;
    this.#buffer = new Uint8Array(bufferBytes);
  }

  /** Opens the file, with an empty buffer. */
  open(): void {
    this.#closeFile();
    this.#used = 0;
    this.#file = Deno.openSync(this.#path, this.#options);
  }

  /** Buffers `bytes`. Writes them if they don't fit, and throws then if the file is closed. */
  write(bytes: Uint8Array): void {
    if (bytes.length > this.#buffer.length - this.#used) this.flush();
    if (bytes.length > this.#buffer.length - this.#used) {
      if (this.#file === undefined) throw new Error(`Cannot write ${this.#path}: it is closed`);
      let rest = bytes;
      while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Writes the buffer to the file if it is open. On failure, unwritten bytes stay buffered. */
  flush(): void {
    while (this.#file !== undefined && this.#used > 0) {
      const written = this.#file.writeSync(this.#buffer.subarray(0, this.#used));
      this.#buffer.copyWithin(0, written, this.#used);
      this.#used -= written;
    }
  }

  /** Flushes and closes the file. It is closed even if flushing throws. */
  close(): void {
    try {
      this.flush();
    } finally {
      this.#closeFile();
    }
  }

  #closeFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
