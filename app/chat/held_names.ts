// Bounds how many names each address holds for members that left (law 7).

import { hubLimits } from "../protocol/wire.ts";
import type { Payer } from "./session.ts";

/** Max members of an address whose names are held. */
const maxPerAddress = { public: 50, private: 500, loopback: 5_000 };
/** Max members of all addresses whose names are held. */
const maxTotal = 100_000;
/** Min interval between prunes of a network, which visit all its holds. */
const pruneMs = 1_000;

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
  #size = 0;

  constructor(nameHoldMs: number) {
    this.#nameHoldMs = nameHoldMs;
  }

  /** Counts a member that left. Returns false if its address, or all addresses, hold too many. */
  add({ member, network, scope }: Payer, hasWritten: boolean, now: number): boolean {
    const holds = this.#networks.get(network) ?? { ends: new Map(), pruneAt: Infinity };
    const endsAt = holds.ends.get(member);
    if (endsAt === undefined) {
      if (holds.ends.size >= maxPerAddress[scope]) this.#prune(holds, now);
      if (holds.ends.size >= maxPerAddress[scope] || this.#size >= maxTotal) return false;
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
    for (const [network, holds] of this.#networks) {
      this.#prune(holds, now);
      if (holds.ends.size === 0) this.#networks.delete(network);
    }
  }

  #prune(holds: Holds, now: number): void {
    if (now < holds.pruneAt) return;
    let earliestEnd = Infinity;
    for (const [member, endsAt] of holds.ends) {
      if (endsAt > now) earliestEnd = Math.min(earliestEnd, endsAt);
      else if (holds.ends.delete(member)) this.#size--;
    }
    holds.pruneAt = Math.max(earliestEnd, now + pruneMs);
  }
}
