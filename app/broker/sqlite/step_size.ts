// Adapts the rows per step of background work, so that no step blocks the event loop for long.

/** Steps that take longer are halved. */
const maxMs = 5;

/** The size of the steps of one kind of work, between two bounds. */
export class StepSize {
  readonly #min: number;
  readonly #max: number;
  readonly #now: () => number;
  #rows: number;

  /** `now` returns a monotonic time in ms. */
  constructor(min: number, max: number, now = () => performance.now()) {
    this.#min = this.#rows = min;
    this.#max = max;
    this.#now = now;
  }

  /** Runs a step of at most the current size. `countOf` returns how many rows it processed. */
  take<T>(step: (rows: number) => T, countOf: (result: T) => number): T {
    const startedAt = this.#now();
    const result = step(this.#rows);
    const ms = this.#now() - startedAt;
    if (ms > maxMs) this.#rows = Math.max(this.#min, this.#rows >> 1);
    else if (ms < maxMs / 2 && countOf(result) >= this.#rows) {
      this.#rows = Math.min(this.#max, 2 * this.#rows);
    }
    return result;
  }
}
