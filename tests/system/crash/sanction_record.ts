// The promises to the moderator of a crash test: its sanctions and its sweeps. Times are in ms
// since 1970.

import type { ModeratorCommand, Sanction } from "../../../app/protocol/wire.ts";
import type { StoredEntry } from "./recorded_entry.ts";

/** A mute or ban, as far as the moderator knows. */
interface KnownSanction {
  readonly id: number;
  readonly kind: Sanction["kind"];
  readonly member: string;
  /** When the server confirmed it. */
  readonly confirmedAt: number;
  /** When it ends, or when a command that may end it was sent, if that is earlier. */
  until: number;
}

/** A period in which the server may carry out a command that imposes a sanction. */
interface PossibleSanction {
  readonly kind: Sanction["kind"];
  readonly member: string;
  readonly from: number;
  until: number;
}

/**
 * The messages and titles that a member wrote between two times, which a confirmed sweep deletes.
 */
interface ConfirmedSweep {
  readonly member: string;
  readonly since: number;
  readonly before: number;
}

/** A command without a reply may be carried out this much later. */
const uncertainMs = 60_000;
/** A sanction's end takes this long to reach a server's memory and a client. */
const slackMs = 5_000;
const banSweepMs = 3_600_000;

/** Records commands and replies, and checks entries, refusals and members against them. */
export class SanctionRecord {
  readonly #addViolation: (sentence: string) => void;
  readonly #known: KnownSanction[] = [];
  readonly #possible: PossibleSanction[] = [];
  readonly #sweeps: ConfirmedSweep[] = [];
  /** Members whose messages a moderator may have swept. */
  readonly #sweptMembers = new Set<string>();
  /** Until then, a command whose outcome is unknown may still be carried out. */
  #uncertainUntil = 0;
  /** Members that are or were moderators. */
  readonly moderators = new Set<string>();

  constructor(addViolation: (sentence: string) => void) {
    this.#addViolation = addViolation;
  }

  /** Records that a command is sent. */
  onSent(command: ModeratorCommand): void {
    const now = Date.now();
    switch (command.type) {
      case "mute":
      case "ban": {
        const { type: kind, member, seconds } = command;
        this.#endWhere(now, (known) => known.kind === kind && known.member === member);
        this.#possible.push({ kind, member, from: now, until: now + seconds * 1000 + uncertainMs });
        if (command.type === "ban" && command.deleteMessages) this.#sweptMembers.add(member);
        return;
      }
      case "lift":
        return this.#endWhere(now, ({ id }) => id === command.id);
      case "sweep":
        this.#sweptMembers.add(command.member);
    }
  }

  /** Records that a command may have been carried out, or may be later. */
  onUncertain(): void {
    const now = Date.now();
    this.#uncertainUntil = now + uncertainMs;
    this.#endWhere(now, () => true);
  }

  /** Compares the sanctions that the server says are in force with those that it has confirmed. */
  onList(sanctions: readonly Sanction[]): void {
    const now = Date.now();
    if (now < this.#uncertainUntil) return;
    const ids = new Set(sanctions.map(({ id }) => id));
    for (const { id, kind, member, until } of this.#known) {
      if (until <= now || ids.has(id)) continue;
      this.#addViolation(`the ${kind} ${id} of ${member} is gone ${until - now} ms before its end`);
    }
    for (const { id, kind, member, until } of sanctions) {
      if (this.#known.some((known) => known.id === id && known.until > now)) continue;
      if (!this.#possible.some((each) => each.kind === kind && each.member === member)) {
        this.#addViolation(`the ${kind} ${id} of ${member} was never imposed`);
      }
      this.#known.push({ id, kind, member, confirmedAt: now, until });
    }
  }

  /** Records that the server has confirmed a command, sent at a time, with the list in force. */
  onConfirmed(command: ModeratorCommand, sentAt: number, sanctions: readonly Sanction[]): void {
    const now = Date.now();
    if (command.type === "mute" || command.type === "ban") {
      const { type, member } = command;
      if (!sanctions.some((each) => each.kind === type && each.member === member)) {
        this.#addViolation(`the ${type} of ${member} was confirmed, but is not listed`);
      }
    }
    if (command.type === "sweep") {
      const { member, seconds } = command;
      this.#sweeps.push({ member, since: now - seconds * 1000, before: sentAt });
    } else if (command.type === "ban" && command.deleteMessages) {
      this.#sweeps.push({ member: command.member, since: now - banSweepMs, before: sentAt });
    } else if (command.type === "lift" && now >= this.#uncertainUntil) {
      const lifted = this.#known.find(({ id }) => id === command.id);
      for (const each of this.#possible) {
        if (each.kind === lifted?.kind && each.member === lifted.member) {
          each.until = Math.min(each.until, now);
        }
      }
    }
  }

  /** Checks that a member's `hello`, sent at a time, may be accepted. */
  checkWelcome(member: string, sentAt: number): void {
    const ban = this.#find("ban", member, sentAt);
    if (ban === undefined || ban.until <= Date.now()) return;
    this.#addViolation(`${member} was welcomed during the ban ${ban.id}`);
  }

  /**
   * Checks that a member may be told that it is muted or banned, after a command sent at a time.
   */
  checkRefusal(kind: Sanction["kind"], member: string, sentAt: number): void {
    if (this.isPossible(kind, member, sentAt)) return;
    this.#addViolation(`${member} was refused without a ${kind}`);
  }

  /** Whether a server may consider a member muted or banned at a time. */
  isPossible(kind: Sanction["kind"], member: string, at: number): boolean {
    return this.#possible.some((each) =>
      each.kind === kind && each.member === member && each.until > at - slackMs
    );
  }

  /** Checks a stored entry: its author was not banned or muted, and it is gone if it was swept. */
  checkEntry({ type, member, room, offset, at, text }: StoredEntry): void {
    const ban = this.#find("ban", member, at);
    const mute = type === "delete" ? undefined : this.#find("mute", member, at);
    const sanction = ban ?? mute;
    if (sanction !== undefined) {
      this.#addViolation(`${room} ${offset} was stored during the ${sanction.kind} of ${member}`);
    }
    if (!(type === "message" || type === "title") || text === undefined) return;
    if (this.mustBeDeleted(member, at)) {
      this.#addViolation(`${room} ${offset} was swept, but has the text ${text.slice(0, 40)}`);
    }
  }

  /** Whether a moderator may have swept the messages of a member. */
  mayBeSwept(member: string): boolean {
    return this.#sweptMembers.has(member);
  }

  /** Whether a confirmed sweep must have deleted a message. */
  mustBeDeleted(member: string, at: number): boolean {
    return this.#sweeps.some((each) =>
      each.member === member && each.since <= at && at < each.before
    );
  }

  #find(kind: Sanction["kind"], member: string, at: number): KnownSanction | undefined {
    return this.#known.find((known) =>
      known.kind === kind && known.member === member && known.confirmedAt < at && at < known.until
    );
  }

  #endWhere(now: number, isEnded: (known: KnownSanction) => boolean): void {
    for (const known of this.#known) {
      if (isEnded(known)) known.until = Math.min(known.until, now);
    }
  }
}
