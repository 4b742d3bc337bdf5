// What the clients of one run know together: the log as they saw it, what they wrote, who holds which name; and the judgement
// of the database by it. It speaks to no server.

import { DatabaseSync } from "node:sqlite";
import { usernameKey } from "../../../app/protocol/text.ts";
import type { MessagePush } from "../../../app/protocol/wire.ts";

/** A message that a client wrote. */
export interface Written {
  readonly person: Person;
  readonly room: string;
  readonly text: string;
  readonly nonce: string;
  /** Where the server said that it is; absent while it is in the outbox. */
  offset?: number;
  /** Whether it was sent before. */
  isTried?: boolean;
}

/** A message as the first client that got it saw it. */
type Line = Omit<MessagePush, "type" | "room" | "epoch"> & {
  /** Absent where the client could not know it: nothing is said of the term before the first message that it got. */
  epoch: string | undefined;
};

/** A message as it is kept at the end. */
type KeptLine = Line & {
  readonly room: string;
  /** Offset of the newest message of the room. */
  readonly head: number;
  /** Where its nonce is said to be. */
  readonly noted: number | undefined;
};

/** What a storage has at the end. */
export interface Kept {
  /** All messages, by room and offset. */
  readonly lines: readonly KeptLine[];
  /** Which member a name belongs to now, by its key. */
  readonly owners: ReadonlyMap<string, string>;
}

/** A name that its holder has not let go, in ms of the monotonic clock. */
interface Hold {
  readonly person: Person;
  readonly until: number;
}

/** A client that finds its name taken all the time is wrong, but nobody needs to read it a thousand times. */
const violationsMax = 20;

/** The books of all clients. */
export class Books {
  /** Promises that were broken, one sentence each. */
  readonly violations: string[] = [];
  readonly counts = {
    /** Messages written, and said to be sent. */
    written: 0,
    acked: 0,
    /** Answers to a message that was stored before the connection was lost. */
    repeats: 0,
    /** Messages that the clients received in all. */
    received: 0,
    /** Welcomes. */
    connections: 0,
    /** Rooms entered again with everything that was missing; without, since it was too much; and in several pages. */
    recovered: 0,
    notRecovered: 0,
    pages: 0,
    /** Messages announced as `missed`. */
    missed: 0,
    /** Renames that were done, and that were refused since somebody had the name. */
    renames: 0,
    taken: 0,
    /** Commands that were refused since the log could not be reached. */
    unavailable: 0,
  };
  /** How often connections ended with which code, of those that had been welcomed. */
  readonly codes = new Map<number, number>();
  /** Frames that came, so that moments can be chosen by what happened and not by the clock. */
  frames = 0;
  /** What a server may end a connection with at the moment, by its address. */
  readonly mayEndWith = new Map<string, readonly number[]>();
  readonly #lines = new Map<string, Line[]>();
  readonly #written: Written[] = [];
  readonly #holds = new Map<string, Hold>();
  readonly #persons = new Map<string, Person>();

  readonly #graceMs: number;

  /** `graceMs` is less than the grace of the server: how long somebody who never wrote keeps a name while away. */
  constructor(graceMs = 5_000) {
    this.#graceMs = graceMs;
  }

  violate(sentence: string): void {
    if (this.violations.length < violationsMax) this.violations.push(sentence);
  }

  // ---------------------------------------------------------------- messages

  writes(written: Written): void {
    this.#written.push(written);
    this.counts.written++;
  }

  /** The server said that a message is at an offset. */
  acked(written: Written, offset: number): void {
    if (written.offset === undefined) this.counts.acked++;
    else if (written.offset !== offset) {
      this.violate(`${nameOf(written)} was said to be at ${written.offset} and at ${offset}`);
    }
    written.offset = offset;
    written.person.spoke = true;
  }

  /** A client received a message: it has to be the one that all others got there. */
  received(who: string, message: MessagePush, epoch: string | undefined): void {
    this.counts.received++;
    const { room, offset, member, from, text, at, nonce } = message;
    let lines = this.#lines.get(room);
    if (lines === undefined) this.#lines.set(room, lines = []);
    const line = { offset, member, from, text, at, nonce, epoch };
    const known = lines[offset];
    if (known === undefined) lines[offset] = line;
    else if (!isSame(known, line)) {
      this.violate(`${who} got ${shown(line)} at ${offset} of ${room}, others ${shown(known)}`);
    } else known.epoch ??= epoch;
  }

  /** Offset of the newest message of a room that anybody received. */
  headOf(room: string): number {
    return Math.max(0, (this.#lines.get(room)?.length ?? 0) - 1);
  }

  // ---------------------------------------------------------------- names

  /** Makes a person known by the public id that the server gave it. */
  meets(person: Person, member: string): void {
    if (person.member !== undefined && person.member !== member) {
      this.violate(`${person.id} became another member`);
    }
    person.member = member;
    if ((this.#persons.get(member) ?? person) !== person) {
      this.violate(`${person.id} is the same member as another token`);
    }
    this.#persons.set(member, person);
  }

  /** A person is said to hold a name now. */
  holds(person: Person, name: string): void {
    const holder = this.#holds.get(usernameKey(name));
    if (holder !== undefined && holder.person !== person && holder.until > performance.now()) {
      this.violate(`${name} belongs to ${holder.person.id} and to ${person.id}`);
    }
    this.#hold(person, name, Infinity);
  }

  /** A person may lose a name from now on, or after the grace. */
  risks(person: Person, name: string | undefined, when: "now" | "later"): void {
    if (name === undefined || this.#holds.get(usernameKey(name))?.person !== person) return;
    if (when === "now") this.#holds.delete(usernameKey(name));
    else this.#hold(person, name, performance.now() + this.#graceMs);
  }

  #hold(person: Person, name: string, until: number): void {
    this.#holds.set(usernameKey(name), { person, until });
  }

  // ---------------------------------------------------------------- what is kept

  /** Compares everything with the file of a server that has ended. Answers how many messages are in it. */
  judge(path: string): number {
    const database = new DatabaseSync(path);
    try {
      const [check] = database.prepare("PRAGMA integrity_check").all();
      if (check?.integrity_check !== "ok") this.violate(`the file is not sound: ${check}`);
      return this.judgeKept(keptIn(database));
    } finally {
      database.close();
    }
  }

  /** Compares everything with what a storage has. Answers how many messages that is. */
  judgeKept(kept: Kept): number {
    this.#judgeMessages(kept);
    this.#judgeNames(kept);
    return kept.lines.length;
  }

  #judgeMessages({ lines: kept }: Kept): void {
    const byKey = new Map(this.#written.map((written) => [keyOf(written), written]));
    const found = new Map<Written, number>();
    /** The last message of each author in each room, and of each room. */
    const last = new Map<string, { readonly at: number; readonly offset: number }>();
    for (const { room, head, noted, ...line } of kept) {
      const { offset, at, member, nonce } = line;
      const where = `${room} ${offset}`;
      const before = last.get(room) ?? { offset: 0, at: 0 };
      if (offset !== before.offset + 1) this.violate(`${where} follows ${before.offset}`);
      if (at < before.at) this.violate(`${where} is earlier than the one before`);
      if (offset > head) this.violate(`${where} is past the head ${head}`);
      if (noted !== offset) this.violate(`${where} is noted at ${noted}`);
      last.set(room, line);
      const seen = this.#lines.get(room)?.[offset];
      if (seen !== undefined && !isSame(seen, line)) {
        this.violate(`${where} is ${shown(line)} in the file, clients got ${shown(seen)}`);
      }
      const person = this.#persons.get(member);
      const written = person && byKey.get(keyOf({ person, room, nonce }));
      if (written === undefined || written.text !== line.text) {
        this.violate(`${where} is ${shown(line)}, which nobody wrote`);
        continue;
      }
      if (found.has(written)) this.violate(`${nameOf(written)} is there twice`);
      found.set(written, offset);
      if (!person?.names.has(line.from)) {
        this.violate(`${where} is from ${line.from}, not its name`);
      }
    }
    for (const [room, lines] of this.#lines) {
      const head = last.get(room)?.offset ?? 0;
      if (lines.length - 1 > head) this.violate(`${room} ends at ${head}, clients got more`);
    }
    this.#judgeOrder(found);
  }

  /** What was acknowledged is where it was said to be, and what one client wrote into a room is in its order. */
  #judgeOrder(found: ReadonlyMap<Written, number>): void {
    const last = new Map<string, number>();
    for (const written of this.#written) {
      const offset = found.get(written);
      if (written.offset !== undefined && written.offset !== offset) {
        this.violate(`${nameOf(written)} was said to be at ${written.offset}, is at ${offset}`);
      }
      if (offset === undefined) continue;
      // The nonce begins with which tab wrote it.
      const writer = `${written.person.id} ${written.nonce.split("-")[0]} ${written.room}`;
      const before = last.get(writer) ?? 0;
      if (offset < before) this.violate(`${nameOf(written)} at ${offset} comes before ${before}`);
      last.set(writer, offset);
    }
  }

  #judgeNames({ owners }: Kept): void {
    for (const [key, { person, until }] of this.#holds) {
      if (until < performance.now() || owners.get(key) === person.member) continue;
      this.violate(`${key} belongs to ${person.id}, but not in the file`);
    }
  }
}

function keptIn(database: DatabaseSync): Kept {
  const lines = database.prepare(
    `SELECT rooms.name AS room, rooms.head, messages.offset, epochs.name AS epoch, messages.at,
       messages.member, messages.username AS "from", messages.text, messages.nonce,
       iif(messages.offset > rooms.indexed, messages.offset, nonces.offset) AS noted
     FROM messages JOIN rooms ON rooms.id = messages.room JOIN epochs ON epochs.id = messages.epoch
       LEFT JOIN nonces ON nonces.room = messages.room AND nonces.member = messages.member
         AND nonces.nonce = messages.nonce
     ORDER BY messages.room, messages.offset`,
  ).all() as unknown as KeptLine[];
  const names = database.prepare("SELECT key, member, live, held_until FROM names").all()
    .filter(({ live, held_until }) => live === 1 || Number(held_until) > Date.now());
  const owners = new Map(names.map(({ key, member }) => [String(key), String(member)]));
  return { lines, owners };
}

/** Who a token stands for, as its client knows it. */
export class Person {
  readonly id: string;
  readonly token: string;
  member: string | undefined;
  /** Every name that it had, and may have. */
  readonly names = new Set<string>();
  /** Whether something that it wrote is known to be stored, from when its name is held while it is away. */
  spoke = false;
  readonly #books: Books;
  #held: string | undefined;
  /** The name before, which is its own too. */
  #former: string | undefined;
  #asked: string | undefined;

  constructor(books: Books, id: string, token: string) {
    this.#books = books;
    this.id = id;
    this.token = token;
  }

  get name(): string | undefined {
    return this.#held;
  }

  /** True while it is not known whether a rename was done. */
  get isRenaming(): boolean {
    return this.#asked !== undefined;
  }

  /** Asks for another name: from now on the one before the present may be anybody's. */
  asks(name: string): void {
    this.#asked = name;
    this.names.add(name);
    this.#books.risks(this, this.#former, "now");
  }

  /** The server said what it is called. */
  isCalled(name: string): void {
    const books = this.#books;
    this.names.add(name);
    if (this.#held !== undefined && name === this.#asked) {
      if (name !== this.#held) this.#former = this.#held;
      books.counts.renames++;
    } else if (this.#held !== undefined && name !== this.#held) {
      if (this.spoke) books.violate(`${this.id} is called ${name}, but holds ${this.#held}`);
      books.risks(this, this.#held, "now");
      books.risks(this, this.#former, "now");
      this.#former = undefined;
    }
    this.#asked = undefined;
    this.#held = name;
    books.holds(this, name);
    if (this.#former !== undefined) books.holds(this, this.#former);
  }

  /** The name that it asked for is another's. */
  isRefused(): void {
    this.#asked = undefined;
    this.#books.counts.taken++;
    if (this.#former !== undefined) this.#books.holds(this, this.#former);
  }

  /** Its connection is gone; with a goodbye nobody waits for it. */
  isAway(saidGoodbye: boolean): void {
    if (this.spoke) return;
    const when = saidGoodbye ? "now" : "later";
    this.#books.risks(this, this.#held, when);
    this.#books.risks(this, this.#former, when);
  }
}

function keyOf({ person, room, nonce }: Omit<Written, "text">): string {
  return `${person.id} ${room} ${nonce}`;
}

function nameOf({ person, room, nonce }: Written): string {
  return `message ${nonce} of ${person.id} in ${room}`;
}

function isSame(a: Line, b: Line): boolean {
  return a.member === b.member && a.from === b.from && a.text === b.text && a.at === b.at &&
    a.nonce === b.nonce && (a.epoch ?? b.epoch) === (b.epoch ?? a.epoch);
}

function shown({ from, nonce, text, epoch }: Line): string {
  return `${nonce} of ${from} (${epoch}) ${JSON.stringify(text.slice(0, 40))}`;
}
