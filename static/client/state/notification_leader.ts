// Decides which tab of a browser notifies about a message: exactly one, or none while one of them
// has the focus. Pure: the channel between tabs, the clock and randomness are injected.

export interface NotificationLeaderPorts {
  /** Tells the other tabs that a message is handled. */
  announce(id: string): void;
  /** Asks the other tabs whether a message is handled. */
  query(id: string): void;
  /** Calls `task` unless another tab has claimed the message lately. */
  claim(id: string, task: () => void): void;
  hasFocus(): boolean;
  later(ms: number, task: () => void): void;
  /** Returns a random number, as `Math.random` does. */
  random(): number;
}

/** How long other tabs have to answer a query. */
const answerMs = 100;
/** Tabs act at random within this time, so that the first one's announcement reaches the others. */
const spreadMs = 400;
const handledMax = 200;

/** One tab's side of the decision. */
export class NotificationLeader {
  readonly #ports: NotificationLeaderPorts;
  readonly #handled = new Set<string>();

  constructor(ports: NotificationLeaderPorts) {
    this.#ports = ports;
  }

  /** Records that another tab has handled a message. */
  onAnnounced(id: string): void {
    this.#handled.add(id);
    const [oldest] = this.#handled;
    if (this.#handled.size > handledMax && oldest !== undefined) this.#handled.delete(oldest);
  }

  /** Answers a query of another tab, which may have opened after the announcement. */
  onQuery(id: string): void {
    if (this.#handled.has(id)) this.#ports.announce(id);
  }

  /** Handles a new message: calls `notify` in one tab at most, and in none while one has focus. */
  onMessage(id: string, notify: () => void): void {
    if (this.#handled.has(id)) return;
    if (this.#ports.hasFocus()) return this.#handle(id, () => {});
    this.#ports.query(id);
    this.#ports.later(answerMs + this.#ports.random() * spreadMs, () => {
      if (!this.#handled.has(id)) this.#handle(id, notify);
    });
  }

  /** An announcement can arrive too late, but only one tab can claim the message. */
  #handle(id: string, notify: () => void): void {
    this.onAnnounced(id);
    this.#ports.announce(id);
    this.#ports.claim(id, notify);
  }
}
