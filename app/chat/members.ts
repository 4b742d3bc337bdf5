// The members on this node: where they are present, the grace after their last session, and when their names are released.

import type { LeftReason } from "../protocol/wire.ts";
import { whenDone } from "./outcome.ts";
import type { Outbound } from "./outbound.ts";
import type { HubPorts } from "./ports.ts";
import type { Rooms } from "./rooms.ts";
import type { ActiveSession, Member, Presence, Subscription } from "./session.ts";
import type { Writer } from "./writer.ts";

/** After a start everybody comes back at once; their arrivals are quiet. */
const quietMs = 30_000;
/** How often the broker is told who is present, so that their names stay held. */
const renewHoldsMs = 3_600_000;
/** Max names released per event-loop turn. */
const maxReleases = 100;

/** What `Members` works with. */
export interface MembersOptions {
  readonly ports: HubPorts;
  readonly graceMs: number;
  readonly rooms: Rooms;
  readonly outbound: Outbound;
  readonly writer: Writer;
}

/** The members and their presences. */
export class Members {
  readonly #options: MembersOptions;
  readonly #members = new Map<string, Member>();
  /** When the grace of those without a session ends, in ms of the hub's clock; the earliest first. */
  readonly #graces = new Map<Member | Presence, number>();
  /** How many claims of each member are pending. Its name must not be released meanwhile. */
  readonly #claims = new Map<string, number>();
  #quietUntil: number;
  #holdsRenewedAt: number;
  #isFrozen = false;

  constructor(options: MembersOptions) {
    const now = options.ports.clock.now();
    this.#options = options;
    this.#quietUntil = now + quietMs;
    this.#holdsRenewedAt = now;
  }

  /** How many members there are, and how many graces are running. */
  get size(): { readonly members: number; readonly graces: number } {
    return { members: this.#members.size, graces: this.#graces.size };
  }

  /** Returns the open sessions of a member's tab. */
  sessionsOf(member: string, tab: string | undefined): readonly ActiveSession[] {
    const found = this.#members.get(member);
    if (found === undefined || tab === undefined) return [];
    return [...found.sessions].filter((active) => active.tab === tab);
  }

  /** Whether this is still the member with its id. */
  has(member: Member): boolean {
    return this.#members.get(member.id) === member;
  }

  /** A claim of a member's name is pending until `claimEnded`. */
  claimStarted(id: string): void {
    this.#claims.set(id, (this.#claims.get(id) ?? 0) + 1);
  }

  claimEnded(id: string): void {
    const left = (this.#claims.get(id) ?? 1) - 1;
    if (left > 0) this.#claims.set(id, left);
    else this.#claims.delete(id);
  }

  /** Releases a name that was claimed for nothing, unless the member is present or claims it again. */
  abandonClaim(id: string): void {
    if (this.#isFrozen || this.#members.has(id) || this.#claims.has(id)) return;
    this.#releaseName(id);
  }

  /** Returns the member, whose grace ends now, or a new one. */
  admit(id: string, username: string): Member {
    let member = this.#members.get(id);
    if (member === undefined) {
      member = { id, username, sessions: new Set(), presences: new Map() };
      this.#members.set(id, member);
    }
    this.#graces.delete(member);
    return member;
  }

  /** Removes a session that has no subscriptions any more. With a reason its member left; without one the grace begins. */
  removeSession(active: ActiveSession, reason: LeftReason | undefined): void {
    const { member } = active;
    member.sessions.delete(active);
    if (member.sessions.size > 0) return;
    if (reason !== undefined && member.presences.size === 0) this.#release(member);
    else this.#startGrace(member);
  }

  /** Returns a session's subscription to a room, not live. Its member becomes present there. */
  subscribe(active: ActiveSession, name: string): Subscription {
    const { ports: { broker }, rooms, outbound } = this.#options;
    const { member } = active;
    const room = rooms.open(name);
    let presence = member.presences.get(name);
    if (presence === undefined) {
      presence = { member, room, sessions: new Set() };
      member.presences.set(name, presence);
      room.roster.addLocal(member.id, member.username, this.isQuiet);
      broker.cluster?.join(name, member.id, member.username);
      outbound.touch(room);
    }
    this.#graces.delete(presence);
    presence.sessions.add(active);
    let subscription = active.subscriptions.get(name);
    if (subscription === undefined) {
      subscription = { active, room, isLive: false };
      active.subscriptions.set(name, subscription);
    }
    outbound.mute(subscription);
    return subscription;
  }

  /**
   * Takes a session out of a room. If it was the last of its member there, the member leaves with a
   * reason, and its grace begins without one.
   */
  unsubscribe(subscription: Subscription, reason: LeftReason | undefined): void {
    const { active, room } = subscription;
    active.subscriptions.delete(room.name);
    this.#options.outbound.mute(subscription);
    const presence = active.member.presences.get(room.name);
    if (presence === undefined || !presence.sessions.delete(active)) return;
    if (presence.sessions.size > 0) return;
    if (reason === undefined) this.#startGrace(presence);
    else this.#depart(presence, reason);
  }

  /**
   * Gives a member its new name, on whichever node it is, and announces it to its rooms and sessions.
   * Returns false if it has no session here that had to be told.
   */
  rename(id: string, username: string): boolean {
    const { rooms, outbound } = this.#options;
    for (const room of rooms.values()) {
      if (room.roster.rename(id, username)) outbound.touch(room);
    }
    const member = this.#members.get(id);
    if (member === undefined || member.username === username) return false;
    member.username = username;
    for (const { session } of member.sessions) outbound.queue(session, { type: "you", username });
    return true;
  }

  /** From now on nobody leaves and no name is released. */
  freeze(): void {
    this.#isFrozen = true;
  }

  /** Forgets everybody. All are about to come back, quietly. */
  clear(): void {
    this.#members.clear();
    this.#graces.clear();
    this.#quietUntil = this.#options.ports.clock.now() + quietMs;
  }

  /** Ends the graces that are over and renews the holds of names. Called once a second. */
  sweep(): void {
    this.#endGraces();
    const { broker, clock, log } = this.#options.ports;
    const now = clock.now();
    if (now - this.#holdsRenewedAt < renewHoldsMs) return;
    this.#holdsRenewedAt = now;
    whenDone(
      () => broker.renewHolds([...this.#members.keys()]),
      () => {},
      (error) => log.error("seen", error),
      log,
    );
  }

  /** Whether everybody is just coming back, so that arrivals are not worth a line each. */
  get isQuiet(): boolean {
    return this.#options.ports.clock.now() < this.#quietUntil;
  }

  #depart(presence: Presence, reason: LeftReason): void {
    const { ports: { broker, log }, outbound } = this.#options;
    const { room, member } = presence;
    this.#graces.delete(presence);
    member.presences.delete(room.name);
    room.roster.removeLocal(member.id, reason);
    outbound.touch(room);
    broker.cluster?.leave(room.name, member.id, reason);
    log.event("leave", { name: member.username, member: member.id, room: room.name, reason });
  }

  #startGrace(absent: Member | Presence): void {
    if (this.#isFrozen) return;
    // All graces are equally long, so the last one added ends last.
    this.#graces.delete(absent);
    this.#graces.set(absent, this.#options.ports.clock.now() + this.#options.graceMs);
  }

  /** Lets those leave whose grace is over. A crowd's names are released over several turns, since each is stored. */
  #endGraces(): void {
    const { clock, scheduler } = this.#options.ports;
    const now = clock.now();
    let releases = 0;
    for (const [absent, endsAt] of this.#graces) {
      if (endsAt > now) break;
      if ("room" in absent) this.#depart(absent, "timeout");
      else if (++releases <= maxReleases) this.#release(absent);
    }
    if (releases > maxReleases) scheduler.soon(() => this.#isFrozen || this.#endGraces());
  }

  /** Forgets a member and releases its name; not before its messages are stored and its claims are over. */
  #release(member: Member): void {
    const { writer } = this.#options;
    writer.append();
    if (writer.isWaiting(member.id) || this.#claims.has(member.id)) {
      return this.#startGrace(member);
    }
    this.#graces.delete(member);
    this.#members.delete(member.id);
    this.#releaseName(member.id);
  }

  #releaseName(id: string): void {
    const { broker, log } = this.#options.ports;
    whenDone(() => broker.release(id), () => {}, (error) => log.error("release", error), log);
  }
}
