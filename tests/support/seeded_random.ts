// Random numbers from a seed, so that a failing run can be repeated.

/** A pseudorandom number generator (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Returns a number that is at least 0 and less than 1. */
  next(): number {
    this.#state = this.#state + 0x6d2b79f5 >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ t >>> 15, t | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  }

  /** Returns an integer that is at least 0 and less than `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  isTrue(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** Returns a member's token. */
  token(): string {
    const letters = Array.from({ length: 42 }, () => "abcdefghijklmnop"[this.below(16)]);
    return `${letters.join("")}A`;
  }

  /** Returns a delay in ms, usually a short one. */
  delay(maxMs: number): number {
    return this.next() ** 3 * maxMs;
  }
}
