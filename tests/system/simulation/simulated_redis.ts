// A simulated Redis: does the work of the Lua scripts in app/broker/redis in memory. It tests how
// nodes cope with any order of replies and feed events. The scripts themselves are tested on a real
// Redis (tests/unit/broker).

import type { StoredEvent, TypingSignal } from "../../../app/broker/redis/redis_link.ts";
import type { FeedEvent } from "../../../app/broker/redis/feed.ts";
import type { PresenceChange } from "../../../app/broker/redis/presence.ts";
import type {
  CommonArgs,
  CommonReply,
  ScriptArgs,
  ScriptCalls,
  ScriptName,
  ScriptReply,
  ScriptRow,
} from "../../../app/broker/redis/scripts.ts";
import type { AppendResult, Entry } from "../../../app/chat/broker.ts";
import type { LeftReason } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { SimulatedLog } from "./simulated_log.ts";
import type { LogStorage } from "./simulated_log.ts";
import { SimulatedNames } from "./simulated_names.ts";
import type { NameStorage } from "./simulated_names.ts";
import { emptySanctions, SimulatedSanctions } from "./simulated_sanctions.ts";
import type { SanctionStorage } from "./simulated_sanctions.ts";
import type { Timeline } from "./timeline.ts";

/** Everything stored, named like the keys in scripts.ts. */
interface Storage extends SanctionStorage, NameStorage, LogStorage {
  run: string;
  feed: StoredEvent[];
  feedEnd: number;
  /** Times in ms, and the id of the last event then. */
  readonly feedMarks: (readonly [at: number, id: number])[];
  readonly nonces: Map<string, number>;
  readonly leases: Map<string, number>;
  /** When a node last renewed its lease, in ms. */
  renewedAt: number;
  readonly presence: Map<string, Map<string, readonly [room: string, member: string]>>;
}

const feedMaxEvents = 400;
const readMaxEvents = 128;

/** A node's connection. */
interface OpenLink {
  /** Called when the feed has a new event. */
  onFeedEvent(): void;
  receiveTyping(signal: TypingSignal): void;
  lose(error: Error): void;
}

/** Redis, over all its runs. */
export class SimulatedRedis {
  readonly time: Timeline;
  readonly random: SeededRandom;
  readonly #onCommit: (entries: readonly Entry[]) => void;
  #storage: Storage;
  isUp = true;
  /** It does not reply before this time. */
  hangsUntil = 0;
  /** Whether it has reached its maxmemory. */
  isFull = false;
  /** Rooms whose log another program has made unusable: nothing can be added to it. */
  readonly corruptRooms = new Set<string>();
  /**
   * Whether it dies during the next script. Like any interrupted transaction, that leaves nothing.
   */
  diesInScript = false;
  /** The open links of all nodes. */
  readonly links = new Set<OpenLink>();

  /** `onCommit` is called when entries are stored. */
  constructor(
    time: Timeline,
    random: SeededRandom,
    onCommit: (entries: readonly Entry[]) => void,
  ) {
    this.time = time;
    this.random = random;
    this.#onCommit = onCommit;
    this.#storage = {
      run: "run0",
      epoch: "",
      epochs: new Set(),
      feed: [],
      feedEnd: 0,
      feedMarks: [],
      rooms: new Map(),
      nonces: new Map(),
      names: new Map(),
      members: new Map(),
      nodes: new Map(),
      lost: new Map(),
      leases: new Map(),
      renewedAt: 0,
      presence: new Map(),
      ...emptySanctions(),
    };
  }

  /** Differs after each restart. */
  get processId(): string {
    return this.#storage.run;
  }

  /** Returns everything that may contain text. */
  get contents(): string {
    const { rooms, feed } = this.#storage;
    return JSON.stringify([...rooms.values(), ...feed.map(({ json }) => JSON.parse(json))]);
  }

  /** Returns a copy of everything stored, for `kill`. */
  backup(): unknown {
    return structuredClone(this.#storage);
  }

  /** Dies. Keeps everything it has replied to, or goes back to a backup. */
  kill(backup?: unknown): void {
    this.isUp = false;
    if (backup !== undefined) this.#storage = structuredClone(backup) as Storage;
    for (const link of [...this.links]) link.lose(new Error("Redis is gone"));
  }

  /** Ends everything that keeps it from storing messages. */
  repair(): void {
    this.isFull = false;
    this.corruptRooms.clear();
    this.diesInScript = false;
    this.restart();
  }

  restart(): void {
    if (this.isUp) return;
    this.isUp = true;
    this.#storage.run = `run${this.random.below(1e9)}`;
  }

  readFeed(after: number): readonly StoredEvent[] {
    const { feed } = this.#storage;
    const from = feed.findIndex(({ id }) => id > after);
    return from < 0 ? [] : feed.slice(from, from + readMaxEvents);
  }

  /**
   * Runs a script at once.
   *
   * @throws {Error} If the script fails, or Redis dies.
   */
  run<Name extends ScriptName>(
    name: Name,
    args: CommonArgs & ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[],
  ): ScriptReply<Name> {
    if (this.isFull && memoryScripts.has(name)) throw new Error("OOM command not allowed");
    const before = this.diesInScript ? this.backup() : undefined;
    const storage = this.#storage;
    const mayBeNewRun = name === "register" || storage.epoch === "";
    if (mayBeNewRun && !storage.epoch.startsWith(`${storage.run}-`)) {
      storage.epoch = `${storage.run}-${this.random.below(1e9)}`;
      storage.epochs.add(storage.epoch);
    }
    const call = new ScriptCall(storage, this.time, args, this.corruptRooms);
    const reply = call.run(name, args, rows);
    if (before !== undefined) {
      this.diesInScript = false;
      this.kill(before);
      throw new Error("Redis is gone");
    }
    if (call.stored.length > 0) this.#onCommit(call.stored);
    if (call.hasPublished) {
      if (storage.feed.length > feedMaxEvents) storage.feed.splice(0, feedMaxEvents / 2);
      for (const link of this.links) link.onFeedEvent();
    }
    const common: CommonReply = { epoch: storage.epoch, feed: storage.feedEnd };
    // A fenced call returns only the common fields, and its caller does not read others.
    return { ...common, ...reply } as ScriptReply<Name>;
  }
}

type Script<Name extends ScriptName> = (
  args: ScriptArgs<Name>,
  rows: readonly ScriptRow<Name>[],
) => ScriptCalls[Name]["reply"];

/** Scripts that do nothing for a node that is not registered through the calling link. */
const fencedScripts: ReadonlySet<ScriptName> = new Set([
  "append",
  "appendFull",
  "renewLease",
  "publishPresence",
  "claim",
  "rename",
  "release",
  "renewHolds",
  "appoint",
  "moderate",
  "sweep",
]);

/** Scripts that need memory, and do nothing when Redis is full. */
const memoryScripts: ReadonlySet<ScriptName> = new Set(["append", "rename"]);

/** One call of a script. */
class ScriptCall {
  readonly #storage: Storage;
  readonly #time: Timeline;
  readonly #node: string;
  readonly #link: string;
  readonly #corruptRooms: ReadonlySet<string>;
  readonly #sanctions: SimulatedSanctions;
  readonly #names: SimulatedNames;
  readonly #log: SimulatedLog;
  hasPublished = false;

  readonly #scripts: { readonly [Name in ScriptName]: Script<Name> } = {
    append: (args, rows) => this.#append(args, rows),
    appendFull: (args, rows) => this.#append(args, rows),
    read: (args) => this.#log.read(args),
    newestRooms: () => ({ rooms: [] }),
    compare: (_, rows) => this.#log.compare(rows),
    register: (args) => this.#register(args),
    renewLease: (args) => this.#renewLease(args),
    publishPresence: (_, rows) => this.#publishPresence(rows),
    claim: (args) => {
      const bannedMs = this.#sanctions.claimBanMs(args);
      return bannedMs > 0 ? { bannedMs } : this.#names.claim(args);
    },
    rename: (args) => this.#names.rename(args),
    holdsName: ({ member }) => ({ holds: this.#names.holdsName(member) }),
    release: (args) => this.#names.release(args),
    renewHolds: (args, rows) => this.#names.renewHolds(args, rows),
    appoint: ({ member, mac, isNew }) => {
      if (isNew) this.#storage.moderators.set(member, mac);
      return { isModerator: this.#sanctions.isModerator(member, mac) };
    },
    moderate: (args) => ({ result: this.#sanctions.moderate(args) }),
    sweep: (args) => this.#sweep(args),
    prune: (args, rows) => this.#log.prune(args, rows),
  };

  constructor(
    storage: Storage,
    time: Timeline,
    { node, link }: CommonArgs,
    corruptRooms: ReadonlySet<string>,
  ) {
    this.#corruptRooms = corruptRooms;
    this.#storage = storage;
    this.#time = time;
    this.#node = node;
    this.#link = link;
    const { members, rooms } = storage;
    const now = time.wall();
    const publish = (event: FeedEvent) => this.#publish(event);
    this.#names = new SimulatedNames(storage, { now, node, publish });
    this.#sanctions = new SimulatedSanctions(storage, {
      now,
      rooms: rooms.keys(),
      usernameOf: (member) => members.get(member)?.username,
      isConnected: (member) => this.#names.isConnected(member),
      reserve: (member, until) => {
        const record = members.get(member);
        const hasName = record !== undefined && storage.names.get(record.key) === member;
        if (hasName) record.reservedUntil = until;
      },
      publish: (ends) => publish({ kind: "sanctions", ends }),
    });
    const isModerator = this.#sanctions.isModerator.bind(this.#sanctions);
    this.#log = new SimulatedLog(storage, { now, isModerator, publish });
  }

  /** The entries added. */
  get stored(): readonly Entry[] {
    return this.#log.stored;
  }

  run<Name extends ScriptName>(
    name: Name,
    args: ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[],
  ): ScriptCalls[Name]["reply"] | { readonly fenced: true } {
    const isFenced = this.#storage.nodes.get(this.#node) !== this.#link;
    if (isFenced && fencedScripts.has(name)) return { fenced: true };
    return this.#scripts[name](args, rows);
  }

  #append(
    { editsMax, mac, isFull }: Pick<ScriptArgs<"append">, "editsMax" | "mac" | "isFull">,
    rows: readonly ScriptRow<"append">[],
  ): ScriptCalls["append"]["reply"] {
    const { nonces, members, wroteAt } = this.#storage;
    const newNonces = new Map<string, number>();
    const results = rows.map((row): AppendResult => {
      const [name, member, nonce, key, , , action] = row;
      const isForced = action.startsWith("moderate");
      const id = `${name} ${member} ${nonce}`;
      const known = nonces.get(id) ?? newNonces.get(id);
      if (known !== undefined) return { kind: "repeat", offset: known };
      const refusal = this.#sanctions.refusalOf(member, action.split(" ")[0] ?? "");
      if (refusal !== undefined) return refusal;
      const isDeletion = /^(delete|moderate|untitle)/.test(action);
      if (isFull === true && !isDeletion) return { kind: "storage_full" };
      if (!isForced && this.#names.isTaken(key, member)) return { kind: "unavailable" };
      if (this.#corruptRooms.has(name)) return { kind: "unavailable" };
      const result = this.#log.add(row, editsMax, mac);
      if (result.kind !== "stored") return result;
      newNonces.set(id, result.offset);
      const record = members.get(member);
      if (record !== undefined) record.hasWritten = true;
      wroteAt.getOrInsertComputed(member, () => this.#time.wall());
      return result;
    });
    if (this.stored.length > 0) this.#publish({ kind: "entries", entries: this.stored });
    // Last, as each of them acknowledges an entry.
    for (const [id, offset] of newNonces) nonces.set(id, offset);
    return { results };
  }

  #sweep({ entriesMax, messagesMax }: ScriptArgs<"sweep">): ScriptCalls["sweep"]["reply"] {
    const { sweeps } = this.#storage;
    const [sweep] = sweeps;
    if (sweep === undefined) return { deleted: 0, hasMore: false, isBlocked: false };
    let [entriesLeft, deleted, isBlocked] = [entriesMax, 0, false];
    for (const [name, from] of [...sweep.rooms]) {
      if (this.#corruptRooms.has(name)) isBlocked = true;
      if (this.#corruptRooms.has(name) || entriesLeft === 0 || deleted === messagesMax) continue;
      const { log, first } = this.#log.room(name);
      const targets: number[] = [];
      let before = Math.min(from, log.length + 1);
      while (before > first && entriesLeft > 0 && deleted < messagesMax) {
        const entry = log[before - 2];
        if (entry === undefined || entry.at < sweep.since) before = first;
        else {
          before--;
          entriesLeft--;
          const { type, text, member } = entry;
          if (type !== "message" && type !== "title") continue;
          if (text === undefined || !sweep.members.includes(member)) continue;
          targets.unshift(before);
          deleted++;
        }
      }
      if (before > first) sweep.rooms.set(name, before);
      else sweep.rooms.delete(name);
      if (targets.length > 0) this.#deleteAll(name, targets, sweep);
    }
    if (sweep.rooms.size === 0 || isBlocked) sweeps.shift();
    if (sweep.rooms.size > 0 && isBlocked) sweeps.push(sweep);
    return { deleted, hasMore: true, isBlocked };
  }

  #deleteAll(
    room: string,
    targets: readonly number[],
    { member, username }: { readonly member: string; readonly username: string },
  ): void {
    const nonce = `sweep.${targets[0]}`;
    const body = JSON.stringify({ type: "delete", member, from: username, nonce }).slice(1, -1);
    const action = `moderate ${targets.join(" ")}`;
    this.#append({ editsMax: 0 }, [[room, member, nonce, "", body, "", action]]);
  }

  #register(
    { leaseMs, isReturning }: ScriptArgs<"register">,
  ): ScriptCalls["register"]["reply"] {
    const { nodes, leases, presence, members } = this.#storage;
    const registered = !isReturning || nodes.has(this.#node);
    if (registered) {
      nodes.set(this.#node, this.#link);
      leases.set(this.#node, this.#time.ms + leaseMs);
    }
    const nodePresences = Array.from(nodes.keys(), (node) =>
      [
        node,
        [...presence.get(node)?.values() ?? []].flatMap(([room, member]) => {
          const username = members.get(member)?.username;
          return username === undefined ? [] : [[room, member, username] as const];
        }),
      ] as const);
    const ends = this.#sanctions.ends();
    return { registered, presence: Object.fromEntries(nodePresences), ends };
  }

  #renewLease(
    { leaseMs, nameHoldMs, readerHoldMs }: ScriptArgs<"renewLease">,
  ): ScriptCalls["renewLease"]["reply"] {
    const { nodes, lost, leases, presence } = this.#storage;
    const now = this.#time.wall();
    const hasExpired = (node: string) => (leases.get(node) ?? 0) <= this.#time.ms;
    const wasPaused = this.#time.ms - this.#storage.renewedAt >= leaseMs / 2;
    const wasInTime = !hasExpired(this.#node);
    this.#storage.renewedAt = this.#time.ms;
    for (const node of wasPaused ? nodes.keys() : [this.#node]) {
      leases.set(node, this.#time.ms + leaseMs);
    }
    for (const node of wasInTime ? [...nodes.keys()].filter(hasExpired) : []) {
      nodes.delete(node);
      presence.delete(node);
      lost.set(node, { reader: now + readerHoldMs, writer: now + nameHoldMs });
      this.#publish({ kind: "node_lost", node });
    }
    this.#trimFeed(leaseMs);
    return { hasSweep: this.#storage.sweeps.length > 0 };
  }

  /** Trims the feed to where it stood one lease ago. */
  #trimFeed(leaseMs: number): void {
    const { feedMarks, feedEnd } = this.#storage;
    feedMarks.push([this.#time.ms, feedEnd]);
    const isOld = ([at]: readonly [number, number]) => at <= this.#time.ms - leaseMs;
    for (let mark; (mark = feedMarks[0]) !== undefined && isOld(mark);) {
      const [, last] = mark;
      this.#storage.feed = this.#storage.feed.filter(({ id }) => id > last);
      feedMarks.shift();
    }
  }

  #publishPresence(
    rows: readonly ScriptRow<"publishPresence">[],
  ): ScriptCalls["publishPresence"]["reply"] {
    const { presence, members } = this.#storage;
    const own = presence.get(this.#node) ?? new Map();
    presence.set(this.#node, own);
    const changes = rows.map((row): PresenceChange => {
      const [, room, member] = row;
      if (row[0] === "joined") {
        own.set(`${room} ${member}`, [room, member]);
        const username = members.get(member)?.username ?? row[3];
        return { kind: "joined", room, member, username };
      }
      own.delete(`${room} ${member}`);
      return { kind: "left", room, member, reason: row[3] as LeftReason };
    });
    this.#publish({ kind: "presence", node: this.#node, changes });
    return {};
  }

  /** Returns the id of the event. */
  #publish(event: FeedEvent): number {
    const after = this.#storage.feedEnd;
    const id = ++this.#storage.feedEnd;
    this.#storage.feed.push({ id, after, json: JSON.stringify(event) });
    this.hasPublished = true;
    return id;
  }
}
