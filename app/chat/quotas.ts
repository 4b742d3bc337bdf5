// The quotas of members and networks, and which of them pays for a command (law 7).

import { utf8Length } from "../protocol/text.ts";
import type { Clock, HubSettings } from "./ports.ts";
import { NetworkLimiter, RateLimiter } from "./rate_limiter.ts";
import type { Payer, Session } from "./session.ts";

/** Limits of a member's renames. Its titles have the same limits, counted separately. */
const renameBurst = 5;
const renamesPerSecond = 5 / 3_600;
const bytesBurst = 16 * 1024 * 1024;
const bytesPerSecond = 1024 * 1024;
/** Base cost of a command that reads the log or is announced; the pages it reads cost extra. */
const commandCostBytes = 16 * 1024;
const messageCostBytes = 1024;
/** Max rate at which an address fills the disk: 450 MiB an hour. */
const messageBytesPerSecond = 128 * 1024;
/** Cost of telling one member that another joined and later left. */
const announcementCostBytes = 256;
/** Cost of a new room, on top of the address's share of `MAX_ROOMS`. */
const roomCostBytes = 1024 * 1024;
/** Share of `MAX_ROOMS` that an address may use at once, and again each day. */
const roomShare = 0.05;
const minRoomShare = 16;
/** An address may send as many messages as this many members, since households share one. */
const membersPerAddress = 10;
/**
 * Share of a cost that is charged to an address. Many people can share a private one (a gateway or
 * a proxy), and even more people localhost (a proxy without `TRUST_PROXY`).
 */
const addressShare = { public: 1, private: 1 / 10, loopback: 1 / 100 };
/** The same for new rooms, which are permanent. */
const addressRoomShare = { public: 1, private: 1 / 10, loopback: 1 / 10 };
/** Factors for an IPv6 /48, which one person may own: of its rates, and of its new rooms. */
const wideFactor = 32;
const wideRoomFactor = 4;
/** A session with this many refused commands within `floodMs` is flooding. */
const floodRefusals = 100;
const floodMs = 10_000;

/** A quota that is used up, and the ms until a retry. */
interface UsedUp {
  readonly quota: "messages" | "bytes" | "rooms" | "titles";
  readonly retryAfter: number;
}

/**
 * The quotas of members and networks. `take…` methods charge a quota unless it is used up, and
 * return the wait until a retry.
 */
export class Quotas {
  readonly #clock: Clock;
  readonly #limiters: ReturnType<typeof limitersFor>;

  constructor(clock: Clock, settings: HubSettings) {
    this.#clock = clock;
    this.#limiters = limitersFor(settings);
  }

  /**
   * Charges a message, an edit or a deletion to all quotas, or to none if one is used up. With
   * `isFirst`, also charges the room that the message creates.
   */
  takeMessage(payer: Payer, text: string, isFirst: boolean): UsedUp | undefined {
    const now = this.#clock.now();
    const { member, network, scope } = payer;
    const messageWait = Math.max(
      this.#limiters.messages.wait(member, now),
      this.#limiters.networkMessages.wait(network, now),
    );
    if (messageWait > 0) return { quota: "messages", retryAfter: messageWait };
    // A member that has read too much may still send messages, but not create rooms.
    const byteLimiter = isFirst ? this.#limiters.bytes : this.#limiters.messageBytes;
    const bytesWait = wait(byteLimiter, payer, now);
    if (bytesWait > 0) return { quota: "bytes", retryAfter: bytesWait };
    if (isFirst) {
      const retryAfter = this.#limiters.rooms.wait(network, now);
      if (retryAfter > 0) return { quota: "rooms", retryAfter };
      this.#chargeRoom(payer, 1, now);
    }
    this.#limiters.messages.charge(member, now);
    this.#limiters.networkMessages.charge(network, now, addressShare[scope]);
    charge(byteLimiter, payer, now, messageCostBytes + utf8Length(text));
    return undefined;
  }

  /** Refunds the room charged with a first message that created none. */
  refundRoom(payer: Payer): void {
    this.#chargeRoom(payer, -1, this.#clock.now());
  }

  takeRename(member: string): number {
    return this.#limiters.renames.take(member, this.#clock.now());
  }

  /** Refunds a rename or a title that did not take effect. */
  refund(quota: "renames" | "titles", member: string): void {
    this.#limiters[quota].charge(member, this.#clock.now(), -1);
  }

  /** Charges a title to all quotas, or to none if one is used up. */
  takeTitle(payer: Payer): UsedUp | undefined {
    const now = this.#clock.now();
    const { member, network, scope } = payer;
    const titleWait = this.#limiters.titles.wait(member, now);
    if (titleWait > 0) return { quota: "titles", retryAfter: titleWait };
    // Tokens are free, so a title counts as a message of its address too.
    const networkWait = this.#limiters.networkMessages.wait(network, now);
    if (networkWait > 0) return { quota: "messages", retryAfter: networkWait };
    const bytesWait = this.takeCommandBytes(payer);
    if (bytesWait > 0) return { quota: "bytes", retryAfter: bytesWait };
    this.#limiters.titles.charge(member, now);
    this.#limiters.networkMessages.charge(network, now, addressShare[scope]);
    return undefined;
  }

  /** Charges the bytes of a command other than a message. */
  takeCommandBytes(payer: Payer): number {
    const now = this.#clock.now();
    const retryAfter = wait(this.#limiters.bytes, payer, now);
    if (retryAfter === 0) charge(this.#limiters.bytes, payer, now, commandCostBytes);
    return retryAfter;
  }

  hasBytes(payer: Payer): boolean {
    return wait(this.#limiters.bytes, payer, this.#clock.now()) === 0;
  }

  /** Charges bytes that were sent, into debt if necessary. */
  chargeBytes(payer: Payer, bytes: number): void {
    charge(this.#limiters.bytes, payer, this.#clock.now(), bytes);
  }

  /** Charges a push to `members` members, into debt if necessary. */
  chargeAnnouncement(payer: Payer, members: number): void {
    this.chargeBytes(payer, members * announcementCostBytes);
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
    for (const limiter of Object.values(this.#limiters)) limiter.sweep(now);
  }

  get size(): number {
    return Object.values(this.#limiters).reduce((total, { size }) => total + size, 0);
  }

  #chargeRoom(payer: Payer, count: number, now: number): void {
    charge(this.#limiters.bytes, payer, now, count * roomCostBytes);
    this.#limiters.rooms.charge(payer.network, now, count * addressRoomShare[payer.scope]);
  }
}

function limitersFor({ rateBurst, ratePerSecond, maxRooms }: HubSettings) {
  const rate = (perSecond: number) => ratePerSecond === 0 ? 0 : perSecond;
  const limiter = (burst: number, perSecond: number) => new RateLimiter(burst, rate(perSecond));
  const networks = (burst: number, perSecond: number, factor = wideFactor) =>
    new NetworkLimiter(burst, rate(perSecond), factor);
  const rooms = Math.max(minRoomShare, maxRooms * roomShare);
  return {
    messages: limiter(rateBurst, ratePerSecond),
    networkMessages: networks(rateBurst * membersPerAddress, ratePerSecond * membersPerAddress),
    renames: limiter(renameBurst, renamesPerSecond),
    titles: limiter(renameBurst, renamesPerSecond),
    bytes: networks(bytesBurst, bytesPerSecond),
    // Separate bucket, so that a heavy reader cannot block senders on the same network.
    messageBytes: networks(bytesBurst, messageBytesPerSecond),
    rooms: networks(rooms, maxRooms === 0 ? 0 : rooms / 86_400, wideRoomFactor),
  };
}

/** Returns the ms until the payer's buckets have tokens; 0 if they have some. */
function wait(limiter: RateLimiter, { member, network, scope }: Payer, now: number): number {
  const own = scope === "public" ? 0 : limiter.wait(member, now);
  return Math.max(own, limiter.wait(network, now));
}

/** Charges a cost to an address, and in full to the member if many may share the address. */
function charge(limiter: RateLimiter, payer: Payer, now: number, cost: number): void {
  const { member, network, scope } = payer;
  if (scope !== "public") limiter.charge(member, now, cost);
  limiter.charge(network, now, cost * addressShare[scope]);
}
