// Token buckets by key. The caller passes the time, and the cost of each action.

import { wideNetwork } from "./session.ts";

/**
 * Max buckets kept. Beyond that, each new key replaces the oldest one. If they shared a bucket
 * instead, one client with many keys could use up everyone's tokens.
 */
const maxBuckets = 100_000;
/** Max buckets that one sweep visits: all of them could take 40 ms. */
const sweepMax = 5_000;

interface Bucket {
  tokens: number;
  /** When `tokens` was last updated, in ms. */
  updatedAt: number;
}

/**
 * Limits each key to a burst, then to a steady rate. A cost beyond the tokens left is debt, paid
 * off at the steady rate. A bucket is forgotten only when it is full, or the oldest of too many, so
 * reconnecting does not refill it.
 */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  readonly #burst: number;
  readonly #perMs: number;
  /** The keys from the oldest on. A new iterator would visit all deleted ones first. */
  #byAge = this.#buckets.keys();
  /** The buckets left to sweep. */
  #unswept = this.#buckets.entries();

  /** `burst` is at least 1. A `perSecond` of 0 means no limit. */
  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
  }

  /** Charges `cost` and returns 0 if the key has a token, or returns the ms until it has one. */
  take(key: string, now: number, cost = 1): number {
    const waitMs = this.wait(key, now);
    if (waitMs === 0) this.charge(key, now, cost);
    return waitMs;
  }

  /** Returns the ms until the key has a token; 0 if it has one. */
  wait(key: string, now: number): number {
    if (this.#perMs === 0) return 0;
    const tokens = this.#tokens(this.#buckets.get(key), now);
    return tokens >= 1 ? 0 : Math.ceil((1 - tokens) / this.#perMs);
  }

  /** Whether the key has all tokens of its burst. */
  isFull(key: string, now: number): boolean {
    return this.#tokens(this.#buckets.get(key), now) >= this.#burst;
  }

  /** Takes `cost` tokens, if necessary into debt. A negative cost is a refund. */
  charge(key: string, now: number, cost = 1): void {
    if (this.#perMs === 0) return;
    const bucket = this.#buckets.get(key);
    const tokens = Math.min(this.#burst, this.#tokens(bucket, now) - cost);
    if (bucket !== undefined) {
      bucket.tokens = tokens;
      bucket.updatedAt = now;
      return;
    }
    if (this.#buckets.size >= maxBuckets) this.#buckets.delete(this.#oldest());
    this.#buckets.set(key, { tokens, updatedAt: now });
  }

  /** Forgets buckets that are full again. If there are many, the next sweeps continue. */
  sweep(now: number): void {
    let visited = 0;
    for (const [key, bucket] of this.#unswept.take(sweepMax)) {
      visited++;
      if (this.#tokens(bucket, now) >= this.#burst) this.#buckets.delete(key);
    }
    if (visited < sweepMax) this.#unswept = this.#buckets.entries();
  }

  get size(): number {
    return this.#buckets.size;
  }

  #oldest(): string {
    const { done, value } = this.#byAge.next();
    if (done !== true) return value;
    this.#byAge = this.#buckets.keys();
    return this.#byAge.next().value ?? "";
  }

  #tokens(bucket: Bucket | undefined, now: number): number {
    if (bucket === undefined) return this.#burst;
    return Math.min(this.#burst, bucket.tokens + (now - bucket.updatedAt) * this.#perMs);
  }
}

/** Limits networks. Those of an IPv6 /48, which one person may own, also share a limit. */
export class NetworkLimiter extends RateLimiter {
  readonly #wide: RateLimiter;

  /** The limit of a /48 is `factor` times that of one network. */
  constructor(burst: number, perSecond: number, factor: number) {
    super(burst, perSecond);
    this.#wide = new RateLimiter(factor * burst, factor * perSecond);
  }

  override wait(network: string, now: number): number {
    const wide = wideNetwork(network);
    const waitMs = super.wait(network, now);
    return wide === network ? waitMs : Math.max(waitMs, this.#wide.wait(wide, now));
  }

  override isFull(network: string, now: number): boolean {
    return super.isFull(network, now) && this.#wide.isFull(wideNetwork(network), now);
  }

  override charge(network: string, now: number, cost = 1): void {
    const wide = wideNetwork(network);
    super.charge(network, now, cost);
    if (wide !== network) this.#wide.charge(wide, now, cost);
  }

  override sweep(now: number): void {
    super.sweep(now);
    this.#wide.sweep(now);
  }

  override get size(): number {
    return super.size + this.#wide.size;
  }
}
