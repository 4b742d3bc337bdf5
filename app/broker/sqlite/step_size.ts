// Adapts the rows per step of background work, so that no step blocks the event loop for long.

/** Steps that take longer are halved. */
const maxMs = 5;

/** The size of the steps of one kind of work, between two bounds. */
export class StepSize {
  readonly #min: number;
  readonly #max: number;
  #rows: number;

  constructor(min: number, max: number) {
    this.#min = this.#rows = min;
    this.#max = max;
  }

  /** Runs a step of at most the current size. `countOf` returns how many rows it processed. */
  take<T>(step: (rows: number) => T, countOf: (result: T) => number): T {
    const startedAt = performance.now();
    const result = step(this.#rows);
    const ms = performance.now() - startedAt;
    if (ms > maxMs) this.#rows = Math.max(this.#min, this.#rows >> 1);
    else if (ms < maxMs / 2 && countOf(result) >= this.#rows) {
      this.#rows = Math.min(this.#max, 2 * this.#rows);
    }
    return result;
  }
}
