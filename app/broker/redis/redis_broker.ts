// Many nodes' broker: every message and name in one Redis, and one feed that all nodes read. Knows what Redis is asked and
// what this node has told its hub; what happens inside Redis is in redis_scripts.ts.

import { usernameKey } from "../../protocol/text.ts";
import type { Position } from "../../protocol/wire.ts";
import type {
  AppendResult,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Page,
  ReadQuery,
} from "../../chat/broker.ts";
import { RedisLink } from "./connections.ts";
import { RedisPresence } from "./presence.ts";
import type { PresenceChange, PresenceSnapshot } from "./presence.ts";
import * as scripts from "./scripts.ts";
import type { Link, RedisLinkOptions } from "./connections.ts";
import type { RedisScript } from "./scripts.ts";

/** What a Redis broker is made of; times in ms. */
export interface RedisBrokerOptions {
  /** `redis://` or `rediss://`, with user and password where they are needed. */
  readonly url: string;
  /** What all keys begin with; a {tag} in it keeps them together in a Redis Cluster. */
  readonly prefix: string;
  /** Milliseconds since 1970, for tests. Absent: Redis's own clock, one for all nodes. */
  readonly now?: () => number;
  /** A name for this node that no other has. */
  readonly randomName: () => string;
  /** How long the name of a member that wrote is kept after it went. */
  readonly nameHoldMs: number;
  /** What is kept of each room; 0 is for ever, and all. */
  readonly retentionDays: number;
  readonly retentionMessages: number;
  /** Rooms that may have messages; 0 is no limit. */
  readonly maxRooms: number;
  /** A node that is not heard of for so long is dead to the others. */
  readonly leaseMs: number;
  /** Whatever Redis has not done by then has failed. */
  readonly timeoutMs: number;
  /** Told when the storage begins to fail, and when it works again. */
  readonly report: (event: string, error: unknown) => void;
  /** For tests. Absent: over the network, by the machine's timers and chance. */
  readonly connect?: (options: RedisLinkOptions) => Promise<Link>;
  readonly later?: (ms: number, task: () => void) => () => void;
  readonly random?: () => number;
}

/** Messages that one call of `prune` removes at most, and rooms that one script looks at. */
const pruneMessages = 5_000;
const retryMinMs = 100;
const retryMaxMs = 2_000;
const fillCount = 500;
const fillMaxBytes = 1024 * 1024;
const membersAtOnce = 1_000;
/** Rooms that one script compares, so that nobody waits for it. */
const roomsAtOnce = 2_000;

/** What every script answers: `alive` is false when the others hold this node for dead. */
interface Reply {
  readonly term: string;
  readonly feed: number;
  readonly alive?: boolean;
}

interface EnterReply extends Reply {
  readonly here: PresenceSnapshot;
}

/** How a room stands beside what is known of it. */
interface Compared {
  readonly room: string;
  /** Whether what is known of it is part of the log, and what follows that is kept. */
  readonly valid: boolean;
  readonly first: number;
  readonly head: number;
}

/** What the feed has. */
type Event =
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  | { readonly kind: "pruned"; readonly room: string; readonly first: number }
  | {
    readonly kind: "presence";
    readonly node: string;
    readonly changes: readonly PresenceChange[];
  }
  | { readonly kind: "renamed"; readonly member: string; readonly username: string }
  | {
    readonly kind: "replaced";
    readonly node: string;
    readonly member: string;
    readonly tab: string;
  }
  | { readonly kind: "lost"; readonly node: string };

/** What nodes tell each other past the feed. */
interface Whisper {
  readonly node: string;
  readonly room: string;
  readonly member: string;
}

/** Who waits until the feed has been heard up to an id. */
interface Waiter {
  readonly feed: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** An append-only log in Redis, shared by all nodes that use the same prefix. */
export class RedisBroker implements Broker {
  readonly cluster: RedisPresence;
  readonly #options: RedisBrokerOptions;
  #listener: BrokerListener | undefined;
  /** This node's name; another one after it was held for dead. */
  #node: string;
  /** Whether Redis knows this node. */
  #isRegistered = false;
  /** Absent while Redis is away. */
  #link: Link | undefined;
  #connecting: Promise<void> | undefined;
  #term = "";
  /** How far the feed has been heard. */
  #heardTo = 0;
  #waiters: Waiter[] = [];
  /** The end of each room that the hub has, as it may know it. */
  readonly #positions = new Map<string, Position>();
  /** Who is here, and under which name. */
  readonly #names = new Map<string, string>();
  /** Who went, and still has its name as far as is known. */
  readonly #unreleased = new Set<string>();
  /** Settled when the others were told what they had to be. */
  #publishing: Promise<void> | undefined;
  #retryMs = retryMinMs;
  #cancelRetry = () => {};
  #cancelRenewal = () => {};
  #isFailing = false;
  #isClosed = false;

  /**
   * Connects, and begins to listen to the feed.
   *
   * @throws {Error} If Redis cannot be used; the message says why.
   */
  static async open(options: RedisBrokerOptions): Promise<RedisBroker> {
    const broker = new RedisBroker(options);
    try {
      await broker.#connect();
      return broker;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // The address may have a password, and only that part of it.
      throw new Error(`Cannot use Redis at ${new URL(options.url).host}: ${why}`, { cause: error });
    }
  }

  private constructor(options: RedisBrokerOptions) {
    this.#options = options;
    this.#node = options.randomName();
    this.cluster = new RedisPresence(
      () => this.#publish(),
      (room, member) => {
        const whisper: Whisper = { node: this.#node, room, member };
        this.#link?.whisper(JSON.stringify(whisper));
      },
      () => this.#listener,
    );
  }

  get #hold(): string {
    return String(this.#options.nameHoldMs);
  }

  /** Whether messages can be stored and heard now. */
  get isReady(): boolean {
    return this.#link !== undefined && !this.#isFailing;
  }

  // ---------------------------------------------------------------- messages

  async append(drafts: readonly Draft[]): Promise<readonly AppendResult[]> {
    const args = [String(this.#options.maxRooms)];
    for (const { room, member, from, text, nonce } of drafts) {
      const rest = JSON.stringify({ member, from, text, nonce }).slice(1, -1);
      args.push(room, member, nonce, usernameKey(from), rest);
    }
    try {
      const reply = await this.#run<Reply & { results: AppendResult[] }>(scripts.append, args);
      await this.#heard(reply.feed);
      this.#recover();
      return reply.results;
    } catch (error) {
      // It may be stored all the same: then the next try is answered as a repeat.
      this.#fail(error);
      return drafts.map(() => ({ kind: "unavailable" }));
    }
  }

  async read(room: string, query: ReadQuery): Promise<Page> {
    const { limit, maxBytes } = query;
    const where = "before" in query
      ? ["before", "", String(Math.min(query.before, Number.MAX_SAFE_INTEGER))]
      : ["after", query.after.epoch, String(query.after.offset)];
    const args = [room, String(limit), String(maxBytes), ...where];
    const { entries, first, head, valid } = await this.#run<Reply & Page>(scripts.read, args);
    const isNew = "before" in query && query.before === Infinity && !this.#positions.has(room);
    if (isNew) this.#positions.set(room, head);
    return { entries, first, head, valid };
  }

  forget(room: string): void {
    this.#positions.delete(room);
  }

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  // ---------------------------------------------------------------- names

  async claim(member: string, username: string, tab = ""): Promise<string | undefined> {
    this.#unreleased.delete(member);
    const args = [this.#hold, member, usernameKey(username), username, tab];
    const reply = await this.#run<Reply & { username?: string }>(scripts.claim, args);
    // Who had the name before has gone by then, here as well.
    await this.#heard(reply.feed);
    if (reply.username !== undefined) this.#names.set(member, reply.username);
    return reply.username;
  }

  async rename(member: string, username: string): Promise<boolean> {
    const args = [this.#hold, member, usernameKey(username), username];
    const reply = await this.#run<Reply & { renamed: boolean }>(scripts.rename, args);
    await this.#heard(reply.feed);
    const { renamed } = reply;
    if (renamed) this.#names.set(member, username);
    return renamed;
  }

  async release(member: string): Promise<void> {
    this.#names.delete(member);
    this.#unreleased.add(member);
    // Before its name is another's, the others have to know that it is gone.
    await this.#publishing;
    // It has come back meanwhile.
    if (!this.#unreleased.has(member)) return;
    await this.#run(scripts.release, [this.#hold, member]);
    this.#unreleased.delete(member);
  }

  async renewHolds(members: readonly string[]): Promise<void> {
    for (let i = 0; i < members.length; i += membersAtOnce) {
      const some = members.slice(i, i + membersAtOnce);
      await this.#run(scripts.seen, [this.#hold, ...some]);
    }
  }

  // ---------------------------------------------------------------- upkeep

  /** Any node may do it, and all: what is gone is gone. Nonces and names end by themselves. */
  async prune(): Promise<boolean> {
    const { retentionDays, retentionMessages } = this.#options;
    if (retentionDays === 0 && retentionMessages === 0) return false;
    let left = pruneMessages;
    let feed = 0;
    for await (const rooms of this.#usable().members("rooms")) {
      const args = [retentionDays, retentionMessages, left].map(String).concat(rooms);
      const reply = await this.#run<Reply & { left: number }>(scripts.prune, args);
      ({ left, feed } = reply);
      if (left <= 0) break;
    }
    await this.#heard(feed);
    return left <= 0;
  }

  /** The node is not signed off: its members come back to another one within the lease, and nobody hears of it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#link?.close();
    await this.#connecting;
  }

  // ---------------------------------------------------------------- asking

  #usable(): Link {
    if (this.#link === undefined) throw new Error("Cannot reach Redis: it is being tried again");
    return this.#link;
  }

  async #run<T extends Reply>(
    script: RedisScript,
    args: readonly string[],
    link = this.#usable(),
  ): Promise<T> {
    const now = String(this.#options.now?.() ?? "");
    const reply: T = JSON.parse(await link.run(script, [now, this.#node, link.name, ...args]));
    if (link === this.#link && reply.alive === false) {
      throw lose(link, "the other nodes hold this one for dead");
    }
    // Without a new connection: Redis was emptied, or another one has taken its place.
    if (link === this.#link && reply.term !== this.#term) {
      throw lose(link, "its log is not the one that it was");
    }
    return reply;
  }

  async #heard(feed: number): Promise<void> {
    if (this.#heardTo >= feed) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = () => reject(new Error("the feed is late"));
    const cancel = this.#later(this.#options.timeoutMs, late);
    this.#waiters.push({ feed, resolve, reject });
    try {
      await promise;
    } finally {
      cancel();
    }
  }

  #later(ms: number, task: () => void): () => void {
    return (this.#options.later ?? later)(ms, task);
  }

  #fail(error: unknown): void {
    if (this.#isFailing || this.#isClosed) return;
    this.#isFailing = true;
    this.#options.report("storage_failed", error);
  }

  #recover(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.report("storage_recovered", "messages can be stored again");
  }

  // ---------------------------------------------------------------- one life of the connection

  /** Connects, finds out what happened meanwhile, tells the hub of it, and goes on from there. */
  async #connect(): Promise<void> {
    const { url, prefix, timeoutMs, randomName } = this.#options;
    const hear = (text: string) => this.#hearWhisper(JSON.parse(text));
    const connect = this.#options.connect ?? RedisLink.open;
    const link = await connect({ name: randomName(), url, prefix, timeoutMs, hear });
    try {
      if (this.#isClosed) throw new Error("the broker was closed");
      const { term, feed } = await this.#catchUp(link);
      this.#term = term;
      this.#heardTo = feed;
    } catch (error) {
      link.close();
      throw error;
    }
    this.#link = link;
    this.#retryMs = retryMinMs;
    this.#recover();
    void link.lost.then((error) => this.#disconnected(error));
    void this.#listen(link);
    this.#renewLater(link);
    this.#publish();
    for (const member of this.#unreleased) {
      this.release(member).catch((error) => link.lose(error));
    }
  }

  #disconnected(error: Error): void {
    this.#link = undefined;
    this.#cancelRenewal();
    this.cluster.pause();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    if (this.#isClosed) return;
    this.#fail(new Error(`Lost Redis: ${error.message}`));
    this.#connectLater();
  }

  #connectLater(): void {
    // Not all nodes at once.
    const random = this.#options.random ?? Math.random;
    const wait = this.#retryMs * (0.5 + random() / 2);
    this.#retryMs = Math.min(this.#retryMs * 2, retryMaxMs);
    this.#cancelRetry = this.#later(wait, () => {
      this.#connecting = this.#connect().catch((error) => {
        this.#fail(error);
        if (!this.#isClosed) this.#connectLater();
      });
    });
  }

  /** Compares what the hub was told with what Redis has: tells what is missing, or that it was not the truth. */
  async #catchUp(link: Link): Promise<Reply> {
    const back = this.#isRegistered ? "back" : "new";
    const args = [String(this.#options.leaseMs), back];
    const reply = await this.#run<EnterReply>(scripts.enter, args, link);
    const rooms = reply.alive === true ? await this.#compare(link) : [];
    const isSound = reply.alive === true && rooms.every(({ valid }) => valid) &&
      (this.#term === reply.term || await this.#holdsNames(link));
    if (!isSound) {
      this.#reset();
      return await this.#catchUp(link);
    }
    this.#isRegistered = true;
    for (const { room, first, head } of rooms) {
      this.#listener?.pruned(room, first);
      await this.#fill(link, room, head);
    }
    // Of a rename whose answer was lost.
    for (const [, member, username] of reply.here[this.#node] ?? []) {
      if (this.#names.get(member) !== username) this.#renamed(member, username);
    }
    this.cluster.replace(reply.here, this.#node);
    return reply;
  }

  async #compare(link: Link): Promise<readonly Compared[]> {
    const known = [...this.#positions].map((
      [room, { epoch, offset }],
    ) => [room, epoch, String(offset)]);
    const compared: Compared[] = [];
    for (let i = 0; i < known.length; i += roomsAtOnce) {
      const args = known.slice(i, i + roomsAtOnce).flat();
      const { rooms } = await this.#run<Reply & { rooms: Compared[] }>(scripts.compare, args, link);
      compared.push(...rooms);
    }
    return compared;
  }

  /** Whether everybody who is here still has the name that it had, now or again. */
  async #holdsNames(link: Link): Promise<boolean> {
    const held = await Promise.all(
      Array.from(this.#names, async ([member, username]) => {
        const args = [this.#hold, member, usernameKey(username), username, ""];
        const reply = await this.#run<Reply & { username?: string }>(scripts.claim, args, link);
        return reply.username === username;
      }),
    );
    return held.every(Boolean);
  }

  #renamed(member: string, username: string): void {
    if (this.#names.has(member)) this.#names.set(member, username);
    this.cluster.rename(member, username);
  }

  /** Nothing that the hub was told counts any more: all sessions have to come again, as if to another node. */
  #reset(): void {
    this.#positions.clear();
    this.#names.clear();
    this.#unreleased.clear();
    this.#node = this.#options.randomName();
    this.#isRegistered = false;
    this.cluster.clear();
    this.#listener?.reset?.();
  }

  /** Tells what was said in a room while nothing could be heard. */
  async #fill(link: Link, room: string, head: number): Promise<void> {
    for (;;) {
      const after = this.#positions.get(room);
      if (after === undefined || after.offset >= head) return;
      const args = [room, String(fillCount), String(fillMaxBytes)];
      const where = ["after", after.epoch, String(after.offset)];
      const page = await this.#run<Reply & Page>(scripts.read, [...args, ...where], link);
      if (!page.valid || page.first > after.offset + 1) {
        throw new Error(`Cannot repair ${room}: its log has changed meanwhile`);
      }
      this.#tell(page.entries.filter(({ offset }) => offset <= head));
    }
  }

  #tell(entries: readonly Entry[]): void {
    const news = entries.filter(({ room, epoch, offset }) => {
      const known = this.#positions.get(room);
      // Read already, when the hub took up the room or what was missing of it.
      if (known !== undefined && offset <= known.offset) return false;
      if (known !== undefined) this.#positions.set(room, { epoch, offset });
      return true;
    });
    if (news.length > 0) this.#listener?.entries(news);
  }

  async #listen(link: Link): Promise<void> {
    try {
      while (link.isOpen) {
        for (const { id, after, json } of await link.feed(this.#heardTo)) {
          if (after !== this.#heardTo) throw new Error("the feed goes on somewhere else");
          this.#hear(JSON.parse(json));
          this.#heardTo = id;
        }
        const [heard, waiting] = partition(this.#waiters, ({ feed }) => feed <= this.#heardTo);
        this.#waiters = waiting;
        for (const { resolve } of heard) resolve();
      }
    } catch (error) {
      link.lose(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #hear(event: Event): void {
    switch (event.kind) {
      case "entries":
        return this.#tell(event.entries);
      case "pruned":
        return this.#listener?.pruned(event.room, event.first);
      case "presence":
        if (event.node === this.#node) return;
        return this.cluster.hear(event.node, event.changes);
      case "renamed":
        return this.#renamed(event.member, event.username);
      case "replaced":
        if (event.node === this.#node) return;
        return this.#listener?.tabMoved?.(event.member, event.tab);
      case "lost":
        if (event.node === this.#node) throw new Error("the other nodes hold this one for dead");
        return this.cluster.lose(event.node);
    }
  }

  #hearWhisper({ node, room, member }: Whisper): void {
    if (node !== this.#node) this.#listener?.memberTyping?.(room, member);
  }

  /** Tells the others who is here: all that changed in a turn at once, and what changes meanwhile after that. */
  #publish(): void {
    const link = this.#link;
    if (this.#publishing !== undefined || link === undefined) return;
    const publish = async () => {
      await Promise.resolve();
      for (let changes; link.isOpen && (changes = this.cluster.take()).length > 0;) {
        const args = changes.flatMap((change) => {
          const { kind, room, member } = change;
          return [kind, room, member, kind === "came" ? change.username : change.reason];
        });
        await this.#run(scripts.presence, args, link);
      }
      this.#publishing = undefined;
    };
    this.#publishing = publish().catch((error) => {
      this.#publishing = undefined;
      // What was not told is found out with the next connection.
      link.lose(error);
    });
  }

  /** Finds out whether something can be stored again, also when nobody comes any more to try. */
  #probe(link: Link): void {
    this.#run(scripts.probe, [], link).then(() => this.#recover(), () => {});
  }

  #renewLater(link: Link): void {
    const { leaseMs } = this.#options;
    this.#cancelRenewal = this.#later(leaseMs / 3, () => {
      this.#run(scripts.renew, [String(leaseMs)], link).then(
        () => {
          if (this.#isFailing) this.#probe(link);
          this.#renewLater(link);
        },
        (error) => {
          this.#fail(error);
          if (link.isOpen) this.#renewLater(link);
        },
      );
    });
  }
}

function later(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
}

function lose(link: Link, why: string): Error {
  const error = new Error(`Cannot go on with Redis: ${why}`);
  link.lose(error);
  return error;
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  const first: T[] = [];
  const second: T[] = [];
  for (const item of items) (isFirst(item) ? first : second).push(item);
  return [first, second];
}
