// The simulated server: the real hub on the real SQLite broker, on a disk that refuses, and in a process that dies between
// any two steps.

import { SqliteBroker } from "../../app/broker/sqlite_broker.ts";
import type {
  AppendResult,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Outcome,
  Page,
  ReadQuery,
} from "../../app/broker/broker.ts";
import { ChatHub } from "../../app/chat/chat_hub.ts";
import type { HubSettings } from "../../app/chat/ports.ts";
import type { Session, Socket } from "../../app/chat/session.ts";
import { usernameKey } from "../../app/protocol.ts";
import type { Acceptor } from "./world.ts";
import type { Chance, Timeline } from "./world.ts";

/** What a world has decided about its server. */
export interface ServerSettings {
  readonly dir: string;
  readonly retentionMessages: number;
  /** Whether the broker answers later, as one over a network does. */
  readonly isSlow: boolean;
  readonly hub: HubSettings;
}

/** Thrown where a promise is broken. */
export class Violation extends Error {}

/** The server and its disk, over all its lives. */
export class Server {
  readonly #time: Timeline;
  readonly #chance: Chance;
  readonly #settings: ServerSettings;
  /** The log as it stands, by room: index is offset - 1. */
  readonly log = new Map<string, Entry[]>();
  /** Messages that were in a log that was then set back: (room, offset) lists of them are gone with the log. */
  readonly lost = new Set<string>();
  #life = 0;
  #disk = 0;
  #broker: SqliteBroker | undefined;
  #hub: ChatHub | undefined;
  #refusing = false;
  #backup: { readonly disk: string; readonly log: Map<string, Entry[]> } | undefined;
  readonly #links = new Set<() => void>();
  /** The process dies at the so-manieth step from now. */
  #stepsToLive = Infinity;
  crashes = 0;
  /** The first promise that was broken inside the server, where what is thrown may be caught. */
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
    return this.#hub !== undefined;
  }

  get hub(): ChatHub | undefined {
    return this.#hub;
  }

  set refusing(value: boolean) {
    this.#refusing = value;
  }

  // ---------------------------------------------------------------- lives

  start(): void {
    if (this.#hub !== undefined) return;
    const life = ++this.#life;
    this.#stepsToLive = Infinity;
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
    });
    this.#broker = broker;
    const isAlive = () => life === this.#life;
    this.#hub = new ChatHub({
      broker: this.#settings.isSlow
        ? this.#slow(this.#faulty(broker, isAlive), isAlive)
        : this.#faulty(broker, isAlive),
      clock: this.#time,
      scheduler: {
        soon: (task) => {
          this.#time.later(0, () => {
            if (isAlive()) task();
          });
        },
        later: (ms, task) =>
          this.#time.later(ms, () => {
            if (isAlive()) task();
          }),
      },
      identity: {
        newToken: () => `${this.#chance.below(1e9)}`.padEnd(43, "-"),
        memberOf: (token) => `id-${token.replace(/-+$/, "")}`,
      },
      log: {
        event: (event, fields) => {
          if (isAlive()) this.#watchLog(event, fields);
        },
        warn: (event, fields) => {
          if (isAlive()) this.#watchLog(event, fields);
        },
        error: (event, error) => {
          if (isAlive() && event === "internal") this.#fail(`internal: ${error}`);
        },
      },
    }, this.#settings.hub);
  }

  /** The process dies: what was committed is on the disk, everything else is gone. */
  crash(): void {
    if (this.#hub === undefined) return;
    this.crashes++;
    this.#moveDisk(this.#dirOf(this.#disk));
    this.#die();
  }

  /** The power fails, or an older copy is put back: the log is what it was then. */
  restoreBackup(): void {
    if (this.#backup === undefined || this.#hub === undefined) return;
    const { disk, log } = this.#backup;
    this.#moveDisk(disk);
    this.#die();
    for (const [room, entries] of this.log) {
      const kept = log.get(room)?.length ?? 0;
      for (const { nonce } of entries.slice(kept)) this.lost.add(nonce);
      this.log.set(room, entries.slice(0, kept));
    }
  }

  /** Copies the file as it stands between two commits. */
  takeBackup(): void {
    if (this.#hub === undefined) return;
    const disk = `${this.#settings.dir}/backup${this.#life}-${this.#chance.below(1e9)}`;
    copyFolder(this.#dirOf(this.#disk), disk);
    const log = new Map([...this.log].map(([room, entries]) => [room, [...entries]]));
    this.#backup = { disk, log };
  }

  /** Drains and stops, as SIGTERM does. */
  stop(): void {
    const hub = this.#hub;
    if (hub === undefined) return;
    const drained = hub.drain();
    if (this.#settings.isSlow) void drained.then(() => this.#end(hub));
    else this.#end(hub);
  }

  #end(hub: ChatHub): void {
    if (this.#hub !== hub) return;
    this.#moveDisk(this.#dirOf(this.#disk));
    this.#hub = undefined;
    this.#life++;
    this.#broker?.close();
    // The closes are on their way; the process is gone after them.
    this.#links.clear();
  }

  /** Somebody without a page comes in, says `count` things in one go, and goes: as far as the rates allow. */
  crowd(room: string, count: number, length: number): void {
    const acceptor = this.acceptor;
    const id = this.#chance.below(2 ** 31);
    const link = acceptor?.open({ send: () => {}, close: () => {}, buffered: 0 }, () => {});
    const token = `crowd${id}`.padEnd(43, "-");
    link?.receive(
      JSON.stringify({ type: "hello", username: `Crowd ${id}`, token, rooms: [{ room }] }),
    );
    for (let i = 0; i < count; i++) {
      const text = `${i} `.padEnd(length, "x");
      link?.receive(JSON.stringify({ type: "message", room, text, nonce: `c${id}n${i}` }));
    }
    this.#time.later(3_000, () => link?.closed(1000));
  }

  /** Arms a death at some step soon: before a commit, between commit and delivery, between two frames. */
  crashSoon(): void {
    this.#stepsToLive = this.#chance.below(12);
  }

  prune(): void {
    if (this.#hub !== undefined && !this.#refusing) this.#broker?.prune();
  }

  close(): void {
    this.#life++;
    this.#broker?.close();
    this.#hub = undefined;
  }

  #die(): void {
    this.#life++;
    this.#hub = undefined;
    this.#broker?.close();
    this.#broker = undefined;
    for (const vanish of this.#links) vanish();
    this.#links.clear();
  }

  #dirOf(disk: number): string {
    return `${this.#settings.dir}/disk${disk}`;
  }

  #moveDisk(from: string): void {
    this.#disk++;
    copyFolder(from, this.#dirOf(this.#disk));
  }

  /** A moment at which the process may die. Answers false when it just did. */
  #step(): boolean {
    if (this.#stepsToLive-- > 0) return true;
    this.#stepsToLive = Infinity;
    this.crash();
    return false;
  }

  // ---------------------------------------------------------------- connections

  /** The server's side of new connections; nothing while it is down. */
  get acceptor(): Acceptor | undefined {
    const hub = this.#hub;
    if (hub === undefined) return undefined;
    const life = this.#life;
    const isAlive = () => life === this.#life;
    return {
      open: (socket, vanish) => {
        const link: { session: Session | undefined } = { session: undefined };
        const guarded: Socket = {
          send: (frame) => {
            if (isAlive() && this.#step()) socket.send(frame);
          },
          close: (code, reason) => {
            if (isAlive()) socket.close(code, reason);
          },
          get buffered() {
            return socket.buffered;
          },
        };
        if (isAlive()) link.session = hub.connect(guarded, "192.0.2.1");
        if (isAlive()) this.#links.add(vanish);
        return {
          receive: (frame) => {
            if (isAlive() && link.session !== undefined && this.#step()) {
              this.#watchFrame(link.session, frame);
              hub.receive(link.session, frame);
            }
          },
          closed: (code) => {
            this.#links.delete(vanish);
            if (isAlive() && link.session !== undefined) hub.disconnect(link.session, code);
          },
        };
      },
    };
  }

  // ---------------------------------------------------------------- the disk

  /** A broker that does what it is asked in order, but later, and whose answers take their time. */
  #slow(broker: Broker, isAlive: () => boolean): Broker {
    let [doneAt, answeredAt] = [0, 0];
    const ask = <T>(work: () => Outcome<T>): Promise<T> => {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      doneAt = Math.max(doneAt, this.#time.ms + this.#chance.delay(400));
      this.#time.at(doneAt, () => {
        if (!isAlive()) return;
        let answer: () => void;
        try {
          const outcome = work();
          answer = () => resolve(outcome);
        } catch (error) {
          answer = () => reject(error);
        }
        answeredAt = Math.max(answeredAt, this.#time.ms + this.#chance.delay(100));
        this.#time.at(answeredAt, () => {
          if (isAlive()) answer();
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
      seen: (members) => ask(() => broker.seen(members)),
      prune: () => ask(() => broker.prune()),
      close: () => broker.close(),
    };
  }

  #faulty(broker: SqliteBroker, isAlive: () => boolean): Broker {
    const check = () => {
      if (this.#refusing) throw new Error("the disk refuses");
      if (!isAlive()) throw new Error("this process is dead");
    };
    return {
      append: (drafts: readonly Draft[]): readonly AppendResult[] => {
        const refused = drafts.map((): AppendResult => ({ kind: "unavailable" }));
        if (!isAlive() || !this.#step() || this.#refusing) return refused;
        const results = broker.append(drafts);
        this.#step();
        return results;
      },
      read: (room: string, query: ReadQuery): Page => {
        check();
        return broker.read(room, query);
      },
      subscribe: (listener: BrokerListener) =>
        broker.subscribe({
          entries: (entries) => {
            if (!isAlive()) return;
            this.#commit(entries);
            if (this.#step()) listener.entries(entries);
          },
          pruned: (room, first) => {
            if (isAlive()) listener.pruned(room, first);
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
      seen: () => {},
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
