// The logs of all rooms: their entries, offsets and epochs.

import type {
  AppendResult,
  Draft,
  Entry,
  Page,
  ReadQuery,
  RoomSummary,
} from "../../chat/broker.ts";
import { utf8Length } from "../../protocol/text.ts";
import type { Position } from "../../protocol/wire.ts";
import { BulkInsert } from "./database.ts";
import type { DatabaseFile } from "./database.ts";
import { addEntry, checkTargets, countMessages, entryOf, selectEntries } from "./entries.ts";
import type { EntryRow } from "./entries.ts";
import type { Nonces } from "./nonces.ts";
import type { Sanctions } from "./sanctions.ts";
import type { SearchIndex } from "./search_index.ts";
import type { SqliteOptions } from "./options.ts";

type RoomLogOptions = Pick<
  SqliteOptions,
  "randomName" | "maxRooms" | "maxDataBytes" | "isClockTrusted"
>;

/** Max rows fetched at once, so that few are wasted when a page reaches its max bytes. */
const chunkRows = 128;

/** Min time between two checks of the database's size. */
const sizeCheckMs = 1_000;
/** Min time to wait before looking for a room to evict again, after finding none. */
const fullMs = 1_000;
/** Min age of a room's only message before the room may be evicted. */
const evictionMs = 86_400_000;

/** Size of an entry in a page without its text, in bytes. */
const entryCostBytes = 128;

const sql = {
  addEpoch: "INSERT INTO epochs (name) VALUES (?)",
  epochByName: "SELECT id FROM epochs WHERE name = ?",
  lastEpoch: "SELECT name FROM epochs ORDER BY id DESC LIMIT 1",
  addRoom: "INSERT INTO rooms (name, first, head, at) VALUES (?, 1, 0, 0)",
  findRoom: "SELECT id, first, head, at FROM rooms WHERE name = ?",
  updateRoom: "UPDATE rooms SET head = ?, at = ? WHERE id = ?",
  newestRooms: `SELECT name, at, title FROM rooms WHERE head >= first AND name NOT GLOB 'p-*'
                ORDER BY at DESC LIMIT ?`,
  countRooms: "SELECT count(*) AS count FROM rooms WHERE first <= head",
  idleRooms: `SELECT id, name, first, head, at FROM rooms
              WHERE first = head AND at < ? AND title IS NULL AND title_locked = 0
              AND EXISTS (SELECT 1 FROM entries WHERE room = id AND offset = head AND kind = 0)
              ORDER BY id LIMIT ?`,
  deleteMessages: "DELETE FROM entries WHERE room = ?",
  setEmpty: "UPDATE rooms SET first = head + 1 WHERE id = ?",
  titleOf: "SELECT title, title_at, title_locked FROM rooms WHERE id = ?",
  allRooms: "SELECT id, name, first, head, at FROM rooms",
  epochAt: "SELECT name FROM entries JOIN epochs ON id = epoch WHERE room = ? AND offset = ?",
  readAfter: `${selectEntries} WHERE room = ? AND offset > ? ORDER BY offset LIMIT ?`,
  readBefore: `${selectEntries} WHERE room = ? AND offset < ? ORDER BY offset DESC LIMIT ?`,
} as const;

/** The columns of a message that is not a reply and was not amended. */
const messageColumns = ["room", "offset", "epoch", "at", "member", "username", "text", "nonce"];

/** A room that has or had entries. */
interface StoredRoom {
  readonly id: number;
  /** Offset of the oldest entry kept. */
  readonly first: number;
  readonly head: number;
  /** Time of the newest entry. */
  readonly at: number;
}

/** A room that a transaction writes to. */
type PendingRoom = { -readonly [key in keyof StoredRoom]: StoredRoom[key] };

const emptyRoom: StoredRoom = { id: 0, first: 1, head: 0, at: 0 };

/** The room logs in one database. Changes by `append` are pending until `commit` or `rollback`. */
export class RoomLog {
  readonly #options: RoomLogOptions;
  readonly #nonces: Nonces;
  readonly #sanctions: Sanctions;
  readonly #index: SearchIndex;
  /** Committed rooms: those that this process wrote to or has read. */
  readonly #rooms = new Map<string, StoredRoom>();
  /** Rooms whose end was read. They have members, and so are not evicted. */
  readonly #loaded = new Set<string>();
  #fullAt = -Infinity;
  /** Whether the last `append` has evicted a room. */
  hasEvicted = false;
  /** Whether the database has reached its max size, so that messages are refused. */
  hasReachedSize = false;
  #sizeCheckedAt = -Infinity;
  readonly #messages = new BulkInsert("INSERT INTO entries", messageColumns);
  /** Rooms as the current transaction leaves them. */
  readonly #pending = new Map<string, PendingRoom>();
  #epoch = { id: 0, name: "" };

  constructor(
    options: RoomLogOptions,
    nonces: Nonces,
    sanctions: Sanctions,
    index: SearchIndex,
  ) {
    this.#options = options;
    this.#nonces = nonces;
    this.#sanctions = sanctions;
    this.#index = index;
  }

  /** Starts an epoch: from here the log may differ from one that clients remember. */
  beginEpoch(file: DatabaseFile): void {
    const name = this.#options.randomName();
    this.#epoch = { id: Number(file.run(sql.addEpoch, name).lastInsertRowid), name };
  }

  /**
   * Stores drafts, in order, inside a transaction. Returns a result for each, and the new entries.
   */
  append(
    file: DatabaseFile,
    drafts: readonly Draft[],
    now: number,
  ): { readonly results: readonly AppendResult[]; readonly entries: readonly Entry[] } {
    this.#checkSize(file, now);
    this.hasEvicted = false;
    const entries: Entry[] = [];
    const results: AppendResult[] = [];
    for (const draft of drafts) results.push(this.#store(file, draft, now, entries));
    this.#messages.flush(file);
    for (const { id, head, at } of this.#pending.values()) file.run(sql.updateRoom, head, at, id);
    return { results, entries };
  }

  #store(
    file: DatabaseFile,
    draft: Draft,
    now: number,
    entries: Entry[],
  ): AppendResult {
    const { type, member, from, nonce } = draft;
    const pending = this.#pending.get(draft.room);
    let room: StoredRoom | undefined = pending ?? this.#roomOf(file, draft.room);
    let hash = room && this.#nonces.hash(room.id, member, nonce);
    if (room !== undefined && hash !== undefined && this.#nonces.mayHave(hash)) {
      this.#messages.flush(file);
      const repeated = this.#nonces.find(file, hash, room.id, member, nonce);
      if (repeated !== undefined) return { kind: "repeat", offset: repeated };
    }
    const refusal = this.#sanctions.hasAny && !isForced(draft)
      ? this.#sanctions.refusalOf(draft)
      : undefined;
    if (refusal !== undefined) return refusal;
    // Deletions free space.
    const isDeletion = type === "delete" || type === "title" && draft.text === "";
    if (this.hasReachedSize && !isDeletion) return { kind: "storage_full" };
    const isEmpty = room === undefined || room.first > room.head;
    let targets: readonly number[] = [];
    if (type !== "message") {
      if (room === undefined || isEmpty) return { kind: "not_found" };
      this.#messages.flush(file);
      const mayModerate = () => this.#sanctions.isModerator(file, member);
      if (draft.type === "title") {
        const title = file.get(sql.titleOf, room.id);
        const isLocked = title?.title_locked === 1;
        const isForModerators = isLocked || isDeletion || draft.locked === true;
        if (isForModerators && !mayModerate()) {
          return { kind: isLocked ? "title_locked" : "forbidden" };
        }
        const titleAt = Number(title?.title_at ?? 0);
        if (isDeletion && titleAt >= room.first) targets = [titleAt];
      } else {
        const checked = checkTargets(file, room.id, draft, mayModerate);
        if ("kind" in checked) return checked;
        targets = checked;
      }
    } else if (isEmpty && !this.#mayOpenRoom(file, now)) return { kind: "rooms_full" };
    room ??= { ...emptyRoom, id: Number(file.run(sql.addRoom, draft.room).lastInsertRowid) };
    const offset = room.head + 1;
    const at = Math.max(now, room.at);
    // The next room of this transaction must count this one.
    if (isEmpty) file.run(sql.updateRoom, offset, at, room.id);
    if (type === "message" && draft.reply === undefined) {
      const { room: name, text } = draft;
      const { id: epochId, name: epoch } = this.#epoch;
      this.#messages.next(file).push(room.id, offset, epochId, at, member, from, text, nonce);
      // Not { ...draft }: copying a property that way takes three times as long.
      entries.push({ type, room: name, member, from, text, nonce, offset, epoch, at });
    } else {
      const slot = { room: room.id, offset, epoch: this.#epoch, at };
      for (const target of targets) this.#index.remove(file, room.id, target);
      entries.push(addEntry(file, slot, draft, targets));
      if (type === "edit") {
        for (const target of targets) this.#index.add(file, room.id, target);
      }
    }
    hash ??= this.#nonces.hash(room.id, member, nonce);
    this.#nonces.add(hash, offset, at);
    if (pending === undefined) {
      this.#pending.set(draft.room, { id: room.id, first: room.first, head: offset, at });
    } else {
      pending.head = offset;
      pending.at = at;
    }
    return { kind: "stored", offset };
  }

  #checkSize(file: DatabaseFile, now: number): void {
    const { maxDataBytes } = this.#options;
    if (maxDataBytes === 0 || Math.abs(now - this.#sizeCheckedAt) < sizeCheckMs) return;
    this.#sizeCheckedAt = now;
    this.hasReachedSize = file.usedBytes() >= maxDataBytes;
  }

  /** Returns whether another room may have messages. If there are too many, evicts an idle one. */
  #mayOpenRoom(file: DatabaseFile, now: number): boolean {
    const { maxRooms, isClockTrusted } = this.#options;
    if (maxRooms === 0) return true;
    if (Math.abs(now - this.#fullAt) < fullMs) return false;
    if (Number(file.get(sql.countRooms)?.count) < maxRooms) return true;
    // Rooms in use stay, including those of this batch. Even if all of them match the query, the
    // limit leaves one candidate.
    const isKept = (name: string) => this.#loaded.has(name) || this.#pending.has(name);
    const limit = this.#loaded.size + this.#pending.size + 1;
    const mayEvict = isClockTrusted?.() ?? true;
    const idle = mayEvict
      ? file.all(sql.idleRooms, now - evictionMs, limit).find(({ name }) => !isKept(String(name)))
      : undefined;
    if (idle === undefined) {
      this.#fullAt = now;
      return false;
    }
    const room = storedRoom(idle);
    this.#nonces.keep(file, room.id, room.head + 1, now);
    this.#index.prune(file, room.id, room.first, room.head + 1);
    file.run(sql.deleteMessages, room.id);
    // The room keeps its head, so that no position in it becomes valid for another message.
    file.run(sql.setEmpty, room.id);
    this.#pending.set(String(idle.name), { ...room, first: room.head + 1 });
    this.hasEvicted = true;
    return true;
  }

  /** Lets a room without members be evicted. */
  forget(name: string): void {
    this.#loaded.delete(name);
  }

  /** Keeps the changes of a transaction that succeeded. */
  commit(): void {
    for (const [name, room] of this.#pending) this.#rooms.set(name, room);
    this.#pending.clear();
  }

  /** Drops the changes of a transaction that failed. */
  rollback(): void {
    this.#messages.clear();
    this.#pending.clear();
  }

  /** Records that all entries of a room before `first` have been pruned. */
  setFirst(name: string, first: number): void {
    const room = this.#rooms.get(name);
    if (room !== undefined) this.#rooms.set(name, { ...room, first });
  }

  /** Reads a page of a room. */
  read(file: DatabaseFile, name: string, query: ReadQuery): Page {
    const room = this.#roomOf(file, name) ?? emptyRoom;
    const { id, first, head: offset } = room;
    const head = { epoch: this.#epochAt(file, id, offset), offset };
    const isForward = "after" in query;
    if (!isForward && query.before === Infinity) this.#loaded.add(name);
    const valid = !isForward || this.#isValid(file, room, query.after);
    // SQLite has no Infinity.
    const from = isForward ? query.after.offset : Math.min(query.before, offset + 1);
    const statement = isForward ? sql.readAfter : sql.readBefore;
    const entries = valid
      ? collect(query, from, (from, count) => entriesOf(file, statement, name, id, from, count))
      : [];
    const title = file.get(sql.titleOf, id)?.title;
    return {
      entries: isForward ? entries : entries.reverse(),
      first,
      head,
      valid,
      ...(isForward && valid ? { behind: behind(file, room, query.after.offset) } : {}),
      ...(typeof title === "string" ? { title } : {}),
    };
  }

  /** Returns the id of a room, or `undefined` if it has never had entries. */
  idOf(file: DatabaseFile, name: string): number | undefined {
    return this.#roomOf(file, name)?.id;
  }

  /** Returns the `limit` most recently used public rooms that have messages. */
  newestRooms(file: DatabaseFile, limit: number): readonly RoomSummary[] {
    return file.all(sql.newestRooms, limit).map(({ name, at, title }) => ({
      room: String(name),
      at: Number(at),
      ...(typeof title === "string" ? { title } : {}),
    }));
  }

  #isValid(file: DatabaseFile, room: StoredRoom, { epoch, offset }: Position): boolean {
    if (offset > room.head) return false;
    if (offset === 0) return file.get(sql.epochByName, epoch) !== undefined;
    // An epoch never continues after the log was set back. So if the oldest entry kept is of this
    // epoch, the client has seen the pruned ones before it. Otherwise, that is unknown.
    return epoch === this.#epochAt(file, room.id, Math.max(offset, room.first));
  }

  /** Returns the epoch of the message at an offset; the current one if there is none. */
  #epochAt(file: DatabaseFile, room: number, offset: number): string {
    return String(file.get(sql.epochAt, room, offset)?.name ?? this.#epoch.name);
  }

  #roomOf(file: DatabaseFile, name: string): StoredRoom | undefined {
    const known = this.#rooms.get(name);
    if (known !== undefined) return known;
    const row = file.get(sql.findRoom, name);
    if (row === undefined) return undefined;
    const room = storedRoom(row);
    this.#rooms.set(name, room);
    return room;
  }

  /** Clears the rooms and starts an epoch, inside a transaction. */
  startOver(file: DatabaseFile): void {
    this.beginEpoch(file);
    this.#rooms.clear();
    this.#loaded.clear();
  }

  /**
   * Compares a reopened database with the rooms in memory. Returns the entries of a commit that
   * succeeded although it reported failure, or `undefined` if any known entry is missing.
   */
  catchUp(file: DatabaseFile): readonly Entry[] | undefined {
    const rooms = new Map(file.all(sql.allRooms).map((row) => [String(row.name), storedRoom(row)]));
    const isComplete = file.get(sql.lastEpoch)?.name === this.#epoch.name &&
      this.#rooms.entries().every(([name, { head }]) => (rooms.get(name)?.head ?? 0) >= head);
    if (!isComplete) return undefined;
    const late: Entry[] = [];
    for (const [name, room] of rooms) {
      const known = this.#rooms.get(name);
      const { id, head } = room;
      if (known !== undefined) this.#rooms.set(name, room);
      // This process knows every room that it wrote to, unless the commit in question created it.
      const isNew = known === undefined &&
        file.get(sql.epochAt, id, head)?.name === this.#epoch.name;
      const knownHead = isNew ? 0 : known?.head ?? head;
      if (knownHead === head) continue;
      late.push(...entriesOf(file, sql.readAfter, name, id, knownHead, head - knownHead));
    }
    return late;
  }
}

/** Returns whether a draft comes from a sweep or the operator, which no sanction stops. */
function isForced(draft: Draft): boolean {
  return draft.type === "delete" && draft.isModerator === true;
}

/** Collects the entries that fit in a page, at least one. `fetch` reads up to `count` of them. */
function collect(
  { limit, maxBytes }: ReadQuery,
  from: number,
  fetch: (from: number, count: number) => readonly Entry[],
): Entry[] {
  const collected: Entry[] = [];
  let [bytes, messages] = [0, 0];
  // There may be many edits between two messages.
  for (let count = Math.min(chunkRows, limit); messages < limit;) {
    const entries = fetch(collected.at(-1)?.offset ?? from, count);
    for (const entry of entries) {
      bytes += entryCostBytes + textBytes(entry);
      if (bytes > maxBytes && collected.length > 0) return collected;
      collected.push(entry);
      if (entry.type === "message" && ++messages === limit) break;
    }
    if (entries.length < count) break;
    count = Math.min(chunkRows, 2 * count);
  }
  return collected;
}

function textBytes(entry: Entry): number {
  if (entry.type === "delete") return 16 * entry.targets.length;
  return entry.text === undefined ? 0 : utf8Length(entry.text);
}

/** Returns how many messages follow an offset. */
function behind(file: DatabaseFile, { id, first, head }: StoredRoom, offset: number): number {
  const kept = Math.max(offset, first - 1);
  return kept - offset + countMessages(file, id, kept, head);
}

/** Runs `readAfter` or `readBefore`. */
function entriesOf(
  file: DatabaseFile,
  statement: string,
  name: string,
  ...values: readonly [room: number, from: number, count: number]
): readonly Entry[] {
  const rows = file.all(statement, ...values) as unknown as readonly EntryRow[];
  return rows.map((row) => entryOf(name, row));
}

function storedRoom({ id, first, head, at }: Record<string, unknown>): StoredRoom {
  return { id: Number(id), first: Number(first), head: Number(head), at: Number(at) };
}
