// Token buckets by key: how much each member or address may still do. Knows no clock and no meaning of a token.

interface Bucket {
  tokens: number;
  /** When `tokens` was right, in ms. */
  at: number;
}

/**
 * Limits each key to a burst and then to a steady rate. A bucket may go into debt when the cost is known only afterwards;
 * it is forgotten when it is full again, so a key that comes back early finds what it left.
 */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  readonly #burst: number;
  readonly #perMs: number;

  /** `burst` is at least 1. A `perSecond` of 0 means no limit. */
  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
  }

  /** Takes one token and answers 0, or takes nothing and answers the ms until there is one. */
  take(key: string, now: number): number {
    const wait = this.wait(key, now);
    if (wait === 0) this.charge(key, 1, now);
    return wait;
  }

  /** Milliseconds until the key has a token; 0 when it has one. */
  wait(key: string, now: number): number {
    if (this.#perMs === 0) return 0;
    const tokens = this.#tokens(this.#buckets.get(key), now);
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / this.#perMs);
  }

  /** Takes `cost` tokens, into debt if need be; the debt is at most one burst. */
  charge(key: string, cost: number, now: number): void {
    if (this.#perMs === 0) return;
    const bucket = this.#buckets.get(key);
    const tokens = Math.max(-this.#burst, this.#tokens(bucket, now) - cost);
    if (bucket === undefined) this.#buckets.set(key, { tokens, at: now });
    else {
      bucket.tokens = tokens;
      bucket.at = now;
    }
  }

  /** Forgets the buckets that are full again. */
  sweep(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (this.#tokens(bucket, now) >= this.#burst) this.#buckets.delete(key);
    }
  }

  /** How many keys are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  #tokens(bucket: Bucket | undefined, now: number): number {
    if (bucket === undefined) return this.#burst;
    return Math.min(
      this.#burst,
      bucket.tokens + (now - bucket.at) * this.#perMs,
    );
  }
}
