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
import { LocalPresence, RemotePresence } from "./presence.ts";
import { ReconnectingLink } from "./reconnecting_link.ts";
import { RedisLink } from "./redis_link.ts";
import type { Link, RedisLinkOptions } from "./redis_link.ts";
import { appendRow, feedMaxBytes, nonceTtlMs } from "./scripts.ts";
import type {
  ComparedRoom,
  SanctionEnd,
  ScriptArgs,
  ScriptName,
  ScriptReply,
  ScriptRow,
} from "./scripts.ts";

export interface RedisBrokerOptions {
  /** `redis://` or `rediss://`, with user and password where needed. */
  readonly url: string;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Milliseconds since 1970, for tests. Default: the clock of Redis, one for all nodes. */
  readonly now?: () => number;
  /** Returns a unique name, for a node or a link. */
  readonly randomName: () => string;
  /** How long the names of a member that has written are held after it left. */
  readonly nameHoldMs: number;
  /** Retention of each room; 0 keeps everything. */
  readonly retentionDays: number;
  readonly retentionMessages: number;
  /** Max rooms with messages; 0 is no limit. */
  readonly maxRooms: number;
  readonly search?: boolean;
  /** Returns the HMAC of the moderator code for a member. Absent without a code. */
  readonly moderatorMac?: ((member: string) => string) | undefined;
  /** Max entries that one step of a sweep visits; for tests. */
  readonly sweepEntries?: number;
  /** The other nodes declare a node dead if it hasn't renewed its lease for this long. */
  readonly leaseMs: number;
  /** Timeout of a command. */
  readonly timeoutMs: number;
  /** Called when storage begins to fail, and when it works again. */
  readonly report: (event: string, error: unknown) => void;
  /** Default: over the network. */
  readonly connect?: (options: RedisLinkOptions) => Promise<Link>;
  /** Runs a task after a delay; the returned function cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
  /** Returns a random number, as `Math.random` does. */
  readonly random: () => number;
}

const leaseExpired = "the lease of this node has expired";
/** Sessions renew their holds hourly. A record must last longer than that even without a hold. */
const recordTtlMinMs = 3 * 3_600_000;
/** Max entries removed by one call of `prune`. */
const pruneMaxEntries = 5_000;
/** Bounds of a page when filling a gap. */
const fillMaxEntries = 500;
const fillMaxBytes = 1024 * 1024;
/** Max rows per script call, so that other nodes don't wait long for it. */
const renewMaxMembers = 1_000;
const compareMaxRooms = 2_000;
/** Max entries that one step of a sweep visits. */
const sweepMaxEntries = 500;

/** An append-only log in Redis, shared by all nodes that use the same prefix. */
export class RedisBroker implements Broker {
  readonly cluster: Cluster;
  readonly #options: RedisBrokerOptions;
  #listener: BrokerListener | undefined;
  /** This node's name, replaced when the other nodes have declared it dead. */
  #node: string;
  #isRegistered = false;
  readonly #link: ReconnectingLink;
  #epoch = "";
  readonly #feed: Feed;
  /** The position of the last entry delivered in each room that the hub has loaded. */
  readonly #delivered = new Map<string, Position>();
  readonly #localPresence: LocalPresence;
  readonly #remotePresence: RemotePresence;
  /** The username of each member connected to this node. */
  readonly #names = new Map<string, string>();
  /** Members whose release Redis has not confirmed yet; true if it frees their names. */
  readonly #unreleased = new Map<string, boolean>();
  /** Pending claims, each with the remaining time of a ban reported since the claim was sent. */
  readonly #claims = new Set<{ readonly member: string; bannedMs: number }>();
  /** When the mute of each member ends, by `#now`. */
  readonly #mutes = new Map<string, number>();
  /** Identifies the moderator code. */
  readonly #mac: string | undefined;
  /** Resolves once the pending presence changes are published. */
  #publishing: Promise<void> | undefined;
  #cancelRenewal = () => {};
  /** Whether the last failed `append` found Redis at its maxmemory. */
  #wasFull = false;
  readonly search: Broker["search"];

  /**
   * Connects and starts following the feed.
   *
   * @throws {Error} If Redis cannot be used; the message says why.
   */
  static async open(options: RedisBrokerOptions): Promise<RedisBroker> {
    const broker = new RedisBroker(options);
    try {
      await broker.#link.connect();
      return broker;
    } catch (error) {
      throw connectError(options.url, options.prefix, error);
    }
  }

  private constructor(options: RedisBrokerOptions) {
    const { url, prefix, timeoutMs, later, random, report, randomName } = options;
    this.#options = options;
    if (options.search === true) {
      const queue = new SearchQueue();
      const pause = (ms: number) => new Promise<void>((resolve) => void later(ms, resolve));
      this.search = (request) => queue.add(() => scan(this, request, pause));
    }
    this.#node = randomName();
    this.#mac = options.moderatorMac?.("");
    this.#localPresence = new LocalPresence(() => this.#publishPresence());
    this.#remotePresence = new RemotePresence(() => this.#listener);
    this.#feed = new Feed({ timeoutMs, later, onEvent: (event) => this.#handle(event) });
    const connect = options.connect ?? RedisLink.open;
    this.#link = new ReconnectingLink({
      connect: () =>
        connect({
          name: randomName(),
          url,
          prefix,
          timeoutMs,
          onTyping: ({ node, room, member }) => {
            if (node !== this.#node) this.#listener?.memberTyping?.(room, member);
          },
        }),
      catchUp: (link) => this.#catchUp(link),
      onOpen: (link) => this.#opened(link),
      onLost: (error) => this.#lost(error),
      report,
      later,
      random,
    });
    this.cluster = {
      join: (room, member, username) => this.#localPresence.join(room, member, username),
      leave: (room, member, reason) => this.#localPresence.leave(room, member, reason),
      typing: (room, member) =>
        this.#link.current?.publishTyping({ node: this.#node, room, member }),
      remoteMembers: (room) => this.#remotePresence.membersOf(room),
    };
  }

  /** Whether messages can be stored and received now. */
  get isReady(): boolean {
    return this.#link.current !== undefined && !this.#link.isFailing;
  }

  /** Whether messages are refused because Redis has reached its maxmemory. */
  get isFull(): boolean {
    return this.#link.isFailing && this.#wasFull;
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
      const { results, feed } = await this.#run(name, { ...this.#appendArgs, isFull }, rows);
      await this.#feed.reached(feed);
      if (!isFull) this.#link.recovered();
      return results;
    } catch (error) {
      this.#link.failed(error);
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
    const reply = await this.#run("read", { room, limit, maxBytes, ...range });
    const { epoch: _epoch, feed: _feed, ...page } = reply;
    const isEnd = !isForward && query.before === Infinity;
    if (isEnd && !this.#delivered.has(room)) this.#delivered.set(room, page.head);
    return page;
  }

  /** Considers a random sample of up to 1,000 rooms. */
  async newestRooms(limit: number): Promise<readonly RoomSummary[]> {
    return (await this.#run("newestRooms", { limit })).rooms;
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

  async claim(
    member: string,
    username: string | undefined,
    tab?: string,
    network?: string,
  ): Promise<string | undefined | Banned> {
    this.#unreleased.delete(member);
    const names = { ...this.#nameArgs, ...nameOf(member, username ?? "") };
    const claim = { member, bannedMs: 0 };
    this.#claims.add(claim);
    try {
      const reply = await this.#run("claim", { ...names, tab, network, mac: this.#mac });
      // This node must first see that the previous holder of the name left.
      await this.#feed.reached(reply.feed);
      const retryAfter = reply.bannedMs ?? claim.bannedMs;
      if (retryAfter > 0) return { kind: "banned", retryAfter };
      if (reply.username !== undefined) this.#names.set(member, reply.username);
      return reply.username;
    } finally {
      this.#claims.delete(claim);
    }
  }

  async holdsName(member: string): Promise<boolean> {
    return (await this.#run("holdsName", { member })).holds;
  }

  async rename(member: string, username: string, isWanted = () => true): Promise<boolean> {
    const args = { ...this.#nameArgs, ...nameOf(member, username) };
    for (;;) {
      const { position } = this.#feed;
      const { renamed, isBehind, feed } = await this.#run("rename", { ...args, position });
      await this.#feed.reached(feed);
      if (renamed) this.#names.set(member, username);
      if (!isBehind || !isWanted()) return renamed;
    }
  }

  async release(member: string, isFreed = false): Promise<void> {
    this.#names.delete(member);
    this.#unreleased.set(member, isFreed);
    // The other nodes must see that the member left before anyone else can claim its name.
    await this.#publishing;
    const hasReturned = !this.#unreleased.has(member);
    if (hasReturned) return;
    const readerHoldMs = Math.min(this.#options.nameHoldMs, hubLimits.readerHoldMs);
    await this.#run("release", { ...this.#nameArgs, member, readerHoldMs, isFreed });
    this.#unreleased.delete(member);
  }

  async renewHolds(members: readonly string[]): Promise<void> {
    for (let i = 0; i < members.length; i += renewMaxMembers) {
      const rows = members.slice(i, i + renewMaxMembers).map((member) => [member] as const);
      await this.#run("renewHolds", this.#nameArgs, rows);
    }
  }

  /** Prunes the rooms. Several nodes may do so. Nonces and names expire by themselves. */
  async prune(): Promise<boolean> {
    const { retentionDays, retentionMessages } = this.#options;
    if (retentionDays === 0 && retentionMessages === 0) return false;
    const wallNow = this.#options.now?.() ?? Date.now();
    let left = pruneMaxEntries;
    let feed = 0;
    for await (const rooms of this.#link.require().rooms()) {
      const args = { retentionDays, retentionMessages, maxEntries: left, wallNow };
      ({ left, feed } = await this.#run("prune", args, rooms.map((room) => [room] as const)));
      if (left <= 0) break;
    }
    await this.#feed.reached(feed);
    return left <= 0;
  }

  readonly moderation: Moderation = {
    appoint: async (member) => {
      await this.#run("appoint", { member, mac: this.#mac, isNew: this.#mac !== undefined });
    },
    isModerator: async (member) => {
      const { isModerator } = await this.#run("appoint", { member, mac: this.#mac, isNew: false });
      return isModerator;
    },
    moderate: async (command, by) => {
      const args = { command, by, mac: this.#mac, sanctionsMax: hubLimits.sanctionsMax };
      const { result, feed } = await this.#run("moderate", { ...args, ...this.#nameArgs });
      await this.#feed.reached(feed);
      return result;
    },
    mutedFor: (member) => Math.max(0, (this.#mutes.get(member) ?? 0) - this.#now()),
    sweep: async () => {
      const entriesMax = this.#options.sweepEntries ?? sweepMaxEntries;
      const args = { entriesMax, messagesMax: entriesMax, nonceTtlMs };
      const { deleted, hasMore, isBlocked, feed } = await this.#run("sweep", args);
      await this.#feed.reached(feed);
      if (isBlocked) throw new Error("Cannot sweep a room: another program has changed its keys");
      return { deleted, hasMore };
    },
  };

  /** Closes the link. The node stays registered, so its members can move without leaving. */
  async close(): Promise<void> {
    await this.#link.close();
  }

  get #appendArgs() {
    const { editsMax } = hubLimits;
    return { maxRooms: this.#options.maxRooms, nonceTtlMs, editsMax, mac: this.#mac };
  }

  get #nameArgs() {
    const { nameHoldMs } = this.#options;
    return { nameHoldMs, recordTtlMs: Math.max(nameHoldMs, recordTtlMinMs) };
  }

  async #run<Name extends ScriptName>(
    name: Name,
    args: ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[] = [],
    link = this.#link.require(),
  ): Promise<ScriptReply<Name>> {
    const now = this.#options.now?.();
    const common = {
      node: this.#node,
      link: link.name,
      feedMaxBytes,
      ...(now === undefined ? {} : { now }),
    };
    const reply = await link.run(name, { ...common, ...args }, rows);
    if (reply.fenced === true) throw loseLink(link, leaseExpired);
    // Over the same link, so Redis was emptied or a proxy has switched to another Redis.
    if (link === this.#link.current && reply.epoch !== this.#epoch) {
      throw loseLink(link, "its log was replaced");
    }
    return reply;
  }

  /** Registers this node, and reports the events that it missed while Redis was away. */
  async #catchUp(link: Link): Promise<void> {
    const { leaseMs } = this.#options;
    const args = { leaseMs, isReturning: this.#isRegistered };
    const { registered, presence, ends, epoch, feed } = await this.#run("register", args, [], link);
    const rooms = registered ? await this.#compareRooms(link) : [];
    const isConsistent = registered && rooms.every(({ valid }) => valid) &&
      (this.#epoch === epoch || await this.#holdsNames(link));
    if (!isConsistent) {
      this.#reset();
      return await this.#catchUp(link);
    }
    if (this.#isRegistered) {
      await this.#feed.skipTo(feed, link, (event) => {
        if (event.kind === "tab_moved") this.#handle(event);
      });
    } else {
      this.#feed.startAt(feed);
    }
    this.#isRegistered = true;
    for (const { room, first, head } of rooms) {
      this.#listener?.pruned(room, first);
      await this.#fillGap(link, room, head);
    }
    const { [this.#node]: own = [], ...others } = presence;
    for (const [, member, username] of own) {
      // The reply to a completed rename was lost.
      if (this.#names.get(member) !== username) this.#renamed(member, username);
    }
    this.#remotePresence.reconcile(others);
    this.#localPresence.resume(own);
    this.#mutes.clear();
    this.#sanctioned(ends);
    this.#epoch = epoch;
  }

  #opened(link: Link): void {
    void this.#feed.follow(link);
    this.#renewLeaseLater(link);
    this.#publishPresence();
    for (const [member, isFreed] of this.#unreleased) {
      this.release(member, isFreed).catch((error) => link.lose(error));
    }
  }

  #lost(error: Error): void {
    this.#cancelRenewal();
    this.#localPresence.pause();
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
      compared.push(...(await this.#run("compare", {}, rows, link)).rooms);
    }
    return compared;
  }

  /**
   * Claims the names of all connected members again. Returns false if one has no name any more. A
   * member has another name if the reply to a completed rename was lost.
   */
  async #holdsNames(link: Link): Promise<boolean> {
    const held = await Promise.all(
      Array.from(this.#names, async ([member, username]) => {
        const args = { ...this.#nameArgs, ...nameOf(member, username) };
        const { username: held, bannedMs } = await this.#run("claim", args, [], link);
        if (held !== undefined && held !== username) this.#renamed(member, held);
        return held !== undefined || bannedMs !== undefined;
      }),
    );
    return held.every(Boolean);
  }

  /** Starts over as a new node, because nothing in the hub's memory can be trusted. */
  #reset(): void {
    this.#delivered.clear();
    this.#names.clear();
    this.#unreleased.clear();
    this.#node = this.#options.randomName();
    this.#isRegistered = false;
    this.#localPresence.clear();
    this.#listener?.reset?.();
  }

  /** Delivers the entries of a room up to `head` that this node has missed. */
  async #fillGap(link: Link, room: string, head: number): Promise<void> {
    const bounds = { limit: fillMaxEntries, maxBytes: fillMaxBytes };
    for (;;) {
      const after = this.#delivered.get(room);
      if (after === undefined || after.offset >= head) return;
      const args = { room, ...bounds, after: after.offset, epoch: after.epoch };
      const page = await this.#run("read", args, [], link);
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
        if (event.node !== this.#node) this.#remotePresence.apply(event.node, event.changes);
        return;
      case "renamed":
        return this.#renamed(event.member, event.username);
      case "tab_moved":
        if (event.node !== this.#node) this.#listener?.tabMoved?.(event.member, event.tab);
        return;
      case "node_lost":
        if (event.node === this.#node) throw new Error(leaseExpired);
        return this.#remotePresence.removeNode(event.node);
      case "sanctions":
        return this.#sanctioned(event.ends);
    }
  }

  #sanctioned(ends: readonly SanctionEnd[]): void {
    for (const [member, end] of this.#mutes) if (end <= this.#now()) this.#mutes.delete(member);
    for (const [kind, member, leftMs, until] of ends) {
      if (kind === "mute") {
        if (leftMs > 0) this.#mutes.set(member, this.#now() + leftMs);
        else this.#mutes.delete(member);
        continue;
      }
      for (const claim of this.#claims) {
        if (claim.member === member) claim.bannedMs = leftMs;
      }
      if (leftMs > 0) this.#listener?.membersBanned?.([member], until);
    }
  }

  /** Returns the time in ms, from an arbitrary start. */
  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  #renamed(member: string, username: string): void {
    if (this.#names.has(member)) this.#names.set(member, username);
    this.#remotePresence.rename(member, username);
  }

  /** Publishes the changes of one turn together. Changes made meanwhile follow in the next call. */
  #publishPresence(): void {
    const link = this.#link.current;
    if (this.#publishing !== undefined || link === undefined) return;
    const publish = async () => {
      await Promise.resolve();
      for (let changes; link.isOpen && (changes = this.#localPresence.takeChanges()).length > 0;) {
        const rows = changes.map((change) => {
          const detail = change.kind === "joined" ? change.username : change.reason;
          return [change.kind, change.room, change.member, detail] as const;
        });
        await this.#run("publishPresence", {}, rows, link);
      }
      this.#publishing = undefined;
    };
    this.#publishing = publish().catch((error) => {
      this.#publishing = undefined;
      // The next link publishes the rest.
      link.lose(error);
    });
  }

  #renewLeaseLater(link: Link): void {
    const { leaseMs, later } = this.#options;
    this.#cancelRenewal = later(leaseMs / 3, () => {
      this.#run("renewLease", { leaseMs }, [], link).then(
        ({ hasSweep }) => {
          if (hasSweep) this.#listener?.sweepPending?.();
          if (this.#link.isFailing) this.#probe(link);
          this.#renewLeaseLater(link);
        },
        (error) => {
          this.#link.failed(error);
          if (link.isOpen) this.#renewLeaseLater(link);
        },
      );
    });
  }

  /** Checks whether storage works again, even if nobody sends: a full Redis runs no `append`. */
  #probe(link: Link): void {
    this.#run("append", this.#appendArgs, [], link).then(() => this.#link.recovered(), () => {});
  }
}

function loseLink(link: Link, reason: string): Error {
  const error = new Error(`Cannot continue with Redis: ${reason}`);
  link.lose(error);
  return error;
}

function nameOf(member: string, username: string) {
  return { member, username, key: usernameKey(username) };
}
