// The promises to the moderator of a simulated world: the sanctions that the server has confirmed,
// and the messages that it must delete.

import type { Entry } from "../../../app/chat/broker.ts";
import type { Sanction } from "../../../app/protocol/wire.ts";
import type { ReferenceLog } from "./reference_log.ts";
import type { Timeline } from "./timeline.ts";
import { Violation } from "./violation.ts";

/** A ban may take this long to end sessions: a node may still wait for a claim or for its feed. */
const maxSessionMs = 10_000;
/** A command without a reply may be carried out this much later. */
const uncertainMs = 60_000;

interface ConfirmedSanction extends Sanction {
  /** When the moderator first heard of it. */
  readonly confirmedAt: number;
}

interface Swept {
  readonly room: string;
  readonly offset: number;
}

/** Records confirmed sanctions and sweeps, and checks entries and members against them. */
export class SanctionLedger {
  readonly #time: Timeline;
  readonly #log: ReferenceLog;
  #confirmed: readonly ConfirmedSanction[] = [];
  #uncertainUntil = 0;
  /** Messages and titles that a confirmed sweep deletes. */
  #swept: Swept[] = [];
  /** When the last sweep was sent. Messages written later may stay. */
  #sweepSentAt = 0;
  /** Members whose messages a moderator may have deleted. */
  readonly #sweptMembers = new Set<string>();

  constructor(time: Timeline, log: ReferenceLog) {
    this.#time = time;
    this.#log = log;
  }

  /** Records that a command was sent that may end or shorten the matching sanctions. */
  onChangeSent(isChanged: (sanction: Sanction) => boolean): void {
    this.#confirmed = this.#confirmed.filter((sanction) => !isChanged(sanction));
  }

  /** Records that a command was sent that sweeps the messages of members. */
  onSweepSent(members: readonly string[]): void {
    for (const member of members) this.#sweptMembers.add(member);
    this.#sweepSentAt = this.#time.wall();
  }

  /** Drops the records, since a command may be carried out later, or the storage was set back. */
  forget(isSetBack = false): void {
    this.#confirmed = [];
    this.#uncertainUntil = this.#time.ms + uncertainMs;
    if (isSetBack) this.#swept = [];
  }

  /** Records the sanctions in force that the server has sent. */
  confirm(sanctions: readonly Sanction[]): void {
    if (this.#time.ms < this.#uncertainUntil) return;
    const before = new Map(this.#confirmed.map((sanction) => [sanction.id, sanction]));
    const confirmedAt = this.#time.ms;
    this.#confirmed = sanctions.map((each) => before.get(each.id) ?? { ...each, confirmedAt });
  }

  /** Records that the server has confirmed the sweep of a member's messages since a time. */
  confirmSweep(member: string, since: number): void {
    if (this.#time.ms < this.#uncertainUntil) return;
    for (const [room, entries] of this.#log.rooms) {
      for (const entry of entries) {
        if (entry.type !== "message" && entry.type !== "title") continue;
        if (entry.member !== member || entry.at < since) continue;
        if (entry.at >= this.#sweepSentAt) continue;
        this.#swept.push({ room, offset: entry.offset });
      }
    }
  }

  /** Sanctions end by the wall clock, for good even if it is set back. Call it at every step. */
  expire(): void {
    const now = this.#time.wall();
    if (this.#confirmed.some(({ until }) => until <= now)) {
      this.#confirmed = this.#confirmed.filter(({ until }) => until > now);
    }
  }

  #find(kind: Sanction["kind"], member: string, minAgeMs = 0): ConfirmedSanction | undefined {
    return this.#confirmed.find((each) =>
      each.kind === kind && each.member === member && each.until > this.#time.wall() &&
      each.confirmedAt <= this.#time.ms - minAgeMs
    );
  }

  /**
   * Checks an entry that is being stored.
   *
   * @throws {Violation} If its author is banned or muted.
   */
  checkEntry({ type, member, room, offset }: Entry): void {
    const where = `${room}: the ${type} ${offset} by ${member}`;
    if (this.#find("ban", member) !== undefined) {
      throw new Violation(`${where} was stored during a ban`);
    }
    if (type !== "delete" && this.#find("mute", member) !== undefined) {
      throw new Violation(`${where} was stored during a mute`);
    }
  }

  /** Whether a moderator may delete a member's messages. */
  mayBeSwept(member: string): boolean {
    return this.#sweptMembers.has(member);
  }

  /**
   * Checks that a member may be welcomed.
   *
   * @throws {Violation} If it is banned.
   */
  checkHello(member: string): void {
    if (this.#find("ban", member, maxSessionMs) === undefined) return;
    throw new Violation(`${member} was welcomed, but is banned`);
  }

  /**
   * Checks that every message is gone that a confirmed sweep deletes.
   *
   * @param isPruned Whether an entry of a room is no longer kept.
   * @throws {Violation} If one is not.
   */
  checkSwept(isPruned: (offset: number) => boolean): void {
    for (const { room, offset } of this.#swept) {
      const message = this.#log.present(room).messages.get(offset);
      if (message?.text === undefined || isPruned(offset)) continue;
      throw new Violation(`${room}: ${offset} was swept, but has the text ${message.text}`);
    }
  }
}
