// The simulated server: the real hub on the real SQLite broker, on a disk that refuses, and in a process that dies between
// any two steps.

import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type {
  AppendResult,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Outcome,
  Page,
  ReadQuery,
} from "../../../app/chat/broker.ts";
import type { HubSettings } from "../../../app/chat/ports.ts";
import type { Session } from "../../../app/chat/session.ts";
import { usernameKey } from "../../../app/protocol/text.ts";
import { Process, setBack, Violation } from "./deployment.ts";
import type { Site } from "./deployment.ts";
import type { Acceptor, Chance, Timeline } from "./world.ts";

/** What a world has decided about its server. */
export interface ServerSettings {
  readonly dir: string;
  readonly retentionMessages: number;
  readonly recentNonces: number;
  /** Whether the broker answers later, as one over a network does. */
  readonly isSlow: boolean;
  readonly hub: HubSettings;
}

/** The server and its disk, over all its lives. */
export class Server implements Site {
  readonly #time: Timeline;
  readonly #chance: Chance;
  readonly #settings: ServerSettings;
  readonly log = new Map<string, Entry[]>();
  readonly lost = new Set<string>();
  #life = 0;
  #disk = 0;
  #broker: SqliteBroker | undefined;
  #process: Process | undefined;
  #refusing = false;
  #backup: { readonly disk: string; readonly log: Map<string, Entry[]> } | undefined;
  crashes = 0;
  violation: Violation | undefined;
  readonly #nameOwners = new Map<string, string>();
  /** Which sessions of which member are live where, and when the last of them went. */
  readonly #memberOf = new Map<number, string>();
  readonly #here = new Map<string, Set<number>>();
  readonly #goneAt = new Map<string, number>();

  constructor(time: Timeline, chance: Chance, settings: ServerSettings) {
    this.#time = time;
    this.#chance = chance;
    this.#settings = settings;
    Deno.mkdirSync(this.#dirOf(0), { recursive: true });
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  get sizes(): Site["sizes"] {
    return this.#process === undefined ? [] : [this.#process.hub.size];
  }

  get acceptor(): Acceptor | undefined {
    return this.#process?.acceptor;
  }

  refuse(): void {
    this.#refusing = true;
  }

  repair(): void {
    this.#refusing = false;
  }

  // ---------------------------------------------------------------- lives

  start(): void {
    if (this.#process !== undefined) return;
    const life = ++this.#life;
    this.#nameOwners.clear();
    this.#memberOf.clear();
    this.#here.clear();
    this.#goneAt.clear();
    const broker = SqliteBroker.open({
      path: `${this.#dirOf(this.#disk)}/parley.db`,
      durability: "normal",
      now: () => this.#time.wall(),
      randomName: () => `term${life}x${this.#chance.below(1e9)}`,
      nameHoldMs: 86_400_000,
      graceMs: this.#settings.hub.graceMs,
      retentionDays: 0,
      retentionMessages: this.#settings.retentionMessages,
      maxRooms: 0,
      report: () => {},
      recentNonces: this.#settings.recentNonces,
    });
    this.#broker = broker;
    this.#process = new Process({
      time: this.#time,
      chance: this.#chance,
      settings: this.#settings.hub,
      broker: (process) => {
        const faulty = this.#faulty(broker, process);
        return this.#settings.isSlow ? this.#slow(faulty, process) : faulty;
      },
      logged: (event, fields) => this.#watchLog(event, fields),
      received: (session, frame) => this.#watchFrame(session, frame),
      fail: (promise) => this.#fail(promise),
      die: () => this.crash(),
    });
  }

  /** The process dies: what was committed is on the disk, everything else is gone. */
  crash(): void {
    if (this.#process === undefined) return;
    this.crashes++;
    this.#moveDisk(this.#dirOf(this.#disk));
    this.#die();
  }

  /** The power fails, or an older copy is put back: the log is what it was then. */
  restoreBackup(): void {
    if (this.#backup === undefined || this.#process === undefined) return;
    const { disk, log } = this.#backup;
    this.#moveDisk(disk);
    this.#die();
    for (const nonce of setBack(this.log, log)) this.lost.add(nonce);
  }

  /** Copies the file as it stands between two commits. */
  takeBackup(): void {
    if (this.#process === undefined) return;
    const disk = `${this.#settings.dir}/backup${this.#life}-${this.#chance.below(1e9)}`;
    copyFolder(this.#dirOf(this.#disk), disk);
    const log = new Map([...this.log].map(([room, entries]) => [room, [...entries]]));
    this.#backup = { disk, log };
  }

  stop(): void {
    const process = this.#process;
    if (process === undefined) return;
    const drained = process.hub.drain();
    if (this.#settings.isSlow) void drained.then(() => this.#end(process));
    else this.#end(process);
  }

  #end(process: Process): void {
    if (this.#process !== process) return;
    this.#moveDisk(this.#dirOf(this.#disk));
    this.#process = undefined;
    process.end();
    this.#broker?.close();
  }

  crashSoon(): void {
    this.#process?.dieSoon();
  }

  prune(): void {
    if (this.#process !== undefined && !this.#refusing) this.#broker?.prune();
  }

  close(): void {
    this.#process?.end();
    this.#process = undefined;
    this.#broker?.close();
  }

  #die(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#broker?.close();
    this.#broker = undefined;
    process?.vanish();
  }

  #dirOf(disk: number): string {
    return `${this.#settings.dir}/disk${disk}`;
  }

  #moveDisk(from: string): void {
    this.#disk++;
    copyFolder(from, this.#dirOf(this.#disk));
  }

  // ---------------------------------------------------------------- the disk

  /** A broker that does what it is asked in order, but later, and whose answers take their time. */
  #slow(broker: Broker, process: Process): Broker {
    let [doneAt, answeredAt] = [0, 0];
    const ask = <T>(work: () => Outcome<T>): Promise<T> => {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      doneAt = Math.max(doneAt, this.#time.ms + this.#chance.delay(400));
      this.#time.at(doneAt, () => {
        if (!process.isAlive) return;
        let answer: () => void;
        try {
          const outcome = work();
          answer = () => resolve(outcome);
        } catch (error) {
          answer = () => reject(error);
        }
        answeredAt = Math.max(answeredAt, this.#time.ms + this.#chance.delay(100));
        this.#time.at(answeredAt, () => {
          if (process.isAlive) answer();
        });
      });
      return promise;
    };
    return {
      append: (drafts) => ask(() => broker.append(drafts)),
      read: (room, query) => ask(() => broker.read(room, query)),
      subscribe: (listener) => broker.subscribe(listener),
      claim: (member, username) => ask(() => broker.claim(member, username)),
      rename: (member, username) => ask(() => broker.rename(member, username)),
      release: (member) => ask(() => broker.release(member)),
      renewHolds: (members) => ask(() => broker.renewHolds(members)),
      prune: () => ask(() => broker.prune()),
      close: () => broker.close(),
    };
  }

  #faulty(broker: SqliteBroker, process: Process): Broker {
    const check = () => {
      if (this.#refusing) throw new Error("the disk refuses");
      if (!process.isAlive) throw new Error("this process is dead");
    };
    return {
      append: (drafts: readonly Draft[]): readonly AppendResult[] => {
        const refused = drafts.map((): AppendResult => ({ kind: "unavailable" }));
        if (!process.isAlive || !process.step() || this.#refusing) return refused;
        const results = broker.append(drafts);
        process.step();
        return results;
      },
      read: (room: string, query: ReadQuery): Page => {
        check();
        return broker.read(room, query);
      },
      subscribe: (listener: BrokerListener) =>
        broker.subscribe({
          entries: (entries) => {
            if (!process.isAlive) return;
            this.#commit(entries);
            if (process.step()) listener.entries(entries);
          },
          pruned: (room, first) => {
            if (process.isAlive) listener.pruned(room, first);
          },
        }),
      claim: (member, username) => {
        check();
        const held = broker.claim(member, username);
        if (held !== undefined) this.#own(held, member);
        return held;
      },
      rename: (member, username) => {
        check();
        const renamed = broker.rename(member, username);
        if (renamed) this.#own(username, member);
        return renamed;
      },
      release: (member) => {
        check();
        broker.release(member);
        for (const [key, owner] of this.#nameOwners) {
          if (owner === member) this.#nameOwners.delete(key);
        }
      },
      renewHolds: () => {},
      prune: () => broker.prune(),
      close: () => broker.close(),
    };
  }

  #commit(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const log = this.log.get(entry.room) ?? [];
      this.log.set(entry.room, log);
      if (entry.offset !== log.length + 1) {
        this.#fail(`${entry.room}: offset ${entry.offset} follows ${log.length}`);
      }
      const owner = this.#nameOwners.get(usernameKey(entry.from));
      if (owner !== undefined && owner !== entry.member) {
        this.#fail(`${entry.from} is written by ${entry.member}, and is ${owner}'s`);
      }
      const before = log.at(-1);
      if (before !== undefined && before.at > entry.at) this.#fail("time falls");
      log.push(entry);
    }
  }

  #own(username: string, member: string): void {
    const key = usernameKey(username);
    const owner = this.#nameOwners.get(key);
    if (owner !== undefined && owner !== member) {
      this.#fail(`the name ${username} belongs to ${owner} and to ${member}`);
    }
    this.#nameOwners.set(key, member);
  }

  #fail(promise: string): never {
    const violation = new Violation(promise);
    this.violation ??= violation;
    throw violation;
  }

  /** A session that leaves a room by its own will has not timed out. */
  #watchFrame(session: Session, frame: string): void {
    if (!frame.includes('"leave"')) return;
    const { type, room } = JSON.parse(frame) as { readonly type: string; readonly room: string };
    if (type !== "leave") return;
    this.#here.get(`${this.#memberOf.get(session.id)} ${room}`)?.delete(session.id);
  }

  /** Reads in the hub's log that nobody is said to have gone from a room before the grace is over. */
  #watchLog(event: string, fields: Readonly<Record<string, unknown>>): void {
    const session = Number(fields.session);
    const member = this.#memberOf.get(session) ?? String(fields.member);
    const place = `${member} ${fields.room}`;
    if (event === "hello") this.#memberOf.set(session, String(fields.member));
    if (event === "join") {
      const here = this.#here.get(place) ?? new Set();
      this.#here.set(place, here.add(session));
      this.#goneAt.delete(place);
    }
    // The hub forgets a session when it closes it, which may be before the other side has answered.
    if (event === "disconnect" || event === "close" || event === "replaced") {
      for (const [left, here] of this.#here) {
        if (here.delete(session) && here.size === 0) this.#goneAt.set(left, this.#time.ms);
      }
    }
    if (event === "leave" && fields.reason === "timeout") {
      const gone = this.#goneAt.get(place);
      if (gone !== undefined && this.#time.ms - gone < this.#settings.hub.graceMs - 1) {
        this.#fail(`${place}: timed out after ${this.#time.ms - gone} ms`);
      }
    }
  }
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const name of ["parley.db", "parley.db-wal"]) {
    try {
      Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
