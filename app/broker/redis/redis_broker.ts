// The broker for several nodes: all messages and names in one Redis, and a feed that every node
// reads. The .lua files run inside Redis.

import { usernameKey } from "../../protocol/names.ts";
import { hubLimits } from "../../protocol/wire.ts";
import type { Position } from "../../protocol/wire.ts";
import type {
  AppendResult,
  Banned,
  Broker,
  BrokerListener,
  Cluster,
  Draft,
  Entry,
  Moderation,
  Page,
  ReadQuery,
  RoomSummary,
} from "../../chat/broker.ts";
import { errorMessage } from "../../core/error_message.ts";
import { scan } from "../scan.ts";
import { SearchQueue } from "../search_queue.ts";
import { connectError } from "./connect_error.ts";
import { Feed, takeUndelivered } from "./feed.ts";
import type { FeedEvent } from "./feed.ts";
import { Members } from "./members.ts";
import { leaseExpired, RedisNode } from "./node.ts";
import type { RedisBrokerOptions } from "./options.ts";
import { ReconnectingLink } from "./reconnecting_link.ts";
import { RedisLink } from "./redis_link.ts";
import type { Link } from "./redis_link.ts";
import { appendRow, nonceTtlMs } from "./scripts.ts";
import type { ComparedRoom, SanctionEnd, ScriptArgs, ScriptReply, ScriptRow } from "./scripts.ts";

/** Max entries removed by one call of `prune`. */
const pruneMaxEntries = 5_000;
/** Bounds of a page when filling a gap. */
const fillMaxEntries = 500;
const fillMaxBytes = 1024 * 1024;
/** Max rows per script call, so that other nodes don't wait long for it. */
const compareMaxRooms = 2_000;
/** Max entries that one step of a sweep visits. */
const sweepMaxEntries = 500;

/** An append-only log in Redis, shared by all nodes that use the same prefix. */
export class RedisBroker implements Broker {
  readonly #options: RedisBrokerOptions;
  readonly #node: RedisNode;
  readonly #feed: Feed;
  readonly #members: Members;
  readonly cluster: Cluster;
  readonly search: Broker["search"];
  /** Arguments of `append`. */
  readonly #appendArgs: ScriptArgs<"append">;
  #listener: BrokerListener | undefined;
  /** The position of the last entry delivered in each room that the hub has loaded. */
  readonly #delivered = new Map<string, Position>();
  /** When the mute of each member ends, by `#now`. */
  readonly #mutes = new Map<string, number>();
  /** Whether the last failed `append` found Redis at its maxmemory. */
  #wasFull = false;

  /**
   * Connects and starts following the feed.
   *
   * @throws {Error} If Redis cannot be used; the message says why.
   */
  static async open(options: RedisBrokerOptions): Promise<RedisBroker> {
    const broker = new RedisBroker(options);
    try {
      await broker.#node.link.connect();
      return broker;
    } catch (error) {
      throw connectError(options.url, options.prefix, error);
    }
  }

  private constructor(options: RedisBrokerOptions) {
    const { url, prefix, timeoutMs, later, random, report, randomName, maxRooms } = options;
    const mac = options.moderatorMac?.("");
    this.#options = options;
    this.#appendArgs = { maxRooms, nonceTtlMs, editsMax: hubLimits.editsMax, mac };
    if (options.search === true) {
      const queue = new SearchQueue();
      const pause = (ms: number) => new Promise<void>((resolve) => void later(ms, resolve));
      this.search = (request) => queue.add(() => scan(this, request, pause));
    }
    const connect = options.connect ?? RedisLink.open;
    const link = new ReconnectingLink({
      connect: () =>
        connect({
          name: randomName(),
          url,
          prefix,
          timeoutMs,
          onTyping: ({ node, room, member }) => {
            if (node !== this.#node.name) this.#listener?.memberTyping?.(room, member);
          },
        }),
      catchUp: (link) => this.#catchUp(link),
      onOpen: (link) => this.#opened(link),
      onLost: (error) => this.#lost(error),
      report,
      later,
      random,
    });
    this.#node = new RedisNode(options, link);
    this.#feed = new Feed({ timeoutMs, later, onEvent: (event) => this.#handle(event) });
    this.#members = new Members(options, this.#node, this.#feed, () => this.#listener);
    const { local, remote } = this.#members;
    this.cluster = {
      join: (room, member, username) => local.join(room, member, username),
      leave: (room, member, reason) => local.leave(room, member, reason),
      typing: (room, member) =>
        link.current?.publishTyping({ node: this.#node.name, room, member }),
      remoteMembers: (room) => remote.membersOf(room),
    };
  }

  /** Whether messages can be stored and received now. */
  get isReady(): boolean {
    return this.#node.link.current !== undefined && !this.#node.link.isFailing;
  }

  /** Whether messages are refused because Redis has reached its maxmemory. */
  get isFull(): boolean {
    return this.#node.link.isFailing && this.#wasFull;
  }

  async append(drafts: readonly Draft[]): Promise<readonly AppendResult[]> {
    const rows = drafts.map((draft) => appendRow(draft, usernameKey(draft.from)));
    try {
      return await this.#append("append", rows);
    } catch {
      // The drafts may be stored all the same. Then a retry gets their first results.
      return drafts.map(() => ({ kind: "unavailable" }));
    }
  }

  async #append(
    name: "append" | "appendFull",
    rows: readonly ScriptRow<"append">[],
  ): Promise<readonly AppendResult[]> {
    const isFull = name === "appendFull";
    try {
      const args = { ...this.#appendArgs, wallNow: this.#wallNow(), isFull };
      const { results, feed } = await this.#node.run(name, args, rows);
      await this.#feed.reached(feed);
      if (!isFull) this.#node.link.recovered();
      return results;
    } catch (error) {
      this.#node.link.failed(error);
      this.#wasFull = !isFull && errorMessage(error).startsWith("OOM");
      if (this.#wasFull) return await this.#append("appendFull", rows);
      throw error;
    }
  }

  async read(room: string, query: ReadQuery): Promise<Page> {
    const { limit, maxBytes } = query;
    const isForward = "after" in query;
    const range = isForward
      ? { after: query.after.offset, epoch: query.after.epoch }
      // JSON has no Infinity.
      : { before: Math.min(query.before, Number.MAX_SAFE_INTEGER) };
    const reply = await this.#node.run("read", { room, limit, maxBytes, ...range });
    const { epoch: _epoch, feed: _feed, ...page } = reply;
    const isEnd = !isForward && query.before === Infinity;
    if (isEnd && !this.#delivered.has(room)) this.#delivered.set(room, page.head);
    return page;
  }

  async newestRooms(limit: number): Promise<readonly RoomSummary[]> {
    return (await this.#node.run("newestRooms", { limit })).rooms;
  }

  forget(room: string): void {
    this.#delivered.delete(room);
  }

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  /** Sends each claim and each release as a separate command. */
  batch(work: () => void): void {
    work();
  }

  claim(...args: Parameters<Members["claim"]>): Promise<string | undefined | Banned> {
    return this.#members.claim(...args);
  }

  async holdsName(member: string): Promise<boolean> {
    return (await this.#node.run("holdsName", { member })).holds;
  }

  rename(member: string, username: string, isWanted = () => true): Promise<boolean> {
    return this.#members.rename(member, username, isWanted);
  }

  release(member: string, isFreed = false): Promise<void> {
    return this.#members.release(member, isFreed);
  }

  async renewHolds(): Promise<void> {
    const link = this.#node.link.require();
    if (await this.#members.renewHolds(link)) return;
    // This node starts over when it has a new link.
    link.lose(new Error("another member has a name of this node"));
  }

  /** Prunes the rooms. Several nodes may do so at once. Nonces and names expire by themselves. */
  async prune(): Promise<boolean> {
    const { retentionDays, retentionMessages } = this.#options;
    if (retentionDays === 0 && retentionMessages === 0) return false;
    const wallNow = this.#wallNow();
    let entriesLeft = pruneMaxEntries;
    let feed = 0;
    for await (const rooms of this.#node.link.require().rooms()) {
      const args = { retentionDays, retentionMessages, maxEntries: entriesLeft, wallNow };
      const rows = rooms.map((room) => [room] as const);
      ({ entriesLeft, feed } = await this.#node.run("prune", args, rows));
      if (entriesLeft <= 0) break;
    }
    await this.#feed.reached(feed);
    return entriesLeft <= 0;
  }

  readonly moderation: Moderation = {
    appoint: async (member) => {
      const { mac } = this.#appendArgs;
      await this.#node.run("appoint", { member, mac, isNew: mac !== undefined });
    },
    isModerator: async (member) => {
      const { mac } = this.#appendArgs;
      return (await this.#node.run("appoint", { member, mac, isNew: false })).isModerator;
    },
    moderate: async (command, by) => {
      const { mac } = this.#appendArgs;
      const { sanctionsMax } = hubLimits;
      const args = { ...this.#members.nameArgs, command, by, mac, sanctionsMax };
      const { result, feed } = await this.#node.run("moderate", args);
      await this.#feed.reached(feed);
      return result;
    },
    mutedFor: (member) => Math.max(0, (this.#mutes.get(member) ?? 0) - this.#now()),
    sweep: async () => {
      const entriesMax = this.#options.sweepEntries ?? sweepMaxEntries;
      const args = { entriesMax, messagesMax: entriesMax, nonceTtlMs };
      const { deleted, hasMore, isBlocked, feed } = await this.#node.run("sweep", args);
      await this.#feed.reached(feed);
      if (isBlocked) throw new Error("Cannot sweep a room: another program has changed its keys");
      return { deleted, hasMore };
    },
  };

  /** Closes the link. The node stays registered, so its members can move without leaving. */
  async close(): Promise<void> {
    await this.#node.link.close();
  }

  /** Registers this node, and reports the events that it missed while Redis was unreachable. */
  async #catchUp(link: Link): Promise<void> {
    const { leaseMs } = this.#options;
    const args = { leaseMs, isReturning: this.#node.isRegistered };
    const reply = await this.#node.run("register", args, [], link);
    const { registered, presence, ends, epoch, feed } = reply;
    const rooms = registered ? await this.#compareRooms(link) : [];
    const isConsistent = registered && rooms.every(({ valid }) => valid) &&
      await this.#members.renewHolds(link);
    if (!isConsistent) {
      this.#reset();
      return await this.#catchUp(link);
    }
    if (this.#node.isRegistered) {
      await this.#feed.skipTo(feed, link, (event) => {
        if (event.kind === "tab_moved") this.#handle(event);
      });
    } else {
      this.#feed.startAt(feed);
    }
    this.#node.isRegistered = true;
    // The gaps of many rooms can take longer than a lease.
    this.#node.renewLease(link, (reply) => this.#renewed(link, reply));
    for (const { room, first, head } of rooms) {
      this.#listener?.pruned(room, first);
      await this.#fillGap(link, room, head);
    }
    this.#members.resume(presence);
    this.#mutes.clear();
    this.#sanctioned(ends);
    this.#node.epoch = epoch;
  }

  #opened(link: Link): void {
    void this.#feed.follow(link);
    this.#members.publish();
    this.#members.releaseAgain(link);
  }

  #renewed(link: Link, { feed, hasSweep }: ScriptReply<"renewLease">): void {
    this.#feed.expect(feed);
    // Its gaps are not filled yet.
    if (link !== this.#node.link.current) return;
    if (hasSweep) this.#listener?.sweepPending?.();
    if (this.#node.link.isFailing) this.#probe(link);
  }

  #lost(error: Error): void {
    this.#members.local.pause();
    this.#feed.interrupt(error);
  }

  async #compareRooms(link: Link): Promise<readonly ComparedRoom[]> {
    const delivered = Array.from(
      this.#delivered,
      ([room, { epoch, offset }]) => [room, epoch, String(offset)] as const,
    );
    const compared: ComparedRoom[] = [];
    for (let i = 0; i < delivered.length; i += compareMaxRooms) {
      const rows = delivered.slice(i, i + compareMaxRooms);
      compared.push(...(await this.#node.run("compare", {}, rows, link)).rooms);
    }
    return compared;
  }

  /** Starts over as a new node, because nothing in the hub's memory can be trusted. */
  #reset(): void {
    this.#delivered.clear();
    this.#members.clear();
    this.#node.reset();
    this.#listener?.reset?.();
  }

  /** Delivers the entries of a room up to `head` that this node has missed. */
  async #fillGap(link: Link, room: string, head: number): Promise<void> {
    const bounds = { limit: fillMaxEntries, maxBytes: fillMaxBytes };
    for (;;) {
      const after = this.#delivered.get(room);
      if (after === undefined || after.offset >= head) return;
      const args = { room, ...bounds, after: after.offset, epoch: after.epoch };
      const page = await this.#node.run("read", args, [], link);
      if (!page.valid || page.first > after.offset + 1) {
        throw new Error(`Cannot fill the gap in ${room}: its log has changed`);
      }
      this.#deliver(page.entries.filter(({ offset }) => offset <= head));
    }
  }

  #deliver(entries: readonly Entry[]): void {
    const missing = takeUndelivered(this.#delivered, entries);
    if (missing.length > 0) this.#listener?.entries(missing);
  }

  #handle(event: FeedEvent): void {
    switch (event.kind) {
      case "entries":
        return this.#deliver(event.entries);
      case "pruned":
        return this.#listener?.pruned(event.room, event.first);
      case "presence":
        if (event.node === this.#node.name) return;
        return this.#members.remote.apply(event.node, event.changes);
      case "renamed":
        return this.#members.renamed(event.member, event.username);
      case "tab_moved":
        if (event.node !== this.#node.name) this.#listener?.tabMoved?.(event.member, event.tab);
        return;
      case "node_lost":
        if (event.node === this.#node.name) throw new Error(leaseExpired);
        return this.#members.remote.removeNode(event.node);
      case "time_jumped":
        // If this fails, the next hourly renewal restores the names.
        return void this.renewHolds().catch(() => {});
      case "sanctions":
        return this.#sanctioned(event.ends);
    }
  }

  #sanctioned(ends: readonly SanctionEnd[]): void {
    for (const [member, end] of this.#mutes) if (end <= this.#now()) this.#mutes.delete(member);
    for (const [kind, member, remainingMs, until] of ends) {
      if (kind === "mute") {
        if (remainingMs > 0) this.#mutes.set(member, this.#now() + remainingMs);
        else this.#mutes.delete(member);
        continue;
      }
      this.#members.banned(member, remainingMs);
      if (remainingMs > 0) this.#listener?.membersBanned?.([member], until);
    }
  }

  #wallNow(): number {
    return this.#options.now?.() ?? Date.now();
  }

  /** Returns the time in ms, from an arbitrary start. */
  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  /** Checks whether storage works again if nobody sends: a full Redis refuses an empty `append`. */
  #probe(link: Link): void {
    this.#node.run("append", this.#appendArgs, [], link).then(
      () => this.#node.link.recovered(),
      () => {},
    );
  }
}
