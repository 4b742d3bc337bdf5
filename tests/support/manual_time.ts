// A clock and a scheduler that move only when a test says so.

/** Implements the hub's clock and scheduler. */
export class ManualTime {
  ms = 1_000;
  #soon: (() => void)[] = [];
  #later: { readonly at: number; readonly task: () => void }[] = [];

  now(): number {
    return this.ms;
  }

  soon(task: () => void): void {
    this.#soon.push(task);
  }

  later(ms: number, task: () => void): () => void {
    const timer = { at: this.ms + ms, task };
    this.#later.push(timer);
    return () => this.#later = this.#later.filter((other) => other !== timer);
  }

  /** Runs event-loop turns until no task is due. */
  settle(): void {
    for (let turns = 0; this.#soon.length > 0; turns++) {
      if (turns > 1_000) throw new Error("Cannot settle: every turn schedules another one");
      const due = this.#soon;
      this.#soon = [];
      for (const task of due) task();
    }
  }

  /** Lets `ms` pass and runs the timers that fire meanwhile, in order. */
  advance(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      this.settle();
      const [next] = this.#later.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#later = this.#later.filter((timer) => timer !== next);
      this.ms = Math.max(this.ms, next.at);
      next.task();
    }
    this.ms = end;
    this.settle();
  }

  /** How many timers are pending. */
  get timers(): number {
    return this.#later.length;
  }
}
