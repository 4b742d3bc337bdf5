// One node's broker: every message and name in one SQLite file. Its answers are there at once; what cannot be stored is
// said to be so, and nothing that happens to the disk ends the server.

import { usernameKey, utf8Length } from "../../protocol/text.ts";
import { cannotOpen, DatabaseFile } from "./database.ts";
import type { Durability } from "./database.ts";
import { NonceBook } from "./nonces.ts";
import type {
  AppendResult,
  Broker,
  BrokerListener,
  Draft,
  Entry,
  Page,
  ReadQuery,
} from "../../chat/broker.ts";

/** What a SQLite broker is made of; times in ms. */
export interface SqliteBrokerOptions {
  /** The file, or `:memory:`. */
  readonly path: string;
  readonly durability: Durability;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A name for a term that no other has. */
  readonly randomName: () => string;
  /** How long the name of a member that wrote is kept after it went. */
  readonly nameHoldMs: number;
  readonly graceMs: number;
  /** What is kept of each room; 0 is for ever, and all. */
  readonly retentionDays: number;
  readonly retentionMessages: number;
  /** Rooms that may have messages; 0 is no limit. */
  readonly maxRooms: number;
  /** Told when the storage begins to fail, and when it works again. */
  readonly report: (event: string, error: unknown) => void;
  /** For tests: how many nonces are known in memory before they go into their table. */
  readonly recentNonces?: number;
}

const dayMs = 86_400_000;
/** The names of members that were here when a server died are held at least this long, so that they can come back. */
const comebackMs = 60_000;
/** Rows that one call of `prune` removes of each kind, and rooms that it looks at, so that nobody waits for it. */
const pruneRows = 500;
/** Rows fetched at once; few are read in vain when the bytes of a page are used up. */
const chunkRows = 128;
/** A server that is about to end may still have the file when this one starts. Later nobody can wait. */
const lockWaitMs = 500;
/** After a copy that failed so many looks pass until the next: it can be large, and the disk full. */
const looksBetweenCopies = 10;

/** What is known of a room that has messages, or had. */
interface StoredRoom {
  readonly id: number;
  /** Offset of the oldest message kept. */
  readonly first: number;
  head: number;
  /** Time of the newest message. */
  at: number;
}

interface MessageRow {
  readonly offset: number;
  readonly term: number;
  readonly at: number;
  readonly member: string;
  readonly username: string;
  readonly text: string;
  readonly nonce: string;
}

interface NameRow {
  readonly key: string;
  readonly member: string;
  readonly username: string;
  readonly current: number;
  readonly live: number;
  readonly spoke: number;
  readonly held_until: number;
}

/** An append-only log in a SQLite file. */
export class SqliteBroker implements Broker {
  readonly #options: SqliteBrokerOptions;
  #file: DatabaseFile | undefined;
  #listener: BrokerListener | undefined;
  /** Rooms as they are committed. */
  readonly #rooms = new Map<string, StoredRoom>();
  #roomCount = 0;
  /** Members whose names are known to be marked as having written. */
  readonly #spoke = new Set<string>();
  #term = { id: 0, name: "" };
  readonly #termNames = new Map<number, string>();
  /** Failures in a row. */
  #failures = 0;
  /** What was found in the file after a commit that seemed to fail, and the listener does not know yet. */
  #unheard: Entry[] = [];
  /** True while the open file is not the one under its name: nothing is stored then. */
  #isLost = false;
  #looking: Promise<string | undefined> | undefined;
  #looksToSkip = 0;
  /** Why the server has to end, once that is so. */
  #verdict: string | undefined;
  /** Id of the room with which `prune` goes on when it had enough to do; undefined when it came round. */
  #pruneFrom: number | undefined;
  readonly #nonces: NonceBook;

  /**
   * Opens the file, or makes it, and begins a new term.
   *
   * @throws {Error} If the file cannot be used; the message says why.
   */
  static open(options: SqliteBrokerOptions): SqliteBroker {
    return new SqliteBroker(options);
  }

  private constructor(options: SqliteBrokerOptions) {
    this.#options = options;
    this.#nonces = new NonceBook(options.recentNonces);
    const file = new DatabaseFile(options.path, options.durability, lockWaitMs);
    try {
      file.transaction(() => {
        this.#beginTerm(file);
        this.#endLives(file);
      });
      this.#nonces.load(file);
    } catch (error) {
      file.close();
      throw cannotOpen(options.path, error);
    }
    this.#file = file;
  }

  // ---------------------------------------------------------------- messages

  append(drafts: readonly Draft[]): readonly AppendResult[] {
    const entries: Entry[] = [];
    /** Rooms as they will be when this is committed. */
    const rooms = new Map<string, StoredRoom>();
    const authors = new Set<string>();
    let results: readonly AppendResult[];
    if (this.#isLost) return drafts.map(() => ({ kind: "unavailable" }));
    try {
      const file = this.#usable();
      results = file.transaction(() => {
        this.#nonces.noteIfMany(file);
        const now = this.#options.now();
        const done = drafts.map((draft) => {
          authors.add(draft.member);
          return this.#store(file, draft, now, rooms, entries);
        });
        for (const room of rooms.values()) {
          file.updateRoom.run(room.head, room.at, room.id);
        }
        for (const member of authors) {
          if (!this.#spoke.has(member)) file.speak.run(member);
        }
        return done;
      });
    } catch (error) {
      this.#nonces.forgetPending();
      this.#fail(error);
      return drafts.map(() => ({ kind: "unavailable" }));
    }
    this.#nonces.keepPending();
    this.#recover();
    for (const [name, room] of rooms) {
      if (!this.#rooms.has(name)) this.#roomCount++;
      this.#rooms.set(name, room);
    }
    for (const member of authors) this.#spoke.add(member);
    const news = this.#unheard.length === 0 ? entries : [...this.#unheard, ...entries];
    this.#unheard = [];
    if (news.length > 0) this.#listener?.entries(news);
    return results;
  }

  #store(
    file: DatabaseFile,
    draft: Draft,
    now: number,
    rooms: Map<string, StoredRoom>,
    entries: Entry[],
  ): AppendResult {
    let room = rooms.get(draft.room);
    if (room === undefined) {
      const stored = this.#roomOf(file, draft.room);
      if (stored === undefined && this.#isFull(rooms)) return { kind: "rooms_full" };
      room = stored === undefined
        ? { id: Number(file.addRoom.run(draft.room).lastInsertRowid), first: 1, head: 0, at: 0 }
        : { ...stored };
      rooms.set(draft.room, room);
    }
    const { member, from, text, nonce } = draft;
    const first = this.#nonces.find(file, room.id, member, nonce);
    if (first !== undefined) return { kind: "repeat", offset: first };
    const offset = room.head + 1;
    this.#nonces.add(room.id, member, nonce, offset);
    const at = Math.max(now, room.at);
    file.addMessage.run(room.id, offset, this.#term.id, at, member, from, text, nonce);
    room.head = offset;
    room.at = at;
    entries.push({ ...draft, offset, epoch: this.#term.name, at });
    return { kind: "stored", offset };
  }

  /** Whether there can be no room besides those that are stored and the new ones among `rooms`. */
  #isFull(rooms: ReadonlyMap<string, StoredRoom>): boolean {
    const { maxRooms } = this.#options;
    if (maxRooms === 0) return false;
    let count = this.#roomCount;
    for (const name of rooms.keys()) {
      if (!this.#rooms.has(name)) count++;
    }
    return count >= maxRooms;
  }

  read(name: string, query: ReadQuery): Page {
    const file = this.#usable();
    const room = this.#roomOf(file, name) ?? { id: 0, first: 1, head: 0, at: 0 };
    const { first } = room;
    const newest = file.findTerm.get(room.id, room.head);
    const epoch = newest === undefined
      ? this.#term.name
      : this.#termName(file, Number(newest.term));
    const head = { epoch, offset: room.head };
    if ("before" in query) {
      // No offset is as large as Infinity, and SQLite has none.
      const before = Math.min(query.before, room.head + 1);
      const rows = collect(
        query,
        before,
        (from, count) => file.readBefore.all(room.id, from, count),
      );
      return { entries: this.#entries(file, name, rows.reverse()), first, head, valid: true };
    }
    const { after } = query;
    if (!this.#isValid(file, room, after.epoch, after.offset)) {
      return { entries: [], first, head, valid: false };
    }
    const rows = collect(
      query,
      after.offset,
      (from, count) => file.readAfter.all(room.id, from, count),
    );
    return { entries: this.#entries(file, name, rows), first, head, valid: true };
  }

  #isValid(file: DatabaseFile, room: StoredRoom, epoch: string, offset: number): boolean {
    if (offset > room.head) return false;
    if (offset === 0) return file.knowsTerm.get(epoch) !== undefined;
    // A term never goes on after the log was set back. So what came before its oldest message kept is what everybody saw
    // there; of an older term without any, nobody can tell any more.
    const there = file.findTerm.get(room.id, Math.max(offset, room.first));
    return epoch ===
      (there === undefined ? this.#term.name : this.#termName(file, Number(there.term)));
  }

  #entries(file: DatabaseFile, room: string, rows: readonly MessageRow[]): Entry[] {
    return rows.map(({ offset, term, at, member, username, text, nonce }) => ({
      room,
      member,
      from: username,
      text,
      nonce,
      offset,
      epoch: this.#termName(file, term),
      at,
    }));
  }

  #roomOf(file: DatabaseFile, name: string): StoredRoom | undefined {
    const known = this.#rooms.get(name);
    if (known !== undefined) return known;
    const row = file.findRoom.get(name);
    if (row === undefined) return undefined;
    const room = storedRoom(row);
    this.#rooms.set(name, room);
    return room;
  }

  subscribe(listener: BrokerListener): void {
    this.#listener = listener;
  }

  // ---------------------------------------------------------------- names

  claim(member: string, username: string): string | undefined {
    return this.#change((file) => {
      const own = this.#namesOf(file, member).find(({ current }) => current === 1);
      if (own !== undefined && this.#isHeld(own)) {
        file.wake.run(member);
        return own.username;
      }
      if (this.#isTaken(file, member, username)) return undefined;
      file.forgetNames.run(member);
      // The mark of a member that wrote went with its old name.
      this.#spoke.delete(member);
      file.putName.run(usernameKey(username), member, username, 0);
      return username;
    });
  }

  rename(member: string, username: string): boolean {
    return this.#change((file) => {
      if (this.#isTaken(file, member, username)) return false;
      const key = usernameKey(username);
      const current = this.#namesOf(file, member).find((name) => name.current === 1);
      const spoke = current?.spoke ?? 0;
      if (current?.key !== key) {
        // Only one name before this one stays the member's own.
        file.forgetFormer.run(member);
        file.makeFormer.run(member);
      }
      file.putName.run(key, member, username, spoke);
      return true;
    });
  }

  release(member: string): void {
    this.#spoke.delete(member);
    this.#change((file) => {
      file.forgetSilent.run(member);
      file.hold.run(this.#options.now() + this.#options.nameHoldMs, member);
    });
  }

  /** Nothing to do: who was here when a server died is seen by the next one in the file. */
  renewHolds(): void {}

  #isTaken(file: DatabaseFile, member: string, username: string): boolean {
    const row = file.findName.get(usernameKey(username));
    if (row === undefined) return false;
    const name = nameRow(row);
    return name.member !== member && this.#isHeld(name);
  }

  #isHeld(name: NameRow): boolean {
    return name.live === 1 || name.held_until > this.#options.now();
  }

  #namesOf(file: DatabaseFile, member: string): readonly NameRow[] {
    return file.findNames.all(member).map(nameRow);
  }

  // ---------------------------------------------------------------- upkeep

  prune(): boolean {
    let isMore = false;
    const pruned = this.#change((file) => {
      const now = this.#options.now();
      const isMoreNonces = this.#nonces.prune(file, now, pruneRows);
      const names = file.pruneNames.run(now, pruneRows).changes;
      const rooms = this.#pruneRooms(file, now);
      isMore = this.#pruneFrom !== undefined || isMoreNonces || Number(names) === pruneRows;
      return rooms;
    });
    for (const [name, first] of pruned) {
      const room = this.#rooms.get(name);
      if (room !== undefined) this.#rooms.set(name, { ...room, first });
      this.#listener?.pruned(name, first);
    }
    return isMore;
  }

  #pruneRooms(file: DatabaseFile, now: number): readonly (readonly [string, number])[] {
    const { retentionDays, retentionMessages } = this.#options;
    if (retentionDays === 0 && retentionMessages === 0) return [];
    const oldest = retentionDays === 0 ? 0 : now - retentionDays * dayMs;
    const pruned: [string, number][] = [];
    let left = pruneRows;
    const rooms = file.someRooms.all(this.#pruneFrom ?? 0, pruneRows);
    this.#pruneFrom = rooms.length < pruneRows ? undefined : Number(rooms.at(-1)?.id) + 1;
    for (const row of rooms) {
      const [id, first, head] = [Number(row.id), Number(row.first), Number(row.head)];
      const byCount = retentionMessages === 0 ? first : head - retentionMessages + 1;
      const most = Math.min(head + 1, first + left);
      const byAge = retentionDays === 0
        ? first
        : Number(file.firstSince.get(id, first, most, oldest)?.offset ?? most);
      const next = Math.min(Math.max(byCount, byAge), most);
      if (next <= first) continue;
      this.#nonces.note(file, id);
      file.pruneMessages.run(id, next);
      file.setFirst.run(next, id);
      pruned.push([String(row.name), next]);
      left -= next - first;
      if (left > 0) continue;
      // There may be more in this one.
      this.#pruneFrom = id;
      break;
    }
    return pruned;
  }

  /** Whether a message could be stored now. Writes to the file, so it is not for every request. */
  writable(): boolean {
    try {
      if (!this.#isLost) this.#usable().probe();
      return !this.#isLost;
    } catch {
      return false;
    }
  }

  /**
   * Looks whether the file that is open is still the one under its name; to be called once a second. While it is not,
   * nothing is stored. Where nothing stands in its place, it is put back. Answers a sentence when the server has to end:
   * another file is there, and what was open is saved beside it; or, when this is the `last` look, it could not be saved.
   */
  look(last = false): Promise<string | undefined> {
    const done = () => this.#looking = undefined;
    return this.#looking ??= this.#lookNow(last).finally(done);
  }

  async #lookNow(last: boolean): Promise<string | undefined> {
    const file = this.#file;
    const { path, report } = this.#options;
    if (file === undefined || this.#verdict !== undefined) return this.#verdict;
    const place = file.place();
    if (place === "ours") {
      if (this.#isLost) report("storage_found", `${path} is back`);
      this.#isLost = false;
      if (!file.hasLog()) this.#renewLog();
      return undefined;
    }
    if (!this.#isLost) {
      const what = place === "free" ? `${path} is gone` : `another file took the place of ${path}`;
      report("storage_lost", `${what}; nothing is stored, and a copy of what is open is saved`);
      this.#isLost = true;
      this.#looksToSkip = 0;
    }
    if (this.#looksToSkip-- > 0 && !last) return undefined;
    try {
      const copy = `${path}.saved-${
        new Date(this.#options.now()).toISOString().replaceAll(":", "")
      }`;
      await file.save(copy);
      // The copy took a while.
      if (file.place() === "free") this.#putBack(file, copy);
      else {
        this.#verdict = `Another file took the place of ${path}: what was open is in ${copy}`;
        file.forgetLog();
      }
      return this.#verdict;
    } catch (error) {
      this.#looksToSkip = looksBetweenCopies;
      const why = error instanceof Error ? error.message : String(error);
      const sentence = `Cannot save ${path}, which was taken away: ${why}`;
      report("storage_not_saved", sentence);
      return last ? `${sentence}; what was in it is lost` : undefined;
    }
  }

  #putBack(lost: DatabaseFile, copy: string): void {
    const { path, report } = this.#options;
    lost.forgetLog();
    Deno.renameSync(copy, path);
    // SQLite sees that the file is not in its place, and leaves alone what is.
    this.#letGo();
    this.#isLost = false;
    try {
      // Whoever took the file away may bring it back one day, and then the two have gone different ways.
      this.#reopen({ isCopy: true });
      report("storage_restored", `${path} was put back from what was open; nothing is lost`);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The journal of the file is gone: what is only in it goes into the file at once, and into a new one after that. */
  #renewLog(): void {
    this.#options.report(
      "storage_log_lost",
      `${this.#options.path}-wal was taken away; it is made anew`,
    );
    this.#letGo();
    try {
      this.#usable();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Brings everything into the file, which is then left as it is until `thaw`: what is stored meanwhile is in the journal. */
  freeze(): void {
    this.#usable().freeze();
  }

  /** Ends what `freeze` began. */
  thaw(): void {
    this.#file?.thaw();
  }

  /** Whether the file is as it was at the call of `freeze`. */
  get isFrozen(): boolean {
    return this.#file?.isFrozen ?? false;
  }

  close(): void {
    const file = this.#file;
    try {
      // The next start then has no messages to read, and finds no damage there may be in them.
      if (!this.#isLost) file?.transaction(() => this.#nonces.noteAll(file));
    } catch {
      // It reads them.
    }
    this.#letGo();
  }

  #letGo(): void {
    // SQLite removes the journal under its name when it closes, unless it sees another inode there; on another disk that
    // can have the same number.
    if (this.#verdict === undefined) this.#file?.close();
    this.#file = undefined;
  }

  // ---------------------------------------------------------------- terms and failures

  /** From now on the log may go on differently than somebody remembers: so its entries carry a new name. */
  #beginTerm(file: DatabaseFile): void {
    const name = this.#options.randomName();
    const { lastInsertRowid } = file.addTerm.run(name);
    this.#term = { id: Number(lastInsertRowid), name };
    this.#roomCount = file.roomCount();
  }

  /** Members that were here when a server died get the time to come back. */
  #endLives(file: DatabaseFile): void {
    const now = this.#options.now();
    const { nameHoldMs, graceMs } = this.#options;
    const comeback = Math.max(graceMs, comebackMs);
    file.endLives.run(now + Math.max(nameHoldMs, comeback), now + comeback);
  }

  #termName(file: DatabaseFile, id: number): string {
    if (id === this.#term.id) return this.#term.name;
    let name = this.#termNames.get(id);
    if (name === undefined) {
      name = String(file.termName.get(id)?.name ?? "");
      this.#termNames.set(id, name);
    }
    return name;
  }

  /** A change of names or an upkeep: throws what went wrong, with nothing changed. */
  #change<T>(work: (file: DatabaseFile) => T): T {
    if (this.#isLost) throw new Error("the file was taken away");
    try {
      const file = this.#usable();
      const result = file.transaction(() => work(file));
      this.#nonces.keepPending();
      return result;
    } catch (error) {
      this.#nonces.forgetPending();
      this.#fail(error);
      throw error;
    }
  }

  #fail(error: unknown): void {
    if (this.#failures++ === 0) this.#options.report("storage_failed", error);
    // A full disk can still be read, so the file is not given up at once; but what fails again may be stuck.
    const isStuck = this.#failures % 2 === 0 && this.#options.path !== ":memory:";
    if (!isStuck && this.#file?.isSound !== false) return;
    // What nobody else has must stay open.
    if (this.#file?.place() === "ours") this.#letGo();
  }

  #recover(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#options.report("storage_recovered", "messages can be stored again");
  }

  /** The file, opened anew when it was given up. */
  #usable(): DatabaseFile {
    return this.#file ?? this.#reopen({ isCopy: false });
  }

  #reopen({ isCopy }: { readonly isCopy: boolean }): DatabaseFile {
    const file = new DatabaseFile(this.#options.path, this.#options.durability, 0);
    try {
      const isWhole = this.#catchUp(file);
      if (!isWhole) {
        this.#rooms.clear();
        this.#termNames.clear();
        this.#unheard = [];
        this.#options.report("storage_changed", "what was stored last is not in the file any more");
      }
      if (!isWhole || isCopy) this.#beginTerm(file);
      this.#roomCount = file.roomCount();
      this.#nonces.load(file);
    } catch (error) {
      file.close();
      throw error;
    }
    this.#spoke.clear();
    this.#file = file;
    return file;
  }

  /**
   * Compares the file with what is known of it. What is there and was never told will be: a commit that seemed to fail
   * can have happened. Answers false when something is missing, so that the file is not the one that was left.
   */
  #catchUp(file: DatabaseFile): boolean {
    if (String(file.lastTerm.get()?.name ?? "") !== this.#term.name) return false;
    const rooms = new Map(file.allRooms.all().map((row) => [String(row.name), storedRoom(row)]));
    for (const [name, { head }] of this.#rooms) {
      if ((rooms.get(name)?.head ?? 0) < head) return false;
    }
    const late: Entry[] = [];
    for (const [name, { id, head }] of rooms) {
      const known = this.#rooms.get(name);
      // Every room that this server wrote in is known, but for those that are new in the commit in question.
      const isNew = known === undefined &&
        Number(file.findTerm.get(id, head)?.term) === this.#term.id;
      const heard = isNew ? 0 : known?.head ?? head;
      if (heard === head) continue;
      const rows = file.readAfter.all(id, heard, head - heard).map(messageRow);
      late.push(...this.#entries(file, name, rows));
    }
    for (const [name, room] of rooms) {
      if (this.#rooms.has(name)) this.#rooms.set(name, room);
    }
    this.#unheard.push(...late);
    return true;
  }
}

/** Takes rows for as long as they fit, at least one. `fetch` gives as many as it is asked for from an offset on. */
function collect(
  { limit, maxBytes }: ReadQuery,
  from: number,
  fetch: (from: number, count: number) => Record<string, unknown>[],
): MessageRow[] {
  const collected: MessageRow[] = [];
  let bytes = 0;
  while (collected.length < limit) {
    const count = Math.min(chunkRows, limit - collected.length);
    const rows = fetch(collected.at(-1)?.offset ?? from, count);
    for (const row of rows.map(messageRow)) {
      bytes += utf8Length(row.text);
      if (bytes > maxBytes && collected.length > 0) return collected;
      collected.push(row);
    }
    if (rows.length < count) break;
  }
  return collected;
}

function storedRoom({ id, first, head, at }: Record<string, unknown>): StoredRoom {
  return { id: Number(id), first: Number(first), head: Number(head), at: Number(at) };
}

/** The columns are those of the schema. */
function messageRow(row: unknown): MessageRow {
  return row as MessageRow;
}

/** The columns are those of the schema. */
function nameRow(row: unknown): NameRow {
  return row as NameRow;
}
