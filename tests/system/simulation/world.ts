// Time, chance and the network of a simulated world: everything that happens is drawn from one seed, and happens again the
// same way.

import type { SocketEvents } from "../../../static/client/state/connection.ts";
import type { Socket } from "../../../app/chat/session.ts";

/** Chance from a seed (mulberry32). */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below 1. */
  next(): number {
    this.#state = this.#state + 0x6d2b79f5 >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ t >>> 15, t | 1);
    t ^= t + Math.imul(t ^ t >>> 7, t | 61);
    return ((t ^ t >>> 14) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  isTrue(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** Ms, mostly short. */
  delay(mostMs: number): number {
    return this.next() ** 3 * mostMs;
  }
}

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Simulated time: a queue of what is going to happen. */
export class Timeline {
  ms = 0;
  /** What the clocks on the walls show is this much later. */
  wallOffset = Date.UTC(2026, 0, 1);
  #order = 0;
  /** A binary heap by time, then by order of arrival. */
  readonly #heap: Happening[] = [];

  now(): number {
    return this.ms;
  }

  wall(): number {
    return Math.floor(this.ms) + this.wallOffset;
  }

  at(ms: number, run: () => void): () => void {
    const happening = { at: Math.max(ms, this.ms), order: this.#order++, run, cancelled: false };
    this.#push(happening);
    return () => happening.cancelled = true;
  }

  later(ms: number, run: () => void): () => void {
    return this.at(this.ms + ms, run);
  }

  /** Lets the next thing happen; answers false when there is none before `end`. */
  step(end: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) {
        this.ms = Math.max(this.ms, end);
        return false;
      }
      this.#pop();
      if (next.cancelled) continue;
      this.ms = next.at;
      next.run();
      return true;
    }
  }

  #push(item: Happening): void {
    const heap = this.#heap;
    heap.push(item);
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
      let least = i;
      if (left < heap.length && isBefore(heap[left], heap[least])) least = left;
      if (right < heap.length && isBefore(heap[right], heap[least])) least = right;
      if (least === i) break;
      swap(heap, i, least);
      i = least;
    }
  }
}

function isBefore(one: Happening | undefined, other: Happening | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function swap(heap: Happening[], i: number, j: number): void {
  const [one, other] = [heap[i], heap[j]];
  if (one === undefined || other === undefined) return;
  heap[i] = other;
  heap[j] = one;
}

/** What a server does with a connection. */
export interface Acceptor {
  /** `vanish` ends the connection as the death of the process does. */
  open(socket: Socket, vanish: () => void): {
    receive(frame: string): void;
    closed(code: number): void;
  };
}

/** One connection between a page and a server: two ordered streams that may lag, stall, be cut, or be half dead. */
export class Link {
  readonly #time: Timeline;
  readonly #chance: Chance;
  readonly #client: SocketEvents;
  readonly #latency: number;
  #server: ReturnType<Acceptor["open"]> | undefined;
  /** Frames that are on their way are lost, and no more come through. */
  #isCut = false;
  #clientKnows = false;
  #serverKnows = false;
  #toServerAt = 0;
  #toClientAt = 0;
  /** While the page does not read: what waits for it. */
  #stalled: string[] | undefined;
  buffered = 0;

  constructor(time: Timeline, chance: Chance, client: SocketEvents) {
    this.#time = time;
    this.#chance = chance;
    this.#client = client;
    this.#latency = chance.delay(200);
  }

  /** The server takes the connection, or nobody is there. */
  connect(acceptor: Acceptor | undefined): void {
    this.#time.later(this.#latency, () => {
      if (this.#isCut) return;
      if (acceptor === undefined) return this.cut(true, true);
      const socket: Socket = {
        send: (frame) => this.#sendToClient(frame),
        close: (code, reason) => this.#serverCloses(code, reason),
        get buffered() {
          return link.buffered;
        },
      };
      const link = this as Link;
      this.#server = acceptor.open(socket, () => this.#vanish());
      this.#toClient(() => this.#client.onOpen());
    });
  }

  get isOpen(): boolean {
    return !this.#isCut && this.#server !== undefined;
  }

  sendToServer(frame: string): void {
    this.#toServer(() => this.#server?.receive(frame));
  }

  clientCloses(code: number): void {
    this.#clientKnows = true;
    this.#toServer(() => this.#endServer(code));
    this.#time.later(this.#latency * 3, () => this.#isCut = true);
  }

  #serverCloses(code: number, reason: string): void {
    this.#toClient(() => {
      this.#endClient(code, reason);
      this.#isCut = true;
      this.#endServer(code);
    });
  }

  /** Cuts the connection. Each side may learn of it soon, or never. */
  cut(clientLearns: boolean, serverLearns: boolean): void {
    this.#isCut = true;
    if (clientLearns) this.#time.later(this.#chance.delay(3_000), () => this.#endClient(1006, ""));
    if (serverLearns) this.#time.later(this.#chance.delay(3_000), () => this.#endServer(1006));
  }

  /** What was sent may still arrive, or not; and the page may not even learn that nobody is there any more. */
  #vanish(): void {
    if (this.#chance.isTrue(0.5)) this.#serverCloses(1006, "");
    else this.cut(this.#chance.isTrue(0.8), false);
  }

  /** The page stops reading for a while. */
  stall(ms: number): void {
    if (this.#stalled !== undefined) return;
    this.#stalled = [];
    this.#time.later(ms, () => {
      const frames = this.#stalled ?? [];
      this.#stalled = undefined;
      this.buffered = 0;
      for (const frame of frames) this.#toClient(() => this.#client.onFrame(frame));
    });
  }

  #sendToClient(frame: string): void {
    if (this.#stalled !== undefined) {
      this.#stalled.push(frame);
      this.buffered += frame.length;
    } else this.#toClient(() => this.#client.onFrame(frame));
  }

  #toClient(run: () => void): void {
    this.#toClientAt = Math.max(this.#toClientAt, this.#time.ms + this.#latency);
    this.#time.at(this.#toClientAt, () => {
      if (!this.#isCut && !this.#clientKnows) run();
    });
  }

  #toServer(run: () => void): void {
    // Most frames take one way; some wait somewhere, and those behind them as well.
    const wait = this.#chance.isTrue(0.2) ? this.#chance.delay(800) : 0;
    this.#toServerAt = Math.max(this.#toServerAt, this.#time.ms + this.#latency + wait);
    this.#time.at(this.#toServerAt, () => {
      if (!this.#isCut && !this.#serverKnows) run();
    });
  }

  #endClient(code: number, reason: string): void {
    if (this.#clientKnows) return;
    this.#clientKnows = true;
    this.#client.onClose(code, reason);
  }

  #endServer(code: number): void {
    if (this.#serverKnows) return;
    this.#serverKnows = true;
    this.#server?.closed(code);
  }
}
