// How much each member and each network may do, and which of them is charged (law 7).

import { utf8Length } from "../protocol/text.ts";
import type { Clock, HubSettings } from "./ports.ts";
import { RateLimiter } from "./rate_limiter.ts";
import type { Payer, Session } from "./session.ts";

/** Renames of a member, and titles that it sets. */
const renameBurst = 5;
const renamesPerSecond = 5 / 3_600;
const bytesBurst = 16 * 1024 * 1024;
const bytesPerSecond = 1024 * 1024;
/** Cost of a command on top of the pages it reads: it is announced to others or reads the log. */
const commandCostBytes = 16 * 1024;
const messageCostBytes = 1024;
/** What an address may add to the disk in the long run: 450 MB an hour. */
const messageBytesPerSecond = 128 * 1024;
/** Cost of telling one member that another joined and later left. */
const announcementCostBytes = 256;
/** Cost of a new room, on top of the address's share of `MAX_ROOMS`. */
const roomCostBytes = 1024 * 1024;
/** Part of `MAX_ROOMS` that an address may use up at once, and then again each day. */
const roomShare = 0.05;
const minRoomShare = 16;
/** An address may send as many messages as this many members: a household shares one. */
const membersPerAddress = 10;
/**
 * The part of a cost that is charged to an address. Many people can share a private one (a gateway
 * or a proxy), and even more localhost (a proxy without `TRUST_PROXY`).
 */
const addressPart = { public: 1, private: 1 / 10, loopback: 1 / 100 };
/** The same for new rooms, which last. */
const addressRoomPart = { public: 1, private: 1 / 10, loopback: 1 / 10 };
/** A session with this many refused commands within `floodMs` is flooding. */
const floodRefusals = 100;
const floodMs = 10_000;

/** A quota that is used up, and the ms until a retry. */
export interface UsedUp {
  readonly quota: "messages" | "bytes" | "rooms" | "titles";
  readonly retryAfter: number;
}

/**
 * The quotas of members and networks. Methods that take from a quota return 0, or the ms until a
 * retry if it is used up.
 */
export class Quotas {
  readonly #clock: Clock;
  readonly #messages: RateLimiter;
  readonly #addressMessages: RateLimiter;
  readonly #renames: RateLimiter;
  readonly #titles: RateLimiter;
  readonly #bytes: RateLimiter;
  /** Separate bucket, so that a heavy reader cannot block senders on the same network. */
  readonly #messageBytes: RateLimiter;
  readonly #rooms: RateLimiter;

  constructor(clock: Clock, { rateBurst, ratePerSecond, maxRooms }: HubSettings) {
    const limiter = (burst: number, perSecond: number) =>
      new RateLimiter(burst, ratePerSecond === 0 ? 0 : perSecond);
    const rooms = Math.max(minRoomShare, maxRooms * roomShare);
    this.#clock = clock;
    this.#messages = limiter(rateBurst, ratePerSecond);
    this.#addressMessages = limiter(
      rateBurst * membersPerAddress,
      ratePerSecond * membersPerAddress,
    );
    this.#renames = limiter(renameBurst, renamesPerSecond);
    this.#titles = limiter(renameBurst, renamesPerSecond);
    this.#bytes = limiter(bytesBurst, bytesPerSecond);
    this.#messageBytes = limiter(bytesBurst, messageBytesPerSecond);
    this.#rooms = limiter(rooms, maxRooms === 0 ? 0 : rooms / 86_400);
  }

  /**
   * Takes a message, an edit or a deletion, and a new room if it is the first message of one, from
   * all quotas or from none.
   */
  takeMessage(payer: Payer, text: string, isFirst: boolean): UsedUp | undefined {
    const now = this.#clock.now();
    const { member, network, scope } = payer;
    const messageWait = Math.max(
      this.#messages.wait(member, now),
      this.#addressMessages.wait(network, now),
    );
    if (messageWait > 0) return { quota: "messages", retryAfter: messageWait };
    // A member that has read too much may still send messages, but not make rooms.
    const byteLimiter = isFirst ? this.#bytes : this.#messageBytes;
    const bytesWait = wait(byteLimiter, payer, now);
    if (bytesWait > 0) return { quota: "bytes", retryAfter: bytesWait };
    if (isFirst) {
      const retryAfter = this.#rooms.wait(network, now);
      if (retryAfter > 0) return { quota: "rooms", retryAfter };
      this.#chargeRoom(payer, 1, now);
    }
    this.#messages.charge(member, 1, now);
    this.#addressMessages.charge(network, addressPart[scope], now);
    charge(byteLimiter, payer, messageCostBytes + utf8Length(text), now);
    return undefined;
  }

  /** Gives back the room of a first message that made none. */
  refundRoom(payer: Payer): void {
    this.#chargeRoom(payer, -1, this.#clock.now());
  }

  takeRename(member: string): number {
    return this.#renames.take(member, this.#clock.now());
  }

  /** Takes a title from all quotas or from none. */
  takeTitle(payer: Payer): UsedUp | undefined {
    const now = this.#clock.now();
    const titleWait = this.#titles.wait(payer.member, now);
    if (titleWait > 0) return { quota: "titles", retryAfter: titleWait };
    const bytesWait = this.takeCommandBytes(payer);
    if (bytesWait > 0) return { quota: "bytes", retryAfter: bytesWait };
    this.#titles.charge(payer.member, 1, now);
    return undefined;
  }

  /** Takes the bytes of a command other than a message. */
  takeCommandBytes(payer: Payer): number {
    const now = this.#clock.now();
    const retryAfter = wait(this.#bytes, payer, now);
    if (retryAfter === 0) charge(this.#bytes, payer, commandCostBytes, now);
    return retryAfter;
  }

  /** Whether bytes are left. */
  hasBytes(payer: Payer): boolean {
    return wait(this.#bytes, payer, this.#clock.now()) === 0;
  }

  /** Charges bytes that were sent, into debt if necessary. */
  chargeBytes(payer: Payer, bytes: number): void {
    charge(this.#bytes, payer, bytes, this.#clock.now());
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
    for (const limiter of this.#limiters) limiter.sweep(now);
  }

  get size(): number {
    return this.#limiters.reduce((total, { size }) => total + size, 0);
  }

  get #limiters(): readonly RateLimiter[] {
    return [
      this.#messages,
      this.#addressMessages,
      this.#renames,
      this.#titles,
      this.#bytes,
      this.#messageBytes,
      this.#rooms,
    ];
  }

  #chargeRoom(payer: Payer, count: number, now: number): void {
    charge(this.#bytes, payer, count * roomCostBytes, now);
    this.#rooms.charge(payer.network, count * addressRoomPart[payer.scope], now);
  }
}

/** Returns the ms until the payer's buckets have tokens; 0 if they have. */
function wait(limiter: RateLimiter, { member, network, scope }: Payer, now: number): number {
  const own = scope === "public" ? 0 : limiter.wait(member, now);
  return Math.max(own, limiter.wait(network, now));
}

/** Charges a cost to an address, and in full to the member if many may share the address. */
function charge(limiter: RateLimiter, payer: Payer, cost: number, now: number): void {
  const { member, network, scope } = payer;
  if (scope !== "public") limiter.charge(member, cost, now);
  limiter.charge(network, cost * addressPart[scope], now);
}
