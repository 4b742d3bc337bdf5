// A file that is written in blocks; it knows no lines, levels or handlers.

/** Writes bytes to a file, the small ones through a buffer. */
export class BufferedFile {
  readonly #path: string;
  readonly #options: Deno.OpenOptions;
  readonly #buffer: Uint8Array;
  #used = 0;
  #file: Deno.FsFile | undefined;

  /** Opens nothing yet; `bufferSize` is in bytes. */
  constructor(path: string, options: Deno.OpenOptions, bufferSize: number) {
    this.#path = path;
    this.#options = options;
    this.#buffer = new Uint8Array(bufferSize);
  }

  /** Opens the file anew. */
  open(): void {
    this.#closeFile();
    this.#file = Deno.openSync(this.#path, this.#options);
  }

  /** Writes `bytes`, later if they fit into the buffer. Throws an `Error` if they do not and the file is closed. */
  write(bytes: Uint8Array): void {
    if (bytes.length > this.#buffer.length - this.#used) this.flush();
    if (bytes.length > this.#buffer.length - this.#used) {
      if (this.#file === undefined) {
        throw new Error(`Cannot write ${this.#path}: it is not open`);
      }
      let rest = bytes;
      while (rest.length > 0) rest = rest.subarray(this.#file.writeSync(rest));
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  /** Writes what is in the buffer; does nothing while the file is closed. What could not be written stays. */
  flush(): void {
    while (this.#file !== undefined && this.#used > 0) {
      const written = this.#file.writeSync(
        this.#buffer.subarray(0, this.#used),
      );
      this.#buffer.copyWithin(0, written, this.#used);
      this.#used -= written;
    }
  }

  /** Flushes and closes; the file is closed even if flushing throws. */
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
