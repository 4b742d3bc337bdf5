// Collects a tick's claims and releases of names and commits them together (law 1).

import { whenDone } from "./outcome.ts";
import type { HubPorts } from "./ports.ts";
import type { Ticker } from "./ticker.ts";

interface NameChange {
  call(): void;
  /** Handles the outcome of the call, unless `requireCommit` throws. */
  settle(requireCommit: () => void): void;
}

/** Calls `Broker.claim` and `Broker.release` in batches. */
export class NameChanges {
  readonly #ports: HubPorts;
  readonly #ticker: Ticker;
  #pending: NameChange[] = [];

  constructor(ports: HubPorts, ticker: Ticker) {
    this.#ports = ports;
    this.#ticker = ticker;
  }

  /** Calls the broker in the next commit and then handles the outcome as `whenDone` does. */
  readonly add: typeof whenDone = (log, event, callBroker, onResult, onError, fields) => {
    let outcome: ReturnType<typeof callBroker>;
    this.#pending.push({
      call: () => outcome = callBroker(),
      settle: (requireCommit) => {
        const result = () => {
          requireCommit();
          return outcome;
        };
        whenDone(log, event, result, onResult, onError, fields);
      },
    });
    this.#ticker.schedule();
  };

  /** Whether there are changes for the next commit. */
  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** Commits the pending changes. If that fails, all of them fail. */
  commit(): void {
    const changes = this.#pending;
    if (changes.length === 0) return;
    this.#pending = [];
    let requireCommit = () => {};
    try {
      this.#ports.broker.batch(() => {
        for (const change of changes) change.call();
      });
    } catch (error) {
      requireCommit = () => {
        throw error;
      };
    }
    for (const change of changes) change.settle(requireCommit);
  }
}
