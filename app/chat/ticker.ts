// Decides when a tick runs: soon, but late enough for queued frames to share it (law 1).

import type { Scheduler } from "./ports.ts";

/**
 * Max event-loop turns per tick. Deno delivers a few dozen frames per turn; waiting lets queued
 * frames share one commit.
 */
const maxTurns = 4;

export class Ticker {
  readonly #scheduler: Scheduler;
  readonly #tick: () => void;
  #isDue = false;
  #framesReceived = 0;

  /** `tick` must call `finish` before it returns. */
  constructor(scheduler: Scheduler, tick: () => void) {
    this.#scheduler = scheduler;
    this.#tick = tick;
  }

  /** Counts a received frame. A due tick waits as long as each turn delivers more frames. */
  frameReceived(): void {
    this.#framesReceived++;
  }

  /** Schedules a tick unless one is due or running. */
  schedule(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#waitTurn(maxTurns);
  }

  /** Ends a tick, so that the next one can be scheduled. */
  finish(): void {
    this.#isDue = false;
  }

  #waitTurn(turnsLeft: number): void {
    const before = this.#framesReceived;
    this.#scheduler.soon(() => {
      if (!this.#isDue) return;
      if (turnsLeft > 1 && this.#framesReceived !== before) this.#waitTurn(turnsLeft - 1);
      else this.#tick();
    });
  }
}
