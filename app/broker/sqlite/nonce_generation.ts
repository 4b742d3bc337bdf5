// The hashes of consecutive nonces in memory, with the offsets of their entries.

import { NonceFilter } from "./nonce_filter.ts";
import type { NonceHash } from "./nonce_filter.ts";

/** A hash in a list: `high`, `low`, and the lower and upper half of the entry's offset. */
export const wordsPerHash = 4;

/** Hashes with the same upper bits form a chain, usually of one or two. */
export const chains = 2 ** 18;

function chainOf(high: number): number {
  return high >>> 14;
}

/** Hashes in the order they were added. */
export class NonceGeneration {
  readonly id: number;
  readonly filter = new NonceFilter();
  /** Time of the newest entry. */
  at = 0;
  count = 0;
  /** The arrays take memory only where they have been written, and are rarely enlarged. */
  #hashes = new Int32Array(wordsPerHash * chains);
  /** For each hash, the number of the previous one in its chain. Numbers start at 1; 0 is none. */
  #previous = new Int32Array(chains);
  /** For each chain, the number of its newest hash. */
  #newest = new Int32Array(chains);

  constructor(id: number) {
    this.id = id;
  }

  add(hash: NonceHash, offset: number, at: number): void {
    if (this.count === this.#previous.length) {
      this.#hashes = enlarged(this.#hashes);
      this.#previous = enlarged(this.#previous);
    }
    const { high, low } = hash;
    const start = this.count * wordsPerHash;
    this.#hashes[start] = high;
    this.#hashes[start + 1] = low;
    this.#hashes[start + 2] = offset;
    this.#hashes[start + 3] = offset / 2 ** 32;
    this.#previous[this.count] = this.#newest[chainOf(high)] ?? 0;
    this.#newest[chainOf(high)] = ++this.count;
    this.filter.add(hash);
    this.at = Math.max(this.at, at);
  }

  /** Adds a list of hashes. */
  addAll(hashes: Int32Array, at: number): void {
    for (let i = 0; i < hashes.length; i += wordsPerHash) {
      this.add({ high: hashes[i] ?? 0, low: hashes[i + 1] ?? 0 }, offsetAt(hashes, i), at);
    }
  }

  /** Returns the newest offset that has this hash and passes the check. */
  find({ high, low }: NonceHash, check: (offset: number) => boolean): number | undefined {
    for (let n = this.#newest[chainOf(high)] ?? 0; n > 0; n = this.#previous[n - 1] ?? 0) {
      const start = (n - 1) * wordsPerHash;
      if (this.#hashes[start] !== high || this.#hashes[start + 1] !== low) continue;
      const offset = offsetAt(this.#hashes, start);
      if (check(offset)) return offset;
    }
    return undefined;
  }

  /** Returns the hashes from `start` on. */
  from(start: number): Int32Array<ArrayBuffer> {
    return this.#hashes.slice(start * wordsPerHash, this.count * wordsPerHash);
  }

  /** Returns the hashes in the chains from `first` up to `end`, exclusive. */
  inChains(first: number, end: number): Int32Array<ArrayBuffer> {
    const found: number[] = [];
    for (let chain = first; chain < end; chain++) {
      for (let n = this.#newest[chain] ?? 0; n > 0; n = this.#previous[n - 1] ?? 0) {
        const start = (n - 1) * wordsPerHash;
        for (let i = 0; i < wordsPerHash; i++) found.push(this.#hashes[start + i] ?? 0);
      }
    }
    return new Int32Array(found);
  }

  /** Removes all hashes after the first `count`, but not from the filter. */
  truncate(count: number): void {
    while (this.count > count) {
      this.count--;
      const high = this.#hashes[this.count * wordsPerHash] ?? 0;
      this.#newest[chainOf(high)] = this.#previous[this.count] ?? 0;
    }
  }
}

/** Returns the offset of the hash at an index of a list. */
export function offsetAt(hashes: Int32Array, start: number): number {
  return ((hashes[start + 2] ?? 0) >>> 0) + (hashes[start + 3] ?? 0) * 2 ** 32;
}

function enlarged(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
