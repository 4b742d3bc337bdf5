// Connection limits: how many may be open in total and per network.

import type { PeerAddress } from "../chat/session.ts";

export interface ConnectionLimitOptions {
  /** Max open connections; 0 is unlimited. */
  readonly maxConnections: number;
  /** Max open connections per network, loopback excepted; 0 is unlimited. */
  readonly maxConnectionsPerAddress: number;
}

/** A limit that has been reached: a code for programs and a close reason. */
export interface LimitReached {
  readonly code: "server_full" | "address_full";
  readonly reason: string;
}

const serverFull: LimitReached = { code: "server_full", reason: "the server is full" };
const addressFull: LimitReached = {
  code: "address_full",
  reason: "too many connections from your address",
};

/** Counts open connections. */
export class ConnectionLimits {
  readonly #options: ConnectionLimitOptions;
  readonly #countByNetwork = new Map<string, number>();
  #count = 0;

  constructor(options: ConnectionLimitOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  /** Returns the limit that one more connection would exceed. */
  reached({ network, isLoopback }: PeerAddress): LimitReached | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#options;
    if (maxConnections > 0 && this.#count >= maxConnections) return serverFull;
    if (maxConnectionsPerAddress === 0 || isLoopback) return undefined;
    const count = this.#countByNetwork.get(network) ?? 0;
    return count >= maxConnectionsPerAddress ? addressFull : undefined;
  }

  add({ network }: PeerAddress): void {
    this.#count++;
    this.#countByNetwork.set(network, (this.#countByNetwork.get(network) ?? 0) + 1);
  }

  remove({ network }: PeerAddress): void {
    this.#count--;
    const count = (this.#countByNetwork.get(network) ?? 1) - 1;
    if (count > 0) this.#countByNetwork.set(network, count);
    else this.#countByNetwork.delete(network);
  }
}
