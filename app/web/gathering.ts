// Gathers the writes of event streams. Each costs Deno about 20 µs, whatever its size.

import { later } from "../core/timers.ts";

/** Min time between two writes of a stream. */
const intervalMs = 50;

/** Max pending bytes of a stream. Larger writes save little more. */
const maxPendingBytes = 16_384;

type Bytes = Uint8Array<ArrayBuffer>;

const noBytes: Bytes = new Uint8Array();

interface Writable {
  write(bytes: Bytes): void;
}

/**
 * Decides when streams write. A stream at rest writes at once. Bytes that follow within
 * `intervalMs` wait, so that the stream writes them together.
 */
export class Gathering {
  /** Streams that have written in this interval, and the bytes that wait for its end. */
  readonly #streams = new Map<Writable, Bytes>();
  readonly #schedule: typeof later;
  #cancelTimer: (() => void) | undefined;
  /** The last result of `#join`, which the streams of a room share. */
  #joined = { first: noBytes, second: noBytes, bytes: noBytes };

  constructor(schedule = later) {
    this.#schedule = schedule;
  }

  /** Writes bytes to a stream, now or at the end of the interval. */
  write(stream: Writable, bytes: Bytes): void {
    const pending = this.#streams.get(stream);
    const all = pending === undefined ? bytes : this.#join(pending, bytes);
    const mustWait = pending !== undefined && all.length <= maxPendingBytes;
    this.#streams.set(stream, mustWait ? all : noBytes);
    if (this.#cancelTimer === undefined) this.#startInterval();
    if (!mustWait) stream.write(all);
  }

  /** Number of bytes that wait to be written to a stream. */
  pendingBytes(stream: Writable): number {
    return this.#streams.get(stream)?.length ?? 0;
  }

  /** Writes the pending bytes of a stream that ends. */
  flush(stream: Writable): void {
    const bytes = this.#streams.get(stream) ?? noBytes;
    this.forget(stream);
    if (bytes.length > 0) stream.write(bytes);
  }

  /** Forgets a stream that has ended, and its pending bytes. */
  forget(stream: Writable): void {
    if (!this.#streams.delete(stream) || this.#streams.size > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #startInterval(): void {
    this.#cancelTimer = this.#schedule(intervalMs, () => this.#endInterval());
  }

  #endInterval(): void {
    this.#cancelTimer = undefined;
    for (const [stream, bytes] of this.#streams) {
      if (bytes.length === 0) this.#streams.delete(stream);
      else {
        this.#streams.set(stream, noBytes);
        stream.write(bytes);
      }
    }
    if (this.#streams.size > 0) this.#startInterval();
  }

  #join(first: Bytes, second: Bytes): Bytes {
    if (first.length === 0) return second;
    if (this.#joined.first !== first || this.#joined.second !== second) {
      const bytes = new Uint8Array(first.length + second.length);
      bytes.set(first);
      bytes.set(second, first.length);
      this.#joined = { first, second, bytes };
    }
    return this.#joined.bytes;
  }
}
