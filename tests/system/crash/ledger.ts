// The combined knowledge of all clients of a run: the log as they received it, the messages they
// sent and the names they hold. Compares it with the server's storage.

import { usernameKey } from "../../../app/protocol/names.ts";
import type { MessagePush } from "../../../app/protocol/wire.ts";
import type { Person } from "./person.ts";

/** A message that a client sent. */
export interface SentMessage {
  readonly person: Person;
  readonly room: string;
  readonly text: string;
  readonly nonce: string;
  /** The acknowledged offset; absent while it is in the outbox. */
  offset?: number;
  /** Whether it was sent on an earlier connection or try. */
  wasSent?: boolean;
}

/** A message as the first client received it. */
type ReceivedMessage =
  & Required<Pick<MessagePush, "offset" | "member" | "from" | "text" | "at" | "nonce">>
  & {
    /** Absent if the client cannot know it: the epoch before its first message isn't announced. */
    epoch: string | undefined;
  };

/** A message in storage at the end. */
export type StoredMessage = ReceivedMessage & {
  readonly room: string;
  /** Offset of the room's newest message. */
  readonly head: number;
  /** The offset stored for its nonce. */
  readonly nonceOffset: number | undefined;
};

/** The storage at the end. */
export interface StoredLog {
  /** All messages, ordered by room and offset. */
  readonly messages: readonly StoredMessage[];
  /** The member that holds each name, by the name's key. */
  readonly owners: ReadonlyMap<string, string>;
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
  readonly #received = new Map<string, ReceivedMessage[]>();
  readonly #sent: SentMessage[] = [];
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
  onSent(message: SentMessage): void {
    this.#sent.push(message);
    this.counts.sent++;
  }

  /** Records that the server acknowledged a message. */
  onAcknowledged(message: SentMessage, offset: number): void {
    if (message.offset === undefined) this.counts.acknowledged++;
    else if (message.offset !== offset) {
      this.addViolation(
        `${describe(message)} was acknowledged at ${message.offset} and at ${offset}`,
      );
    }
    message.offset = offset;
    message.person.hasWritten = true;
  }

  /** Records a received message. It must be the one that all others received at that offset. */
  onReceived(who: string, message: MessagePush, epoch: string | undefined): void {
    this.counts.received++;
    const { room, offset, member, from, text = "", at, nonce } = message;
    let messages = this.#received.get(room);
    if (messages === undefined) this.#received.set(room, messages = []);
    const received = { offset, member, from, text, at, nonce, epoch };
    const known = messages[offset];
    if (known === undefined) messages[offset] = received;
    else if (!isSame(known, received)) {
      this.addViolation(
        `${who} got ${format(received)} at ${offset} of ${room}, others ${format(known)}`,
      );
    } else known.epoch ??= epoch;
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

  /** Compares everything with the storage. Returns the number of stored messages. */
  check(stored: StoredLog): number {
    this.#checkMessages(stored);
    this.#checkNames(stored);
    return stored.messages.length;
  }

  #checkMessages({ messages }: StoredLog): void {
    const byKey = new Map(this.#sent.map((sent) => [keyOf(sent), sent]));
    const found = new Map<SentMessage, number>();
    /** The last message of each room. */
    const last = new Map<string, { readonly at: number; readonly offset: number }>();
    for (const { room, head, nonceOffset, ...message } of messages) {
      const { offset, at, member, nonce } = message;
      const where = `${room} ${offset}`;
      const before = last.get(room) ?? { offset: 0, at: 0 };
      if (offset !== before.offset + 1) this.addViolation(`${where} follows ${before.offset}`);
      if (at < before.at) this.addViolation(`${where} has an earlier time than the one before`);
      if (offset > head) this.addViolation(`${where} is past the head ${head}`);
      if (nonceOffset !== offset) {
        this.addViolation(`the nonce of ${where} is stored at ${nonceOffset}`);
      }
      last.set(room, message);
      const received = this.#received.get(room)?.[offset];
      if (received !== undefined && !isSame(received, message)) {
        this.addViolation(
          `${where} is stored as ${format(message)}, clients got ${format(received)}`,
        );
      }
      const person = this.#persons.get(member);
      const sent = person && byKey.get(keyOf({ person, room, nonce }));
      if (sent === undefined || sent.text !== message.text) {
        this.addViolation(`${where} is ${format(message)}, which no client sent`);
        continue;
      }
      if (found.has(sent)) this.addViolation(`${describe(sent)} is stored twice`);
      found.set(sent, offset);
      if (!person?.names.has(message.from)) {
        this.addViolation(`${where} is from ${message.from}, which is not the author's name`);
      }
    }
    for (const [room, received] of this.#received) {
      const head = last.get(room)?.offset ?? 0;
      if (received.length - 1 > head) {
        this.addViolation(`${room} ends at ${head}, clients received more`);
      }
    }
    this.#checkOrder(found);
  }

  /**
   * Checks that messages are at their acknowledged offsets, and in the order each client sent them.
   */
  #checkOrder(found: ReadonlyMap<SentMessage, number>): void {
    const last = new Map<string, number>();
    for (const sent of this.#sent) {
      const offset = found.get(sent);
      if (sent.offset !== undefined && sent.offset !== offset) {
        this.addViolation(
          `${describe(sent)} was acknowledged at ${sent.offset}, but is at ${offset}`,
        );
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

function keyOf({ person, room, nonce }: Omit<SentMessage, "text">): string {
  return `${person.id} ${room} ${nonce}`;
}

function describe({ person, room, nonce }: SentMessage): string {
  return `message ${nonce} of ${person.id} in ${room}`;
}

function isSame(a: ReceivedMessage, b: ReceivedMessage): boolean {
  return a.member === b.member && a.from === b.from && a.text === b.text && a.at === b.at &&
    a.nonce === b.nonce && (a.epoch ?? b.epoch) === (b.epoch ?? a.epoch);
}

function format({ from, nonce, text, epoch }: ReceivedMessage): string {
  return `${nonce} of ${from} (${epoch}) ${JSON.stringify(text.slice(0, 40))}`;
}
