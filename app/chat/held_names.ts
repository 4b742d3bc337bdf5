// Bounds how many names each address holds for members that left (law 7).

import { hubLimits } from "../protocol/wire.ts";
import type { Payer } from "./session.ts";

/** Max members of an address whose names are held. */
const maxPerAddress = { public: 50, private: 500, loopback: 5_000 };
/** Max members of all addresses whose names are held. */
const maxTotal = 100_000;

/** Counts, by address, the members whose names are held since this server started. */
export class HeldNames {
  readonly #nameHoldMs: number;
  /** When the holds of members end, by network and member. */
  readonly #holds = new Map<string, Map<string, number>>();
  #size = 0;

  constructor(nameHoldMs: number) {
    this.#nameHoldMs = nameHoldMs;
  }

  /** Counts a member that left. Returns false if its address, or all addresses, hold too many. */
  add({ member, network, scope }: Payer, hasWritten: boolean, now: number): boolean {
    const holds = this.#holds.getOrInsertComputed(network, () => new Map());
    const endsAt = holds.get(member);
    if (endsAt === undefined) {
      if (holds.size >= maxPerAddress[scope]) this.#prune(network, holds, now);
      if (holds.size >= maxPerAddress[scope] || this.#size >= maxTotal) return false;
      this.#size++;
    }
    const holdMs = hasWritten ? this.#nameHoldMs : hubLimits.readerHoldMs;
    // It may have written in an earlier session.
    holds.set(member, Math.max(endsAt ?? 0, now + holdMs));
    return true;
  }

  /** Forgets holds that are over. */
  sweep(now: number): void {
    for (const [network, holds] of this.#holds) this.#prune(network, holds, now);
  }

  #prune(network: string, holds: Map<string, number>, now: number): void {
    for (const [member, endsAt] of holds) {
      if (endsAt <= now && holds.delete(member)) this.#size--;
    }
    if (holds.size === 0) this.#holds.delete(network);
  }
}
