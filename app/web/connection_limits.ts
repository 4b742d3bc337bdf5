// Connection limits: how many WebSockets, event streams and posts may exist, in total and per
// network.

import type { PeerAddress } from "../chat/session.ts";
import { NetworkTally, Tally } from "../chat/tally.ts";
import type { WebOptions } from "./options.ts";

type Maxima = Pick<WebOptions, "maxConnections" | "maxConnectionsPerIp">;

/** A limit that has been reached: a code for programs and a close reason. */
export interface LimitReached {
  readonly code: "server_full" | "address_full";
  readonly reason: string;
}

/** One counted connection, from its upgrade or request until it is released. */
export interface Slot {
  readonly peer: PeerAddress;
  hasOpened: boolean;
}

const serverFull: LimitReached = { code: "server_full", reason: "the server is full" };
const addressFull: LimitReached = {
  code: "address_full",
  reason: "too many connections from your address",
};

/** Factor for a private address, which may be an office or a container gateway. */
const privateFactor = 32;
/** Factor for an IPv6 /48, which may belong to one person or to a network of phones. */
const wideFactor = 32;
/**
 * Max sockets of this machine that have not opened. Open ones are unlimited, because a proxy or a
 * load test may hold them all.
 */
const loopbackUnopenedMax = 1_024;
/** Time after which a socket that hasn't opened or closed counts only against its own network. */
const stuckAfterMs = 10_000;
/**
 * How long a socket that never opens counts against its network. Its peer reset the connection
 * during the handshake, and Deno never closes its descriptor, so this bounds the leak per hour.
 */
const unopenedMaxMs = 3_600_000;

/** Counts connections from their upgrade on, because a socket may never open, or never close. */
export class ConnectionLimits {
  readonly #options: Maxima;
  readonly #now: () => number;
  readonly #slots = new NetworkTally(wideFactor);
  readonly #unopened = new Tally();
  /** Sockets that are opening or closing, and since when, oldest first. */
  readonly #pending = new Map<Slot, number>();
  /** Sockets that will not open, and when they were upgraded, oldest first. */
  readonly #stuck = new Map<Slot, number>();
  /** Slots that count towards the total. */
  readonly #counted = new Set<Slot>();
  #leaked = 0;

  constructor(options: Maxima, now: () => number) {
    this.#options = options;
    this.#now = now;
  }

  /** Number of connections that count towards the total. */
  get count(): number {
    this.#expire();
    return this.#counted.size;
  }

  /** Number of sockets since the start that never opened. Each holds a descriptor for good. */
  get leaked(): number {
    this.#expire();
    return this.#leaked;
  }

  /** Returns the limit that one more connection would exceed. */
  reached({ network, scope }: PeerAddress): LimitReached | undefined {
    const { maxConnections, maxConnectionsPerIp } = this.#options;
    if (maxConnections > 0 && this.count >= maxConnections) return serverFull;
    if (maxConnectionsPerIp === 0) return undefined;
    const isFull = scope === "loopback"
      ? this.#unopened.of(network) >= loopbackUnopenedMax
      : scope === "private"
      ? this.#slots.of(network) >= maxConnectionsPerIp * privateFactor
      : this.#slots.isFull(network, maxConnectionsPerIp);
    return isFull ? addressFull : undefined;
  }

  countOf({ network }: PeerAddress): number {
    return this.#slots.of(network);
  }

  /** Whether a network has sockets that have not opened, and may never. */
  hasUnopened({ network }: PeerAddress): boolean {
    return this.#unopened.of(network) > 0;
  }

  /** Counts a request that occupies its connection until it is released. */
  addRequest(peer: PeerAddress): Slot {
    const slot: Slot = { peer, hasOpened: true };
    this.#counted.add(slot);
    this.#slots.add(peer.network);
    return slot;
  }

  /** Counts a socket that is being upgraded. */
  add(peer: PeerAddress): Slot {
    const slot = this.addRequest(peer);
    slot.hasOpened = false;
    this.#unopened.add(peer.network);
    this.#pending.set(slot, this.#now());
    return slot;
  }

  opened(slot: Slot): void {
    if (slot.hasOpened) return;
    slot.hasOpened = true;
    this.#pending.delete(slot);
    this.#stuck.delete(slot);
    this.#unopened.remove(slot.peer.network);
  }

  /** Records that a close frame has been sent. The peer may never reply. */
  closing(slot: Slot): void {
    if (!this.#pending.has(slot)) this.#pending.set(slot, this.#now());
  }

  /** Stops counting a socket that has closed. */
  release(slot: Slot): void {
    this.opened(slot);
    this.#pending.delete(slot);
    this.#counted.delete(slot);
    this.#slots.remove(slot.peer.network);
  }

  #expire(): void {
    const now = this.#now();
    for (const [slot, since] of this.#pending) {
      if (now - since < stuckAfterMs) break;
      this.#pending.delete(slot);
      this.#counted.delete(slot);
      if (slot.hasOpened) continue;
      this.#stuck.set(slot, since);
      this.#leaked++;
    }
    for (const [slot, since] of this.#stuck) {
      if (now - since < unopenedMaxMs) break;
      this.release(slot);
    }
  }
}
