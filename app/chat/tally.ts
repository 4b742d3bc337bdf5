// Sums by key.

import { wideNetwork } from "./session.ts";

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

/** A sum for each network, and for each IPv6 /48, which one person may own. */
export class NetworkTally extends Tally {
  readonly #wide = new Tally();
  readonly #wideFactor: number;

  constructor(wideFactor: number) {
    super();
    this.#wideFactor = wideFactor;
  }

  /** Returns whether a network has reached `max`, or its /48 `wideFactor` times as much. */
  isFull(network: string, max: number): boolean {
    return this.of(network) >= max ||
      this.#wide.of(wideNetwork(network)) >= max * this.#wideFactor;
  }

  override add(network: string, amount = 1): void {
    super.add(network, amount);
    this.#wide.add(wideNetwork(network), amount);
  }

  override remove(network: string, amount = 1): void {
    super.remove(network, amount);
    this.#wide.remove(wideNetwork(network), amount);
  }
}
