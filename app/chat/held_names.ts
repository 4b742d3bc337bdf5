// Bounds how many names each address holds for members that left (law 7).

import { hubLimits } from "../protocol/wire.ts";
import type { Payer } from "./session.ts";
import { NetworkTally } from "./tally.ts";

/** Max members of an address whose names are held. */
const maxPerAddress = { public: 50, private: 500, loopback: 5_000 };
/** Factor for an IPv6 /48, which one person may own. */
const wideFactor = 32;
/** Max members of all addresses whose names are held. */
const maxTotal = 100_000;
/** Min interval between prunes of a network, which visit all its holds. */
const pruneMs = 1_000;
/** Min interval between sweeps of all networks when the limit is reached. */
const sweepMs = 60_000;

interface Holds {
  /** When the hold of each member ends, in ms. */
  readonly ends: Map<string, number>;
  /** When to prune next: not before a hold can be over. */
  pruneAt: number;
}

/** Counts, by address, the held names of members that left since this server started. */
export class HeldNames {
  readonly #nameHoldMs: number;
  readonly #networks = new Map<string, Holds>();
  readonly #counts = new NetworkTally(wideFactor);
  #size = 0;
  #sweepAt = 0;

  constructor(nameHoldMs: number) {
    this.#nameHoldMs = nameHoldMs;
  }

  /** Counts a member that left. Returns false if its address, or all addresses, hold too many. */
  add({ member, network, scope }: Payer, hasWritten: boolean, now: number): boolean {
    const holds = this.#networks.get(network) ?? { ends: new Map(), pruneAt: Infinity };
    const endsAt = holds.ends.get(member);
    if (endsAt === undefined) {
      const max = maxPerAddress[scope];
      const isFull = () => this.#counts.isFull(network, max) || this.#size >= maxTotal;
      if (holds.ends.size >= max) this.#prune(network, holds, now);
      if (isFull() && now >= this.#sweepAt) this.sweep(now);
      if (isFull()) return false;
      this.#counts.add(network);
      this.#size++;
    }
    const holdMs = hasWritten ? this.#nameHoldMs : hubLimits.readerHoldMs;
    // It may have written in an earlier session.
    const newEnd = Math.max(endsAt ?? 0, now + holdMs);
    holds.ends.set(member, newEnd);
    holds.pruneAt = Math.min(holds.pruneAt, newEnd);
    this.#networks.set(network, holds);
    return true;
  }

  /** Forgets holds that are over. */
  sweep(now: number): void {
    this.#sweepAt = now + sweepMs;
    for (const [network, holds] of this.#networks) {
      this.#prune(network, holds, now);
      if (holds.ends.size === 0) this.#networks.delete(network);
    }
  }

  #prune(network: string, holds: Holds, now: number): void {
    if (now < holds.pruneAt) return;
    let earliestEnd = Infinity;
    for (const [member, endsAt] of holds.ends) {
      if (endsAt > now) {
        earliestEnd = Math.min(earliestEnd, endsAt);
        continue;
      }
      holds.ends.delete(member);
      this.#counts.remove(network);
      this.#size--;
    }
    holds.pruneAt = Math.max(earliestEnd, now + pruneMs);
  }
}
