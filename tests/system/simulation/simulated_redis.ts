// A simulated Redis: does the work of the Lua scripts in app/broker/redis in memory. It tests how
// nodes cope with any order of replies and feed events. The scripts themselves are tested on a real
// Redis (tests/unit/broker).

import type { StoredEvent } from "../../../app/broker/redis/redis_link.ts";
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
import type { AppendResult, EditEntry, Entry } from "../../../app/chat/broker.ts";
import type { LeftReason } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { SimulatedLink } from "./simulated_link.ts";
import { emptySanctions, SimulatedSanctions } from "./simulated_sanctions.ts";
import type { SanctionStorage } from "./simulated_sanctions.ts";
import type { Timeline } from "./timeline.ts";

interface MemberRecord {
  key: string;
  username: string;
  formerKey: string | undefined;
  hasWritten: boolean;
  heldUntil: number;
  readerHeldUntil: number;
  reservedUntil: number;
  movedAt: number;
  readonly nodes: Set<string>;
}

interface Room {
  at: number;
  first: number;
  /** The entries in their current state. An edit has no text. */
  readonly log: Entry[];
  title: string | undefined;
  /** Offset of the entry that set the title. */
  titleAt: number | undefined;
  isLocked: boolean;
}

/** Everything stored, named like the keys in scripts.ts. */
interface Storage extends SanctionStorage {
  run: string;
  epoch: string;
  readonly epochs: Set<string>;
  feed: StoredEvent[];
  feedEnd: number;
  /** Times in ms, and the id of the last event then. */
  readonly feedMarks: (readonly [at: number, id: number])[];
  readonly rooms: Map<string, Room>;
  readonly nonces: Map<string, number>;
  readonly names: Map<string, string>;
  readonly members: Map<string, MemberRecord>;
  /** The current link of each registered node. */
  readonly nodes: Map<string, string>;
  readonly leases: Map<string, number>;
  readonly presence: Map<string, Map<string, readonly [room: string, member: string]>>;
}

const feedMaxEvents = 400;
const readMaxEvents = 128;

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
  readonly spoiledRooms = new Set<string>();
  /**
   * Whether it dies during the next script. Like any interrupted transaction, that leaves nothing.
   */
  diesInScript = false;
  /** The open links of all nodes. */
  readonly links = new Set<SimulatedLink>();

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
      leases: new Map(),
      presence: new Map(),
      ...emptySanctions(),
    };
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
    this.spoiledRooms.clear();
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
    const call = new ScriptCall(storage, this.time, args, this.spoiledRooms);
    const reply = call.run(name, args, rows);
    if (before !== undefined) {
      this.diesInScript = false;
      this.kill(before);
      throw new Error("Redis is gone");
    }
    if (call.stored.length > 0) this.#onCommit(call.stored);
    if (call.hasPublished) {
      if (storage.feed.length > feedMaxEvents) storage.feed.splice(0, feedMaxEvents / 2);
      for (const link of this.links) link.wake();
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
  readonly #spoiledRooms: ReadonlySet<string>;
  readonly #sanctions: SimulatedSanctions;
  readonly stored: Entry[] = [];
  hasPublished = false;

  readonly #scripts: { readonly [Name in ScriptName]: Script<Name> } = {
    append: (args, rows) => this.#append(args, rows),
    appendFull: (args, rows) => this.#append(args, rows),
    read: (args) => this.#read(args),
    newestRooms: () => ({ rooms: [] }),
    compare: (_, rows) => this.#compare(rows),
    register: (args) => this.#register(args),
    renewLease: (args) => this.#renewLease(args),
    publishPresence: (_, rows) => this.#publishPresence(rows),
    claim: (args) => this.#claim(args),
    rename: (args) => this.#rename(args),
    holdsName: ({ member }) => {
      const record = this.#storage.members.get(member);
      return { holds: record !== undefined && this.#holdsName(record) };
    },
    release: (args) => this.#release(args),
    renewHolds: () => ({}),
    appoint: ({ member, mac, isNew }) => {
      if (isNew) this.#storage.moderators.set(member, mac);
      return { isModerator: this.#sanctions.isModerator(member, mac) };
    },
    moderate: (args) => ({ result: this.#sanctions.moderate(args) }),
    sweep: (args) => this.#sweep(args),
    prune: (args, rows) => this.#prune(args, rows),
  };

  constructor(
    storage: Storage,
    time: Timeline,
    { node, link }: CommonArgs,
    spoiledRooms: ReadonlySet<string>,
  ) {
    this.#spoiledRooms = spoiledRooms;
    this.#storage = storage;
    this.#time = time;
    this.#node = node;
    this.#link = link;
    const { members, rooms } = storage;
    this.#sanctions = new SimulatedSanctions(storage, {
      now: time.wall(),
      rooms: rooms.keys(),
      usernameOf: (member) => members.get(member)?.username,
      isConnected: (member) => {
        const record = members.get(member);
        return record !== undefined && this.#isConnected(record);
      },
      reserve: (member, until) => {
        const record = members.get(member);
        if (record !== undefined) record.reservedUntil = until;
      },
      publish: (ends) => this.#publish({ kind: "sanctions", ends }),
    });
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
      if (!isForced && this.#isTaken(key, member)) return { kind: "unavailable" };
      const result = this.#add(row, editsMax, mac);
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

  /** Adds an entry to the log of a room, unless it is refused or the log is unusable. */
  #add(
    [name, member, , , body, text, action]: ScriptRow<"append">,
    editsMax: number,
    mac: string | undefined,
  ): AppendResult {
    if (this.#spoiledRooms.has(name)) return { kind: "unavailable" };
    const { rooms, epoch } = this.#storage;
    const room = this.#room(name);
    const [kind = "", ...details] = action.split(" ");
    const targets = kind === "untitle" ? [String(room.titleAt ?? 0)] : details;
    const isEmpty = room.first > room.log.length;
    if (kind !== "message" && isEmpty) return { kind: "not_found" };
    const found = targets.flatMap((target) => {
      const entry = Number(target) < room.first ? undefined : room.log[Number(target) - 1];
      const isTarget = entry?.type === "message" || entry?.type === "title" && kind !== "edit";
      return isTarget && entry.text !== undefined ? [entry] : [];
    });
    if (kind.endsWith("title")) {
      const isForModerators = room.isLocked || action !== "title";
      if (isForModerators && !this.#sanctions.isModerator(member, mac)) {
        return { kind: room.isLocked ? "title_locked" : "forbidden" };
      }
    } else if (kind !== "message") {
      if (found.length === 0) return { kind: "not_found" };
      const isOwn = found.every((message) => message.member === member);
      const mayModerate = kind === "moderate" ||
        kind === "delete" && this.#sanctions.isModerator(member, mac);
      if (!isOwn && !mayModerate) return { kind: "forbidden" };
      const edits = room.log.filter((entry) =>
        entry.type === "edit" && entry.target === found[0]?.offset
      );
      if (kind === "edit" && edits.length >= editsMax) return { kind: "edits_exhausted" };
    }
    rooms.set(name, room);
    const offset = room.log.length + 1;
    const at = room.at = Math.max(room.at, this.#time.wall());
    const isUntitled = kind === "untitle" || found.some(({ offset }) => offset === room.titleAt);
    const own = text === ""
      ? {
        targets: found.map((message) => message.offset),
        ...(isUntitled && { untitled: true as const }),
      }
      : { text: JSON.parse(text) };
    const entry: Entry = { room: name, offset, epoch, at, ...JSON.parse(`{${body}}`), ...own };
    const { text: _, ...stored } = entry;
    // An edit without its text is an edit.
    room.log.push(kind === "edit" ? stored as Entry : entry);
    this.stored.push(entry);
    if (kind.endsWith("title")) room.isLocked = details[0] === "locked";
    if (kind === "title" || text === "" && isUntitled) {
      room.title = entry.text;
      room.titleAt = kind === "title" ? offset : undefined;
    }
    for (const target of found) {
      const { text: _text, editedAt: _at, ...message } = { editedAt: undefined, ...target };
      const amendment = entry.text === undefined
        ? { deletedBy: member }
        : { text: entry.text, editedAt: at };
      room.log[message.offset - 1] = { ...message, amended: offset, ...amendment };
    }
    return { kind: "stored", offset };
  }

  #sweep({ entriesMax, messagesMax }: ScriptArgs<"sweep">): ScriptCalls["sweep"]["reply"] {
    const { sweeps } = this.#storage;
    const [sweep] = sweeps;
    if (sweep === undefined) return { deleted: 0, hasMore: false, isBlocked: false };
    let [entriesLeft, deleted, isBlocked] = [entriesMax, 0, false];
    for (const [name, from] of [...sweep.rooms]) {
      if (this.#spoiledRooms.has(name)) isBlocked = true;
      if (this.#spoiledRooms.has(name) || entriesLeft === 0 || deleted === messagesMax) continue;
      const { log, first } = this.#room(name);
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

  #read(args: ScriptArgs<"read">): ScriptCalls["read"]["reply"] {
    const { log, first, title } = this.#room(args.room);
    const kept = log.slice(first - 1);
    const isForward = "after" in args;
    const valid = !isForward || this.#isValid(args.room, args.epoch, args.after);
    const found = isForward
      ? kept.filter(({ offset }) => offset > args.after)
      : kept.filter(({ offset }) => offset < args.before).reverse();
    const entries: Entry[] = [];
    let [bytesLeft, messagesLeft] = [args.maxBytes, args.limit];
    for (const entry of valid ? found : []) {
      bytesLeft -= 128 + (entry.text?.length ?? 0);
      if (messagesLeft === 0 || bytesLeft < 0 && entries.length > 0) break;
      if (entry.type === "message") messagesLeft--;
      entries.push(entry.type === "edit" ? this.#withText(entry) : entry);
    }
    if (!isForward) entries.reverse();
    const isMessage = ({ type }: Entry) => type === "message";
    const pruned = isForward ? Math.max(0, first - 1 - args.after) : 0;
    return {
      first,
      head: this.#head(args.room),
      valid,
      entries,
      ...(isForward && valid ? { behind: pruned + found.filter(isMessage).length } : {}),
      title,
    };
  }

  /** Returns an edit as it is read: with the text of its target if it was the last to amend it. */
  #withText(edit: EditEntry): EditEntry {
    const { log, first } = this.#room(edit.room);
    const target = edit.target < first ? undefined : log[edit.target - 1];
    const isLast = target?.type === "message" && target.amended === edit.offset;
    return isLast && target.text !== undefined ? { ...edit, text: target.text } : edit;
  }

  #room(name: string): Room {
    return this.#storage.rooms.get(name) ?? {
      at: 0,
      first: 1,
      log: [],
      title: undefined,
      titleAt: undefined,
      isLocked: false,
    };
  }

  #head(name: string): ScriptCalls["read"]["reply"]["head"] {
    const { log, first } = this.#room(name);
    const newest = log.length >= first ? log.at(-1) : undefined;
    return { epoch: newest?.epoch ?? this.#storage.epoch, offset: log.length };
  }

  #isValid(name: string, epoch: string, offset: number): boolean {
    const { log, first } = this.#room(name);
    if (offset > log.length) return false;
    if (offset === 0) return this.#storage.epochs.has(epoch);
    return epoch === (log[Math.max(offset, first) - 1]?.epoch ?? this.#storage.epoch);
  }

  #prune(
    { retentionMessages }: ScriptArgs<"prune">,
    rows: readonly ScriptRow<"prune">[],
  ): ScriptCalls["prune"]["reply"] {
    for (const [name] of rows) {
      const room = this.#room(name);
      const messages = room.log.slice(room.first - 1).filter(({ type }) => type === "message");
      const first = messages.at(-retentionMessages)?.offset ?? room.first;
      if (first === room.first || messages.length <= retentionMessages) continue;
      room.first = first;
      this.#publish({ kind: "pruned", room: name, first });
    }
    return { left: 1 };
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
        Array.from(
          presence.get(node)?.values() ?? [],
          ([room, member]) => [room, member, members.get(member)?.username ?? member] as const,
        ),
      ] as const);
    const ends = this.#sanctions.ends();
    return { registered, presence: Object.fromEntries(nodePresences), ends };
  }

  #compare(rows: readonly ScriptRow<"compare">[]): ScriptCalls["compare"]["reply"] {
    const rooms = rows.map(([room, epoch, offset]) => {
      const { first, log } = this.#room(room);
      const valid = this.#isValid(room, epoch, Number(offset)) && first <= Number(offset) + 1;
      return { room, valid, first, head: log.length };
    });
    return { rooms };
  }

  #renewLease({ leaseMs }: ScriptArgs<"renewLease">): ScriptCalls["renewLease"]["reply"] {
    const { nodes, leases, presence } = this.#storage;
    const hasExpired = (node: string) => (leases.get(node) ?? 0) <= this.#time.ms;
    const wasInTime = !hasExpired(this.#node);
    leases.set(this.#node, this.#time.ms + leaseMs);
    for (const node of wasInTime ? [...nodes.keys()].filter(hasExpired) : []) {
      nodes.delete(node);
      presence.delete(node);
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

  #isConnected(record: MemberRecord): boolean {
    return [...record.nodes].some((node) => this.#storage.nodes.has(node));
  }

  #holdsName(record: MemberRecord): boolean {
    return this.#isConnected(record) ||
      record.reservedUntil > this.#time.wall() ||
      record.readerHeldUntil > this.#time.wall() ||
      record.hasWritten && record.heldUntil > this.#time.wall();
  }

  #isTaken(key: string, member: string): boolean {
    const owner = this.#storage.names.get(key);
    const record = owner === undefined ? undefined : this.#storage.members.get(owner);
    return owner !== member && record !== undefined &&
      (record.key === key || record.formerKey === key) && this.#holdsName(record);
  }

  #freeName(key: string | undefined, member: string): void {
    const { names } = this.#storage;
    if (key !== undefined && names.get(key) === member) names.delete(key);
  }

  #claim(args: ScriptArgs<"claim">): ScriptCalls["claim"]["reply"] {
    const { nameHoldMs, member, key, username, tab, network } = args;
    const { members, names, networks } = this.#storage;
    const bannedMs = this.#sanctions.claimLeft(args);
    if (bannedMs > 0) return { bannedMs };
    const record = members.get(member);
    const heldUntil = this.#time.wall() + nameHoldMs;
    if (record !== undefined && this.#holdsName(record)) {
      record.nodes.delete(this.#node);
      if (tab !== undefined && this.#isConnected(record)) {
        this.#publish({ kind: "tab_moved", node: this.#node, member, tab });
        record.movedAt = this.#storage.feedEnd;
      }
      record.nodes.add(this.#node);
      record.heldUntil = heldUntil;
      record.readerHeldUntil = record.reservedUntil = 0;
      if (network !== undefined) networks.set(member, network);
      return { username: record.username };
    }
    if (username === "" || this.#isTaken(key, member)) return {};
    this.#freeName(record?.key, member);
    this.#freeName(record?.formerKey, member);
    const nodes = new Set([this.#node]);
    members.set(member, {
      key,
      username,
      formerKey: undefined,
      hasWritten: false,
      heldUntil,
      readerHeldUntil: 0,
      reservedUntil: 0,
      movedAt: 0,
      nodes,
    });
    names.set(key, member);
    if (network !== undefined) networks.set(member, network);
    return { username };
  }

  #rename(
    { nameHoldMs, member, key, username, position }: ScriptArgs<"rename">,
  ): ScriptCalls["rename"]["reply"] {
    const { members, names } = this.#storage;
    const record = members.get(member);
    if (record !== undefined && record.movedAt > position) {
      return { renamed: false, isBehind: true };
    }
    if (!record?.nodes.has(this.#node) || this.#isTaken(key, member)) {
      return { renamed: false, isBehind: false };
    }
    if (record.key !== key) {
      if (record.formerKey !== key) this.#freeName(record.formerKey, member);
      [record.formerKey, record.key] = [record.key, key];
    }
    record.heldUntil = this.#time.wall() + nameHoldMs;
    record.readerHeldUntil = 0;
    names.set(key, member);
    const isNew = record.username !== username;
    record.username = username;
    if (isNew) this.#publish({ kind: "renamed", member, username });
    return { renamed: true, isBehind: false };
  }

  #release(args: ScriptArgs<"release">): ScriptCalls["release"]["reply"] {
    const { nameHoldMs, readerHoldMs, member, isFreed } = args;
    const { members } = this.#storage;
    const record = members.get(member);
    if (record === undefined) return {};
    record.nodes.delete(this.#node);
    if (this.#isConnected(record)) return {};
    const wall = this.#time.wall();
    if (!this.#storage.wroteAt.has(member)) this.#storage.networks.delete(member);
    if (!isFreed || record.reservedUntil > wall) {
      record.heldUntil = wall + (isFreed ? 0 : nameHoldMs);
      record.readerHeldUntil = wall + (isFreed ? 0 : readerHoldMs);
    } else {
      this.#freeName(record.key, member);
      this.#freeName(record.formerKey, member);
      members.delete(member);
    }
    return {};
  }

  #publish(event: FeedEvent): void {
    const after = this.#storage.feedEnd;
    const id = ++this.#storage.feedEnd;
    this.#storage.feed.push({ id, after, json: JSON.stringify(event) });
    this.hasPublished = true;
  }
}
