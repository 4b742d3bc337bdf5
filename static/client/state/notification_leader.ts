// Decides which tab of a browser tells the person of a message: one that is looked at keeps all quiet, otherwise one speaks
// for all. Pure: the other tabs, the clock and chance come in.

/** What a speaker works with. */
export interface NotificationLeaderPorts {
  /** Tells the other tabs that a message needs nothing said any more. */
  post(id: string): void;
  /** Asks the other tabs whether they know that of a message. */
  ask(id: string): void;
  /** Whether the person looks at this tab. */
  hasFocus(): boolean;
  later(ms: number, task: () => void): void;
  /** From 0 to below 1. */
  random(): number;
}

/** By then the others have answered. */
const answerMs = 100;
/** The tabs' turns are spread over this long; the word of the first reaches the others in about a millisecond. */
const spreadMs = 400;
const rememberedMost = 200;

/** One tab's voice. */
export class NotificationLeader {
  readonly #ports: NotificationLeaderPorts;
  readonly #done = new Set<string>();

  constructor(ports: NotificationLeaderPorts) {
    this.#ports = ports;
  }

  /** Another tab has seen to a message. */
  heard(id: string): void {
    this.#done.add(id);
    const [oldest] = this.#done;
    if (this.#done.size > rememberedMost && oldest !== undefined) this.#done.delete(oldest);
  }

  /** Another tab has got a message, and did not listen before. */
  asked(id: string): void {
    if (this.#done.has(id)) this.#ports.post(id);
  }

  /** A message came; `say` is called in at most one of the tabs, and in none while one is looked at. */
  arrived(id: string, say: () => void): void {
    if (this.#done.has(id)) return;
    if (this.#ports.hasFocus()) return this.#finish(id);
    this.#ports.ask(id);
    this.#ports.later(answerMs + this.#ports.random() * spreadMs, () => {
      if (this.#done.has(id)) return;
      this.#finish(id);
      say();
    });
  }

  #finish(id: string): void {
    this.heard(id);
    this.#ports.post(id);
  }
}
