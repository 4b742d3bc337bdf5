// A Redis of a simulated world: what the scripts of app/broker/redis_scripts.ts do, in a few lines each, and connections that
// are slow, hang and are cut. The scripts themselves are tested on a real Redis (tests/broker); this one is for what the nodes
// make of the order in which its answers and its feed come.

import * as scripts from "../../../app/broker/redis/scripts.ts";
import type { RedisScript } from "../../../app/broker/redis/scripts.ts";
import type { FeedEvent, Link, RedisLinkOptions } from "../../../app/broker/redis/connections.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import type { Chance, Timeline } from "./world.ts";

interface Book {
  key: string;
  username: string;
  former: string | undefined;
  spoke: boolean;
  until: number;
  readonly nodes: Set<string>;
}

/** All that Redis keeps; the names are those of its keys. */
interface State {
  run: string;
  term: string;
  readonly terms: Set<string>;
  feed: FeedEvent[];
  end: number;
  readonly rooms: Map<string, { at: number; first: number; readonly log: Entry[] }>;
  readonly nonces: Map<string, number>;
  readonly names: Map<string, string>;
  readonly members: Map<string, Book>;
  readonly nodes: Map<string, string>;
  readonly leases: Map<string, number>;
  readonly here: Map<string, Map<string, readonly [room: string, member: string]>>;
}

const feedMost = 400;

/** The one Redis. */
export class SimulatedRedis {
  readonly time: Timeline;
  readonly chance: Chance;
  readonly #commit: (entries: readonly Entry[]) => void;
  #state: State;
  isUp = true;
  hangsUntil = 0;
  readonly links = new Set<SimulatedLink>();

  /** `commit` is told of what was appended, at that moment. */
  constructor(time: Timeline, chance: Chance, commit: (entries: readonly Entry[]) => void) {
    this.time = time;
    this.chance = chance;
    this.#commit = commit;
    this.#state = {
      run: "run0",
      term: "",
      terms: new Set(),
      feed: [],
      end: 0,
      rooms: new Map(),
      nonces: new Map(),
      names: new Map(),
      members: new Map(),
      nodes: new Map(),
      leases: new Map(),
      here: new Map(),
    };
  }

  /** Everything as it is, to be put back later. */
  copy(): unknown {
    return structuredClone(this.#state);
  }

  /** Dies; what it had answered is on its disk, or what was copied before. */
  kill(copy?: unknown): void {
    this.isUp = false;
    if (copy !== undefined) this.#state = structuredClone(copy) as State;
    for (const link of [...this.links]) link.lose(new Error("Redis is gone"));
  }

  restart(): void {
    if (this.isUp) return;
    this.isUp = true;
    this.#state.run = `run${this.chance.below(1e9)}`;
  }

  feedAfter(after: number): FeedEvent[] {
    const { feed } = this.#state;
    const from = feed.findIndex(({ id }) => id > after);
    return from < 0 ? [] : feed.slice(from, from + 128);
  }

  /** What a script does, at once. */
  run(script: RedisScript, args: readonly string[]): string {
    const state = this.#state;
    if (!state.terms.has(state.term) || !state.term.startsWith(`${state.run}-`)) {
      state.term = `${state.run}-${this.chance.below(1e9)}`;
      state.terms.add(state.term);
    }
    const [, node = "", link = "", ...rest] = args;
    const call = new Call(state, this.time, node, link);
    const answer = call.run(script, rest);
    if (call.stored.length > 0) this.#commit(call.stored);
    if (call.told) {
      if (state.feed.length > feedMost) state.feed = state.feed.slice(feedMost / 2);
      for (const reader of this.links) reader.wake();
    }
    return JSON.stringify({ term: state.term, feed: state.end, ...answer });
  }
}

/** One call of a script. */
class Call {
  readonly #state: State;
  readonly #time: Timeline;
  readonly #node: string;
  readonly #link: string;
  readonly stored: Entry[] = [];
  told = false;

  constructor(state: State, time: Timeline, node: string, link: string) {
    this.#state = state;
    this.#time = time;
    this.#node = node;
    this.#link = link;
  }

  run(script: RedisScript, args: readonly string[]): object {
    switch (script) {
      case scripts.enter:
        return this.#enter(args);
      case scripts.compare:
        return this.#compare(args);
      case scripts.read:
        return this.#read(args);
      case scripts.prune:
        return this.#prune(args);
    }
    if (this.#state.nodes.get(this.#node) !== this.#link) return { alive: false };
    switch (script) {
      case scripts.append:
        return this.#append(args);
      case scripts.renew:
        return this.#renew(args);
      case scripts.presence:
        return this.#presence(args);
      case scripts.claim:
        return this.#claim(args);
      case scripts.rename:
        return this.#rename(args);
      case scripts.release:
        return this.#release(args);
      case scripts.seen:
      case scripts.probe:
        return {};
    }
    throw new Error("Cannot run a script that nobody has told of");
  }

  // ---------------------------------------------------------------- messages

  #append([, ...args]: readonly string[]): object {
    const results: object[] = [];
    const { rooms, nonces, term, members } = this.#state;
    for (let i = 0; i < args.length; i += 5) {
      const [name = "", member = "", nonce = "", key = "", rest = ""] = args.slice(i, i + 5);
      const id = `${name} ${member} ${nonce}`;
      const known = nonces.get(id);
      if (known !== undefined) results.push({ kind: "repeat", offset: known });
      else if (this.#isTaken(key, member)) results.push({ kind: "unavailable" });
      else {
        const room = this.#room(name);
        rooms.set(name, room);
        const offset = room.log.length + 1;
        room.at = Math.max(room.at, this.#time.wall());
        const entry = { room: name, offset, epoch: term, at: room.at, ...JSON.parse(`{${rest}}`) };
        room.log.push(entry);
        this.stored.push(entry);
        nonces.set(id, offset);
        const book = members.get(member);
        if (book !== undefined) book.spoke = true;
        results.push({ kind: "stored", offset });
      }
    }
    if (this.stored.length > 0) this.#tell({ kind: "entries", entries: this.stored });
    return { results };
  }

  #read([name = "", limit, bytes, way, epoch = "", from]: readonly string[]): object {
    const { log, first } = this.#room(name);
    const valid = way === "before" || this.#isValid(name, epoch, Number(from));
    const kept = log.slice(first - 1);
    const found = way === "before"
      ? kept.filter(({ offset }) => offset < Number(from)).reverse()
      : kept.filter(({ offset }) => offset > Number(from));
    const entries: Entry[] = [];
    let left = Number(bytes);
    for (const entry of valid ? found.slice(0, Number(limit)) : []) {
      left -= entry.text.length;
      if (left < 0 && entries.length > 0) break;
      entries.push(entry);
    }
    if (way === "before") entries.reverse();
    return { first, head: this.#head(name), valid, entries };
  }

  #room(name: string): { at: number; first: number; readonly log: Entry[] } {
    return this.#state.rooms.get(name) ?? { at: 0, first: 1, log: [] };
  }

  #head(name: string): object {
    const { log, first } = this.#room(name);
    const newest = log.length >= first ? log.at(-1) : undefined;
    return { epoch: newest?.epoch ?? this.#state.term, offset: log.length };
  }

  #isValid(name: string, epoch: string, offset: number): boolean {
    const { log, first } = this.#room(name);
    if (offset > log.length) return false;
    if (offset === 0) return this.#state.terms.has(epoch);
    return epoch === (log[Math.max(offset, first) - 1]?.epoch ?? this.#state.term);
  }

  #prune([, most, , ...names]: readonly string[]): object {
    for (const name of names) {
      const room = this.#room(name);
      const first = Math.max(room.first, room.log.length - Number(most) + 1);
      if (first === room.first) continue;
      room.first = first;
      this.#tell({ kind: "pruned", room: name, first });
    }
    return { left: 1 };
  }

  // ---------------------------------------------------------------- nodes

  #enter([lease, back]: readonly string[]): object {
    const { nodes, leases, here, members } = this.#state;
    const alive = back !== "back" || nodes.has(this.#node);
    if (alive) {
      nodes.set(this.#node, this.#link);
      leases.set(this.#node, this.#time.ms + Number(lease));
    }
    const there = [...nodes.keys()].map((node) => [
      node,
      Array.from(here.get(node)?.values() ?? [], ([room, member]) => [
        room,
        member,
        members.get(member)?.username ?? member,
      ]),
    ]);
    return { alive, here: Object.fromEntries(there) };
  }

  #compare(known: readonly string[]): object {
    const rooms: object[] = [];
    for (let i = 0; i < known.length; i += 3) {
      const [room = "", epoch = "", offset] = known.slice(i, i + 3);
      const { first, log } = this.#room(room);
      const valid = this.#isValid(room, epoch, Number(offset)) && first <= Number(offset) + 1;
      rooms.push({ room, valid, first, head: log.length });
    }
    return { rooms };
  }

  #renew([lease]: readonly string[]): object {
    const { nodes, leases, here } = this.#state;
    const isLapsed = (node: string) => (leases.get(node) ?? 0) <= this.#time.ms;
    const wasLate = isLapsed(this.#node);
    leases.set(this.#node, this.#time.ms + Number(lease));
    for (const node of wasLate ? [] : [...nodes.keys()].filter(isLapsed)) {
      nodes.delete(node);
      here.delete(node);
      this.#tell({ kind: "lost", node });
    }
    return { alive: true };
  }

  #presence(args: readonly string[]): object {
    const { here, members } = this.#state;
    const places = here.get(this.#node) ?? new Map();
    here.set(this.#node, places);
    const changes: object[] = [];
    for (let i = 0; i < args.length; i += 4) {
      const [kind, room = "", member = "", more = ""] = args.slice(i, i + 4);
      if (kind === "came") {
        places.set(`${room} ${member}`, [room, member]);
        changes.push({ kind, room, member, username: members.get(member)?.username ?? more });
      } else {
        places.delete(`${room} ${member}`);
        changes.push({ kind, room, member, reason: more });
      }
    }
    this.#tell({ kind: "presence", node: this.#node, changes });
    return {};
  }

  // ---------------------------------------------------------------- names

  #isLive(book: Book): boolean {
    return [...book.nodes].some((node) => this.#state.nodes.has(node));
  }

  #isHeld(book: Book): boolean {
    return this.#isLive(book) || book.spoke && book.until > this.#time.wall();
  }

  #isTaken(key: string, member: string): boolean {
    const owner = this.#state.names.get(key);
    const book = owner === undefined ? undefined : this.#state.members.get(owner);
    return owner !== member && book !== undefined && (book.key === key || book.former === key) &&
      this.#isHeld(book);
  }

  #forget(key: string | undefined, member: string): void {
    const { names } = this.#state;
    if (key !== undefined && names.get(key) === member) names.delete(key);
  }

  #claim([hold, member = "", key = "", username = "", tab]: readonly string[]): object {
    const { members, names } = this.#state;
    const book = members.get(member);
    const until = this.#time.wall() + Number(hold);
    if (book !== undefined && this.#isHeld(book)) {
      book.nodes.delete(this.#node);
      if (tab !== "" && this.#isLive(book)) {
        this.#tell({ kind: "replaced", node: this.#node, member, tab });
      }
      book.nodes.add(this.#node);
      book.until = until;
      return { username: book.username };
    }
    if (this.#isTaken(key, member)) return {};
    this.#forget(book?.key, member);
    this.#forget(book?.former, member);
    const nodes = new Set([this.#node]);
    members.set(member, { key, username, former: undefined, spoke: false, until, nodes });
    names.set(key, member);
    return { username };
  }

  #rename([hold, member = "", key = "", username = ""]: readonly string[]): object {
    const { members, names } = this.#state;
    if (this.#isTaken(key, member)) return { renamed: false };
    const before = members.get(member);
    const until = this.#time.wall() + Number(hold);
    const book = before ??
      { key, username: "", former: undefined, spoke: false, until, nodes: new Set<string>() };
    if (book.key !== key) {
      if (book.former !== key) this.#forget(book.former, member);
      [book.former, book.key] = [book.key, key];
    }
    book.nodes.add(this.#node);
    book.until = until;
    members.set(member, book);
    names.set(key, member);
    const isNews = book.username !== username;
    book.username = username;
    if (isNews) this.#tell({ kind: "renamed", member, username });
    return { renamed: true };
  }

  #release([hold, member = ""]: readonly string[]): object {
    const { members } = this.#state;
    const book = members.get(member);
    if (book === undefined) return {};
    book.nodes.delete(this.#node);
    if (this.#isLive(book)) return {};
    if (book.spoke) book.until = this.#time.wall() + Number(hold);
    else {
      this.#forget(book.key, member);
      this.#forget(book.former, member);
      members.delete(member);
    }
    return {};
  }

  #tell(event: object): void {
    const state = this.#state;
    const after = state.end;
    state.end = after + 1;
    state.feed.push({ id: state.end, after, json: JSON.stringify(event) });
    this.told = true;
  }
}

/** The way of one node to Redis. Commands are in order, the feed is in order; which of the two is quicker is chance. */
export class SimulatedLink implements Link {
  readonly #redis: SimulatedRedis;
  readonly #options: RedisLinkOptions;
  readonly #isAlive: () => boolean;
  readonly #isCut: () => boolean;
  /** Once something was lost on the way, nothing comes through any more. */
  #isStuck = false;
  readonly #lost = Promise.withResolvers<Error>();
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #slowness: number;
  #arrivesAt = 0;
  #answersAt = 0;
  #reader: (() => void) | undefined;
  isOpen = true;

  constructor(
    redis: SimulatedRedis,
    options: RedisLinkOptions,
    isAlive: () => boolean,
    isCut: () => boolean,
  ) {
    this.#isCut = isCut;
    this.#redis = redis;
    this.#options = options;
    this.#isAlive = isAlive;
    this.#slowness = redis.chance.delay(300);
    redis.links.add(this);
  }

  get name(): string {
    return this.#options.name;
  }

  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  /** Whether something that is on its way arrives. */
  get #passes(): boolean {
    this.#isStuck ||= this.#isCut();
    return this.isOpen && this.#isAlive() && !this.#isStuck;
  }

  run(script: RedisScript, args: readonly string[]): Promise<string> {
    const { time, chance } = this.#redis;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    if (!this.isOpen) return Promise.reject(new Error("the link is closed"));
    this.#waiting.add(reject);
    const { timeoutMs } = this.#options;
    const cancel = this.#later(timeoutMs, () => this.lose(new Error("no answer in time")));
    this.#arrivesAt = Math.max(this.#arrivesAt, time.ms + chance.delay(this.#slowness));
    const arrive = () => {
      if (!this.#passes) return;
      const { hangsUntil } = this.#redis;
      if (hangsUntil > time.ms) return void time.at(hangsUntil, arrive);
      const text = this.#redis.run(script, args);
      this.#answersAt = Math.max(this.#answersAt, time.ms + chance.delay(this.#slowness));
      time.at(this.#answersAt, () => {
        if (!this.#passes) return;
        cancel();
        this.#waiting.delete(reject);
        resolve(text);
      });
    };
    time.at(this.#arrivesAt, arrive);
    return promise;
  }

  async *members(): AsyncGenerator<readonly string[]> {
    yield ["lobby", "design", "lunch"];
  }

  feed(after: number): Promise<readonly FeedEvent[]> {
    const { time, chance } = this.#redis;
    const { promise, resolve, reject } = Promise.withResolvers<readonly FeedEvent[]>();
    if (!this.isOpen) return Promise.reject(new Error("the link is closed"));
    this.#waiting.add(reject);
    const answer = () => {
      this.#reader = undefined;
      const at = Math.max(time.ms + chance.delay(this.#slowness), this.#redis.hangsUntil);
      time.at(at, () => {
        if (!this.#passes) return;
        this.#waiting.delete(reject);
        resolve(this.#redis.feedAfter(after));
      });
    };
    if (this.#redis.feedAfter(after).length > 0) answer();
    else this.#reader = answer;
    return promise;
  }

  /** There is something in the feed. */
  wake(): void {
    this.#reader?.();
  }

  whisper(text: string): void {
    const { time, chance, links } = this.#redis;
    for (const link of links) {
      if (chance.isTrue(0.9)) time.later(chance.delay(500), () => link.#hear(text));
    }
  }

  #hear(text: string): void {
    if (this.#passes) this.#options.hear(text);
  }

  lose(error: Error): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#redis.links.delete(this);
    if (!this.#isAlive()) return;
    for (const reject of this.#waiting) reject(error);
    this.#lost.resolve(error);
  }

  close(): void {
    this.lose(new Error("the link was closed"));
  }

  #later(ms: number, task: () => void): () => void {
    return this.#redis.time.later(ms, () => {
      if (this.#isAlive()) task();
    });
  }
}
