// The combined knowledge of all clients of a run: the log as they received it, the messages they
// sent and the names they hold. Compares it with the server's storage.

import { usernameKey } from "../../../app/protocol/names.ts";
import type { EntryPush } from "../../../app/protocol/wire.ts";
import type { Person } from "./person.ts";
import { PresentRoom } from "./present_room.ts";
import type { PresentMessage } from "./present_room.ts";
import { describe, format, isSame } from "./recorded_entry.ts";
import type { ReceivedEntry, SentEntry, StoredEntry, StoredLog } from "./recorded_entry.ts";
import { SanctionRecord } from "./sanction_record.ts";

/** Messages that a client was told it had missed, between two offsets. */
interface MissedRange {
  readonly who: string;
  readonly room: string;
  readonly after: number;
  readonly before: number;
  readonly count: number | undefined;
}

/** A held name. `until` is in ms of the monotonic clock. */
interface Hold {
  readonly person: Person;
  readonly until: number;
}

/** One fault can repeat thousands of times; the first reports are enough. */
const maxViolations = 20;

/** The record that all clients of a run share. */
export class Ledger {
  /** Broken promises, one sentence each. */
  readonly violations: string[] = [];
  readonly counts = {
    /** Messages put into an outbox, and acknowledged. */
    sent: 0,
    acknowledged: 0,
    /** Entries refused for good, some of them because their author was muted or banned. */
    refused: 0,
    muted: 0,
    banned: 0,
    /** Moderation commands that the server confirmed. */
    moderated: 0,
    /** Acks for messages that were already stored before the connection was lost. */
    repeats: 0,
    /** Messages received by all clients together. */
    received: 0,
    /** Welcomes. */
    connections: 0,
    /**
     * Rooms joined with a position: recovered, not recovered because too much was missed, and pages
     * before the last.
     */
    recovered: 0,
    notRecovered: 0,
    pages: 0,
    /** Messages announced in `missed`. */
    missed: 0,
    /** Completed renames, and refusals because the name was taken. */
    renames: 0,
    namesTaken: 0,
    /** Commands refused because storage was unavailable. */
    unavailable: 0,
  };
  /** Number of closes per code, of connections that had a `welcome`. */
  readonly closeCodes = new Map<number, number>();
  /** Frames received. Faults are timed by this, not by the clock. */
  frameCount = 0;
  /** The codes each server may close connections with right now, by URL. */
  readonly allowedCloseCodes = new Map<string, readonly number[]>();
  readonly #received = new Map<string, ReceivedEntry[]>();
  readonly #sent: SentEntry[] = [];
  readonly #missed: MissedRange[] = [];
  /** The messages that each client shows in each room at the end. */
  readonly #views: {
    readonly who: string;
    readonly room: string;
    readonly messages: ReadonlyMap<number, PresentMessage>;
  }[] = [];
  /** The title that each client shows for each room at the end. */
  readonly #titles: {
    readonly who: string;
    readonly room: string;
    readonly title: string | undefined;
  }[] = [];
  /** The words by which the texts of deleted messages are found in files. */
  readonly deletedWords = new Set<string>();
  readonly sanctions = new SanctionRecord((sentence) => this.addViolation(sentence));
  readonly #holds = new Map<string, Hold>();
  readonly #persons = new Map<string, Person>();

  readonly #graceMs: number;

  /**
   * `graceMs` must be less than the server's grace. A member who has sent nothing keeps its name
   * that long.
   */
  constructor(graceMs = 5_000) {
    this.#graceMs = graceMs;
  }

  addViolation(sentence: string): void {
    if (this.violations.length < maxViolations) this.violations.push(sentence);
  }

  /** Records that a client put a message into its outbox. */
  onSent(message: SentEntry): void {
    this.#sent.push(message);
    this.counts.sent++;
  }

  /** Records that the server acknowledged a message. */
  onAcknowledged(message: SentEntry, offset: number): void {
    if (message.isAcknowledged !== true) this.counts.acknowledged++;
    if (message.offset !== undefined && message.offset !== offset) {
      this.addViolation(
        `${describe(message)} was acknowledged at ${message.offset} and at ${offset}`,
      );
    }
    message.offset = offset;
    this.onDone(message);
  }

  /** Records that the server acknowledged an entry without its offset. */
  onDone(entry: SentEntry): void {
    entry.isAcknowledged = true;
    entry.person.hasWritten = true;
  }

  /** Records that the server refused an entry for good. */
  onRefused(entry: SentEntry): void {
    entry.isRefused = true;
    this.counts.refused++;
  }

  /** Records a received entry. It must be the one that all others received at that offset. */
  onReceived(who: string, push: EntryPush, epoch: string | undefined): void {
    this.counts.received++;
    const { type, room, offset, member, from, at, nonce } = push;
    const entries = this.#received.getOrInsertComputed(room, () => []);
    const isAmended = (push.type === "message" || push.type === "title") &&
      push.amended !== undefined;
    const text = push.type === "delete" || isAmended ? undefined : push.text;
    const targets = push.type === "edit"
      ? [push.target]
      : push.type === "delete"
      ? push.targets
      : [];
    const received = { type, offset, member, from, at, nonce, text, targets, epoch };
    const known = entries[offset];
    if (known === undefined) entries[offset] = received;
    else if (!isSame(known, received)) {
      this.addViolation(
        `${who} got ${format(received)} at ${offset} of ${room}, others ${format(known)}`,
      );
    } else {
      known.epoch ??= epoch;
      known.text ??= text;
    }
  }

  /** Records how many messages a client was told it had missed. */
  onMissed(missed: MissedRange): void {
    this.#missed.push(missed);
  }

  /** Records the messages that a client shows in a room, once it has caught up. */
  addView(who: string, room: string, messages: ReadonlyMap<number, PresentMessage>): void {
    this.#views.push({ who, room, messages });
  }

  /** Records the title that a client that has caught up shows for a room. */
  addTitle(who: string, room: string, title: string | undefined): void {
    this.#titles.push({ who, room, title });
  }

  /** Whether clients were sent the deletion of every message that they know to be swept. */
  get isSwept(): boolean {
    return this.#received.values().every((entries) => {
      const deleted = new Set(
        entries.flatMap(({ type, targets }) => type === "delete" ? targets : []),
      );
      return entries.every(({ type, offset, member, at }) =>
        !(type === "message" || type === "title") || deleted.has(offset) ||
        !this.sanctions.mustBeDeleted(member, at)
      );
    });
  }

  /** Returns the highest offset of a room that any client received. */
  headOf(room: string): number {
    return Math.max(0, (this.#received.get(room)?.length ?? 0) - 1);
  }

  /** Records the public id that the server sent to a person. */
  onWelcome(person: Person, member: string): void {
    if (person.member !== undefined && person.member !== member) {
      this.addViolation(`${person.id} became another member`);
    }
    person.member = member;
    if ((this.#persons.get(member) ?? person) !== person) {
      this.addViolation(`${person.id} is the same member as another token`);
    }
    this.#persons.set(member, person);
  }

  /** Records that the server confirmed a name to a person. */
  claimName(person: Person, name: string): void {
    const holder = this.#holds.get(usernameKey(name));
    if (holder !== undefined && holder.person !== person && holder.until > performance.now()) {
      this.addViolation(`${name} is held by ${holder.person.id} and by ${person.id}`);
    }
    this.#setHold(person, name, Infinity);
  }

  /** Records that a person may lose a name, now or after the grace period. */
  releaseName(person: Person, name: string | undefined, when: "now" | "later"): void {
    if (name === undefined || this.#holds.get(usernameKey(name))?.person !== person) return;
    if (when === "now") this.#holds.delete(usernameKey(name));
    else this.#setHold(person, name, performance.now() + this.#graceMs);
  }

  #setHold(person: Person, name: string, until: number): void {
    this.#holds.set(usernameKey(name), { person, until });
  }

  /** Compares everything with the storage. Returns the number of stored entries. */
  check(stored: StoredLog): number {
    this.#checkEntries(stored);
    this.#checkMissed(stored);
    this.#checkNames(stored);
    return stored.entries.length;
  }

  #checkEntries({ entries, titles }: StoredLog): void {
    const byKey = new Map(this.#sent.map((sent) => [keyOf(sent), sent]));
    const found = new Map<SentEntry, number>();
    const present = new Map<string, PresentRoom>();
    /** The last entry of each room. */
    const last = new Map<string, StoredEntry>();
    for (const entry of entries) {
      const { type, room, head, offset, at, member, nonce, nonceOffset, targets } = entry;
      const where = `${room} ${offset}`;
      const before = last.get(room) ?? { offset: 0, at: 0 };
      if (offset !== before.offset + 1) this.addViolation(`${where} follows ${before.offset}`);
      if (at < before.at) this.addViolation(`${where} has an earlier time than the one before`);
      if (offset > head) this.addViolation(`${where} is past the head ${head}`);
      if (nonceOffset !== offset) {
        this.addViolation(`the nonce of ${where} is stored at ${nonceOffset}`);
      }
      last.set(room, entry);
      const received = this.#received.get(room)?.[offset];
      const unamended = { ...entry, text: entry.amended === undefined ? entry.text : undefined };
      if (received !== undefined && !isSame(received, unamended)) {
        this.addViolation(
          `${where} is stored as ${format(entry)}, clients got ${format(received)}`,
        );
      }
      this.sanctions.checkEntry(entry);
      const presentRoom = present.getOrInsertComputed(room, () => new PresentRoom(this));
      if (type === "delete" && this.#isSweep(entry)) {
        for (const target of targets) presentRoom.delete(target, entry);
        continue;
      }
      const person = this.#persons.get(member);
      const sent = person && byKey.get(keyOf({ person, room, nonce }));
      const isUntitle = sent?.type === "title" && sent.text === "";
      const target = isUntitle ? presentRoom.titleAt || "" : sent?.target ?? "";
      if (
        sent === undefined || type !== (isUntitle ? "delete" : sent.type) ||
        targets.join() !== `${target}`
      ) {
        this.addViolation(`${where} is ${format(entry)}, which no client sent`);
        continue;
      }
      if (found.has(sent)) this.addViolation(`${describe(sent)} is stored twice`);
      if (sent.isRefused) this.addViolation(`${describe(sent)} was refused, but is at ${where}`);
      found.set(sent, offset);
      if (!person?.names.has(entry.from)) {
        this.addViolation(`${where} is from ${entry.from}, which is not the author's name`);
      }
      presentRoom.apply(entry, sent);
    }
    for (const [room, received] of this.#received) {
      const head = last.get(room)?.offset ?? 0;
      if (received.length - 1 > head) {
        this.addViolation(`${room} ends at ${head}, clients received more`);
      }
    }
    this.#checkOrder(found);
    this.#checkTexts(entries, present);
    this.#checkTitles(titles, present);
  }

  /** Whether an entry is a step of a sweep, which no client has sent. */
  #isSweep({ member, nonce }: StoredEntry): boolean {
    return this.sanctions.moderators.has(member) && nonce.startsWith("sweep.");
  }

  /** Checks that the storage, and every client, has the present text of every message. */
  #checkTexts(
    entries: readonly StoredEntry[],
    present: ReadonlyMap<string, PresentRoom>,
  ): void {
    const check = (who: string, room: string, offset: number, found: Partial<PresentMessage>) => {
      const { text, amended } = present.get(room)?.messages.get(offset) ??
        present.get(room)?.titles.get(offset) ?? {};
      if (found.text === text && found.amended === amended) return;
      this.addViolation(
        `${who} has ${found.text?.slice(0, 40)} (${found.amended}) at ${offset} of ${room}, ` +
          `which is ${text?.slice(0, 40)} (${amended})`,
      );
    };
    for (const { type, room, offset, text, amended = 0 } of entries) {
      if (type === "message" || type === "title") {
        check("the storage", room, offset, { text, amended });
      }
    }
    for (const { who, room, messages } of this.#views) {
      for (const [offset, message] of messages) check(who, room, offset, message);
    }
  }

  /** Checks that the storage, and every client, has the present title of every room. */
  #checkTitles(
    titles: ReadonlyMap<string, string>,
    present: ReadonlyMap<string, PresentRoom>,
  ): void {
    const check = (who: string, room: string, found: string | undefined) => {
      const title = present.get(room)?.title;
      if (found !== title) this.addViolation(`${who} has the title ${found} of ${room}: ${title}`);
    };
    for (const room of present.keys()) check("the storage", room, titles.get(room));
    for (const { who, room, title } of this.#titles) check(who, room, title);
  }

  /** Checks that clients were told how many messages they had missed. */
  #checkMissed({ entries }: StoredLog): void {
    for (const { who, room, after, before, count } of this.#missed) {
      const missed = entries.filter((entry) =>
        entry.room === room && entry.type === "message" && entry.offset > after &&
        entry.offset < before
      );
      if (missed.length === count) continue;
      this.addViolation(`${who} in ${room} missed ${missed.length}, but was told ${count}`);
    }
  }

  /**
   * Checks that entries are at their acknowledged offsets, and in the order each client sent them.
   */
  #checkOrder(found: ReadonlyMap<SentEntry, number>): void {
    const last = new Map<string, number>();
    for (const sent of this.#sent) {
      const offset = found.get(sent);
      if (sent.offset !== undefined && offset !== undefined && sent.offset !== offset) {
        this.addViolation(
          `${describe(sent)} was acknowledged at ${sent.offset}, but is at ${offset}`,
        );
      }
      if (sent.isAcknowledged === true && offset === undefined) {
        this.addViolation(`${describe(sent)} was acknowledged, but is not stored`);
      }
      if (offset === undefined) continue;
      // A nonce begins with the number of the tab.
      const writer = `${sent.person.id} ${sent.nonce.split("-")[0]} ${sent.room}`;
      const before = last.get(writer) ?? 0;
      if (offset < before) {
        this.addViolation(`${describe(sent)} is at ${offset}, before ${before}`);
      }
      last.set(writer, offset);
    }
  }

  #checkNames({ owners }: StoredLog): void {
    for (const [key, { person, until }] of this.#holds) {
      if (until < performance.now() || owners.get(key) === person.member) continue;
      this.addViolation(`${key} is held by ${person.id}, but not in storage`);
    }
  }
}

function keyOf({ person, room, nonce }: Pick<SentEntry, "person" | "room" | "nonce">): string {
  return `${person.id} ${room} ${nonce}`;
}
