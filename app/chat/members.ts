// The members on this node: their presence in rooms, their graces, and the release of their names.

import type { Outcome } from "./broker.ts";
import type { LeftReason } from "../protocol/wire.ts";
import { HeldNames } from "./held_names.ts";
import { whenDone } from "./outcome.ts";
import type { HubCore } from "./hub_core.ts";
import type { Room } from "./room.ts";
import { newMember } from "./session.ts";
import type { ActiveSession, Member, Payer, Presence, Subscription } from "./session.ts";
import { Tally } from "./tally.ts";

/** How long arrivals are quiet after a start, when all members come back at once. */
const quietMs = 30_000;
/** Interval at which the holds of present members' names are renewed. */
const renewHoldsMs = 3_600_000;
/** Max names released at a time. */
const maxReleases = 100;
/** Delay before an unconfirmed release is repeated. */
const releaseRetryMs = 60_000;
/** Max unconfirmed releases that are remembered. */
const maxUnreleased = 100_000;

/** The members that are present through this node, or in their grace. */
export class Members {
  readonly #hub: HubCore;
  readonly #members = new Map<string, Member>();
  /** When each grace ends, in ms of the hub's clock; earliest first. */
  readonly #graces = new Map<Member | Presence, number>();
  /** Pending claims by member. A member's name is not released while it has any. */
  readonly #claims = new Tally();
  /** Releases that the broker has not confirmed, and when to repeat each, in ms. */
  readonly #unreleased = new Map<string, { readonly isFreed: boolean; readonly retryAt: number }>();
  readonly #heldNames: HeldNames;
  #quietUntil: number;
  #holdsRenewedAt: number;
  #isFrozen = false;

  constructor(hub: HubCore) {
    const now = hub.ports.clock.now();
    this.#hub = hub;
    this.#heldNames = new HeldNames(hub.settings.nameHoldMs);
    this.#quietUntil = now + quietMs;
    this.#holdsRenewedAt = now;
  }

  /** How many members there are, and how many graces are running. */
  get size(): { readonly members: number; readonly graces: number } {
    return { members: this.#members.size, graces: this.#graces.size };
  }

  /** Whether the broker has not confirmed the release of a name. */
  get hasUnreleased(): boolean {
    return this.#unreleased.size > 0;
  }

  sessionsOf(member: string, tab: string | undefined): readonly ActiveSession[] {
    const found = this.#members.get(member);
    if (found === undefined || tab === undefined) return [];
    return [...found.sessions].filter((active) => active.tab === tab);
  }

  allSessionsOf(member: string): readonly ActiveSession[] {
    return [...this.#members.get(member)?.sessions ?? []];
  }

  /** Makes a member without sessions leave its rooms, and releases it without a grace. */
  expel(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined || member.sessions.size > 0) return;
    for (const presence of member.presences.values()) this.#depart(presence, "quit");
    this.#release(member);
  }

  /** Returns the member if it is on this node, or in its grace. */
  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  /** Whether the member has not been released. */
  has(member: Member): boolean {
    return this.#members.get(member.id) === member;
  }

  /** Whether a member has been admitted before: it is present or holds a name. */
  isKnown({ member }: Payer): Outcome<boolean> {
    return this.#members.has(member) || this.#hub.ports.broker.holdsName(member);
  }

  /** Keeps a member's name from being released until `claimEnded`. */
  claimStarted(id: string): void {
    this.#claims.add(id);
  }

  claimEnded(id: string): void {
    this.#claims.remove(id);
  }

  /** Releases the name of a claim without a session, unless the member is present or claiming. */
  abandonClaim(payer: Payer): void {
    const { member } = payer;
    if (this.#isFrozen || this.#members.has(member) || this.#claims.of(member) > 0) return;
    this.#releaseName(payer, false);
  }

  /** Returns the payer's member, which is created if necessary, and ends its grace. */
  admit(payer: Payer, username: string): Member {
    const { member: id } = payer;
    const member = this.#members.getOrInsertComputed(id, () => newMember(id, username, payer));
    member.payer = payer;
    this.#graces.delete(member);
    return member;
  }

  /**
   * Removes a session without subscriptions. If it was its member's last, the member is released
   * (with a reason) or its grace begins (without).
   */
  removeSession(active: ActiveSession, reason: LeftReason | undefined): void {
    const { member } = active;
    if (!this.has(member)) return;
    member.sessions.delete(active);
    if (member.sessions.size > 0) return;
    if (reason !== undefined && member.presences.size === 0) this.#release(member);
    else this.#startGrace(member);
  }

  /** Subscribes a session to a room, not live yet, and makes its member present there. */
  subscribe(active: ActiveSession, name: string): Subscription {
    const { rooms, outbound } = this.#hub;
    const room = rooms.open(name);
    if (this.has(active.member)) this.#enter(active, room);
    else room.followers.add(active);
    const subscription = active.subscriptions.getOrInsert(name, { active, room, isLive: false });
    outbound.endLive(subscription);
    return subscription;
  }

  /** Makes a session's member present in a room. */
  #enter(active: ActiveSession, room: Room): void {
    const { ports: { broker }, outbound } = this.#hub;
    const { member } = active;
    const { name } = room;
    let presence = member.presences.get(name);
    if (presence === undefined) {
      presence = { member, room, sessions: new Set() };
      member.presences.set(name, presence);
      const { id, username } = member;
      room.roster.add("local", { member: id, username }, this.isQuiet);
      broker.cluster?.join(name, id, username);
      outbound.touch(room);
    }
    this.#graces.delete(presence);
    presence.sessions.add(active);
  }

  /**
   * Ends a session's subscription. If it was its member's last one in the room, the member leaves
   * (with a reason) or its grace begins (without).
   */
  unsubscribe(subscription: Subscription, reason: LeftReason | undefined): void {
    const { active, room } = subscription;
    const { outbound } = this.#hub;
    active.subscriptions.delete(room.name);
    outbound.endLive(subscription);
    if (room.followers.delete(active)) outbound.touch(room);
    const presence = active.member.presences.get(room.name);
    if (presence === undefined || !presence.sessions.delete(active)) return;
    if (presence.sessions.size > 0) return;
    if (reason === undefined) this.#startGrace(presence);
    else this.#depart(presence, reason);
  }

  /**
   * Announces the new name of a member of any node to its rooms and sessions here. Returns false if
   * it is not on this node or already has that name.
   */
  rename(id: string, username: string): boolean {
    const { rooms, outbound } = this.#hub;
    for (const room of rooms.values()) {
      if (room.roster.rename(id, username)) outbound.touch(room);
    }
    const member = this.#members.get(id);
    if (member === undefined || member.username === username) return false;
    member.username = username;
    for (const { session } of member.sessions) {
      // A post takes its first push as its reply.
      if (!session.isPost) outbound.queue(session, { type: "you", username });
    }
    return true;
  }

  /** Stops graces, so that no member leaves and no name is released any more. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Forgets all members, which are about to come back. */
  clear(): void {
    this.#members.clear();
    this.#graces.clear();
    this.#unreleased.clear();
    this.#quietUntil = this.#hub.ports.clock.now() + quietMs;
  }

  /** Ends graces, repeats releases and renews the holds of names, when due. Called every second. */
  sweep(): void {
    this.#endGraces();
    this.#repeatReleases();
    const { broker, clock, log } = this.#hub.ports;
    const now = clock.now();
    if (now - this.#holdsRenewedAt < renewHoldsMs) return;
    this.#holdsRenewedAt = now;
    this.#heldNames.sweep(now);
    whenDone(log, "hold_renewal_failed", () => broker.renewHolds());
  }

  /** Whether arrivals are quiet, because all members come back after a start. */
  get isQuiet(): boolean {
    return this.#hub.ports.clock.now() < this.#quietUntil;
  }

  #depart(presence: Presence, reason: LeftReason): void {
    const { ports: { broker, log }, outbound } = this.#hub;
    const { room, member } = presence;
    this.#graces.delete(presence);
    member.presences.delete(room.name);
    room.roster.remove("local", member.id, reason);
    outbound.touch(room);
    broker.cluster?.leave(room.name, member.id, reason);
    const { username: name, id, payer: { network } } = member;
    log.event("leave", { name, member: id, room: room.name, reason }, network);
  }

  #startGrace(absent: Member | Presence): void {
    if (this.#isFrozen) return;
    // All graces are equally long, so the last one added ends last.
    this.#graces.delete(absent);
    this.#graces.set(absent, this.#hub.ports.clock.now() + this.#hub.settings.graceMs);
  }

  /** Ends the graces that are due. Spreads many releases over time, for short commits. */
  #endGraces(): void {
    const { clock, scheduler } = this.#hub.ports;
    const now = clock.now();
    let releases = 0;
    for (const [absent, endsAt] of this.#graces) {
      if (endsAt > now) break;
      if ("room" in absent) this.#depart(absent, "timeout");
      else if (++releases <= maxReleases) this.#release(absent);
    }
    if (releases > maxReleases) scheduler.later(1, () => this.#isFrozen || this.#endGraces());
  }

  /** Releases a member and its name once its messages are stored and no claim is pending. */
  #release(member: Member): void {
    const { writer } = this.#hub;
    writer.append();
    if (writer.hasPending(member.id) || this.#claims.of(member.id) > 0) {
      return this.#startGrace(member);
    }
    this.#graces.delete(member);
    this.#members.delete(member.id);
    this.#releaseName(member.payer, member.hasWritten);
  }

  #releaseName(payer: Payer, hasWritten: boolean): void {
    const isHeld = this.#heldNames.add(payer, hasWritten, this.#hub.ports.clock.now());
    this.#callRelease(payer.member, !isHeld, "release_failed");
  }

  /** Releases a name, and repeats that until the broker confirms it. Logs an error as `event`. */
  #callRelease(member: string, isFreed: boolean, event?: string): void {
    const { nameChanges, ports: { broker, clock, log } } = this.#hub;
    const release = { isFreed, retryAt: clock.now() + releaseRetryMs };
    this.#unreleased.delete(member);
    if (this.#unreleased.size < maxUnreleased) this.#unreleased.set(member, release);
    nameChanges.add(log, event, () => broker.release(member, isFreed), () => {
      if (this.#unreleased.get(member) === release) this.#unreleased.delete(member);
    });
  }

  /** Repeats unconfirmed releases. Otherwise the names would stay taken until the next start. */
  #repeatReleases(): void {
    const now = this.#hub.ports.clock.now();
    for (const [member, { isFreed, retryAt }] of this.#unreleased.entries().take(maxReleases)) {
      if (retryAt > now) break;
      const isClaimed = this.#members.has(member) || this.#claims.of(member) > 0;
      if (isClaimed) this.#unreleased.delete(member);
      else this.#callRelease(member, isFreed);
    }
  }
}
