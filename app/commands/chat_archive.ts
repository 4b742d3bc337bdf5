// `parley export-chat` and `import-chat`: a whole chat as JSON lines, between SQLite and Redis.

import { errorMessage } from "../core/error_message.ts";
import { isSealed } from "../protocol/sealed.ts";
import { cleanText, isPrivateRoom, isRoomName } from "../protocol/text.ts";
import type { Validated } from "../protocol/text.ts";
import { cleanTitle } from "../protocol/titles.ts";
import { parseUsername } from "../protocol/usernames.ts";
import { writeLines } from "./output_file.ts";

const entry = { room: "", offset: 0, epoch: "", at: 0, member: "", from: "", nonce: "" };

/** The fields of each kind of line, and their types. Times are in ms since 1970. */
const shapes = {
  /** A room, followed by its entries: those from `first` to `head`. */
  room: { room: "", first: 0, head: 0, at: 0 },
  message: entry,
  edit: { ...entry, target: 0 },
  delete: { ...entry, targets: [0] },
  title: entry,
  /** The nonce of an entry that has been removed. */
  nonce: { room: "", offset: 0, at: 0, member: "", nonce: "" },
  /** A member's name, held until a time, and the key of the member's former name, or "". */
  name: { member: "", username: "", formerKey: "", hasWritten: false, heldUntil: 0 },
};

/** Fields that a line may lack. */
const optionalShapes = {
  room: { title: "", titleAt: 0, titleLocked: true },
  message: { text: "", reply: 0, amended: 0, editedAt: 0, deletedBy: "" },
  delete: { untitled: true },
  title: { text: "", locked: true, amended: 0, deletedBy: "" },
};

type Shapes = typeof shapes;
type OptionalShapes = typeof optionalShapes;

/** One line of an archive. */
export type ArchiveItem<Kind extends keyof Shapes = keyof Shapes> = {
  [Each in Kind]: Readonly<
    & { kind: Each }
    & Shapes[Each]
    & (Each extends keyof OptionalShapes ? Partial<OptionalShapes[Each]> : unknown)
  >;
}[Kind];

/** Returns whether a line is an entry of its room's log. */
export function isEntry(
  item: ArchiveItem,
): item is ArchiveItem<"message" | "edit" | "delete" | "title"> {
  return "offset" in item && item.kind !== "nonce";
}

/** A chat to export. */
export interface ArchiveSource extends AsyncDisposable {
  items(): AsyncIterable<ArchiveItem> | Iterable<ArchiveItem>;
}

/** An empty chat to import into. It is discarded unless `complete` succeeds. */
export interface ArchiveTarget extends AsyncDisposable {
  write(items: readonly ArchiveItem[]): Promise<void>;
  complete(): Promise<void>;
}

const header = JSON.stringify({ kind: "parley", version: 1 });
const anyHeader = /^\{"kind":"parley","version":\d+\}$/;
const batchItems = 1_000;
/** Max length of a line. The longest are deletions by a sweep. */
const lineMaxLength = 1_048_576;
/** Max value of numbers: the largest offset in a position (15 digits), and later than any time. */
const numberMax = 999_999_999_999_999;
/** Servers don't check what a message replies to (E2). */
const replyMax = Number.MAX_SAFE_INTEGER;
/** Matches the ids that clients and servers choose. Those of sweeps have a dot. */
const idPattern = /^[\w.-]{1,64}$/;
/** Max length of a name's key, whose letters are decomposed. */
const keyMaxLength = 1_024;

/** Writes a chat to a file, see `writeLines`. Returns the number of messages. */
export async function exportChat(
  source: ArchiveSource,
  file: string,
  database?: string,
): Promise<number> {
  let messages = 0;
  const lines = async function* () {
    let items = 0;
    yield `${header}\n`;
    for await (const item of source.items()) {
      items++;
      if (item.kind === "message") messages++;
      yield `${JSON.stringify(item)}\n`;
    }
    yield `${JSON.stringify({ kind: "end", items })}\n`;
  };
  await writeLines(file, lines(), database);
  return messages;
}

/**
 * Reads a chat from a file. Sets times in the future to now, and holds names for at most
 * `nameHoldMs`. Returns the number of messages.
 *
 * @throws {Error} If the file is damaged or incomplete, or has anything that no server stores.
 *   Nothing is imported then.
 */
export async function importChat(
  file: string,
  target: ArchiveTarget,
  nameHoldMs: number,
): Promise<number> {
  let messages = 0;
  let batch: ArchiveItem[] = [];
  for await (const item of readItems(file)) {
    if (item.kind === "message") messages++;
    // The hold is over, so another member may have the name.
    if (item.kind === "name" && item.heldUntil <= Date.now()) continue;
    batch.push(withoutFutureTimes(item, Date.now(), nameHoldMs));
    if (batch.length < batchItems) continue;
    await target.write(batch);
    batch = [];
  }
  await target.write(batch);
  await target.complete();
  return messages;
}

async function* readItems(file: string): AsyncGenerator<ArchiveItem> {
  const fail = (line: number, why: string) =>
    new Error(`Cannot import ${file}: line ${line} ${why}`);
  let number = 0;
  let hasEnded = false;
  let room: ArchiveItem<"room"> | undefined;
  const rooms = new Set<string>();
  let next = 0;
  for await (const line of readLines(file)) {
    if (++number === 1) {
      if (anyHeader.test(line) && line !== header) {
        throw fail(1, "has the format of another version of Parley");
      }
      if (line !== header) throw fail(1, "is not the start of an exported chat");
      continue;
    }
    if (hasEnded) throw fail(number, "comes after the end");
    // The entries of a room follow it without gaps.
    const isComplete = room === undefined || next > room.head;
    if (isComplete && line === JSON.stringify({ kind: "end", items: number - 2 })) {
      hasEnded = true;
      continue;
    }
    const item = parseItem(line);
    if (item === undefined) throw fail(number, "is damaged");
    const isNext = isEntry(item) && item.room === room?.room && item.offset === next;
    if (isEntry(item) ? !isNext : !isComplete) {
      throw fail(number, "is not the next entry of its room");
    }
    if (isNext) next++;
    if (item.kind === "room") {
      if (rooms.has(item.room)) throw fail(number, "repeats a room");
      rooms.add(item.room);
      [room, next] = [item, item.first];
    }
    if (!isConsistent(item, room?.head ?? 0)) throw fail(number, "is damaged");
    yield item;
  }
  if (!hasEnded) throw fail(number + 1, "is missing: the file is incomplete");
}

/** Sets times in the future to `now`, and ends holds of names after `nameHoldMs`. */
function withoutFutureTimes(item: ArchiveItem, now: number, nameHoldMs: number): ArchiveItem {
  if (item.kind === "name") {
    return { ...item, heldUntil: Math.min(item.heldUntil, now + nameHoldMs) };
  }
  if (!("at" in item)) return item;
  const past = { ...item, at: Math.min(item.at, now) };
  if (past.kind !== "message" || past.editedAt === undefined) return past;
  return { ...past, editedAt: Math.min(past.editedAt, now) };
}

/** Parses a line, without fields that are unknown. */
function parseItem(line: string): ArchiveItem | undefined {
  try {
    const item = JSON.parse(line);
    const shapeIn = (all: object) => Object.entries(all).find(([kind]) => kind === item.kind)?.[1];
    const shape = shapeIn(shapes);
    if (shape === undefined) return undefined;
    const optional = Object.entries(shapeIn(optionalShapes) ?? {})
      .filter(([name]) => item[name] !== undefined);
    const fields = [...Object.entries(shape), ...optional];
    const isValid = fields.every(([name, example]) =>
      isLike(item[name], example, name === "reply" ? replyMax : numberMax) &&
      isSound(name, item[name], item)
    );
    if (!isValid) return undefined;
    // The cast is safe: all fields have been checked.
    const parsed = Object.fromEntries(fields.map(([name]) => [name, item[name]]));
    return { kind: item.kind, ...parsed } as ArchiveItem;
  } catch {
    return undefined;
  }
}

/** Returns whether a value has the type of `example`, and whether its numbers are up to `max`. */
function isLike(value: unknown, example: unknown, max = numberMax): boolean {
  if (Array.isArray(example)) {
    return Array.isArray(value) && value.every((each) => isLike(each, example[0]));
  }
  if (typeof value === "number" && !(Number.isInteger(value) && value >= 0 && value <= max)) {
    return false;
  }
  return typeof value === typeof example;
}

/** Returns whether a server would have stored this value in a field of `item`. */
function isSound(name: string, value: unknown, item: ArchiveItem): boolean {
  if (typeof value !== "string") return true;
  const isUnchanged = (cleaned: Validated<string>) => cleaned.ok && cleaned.value === value;
  switch (name) {
    case "room":
      return isRoomName(value);
    case "from":
    case "username":
      return isUnchanged(parseUsername(value));
    case "title":
      return isUnchanged(cleanTitle(value));
    case "text":
      if (item.kind === "title") return isUnchanged(cleanTitle(value));
      return "room" in item && isPrivateRoom(item.room)
        ? isSealed(value)
        : isUnchanged(cleanText(value));
    case "formerKey":
      return value.length <= keyMaxLength;
    default:
      return idPattern.test(value);
  }
}

/** Returns whether the offsets in an item of a room with this `head` can refer to each other. */
function isConsistent(item: ArchiveItem, head: number): boolean {
  const isEarlier = (offset: number) => "offset" in item && offset >= 1 && offset < item.offset;
  switch (item.kind) {
    case "room":
      return item.first >= 1 && item.head >= item.first - 1 && (item.titleAt ?? 0) <= head;
    case "edit":
      return isEarlier(item.target);
    case "delete":
      return item.targets.every(isEarlier);
    case "message":
    case "title": {
      const { offset, amended } = item;
      return !(item.kind === "message" && item.reply === 0) &&
        (amended === undefined || amended > offset && amended <= head);
    }
    default:
      return true;
  }
}

async function* readLines(file: string): AsyncGenerator<string> {
  let rest = "";
  try {
    const { readable } = await Deno.open(file);
    for await (const chunk of readable.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split(/\r?\n/);
      if (lines.some(({ length }) => length > lineMaxLength)) {
        throw new Error(`Cannot import ${file}: a line is too long`);
      }
      rest = lines.pop() ?? "";
      yield* lines;
    }
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new Error(`Cannot read ${file}: ${errorMessage(error)}`, { cause: error });
  }
  if (rest !== "") yield rest;
}
