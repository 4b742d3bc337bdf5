// The access code and the moderator code, and the limit on guesses (law 7).

import type { ErrorPush } from "../protocol/wire.ts";
import type { AccessCheck, Clock } from "./ports.ts";
import { NetworkLimiter, RateLimiter } from "./rate_limiter.ts";
import { codeLocked, refusal } from "./refusals.ts";
import type { Payer } from "./session.ts";

/** Max wrong codes per network or known member: enough for typos, too few for guessing. */
const burst = 10;
const perSecond = 1 / 60;
/** Factor for an IPv6 /48, which one person may own. */
const wideFactor = 4;
/**
 * Max wrong codes of all addresses. An address without recent wrong codes has one try even when
 * these are used up.
 */
const totalBurst = 600;
const totalPerSecond = 1;
/** Cost of a wrong code by address scope: many people may share one that isn't public. */
const codeCost = { public: 1, private: 1 / 10, loopback: 1 / 10 };
/** Key of the bucket that all addresses share. */
const allAddresses = "all";

/** Checks codes and counts wrong ones. */
export class AccessGuard {
  readonly #clock: Clock;
  readonly #isCode: AccessCheck | undefined;
  readonly #re: "hello" | "moderate";
  /** Wrong codes by network, and by known member. */
  readonly #wrong = new NetworkLimiter(burst, perSecond, wideFactor);
  readonly #wrongTotal = new RateLimiter(totalBurst, totalPerSecond);

  /** `isCode` is absent if the chat needs no code. `re` is the command that has the code. */
  constructor(clock: Clock, isCode: AccessCheck | undefined, re: "hello" | "moderate" = "hello") {
    this.#clock = clock;
    this.#isCode = isCode;
    this.#re = re;
  }

  /**
   * Returns the error for a refused code, or `undefined` if it is correct. Wrong codes are charged
   * to the network, so that guessing takes too long. A known member has a separate quota, so that
   * a guesser cannot lock out a household; `isKnown` matters only if `isLocked`.
   */
  check(payer: Payer, code: string | undefined, isKnown: boolean): ErrorPush | undefined {
    const { network, member, scope } = payer;
    const now = this.#clock.now();
    if (this.#isCode === undefined) return undefined;
    if (code === undefined) return refusal({ re: "hello" }, "access_required");
    const retryAfter = this.#wait(network, now);
    // Don't check an unknown member's code: the response time could help a guesser.
    if (retryAfter > 0 && (!isKnown || this.#wrong.wait(member, now) > 0)) {
      return codeLocked(this.#re, retryAfter);
    }
    if (this.#isCode(code)) return undefined;
    if (retryAfter > 0) this.#wrong.charge(member, now);
    else {
      const cost = codeCost[scope];
      this.#wrong.charge(network, now, cost);
      this.#wrongTotal.take(allAddresses, now, cost);
    }
    const re = this.#re;
    return refusal({ re }, re === "hello" ? "access_denied" : "moderator_denied");
  }

  /** Whether a network, or all of them, have used up their wrong codes. */
  isLocked({ network }: Payer): boolean {
    return this.#wait(network, this.#clock.now()) > 0;
  }

  #wait(network: string, now: number): number {
    // Guessers at many addresses must not lock out people at others.
    if (this.#wrong.isFull(network, now)) return 0;
    return Math.max(this.#wrong.wait(network, now), this.#wrongTotal.wait(allAddresses, now));
  }

  /** Forgets buckets that are full again. */
  sweep(): void {
    for (const wrong of [this.#wrong, this.#wrongTotal]) wrong.sweep(this.#clock.now());
  }

  get size(): number {
    return this.#wrong.size + this.#wrongTotal.size;
  }
}
