// A hub in a glass: sockets, clock, scheduler, log and broker that do nothing by themselves, so that a test says exactly
// what happens when.

import { ChatHub } from "../../app/chat/chat_hub.ts";
import type { HubPorts, HubSettings, LogFields } from "../../app/chat/ports.ts";
import type { PeerAddress, Session, Socket } from "../../app/chat/session.ts";
import type {
  AppendResult,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Outcome,
  Page,
  ReadQuery,
} from "../../app/chat/broker.ts";
import { usernameKey } from "../../app/protocol/text.ts";
import type { Push } from "../../app/protocol/wire.ts";

/** Time and tasks that move only when told to. */
export class ManualTime {
  ms = 1_000;
  #soon: (() => void)[] = [];
  #later: { readonly at: number; readonly task: () => void }[] = [];

  now(): number {
    return this.ms;
  }

  soon(task: () => void): void {
    this.#soon.push(task);
  }

  later(ms: number, task: () => void): () => void {
    const timer = { at: this.ms + ms, task };
    this.#later.push(timer);
    return () => this.#later = this.#later.filter((one) => one !== timer);
  }

  /** Ends turns of the event loop until nothing is due. */
  settle(): void {
    for (let turns = 0; this.#soon.length > 0; turns++) {
      if (turns > 1_000) throw new Error("Cannot settle: there is always another turn");
      const due = this.#soon;
      this.#soon = [];
      for (const task of due) task();
    }
  }

  /** Lets time pass, timer by timer. */
  pass(ms: number): void {
    const end = this.ms + ms;
    for (;;) {
      this.settle();
      const [next] = this.#later.toSorted((one, other) => one.at - other.at);
      if (next === undefined || next.at > end) break;
      this.#later = this.#later.filter((one) => one !== next);
      this.ms = Math.max(this.ms, next.at);
      next.task();
    }
    this.ms = end;
    this.settle();
  }

  get timers(): number {
    return this.#later.length;
  }
}

/** A peer that keeps what it is sent. */
export class FakeSocket implements Socket {
  frames: string[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  buffered = 0;

  send(text: string): void {
    if (this.closed !== undefined) throw new Error("Cannot send: the hub closed this socket");
    this.frames.push(text);
  }

  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }
}

/** A log in memory, that can fail, and can answer later. */
export class MemoryBroker implements Broker {
  readonly #rooms = new Map<string, Entry[]>();
  readonly #first = new Map<string, number>();
  readonly #names = new Map<string, string>();
  readonly #held = new Map<string, string>();
  #listener: BrokerListener | undefined;
  epoch = "term1";
  terms = new Set(["term1"]);
  failing = false;
  /** True: answers come with the next turn of the promise queue. */
  async = false;
  appends: (readonly Draft[])[] = [];
  released: string[] = [];
  at = 1_000;

  append(drafts: readonly Draft[]): Outcome<readonly AppendResult[]> {
    return this.#answer(() => {
      this.appends.push(drafts);
      if (this.failing) return drafts.map(() => ({ kind: "unavailable" } as const));
      const stored: Entry[] = [];
      const results = drafts.map((draft): AppendResult => {
        const log = this.#logOf(draft.room);
        const known = log.find(({ member, nonce }) =>
          member === draft.member && nonce === draft.nonce
        );
        if (known !== undefined) return { kind: "repeat", offset: known.offset };
        const offset = (log.at(-1)?.offset ?? 0) + 1;
        const entry = { ...draft, offset, epoch: this.epoch, at: this.at };
        log.push(entry);
        stored.push(entry);
        return { kind: "stored", offset };
      });
      if (stored.length > 0) this.#listener?.entries(stored);
      return results;
    });
  }

  read(room: string, query: ReadQuery): Outcome<Page> {
    return this.#answer(() => {
      if (this.failing) throw new Error("the disk is gone");
      const first = this.#first.get(room) ?? 1;
      const all = this.#logOf(room);
      const log = all.filter(({ offset }) => offset >= first);
      const newest = all.at(-1);
      const head = { epoch: newest?.epoch ?? this.epoch, offset: newest?.offset ?? 0 };
      if ("before" in query) {
        const entries = fit(log.filter(({ offset }) => offset < query.before).reverse(), query);
        return { entries: entries.reverse(), first, head, valid: true };
      }
      const { epoch, offset } = query.after;
      const there = log.find((entry) => entry.offset === Math.max(offset, first));
      const valid = offset <= head.offset &&
        (offset === 0 ? this.terms.has(epoch) : epoch === (there?.epoch ?? this.epoch));
      const entries = valid ? fit(log.filter((entry) => entry.offset > offset), query) : [];
      return { entries, first, head, valid };
    });
  }

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  claim(member: string, username: string): Outcome<string | undefined> {
    return this.#answer(() => {
      if (this.failing) throw new Error("the disk is gone");
      const held = this.#held.get(member);
      if (held !== undefined) return held;
      const owner = this.#names.get(usernameKey(username));
      if (owner !== undefined && owner !== member) return undefined;
      this.#names.set(usernameKey(username), member);
      this.#held.set(member, username);
      return username;
    });
  }

  rename(member: string, username: string): Outcome<boolean> {
    return this.#answer(() => {
      const owner = this.#names.get(usernameKey(username));
      if (owner !== undefined && owner !== member) return false;
      this.#names.set(usernameKey(username), member);
      this.#held.set(member, username);
      return true;
    });
  }

  release(member: string): void {
    this.released.push(member);
    this.#held.delete(member);
    for (const [key, owner] of this.#names) if (owner === member) this.#names.delete(key);
  }

  renewHolds(): void {}
  prune(): boolean {
    return false;
  }
  close(): void {}

  /** Puts messages into the log as if they had always been there. */
  fill(room: string, count: number, text = "old"): void {
    const log = this.#logOf(room);
    for (let i = 0; i < count; i++) {
      log.push({
        room,
        member: "someone",
        from: "Someone",
        text,
        nonce: `old${log.length}`,
        offset: log.length + 1,
        epoch: this.epoch,
        at: this.at,
      });
    }
  }

  /** Forgets what comes before an offset. */
  keepFrom(room: string, first: number): void {
    this.#first.set(room, first);
    this.#listener?.pruned(room, first);
  }

  /** As after a restart: what follows belongs to another term. */
  newTerm(epoch: string): void {
    this.epoch = epoch;
    this.terms.add(epoch);
  }

  log(room: string): readonly Entry[] {
    return this.#logOf(room);
  }

  #logOf(room: string): Entry[] {
    const log = this.#rooms.get(room) ?? [];
    this.#rooms.set(room, log);
    return log;
  }

  #answer<T>(work: () => T): Outcome<T> {
    return this.async ? Promise.resolve().then(work) : work();
  }
}

function fit(entries: readonly Entry[], { limit, maxBytes }: ReadQuery): Entry[] {
  const fitting: Entry[] = [];
  let bytes = 0;
  for (const entry of entries.slice(0, limit)) {
    bytes += entry.text.length;
    if (bytes > maxBytes && fitting.length > 0) break;
    fitting.push(entry);
  }
  return fitting;
}

export const settings: HubSettings = {
  rateBurst: 10,
  ratePerSecond: 2,
  graceMs: 10_000,
  outboxMaxBytes: 1024 * 1024,
  retentionDays: 0,
  retentionMessages: 0,
  logMessageText: false,
};

/** What a log line was told. */
export interface Line {
  readonly level: "event" | "warn" | "error";
  readonly event: string;
  readonly fields: LogFields;
}

/** A hub with everything around it. */
export class Bench {
  readonly time = new ManualTime();
  readonly broker: MemoryBroker;
  readonly hub: ChatHub;
  readonly lines: Line[] = [];
  #tokens = 0;

  constructor(
    changed: Partial<HubSettings> = {},
    broker = new MemoryBroker(),
    ports: Partial<HubPorts> = {},
  ) {
    this.broker = broker;
    this.hub = new ChatHub({
      broker,
      clock: this.time,
      scheduler: this.time,
      identity: {
        newToken: () => token(`new${++this.#tokens}`),
        memberOf: (secret) => `id-${secret.replace(/-+$/, "")}`,
      },
      log: {
        event: (event, fields) => this.lines.push({ level: "event", event, fields }),
        warn: (event, fields) => this.lines.push({ level: "warn", event, fields }),
        error: (event, error, fields = {}) =>
          this.lines.push({ level: "error", event, fields: { ...fields, error: String(error) } }),
      },
      ...ports,
    }, { ...settings, ...changed });
  }

  connect(address = "192.0.2.1"): Peer {
    return new Peer(this, address);
  }

  /** A peer that has said hello. */
  enter(
    username: string,
    rooms: readonly (string | object)[] = ["lobby"],
    more: object = {},
  ): Peer {
    const peer = this.connect();
    peer.hello(username, rooms, more);
    peer.frames();
    return peer;
  }

  /** Lets everything happen that an asynchronous broker has on its way. */
  async settle(): Promise<void> {
    for (let i = 0; i < 60; i++) {
      await Promise.resolve();
      this.time.settle();
    }
  }
}

/** A peer's address; `network` is the address itself unless given. */
export function peerAddress(address: string, network = address): PeerAddress {
  return { address, network, isLoopback: address === "127.0.0.1" };
}

/** A token that is easy to recognise. */
export function token(name: string): string {
  return name.padEnd(43, "-");
}

/** The other end of a socket. */
export class Peer {
  readonly socket = new FakeSocket();
  readonly session: Session;
  readonly #bench: Bench;
  #nonces = 0;

  constructor(bench: Bench, address: string) {
    this.#bench = bench;
    this.session = bench.hub.connect(this.socket, peerAddress(address));
  }

  /** Sends a frame without ending the turn. */
  put(command: unknown): void {
    const frame = typeof command === "string" ? command : JSON.stringify(command);
    this.#bench.hub.receive(this.session, frame);
  }

  /** Sends a frame, ends the turn, and answers the pushes that came of it. */
  send(command: unknown): Push[] {
    this.put(command);
    return this.pushes();
  }

  hello(
    username: string,
    rooms: readonly (string | object)[] = ["lobby"],
    more: object = {},
  ): Push[] {
    return this.send({
      type: "hello",
      username,
      token: token(username.replaceAll(/[^A-Za-z0-9]/g, "_")),
      rooms: rooms.map((room) => typeof room === "string" ? { room } : room),
      ...more,
    });
  }

  say(text: string, room = "lobby", nonce = `n${++this.#nonces}`): Push[] {
    return this.send({ type: "message", room, text, nonce });
  }

  /** The frames since the last look, each decoded. */
  frames(): Push[][] {
    this.#bench.time.settle();
    return this.socket.frames.splice(0).map((frame) => JSON.parse(frame));
  }

  /** The pushes since the last look. */
  pushes(): Push[] {
    return this.frames().flat();
  }

  /** The types of the pushes since the last look. */
  types(): string[] {
    return this.pushes().map(({ type }) => type);
  }

  /** The connection closes from the peer's side. */
  drop(code = 1006): void {
    this.#bench.hub.disconnect(this.session, code);
    this.#bench.time.settle();
  }
}

/** The first push of a type; fails when there is none. */
export function only<T extends Push["type"]>(
  pushes: readonly Push[],
  type: T,
): Extract<Push, { type: T }> {
  const found = pushes.find((push) => push.type === type);
  if (found === undefined) {
    throw new Error(`Cannot find ${type} among ${JSON.stringify(pushes)}`);
  }
  // `find` went by the type, which is what tells the union apart.
  return found as Extract<Push, { type: T }>;
}
