// Whether the wall clock can be trusted with deleting messages by their age.

const hourMs = 3_600_000;
/** How long a clock must run steadily after a jump before it is trusted again. */
const confirmMs = 24 * hourMs;

/**
 * Compares the wall clock with a monotonic one: with a clock that is years ahead, retention would
 * delete everything.
 */
export class ClockTrust {
  readonly #wallNow: () => number;
  readonly #now: () => number;
  /** Wall time minus monotonic time while the clock was trusted. */
  #trusted: number;
  /** The difference after the clock was set, and the monotonic time at which it was first seen. */
  #candidate: { readonly difference: number; readonly since: number } | undefined;

  /** `wallNow` is in ms since 1970, `now` is monotonic in ms. */
  constructor(wallNow: () => number, now: () => number) {
    this.#wallNow = wallNow;
    this.#now = now;
    this.#trusted = wallNow() - now();
  }

  /** Returns false while the clock is over an hour off from where it should be by now. */
  check(): boolean {
    const now = this.#now();
    const difference = this.#wallNow() - now;
    const candidate = this.#candidate;
    const isConfirmed = candidate !== undefined && now - candidate.since >= confirmMs &&
      isNear(difference, candidate.difference);
    if (isConfirmed || isNear(difference, this.#trusted)) {
      // Follows the slow corrections of time synchronization.
      this.#trusted = difference;
      this.#candidate = undefined;
      return true;
    }
    if (candidate === undefined || !isNear(difference, candidate.difference)) {
      this.#candidate = { difference, since: now };
    }
    return false;
  }
}

function isNear(one: number, other: number): boolean {
  return Math.abs(one - other) < hourMs;
}
