// Sums by key.

/** A sum for each key. Keys whose sum is zero are removed. */
export class Tally {
  readonly #sums = new Map<string, number>();

  get total(): number {
    return this.#sums.values().reduce((total, sum) => total + sum, 0);
  }

  of(key: string): number {
    return this.#sums.get(key) ?? 0;
  }

  add(key: string, amount = 1): void {
    this.#sums.set(key, this.of(key) + amount);
  }

  remove(key: string, amount = 1): void {
    const sum = this.of(key) - amount;
    if (sum > 0) this.#sums.set(key, sum);
    else this.#sums.delete(key);
  }
}
