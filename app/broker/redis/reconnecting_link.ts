// Keeps a link to Redis open: reconnects with backoff after it is lost, and reports when storage
// fails and when it recovers.

import type { Link } from "./redis_link.ts";

const retryMinMs = 100;
const retryMaxMs = 2_000;

export interface ReconnectingLinkOptions {
  readonly connect: () => Promise<Link>;
  /** Brings this node up to date through a new link. The link counts as open once that succeeds. */
  readonly catchUp: (link: Link) => Promise<void>;
  readonly onOpen: (link: Link) => void;
  readonly onLost: (error: Error) => void;
  /** Called when storage starts to fail, and when it works again. */
  readonly report: (event: string, error: unknown) => void;
  readonly later: (ms: number, task: () => void) => () => void;
  readonly random: () => number;
}

/** A link to Redis that is replaced whenever it is lost. */
export class ReconnectingLink {
  readonly #options: ReconnectingLinkOptions;
  #link: Link | undefined;
  #connecting: Promise<void> | undefined;
  #retryMs = retryMinMs;
  #cancelRetry = () => {};
  #isFailing = false;
  #isClosed = false;

  constructor(options: ReconnectingLinkOptions) {
    this.#options = options;
  }

  /** The open link; `undefined` while Redis is unreachable. */
  get current(): Link | undefined {
    return this.#link;
  }

  /** Whether the last command failed, or the link is lost. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  /** Returns the open link. Throws while Redis is unreachable. */
  require(): Link {
    if (this.#link === undefined) throw new Error("Cannot reach Redis: reconnecting");
    return this.#link;
  }

  /** Connects for the first time. Rejects if that fails; later connections are retried. */
  async connect(): Promise<void> {
    const { connect, catchUp, onOpen } = this.#options;
    const link = await connect();
    try {
      if (this.#isClosed) throw new Error("the broker was closed");
      await catchUp(link);
    } catch (error) {
      link.close();
      throw error;
    }
    this.#link = link;
    this.#retryMs = retryMinMs;
    this.recovered();
    void link.lost.then((error) => this.#lost(error));
    onOpen(link);
  }

  /** Reports that a command failed, unless the one before did too. */
  failed(error: unknown): void {
    if (this.#isFailing || this.#isClosed) return;
    this.#isFailing = true;
    this.#options.report("storage_failed", error);
  }

  /** Reports that messages can be stored again, unless the last command succeeded too. */
  recovered(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.report("storage_recovered", "messages can be stored again");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#link?.close();
    await this.#connecting;
  }

  #lost(error: Error): void {
    this.#link = undefined;
    this.#options.onLost(error);
    if (this.#isClosed) return;
    this.failed(new Error(`Lost Redis: ${error.message}`));
    this.#retryLater();
  }

  #retryLater(): void {
    const { later, random } = this.#options;
    // Randomized, so that the nodes don't all reconnect at once.
    const waitMs = this.#retryMs * (0.5 + random() / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMaxMs);
    this.#cancelRetry = later(waitMs, () => {
      this.#connecting = this.connect().catch((error) => {
        this.failed(error);
        if (!this.#isClosed) this.#retryLater();
      });
    });
  }
}
