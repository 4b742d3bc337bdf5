// How much each member and each network may do, and which of them is charged (law 7).

import type { Clock, HubSettings } from "./ports.ts";
import { RateLimiter } from "./rate_limiter.ts";
import type { PeerAddress, Session } from "./session.ts";

const renameBurst = 5;
const renamesPerSecond = 5 / 3_600;
/** Wrong access codes per network: enough for typing errors, too few for guessing. */
const accessBurst = 10;
const accessPerSecond = 1 / 60;
const bytesBurst = 16 * 1024 * 1024;
const bytesPerSecond = 1024 * 1024;
/** Cost of a command on top of the pages it reads: it is announced to others or reads the log. */
const commandCostBytes = 16 * 1024;
const messageCostBytes = 1024;
/** Cost of a stored room. Rooms are never removed, and all members share `MAX_ROOMS`. */
const roomCostBytes = 1024 * 1024;
/** A session with this many refused commands within `floodMs` is flooding. */
const floodRefusals = 100;
const floodMs = 10_000;

/**
 * The quotas of members and networks. Methods that take from a quota return 0, or the ms until a
 * retry if it is used up.
 */
export class Quotas {
  readonly #clock: Clock;
  readonly #messages: RateLimiter;
  readonly #renames: RateLimiter;
  readonly #bytes: RateLimiter;
  /** Separate bucket, so that a heavy reader cannot block senders on the same network. */
  readonly #messageBytes: RateLimiter;
  readonly #accessCodes = new RateLimiter(accessBurst, accessPerSecond);

  constructor(clock: Clock, { rateBurst, ratePerSecond }: HubSettings) {
    const isUnlimited = ratePerSecond === 0;
    this.#clock = clock;
    this.#messages = new RateLimiter(rateBurst, ratePerSecond);
    this.#renames = new RateLimiter(renameBurst, isUnlimited ? 0 : renamesPerSecond);
    this.#bytes = new RateLimiter(bytesBurst, isUnlimited ? 0 : bytesPerSecond);
    this.#messageBytes = new RateLimiter(bytesBurst, isUnlimited ? 0 : bytesPerSecond);
  }

  /** Returns who is charged for a member's bytes: its network, or on loopback the member itself. */
  payer({ scope, network }: PeerAddress, member: string): string {
    return scope === "loopback" ? member : network;
  }

  /** Takes a message of a member. */
  takeMessage(member: string): number {
    return this.#messages.take(member, this.#clock.now());
  }

  /** Takes a rename of a member. */
  takeRename(member: string): number {
    return this.#renames.take(member, this.#clock.now());
  }

  /** Takes the bytes of a command other than a message. */
  takeCommandBytes(payer: string): number {
    return this.#bytes.take(payer, this.#clock.now(), commandCostBytes);
  }

  /** Takes the bytes of a message. The first of a room counts as a command, as it makes a room. */
  takeMessageBytes(payer: string, length: number, isFirst: boolean): number {
    const limiter = isFirst ? this.#bytes : this.#messageBytes;
    return limiter.take(payer, this.#clock.now(), messageCostBytes + length);
  }

  /** Charges bytes that were sent, into debt if necessary. */
  chargeBytes(payer: string, bytes: number): void {
    this.#bytes.charge(payer, bytes, this.#clock.now());
  }

  /** Charges a room that was stored. */
  chargeRoom(payer: string): void {
    this.chargeBytes(payer, roomCostBytes);
  }

  /** Returns the ms until a network may try an access code; 0 if it may now. */
  accessWait(network: string): number {
    return this.#accessCodes.wait(network, this.#clock.now());
  }

  /** Charges a wrong access code. */
  chargeAccess(network: string): void {
    this.#accessCodes.charge(network, 1, this.#clock.now());
  }

  /** Counts a refused command; returns true if the session is flooding. */
  countRefusal({ refusals }: Session): boolean {
    const now = this.#clock.now();
    if (now - refusals.since > floodMs) {
      refusals.since = now;
      refusals.count = 0;
    }
    return ++refusals.count >= floodRefusals;
  }

  /** Forgets buckets that are full again. */
  sweep(): void {
    const now = this.#clock.now();
    for (const limiter of this.#limiters) limiter.sweep(now);
  }

  /** How many buckets are remembered. */
  get size(): number {
    return this.#limiters.reduce((total, { size }) => total + size, 0);
  }

  get #limiters(): readonly RateLimiter[] {
    return [this.#messages, this.#renames, this.#bytes, this.#messageBytes, this.#accessCodes];
  }
}
