// Simulated time.

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/** A clock that only advances to the next scheduled task. */
export class Timeline {
  ms = 0;
  /** How far the wall clock is ahead of `ms`. */
  wallOffset = Date.UTC(2026, 0, 1);
  #scheduled = 0;
  /** A binary heap by time, then by order of scheduling. */
  readonly #heap: Task[] = [];

  now(): number {
    return this.ms;
  }

  wall(): number {
    return Math.floor(this.ms) + this.wallOffset;
  }

  /** Schedules a task; the returned function cancels it. */
  at(ms: number, run: () => void): () => void {
    const task = { at: Math.max(ms, this.ms), order: this.#scheduled++, run, isCancelled: false };
    this.#push(task);
    return () => task.isCancelled = true;
  }

  later(ms: number, run: () => void): () => void {
    return this.at(this.ms + ms, run);
  }

  /** Runs the next task. If none is due by `end`, moves the clock there and returns false. */
  step(end: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) {
        this.ms = Math.max(this.ms, end);
        return false;
      }
      this.#pop();
      if (next.isCancelled) continue;
      this.ms = next.at;
      next.run();
      return true;
    }
  }

  #push(task: Task): void {
    const heap = this.#heap;
    heap.push(task);
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (!isBefore(heap[i], heap[parent])) break;
      swap(heap, i, parent);
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let i = 0;;) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      let first = i;
      if (left < heap.length && isBefore(heap[left], heap[first])) first = left;
      if (right < heap.length && isBefore(heap[right], heap[first])) first = right;
      if (first === i) break;
      swap(heap, i, first);
      i = first;
    }
  }
}

function isBefore(one: Task | undefined, other: Task | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function swap(heap: Task[], i: number, j: number): void {
  const [one, other] = [heap[i], heap[j]];
  if (one === undefined || other === undefined) return;
  heap[i] = other;
  heap[j] = one;
}
