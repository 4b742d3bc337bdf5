// An in-memory broker that can fail and can reply asynchronously.

import type {
  AppendResult,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Outcome,
  Page,
  ReadQuery,
  RoomSummary,
} from "../../app/chat/broker.ts";
import { scan } from "../../app/broker/scan.ts";
import { usernameKey } from "../../app/protocol/names.ts";

/** Keeps rooms and names in maps, and records some of the hub's calls. */
export class MemoryBroker implements Broker {
  readonly #rooms = new Map<string, Entry[]>();
  readonly #first = new Map<string, number>();
  /** Holders by name, and names by holder. */
  readonly #holders = new Map<string, string>();
  readonly #names = new Map<string, string>();
  #listener: BrokerListener | undefined;
  #epoch = "epoch1";
  readonly #epochs = new Set(["epoch1"]);
  /** If true, nothing can be stored or read. */
  isFailing = false;
  /** If true, results arrive in a later microtask. */
  isAsync = false;
  readonly appends: (readonly Draft[])[] = [];
  readonly released: string[] = [];
  /** Members whose names were freed at once instead of held. */
  readonly freed: string[] = [];

  append(drafts: readonly Draft[]): Outcome<readonly AppendResult[]> {
    return this.#run(() => {
      this.appends.push(drafts);
      if (this.isFailing) return drafts.map(() => ({ kind: "unavailable" } as const));
      const stored: Entry[] = [];
      const results = drafts.map((draft): AppendResult => {
        const log = this.#logOf(draft.room);
        const known = log.find(({ member, nonce }) =>
          member === draft.member && nonce === draft.nonce
        );
        if (known !== undefined) return { kind: "repeat", offset: known.offset };
        const offset = (log.at(-1)?.offset ?? 0) + 1;
        const entry = { ...draft, offset, epoch: this.#epoch, at: 1_000 };
        const refusal = this.#amend(log, entry);
        if (refusal !== undefined) return refusal;
        log.push(entry);
        stored.push(entry);
        return { kind: "stored", offset };
      });
      if (stored.length > 0) this.#listener?.entries(stored);
      return results;
    });
  }

  read(room: string, query: ReadQuery): Outcome<Page> {
    return this.#run(() => {
      this.#requireStorage();
      const first = this.#first.get(room) ?? 1;
      const all = this.#logOf(room);
      const log = all.filter(({ offset }) => offset >= first);
      const newest = all.at(-1);
      const head = { epoch: newest?.epoch ?? this.#epoch, offset: newest?.offset ?? 0 };
      const title = all.findLast((entry) => entry.type === "title")?.text;
      if ("before" in query) {
        const entries = fitting(log.filter(({ offset }) => offset < query.before).reverse(), query);
        return { entries: entries.reverse(), first, head, valid: true, title };
      }
      const { epoch, offset } = query.after;
      const pruned = Math.max(0, first - 1 - offset);
      const behind = pruned + messagesOf(log.filter((entry) => entry.offset > offset)).length;
      const anchor = log.find((entry) => entry.offset === Math.max(offset, first));
      const valid = offset <= head.offset &&
        (offset === 0 ? this.#epochs.has(epoch) : epoch === (anchor?.epoch ?? this.#epoch));
      const entries = valid ? fitting(log.filter((entry) => entry.offset > offset), query) : [];
      return { entries, first, head, valid, title, behind };
    });
  }

  newestRooms(limit: number): Outcome<readonly RoomSummary[]> {
    return this.#run(() => {
      this.#requireStorage();
      const rooms = [...this.#rooms].flatMap(([room, log]) => {
        const newest = log.at(-1);
        return newest === undefined ? [] : [{ room, at: newest.at }];
      });
      return rooms.sort((a, b) => b.at - a.at).slice(0, limit);
    });
  }

  search?: Broker["search"] = (request) => {
    this.#requireStorage();
    return scan(this, request, () => Promise.resolve());
  };

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  batch(work: () => void): void {
    work();
  }

  claim(member: string, username: string | undefined): Outcome<string | undefined> {
    return this.#run(() => {
      this.#requireStorage();
      const held = this.#names.get(member);
      if (held !== undefined || username === undefined) return held;
      return this.#hold(member, username) ? username : undefined;
    });
  }

  holdsName(member: string): Outcome<boolean> {
    return this.#run(() => {
      this.#requireStorage();
      return this.#names.has(member);
    });
  }

  rename(member: string, username: string, _isWanted?: () => boolean): Outcome<boolean> {
    return this.#run(() => {
      this.#requireStorage();
      return this.#hold(member, username);
    });
  }

  release(member: string, isFreed?: boolean): void {
    this.#requireStorage();
    this.released.push(member);
    if (isFreed) this.freed.push(member);
    this.#names.delete(member);
    for (const [key, holder] of this.#holders) if (holder === member) this.#holders.delete(key);
  }

  renewHolds(): void {}

  prune(): boolean {
    return false;
  }

  close(): void {}

  /** Adds messages to the log as if they had always been there. */
  fill(room: string, count: number, text = "old"): void {
    const log = this.#logOf(room);
    for (let i = 0; i < count; i++) {
      log.push({
        type: "message",
        room,
        member: "someone",
        from: "Someone",
        text,
        nonce: `old${log.length}`,
        offset: log.length + 1,
        epoch: this.#epoch,
        at: 1_000,
      });
    }
  }

  /** Prunes all entries before an offset. */
  pruneBefore(room: string, first: number): void {
    this.#first.set(room, first);
    this.#listener?.pruned(room, first);
  }

  /** Starts another epoch, as a restart does. */
  startEpoch(epoch: string): void {
    this.#epoch = epoch;
    this.#epochs.add(epoch);
  }

  log(room: string): readonly Entry[] {
    return this.#logOf(room);
  }

  /** Applies an entry to its targets, or returns why it is refused. */
  #amend(log: Entry[], entry: Entry): AppendResult | undefined {
    const { offset: amended, member } = entry;
    if (entry.type !== "edit" && entry.type !== "delete") return undefined;
    for (const target of entry.type === "edit" ? [entry.target] : entry.targets) {
      const message = messagesOf(log).find(({ offset }) => offset === target);
      if (message?.text === undefined) return { kind: "not_found" };
      if (message.member !== member) return { kind: "forbidden" };
      for (const [i, other] of log.entries()) {
        const { text: _, ...rest } = other;
        if (other.type === "edit" && other.target === target) log[i] = rest as Entry;
      }
      const { text: _, ...rest } = message;
      log[target - 1] = entry.type === "edit"
        ? { ...message, text: entry.text ?? "", amended, editedAt: entry.at }
        : { ...rest, amended, deletedBy: member };
    }
    return undefined;
  }

  #hold(member: string, username: string): boolean {
    const key = usernameKey(username);
    const holder = this.#holders.get(key);
    if (holder !== undefined && holder !== member) return false;
    this.#holders.set(key, member);
    this.#names.set(member, username);
    return true;
  }

  #logOf(room: string): Entry[] {
    const log = this.#rooms.get(room) ?? [];
    this.#rooms.set(room, log);
    return log;
  }

  #requireStorage(): void {
    if (this.isFailing) throw new Error("Cannot use storage: the disk is gone");
  }

  #run<T>(work: () => T): Outcome<T> {
    return this.isAsync ? Promise.resolve().then(work) : work();
  }
}

function messagesOf(entries: readonly Entry[]) {
  return entries.filter((entry) => entry.type === "message");
}

function fitting(entries: readonly Entry[], { limit, maxBytes }: ReadQuery): Entry[] {
  const page: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    bytes += entry.text?.length ?? 0;
    if (messagesOf(page).length === limit || bytes > maxBytes && page.length > 0) break;
    page.push(entry);
  }
  return page;
}
