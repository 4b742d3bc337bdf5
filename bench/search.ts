// Measures search in SQLite: `deno run -A bench/search.ts [MESSAGES [FILE]]`. Prints the cost of
// the index, the time of searches, and how long steps of indexing and deleting take. With FILE,
// keeps the database and continues with it the next time.
// deno-lint-ignore-file no-console

import { cpuUsage } from "node:process";
import type { SqliteOptions } from "../app/broker/sqlite/options.ts";
import { SqliteBroker } from "../app/broker/sqlite/sqlite_broker.ts";
import type { Draft } from "../app/chat/broker.ts";
import { parseQuery } from "../app/protocol/search.ts";
import { SeededRandom } from "../tests/support/seeded_random.ts";

const messages = Number(Deno.args[0] ?? 300_000);
const batchSize = 500;
const wordsPerMessage = 12;
const vocabulary = 50_000;
const rooms = 50;
const members = 1_000;
/** Messages deleted by a sweep, and by retention. */
const sweptMax = 20_000;
const prunedMax = 5_000;
/** Steps of dropping the index. */
const droppedMax = 2_000;
const searches = 20;

/** Queries of each kind. Common words come first. */
const kinds: Readonly<Record<string, (random: SeededRandom) => string>> = {
  word: wordOf,
  "two words": (random) => `${wordOf(random)} ${wordOf(random)}`,
  "rare word": (random) => `w${(vocabulary - 1 - random.below(1_000)).toString(36)}`,
  "missing word": (random) => `missing${random.below(1_000)}`,
  prefix: (random) => `${wordOf(random).slice(0, 3)}*`,
  "two prefixes": (random) => `${wordOf(random).slice(0, 3)}* ${wordOf(random).slice(0, 3)}*`,
  "phrase of two": (random) => `"${wordOf(random)} ${wordOf(random)}"`,
  "phrase of three": (random) => `"${wordOf(random)} ${wordOf(random)} ${wordOf(random)}"`,
  "phrase of four of the ten commonest": (random) =>
    `"${Array.from({ length: 4 }, () => `w${1 + random.below(9)}`).join(" ")}"`,
  "from:": (random) => `from:"name ${random.below(members)}"`,
  "from: and a word": (random) => `from:"name ${random.below(members)}" ${wordOf(random)}`,
  "in: and a word": (random) => `in:room-${1 + random.below(rooms - 1)} ${wordOf(random)}`,
  "in: and a common word of another room": (random) => `in:room-${2 + random.below(48)} onlyone`,
  "two characters": (random) => chineseOf(random, 2),
  "three characters": (random) => chineseOf(random, 3),
  "two common words that never meet": () => "even odd",
  "the same and a prefix": (random) => `even odd w${1 + random.below(9)}*`,
};

/** Returns a random word. A few words are frequent and most are rare, as in languages (Zipf). */
function wordOf(random: SeededRandom): string {
  return `w${Math.floor(vocabulary ** random.next()).toString(36)}`;
}

function chineseOf(random: SeededRandom, length: number): string {
  const characterOf = () => String.fromCodePoint(0x4e00 + Math.floor(3_000 ** random.next()));
  return Array.from({ length }, characterOf).join("");
}

/** Returns the text of message `i`: words, or every tenth time Chinese. */
function textOf(random: SeededRandom, i: number, room: number): string {
  if (i % 10 === 0) {
    const characters = chineseOf(random, 20);
    return i % 1_000 === 0 ? `${characters}東京都` : characters;
  }
  const words = Array.from({ length: wordsPerMessage }, () => wordOf(random));
  words.push(i % 2 === 0 ? "even" : "odd");
  if (room === 1) words.push("onlyone");
  return words.join(" ");
}

function draftOf(random: SeededRandom, i: number): Draft {
  const room = Math.floor(rooms ** random.next());
  const member = random.below(members);
  return {
    type: "message",
    room: `room-${room}`,
    member: `member${member}`,
    from: `Name ${member}`,
    text: textOf(random, i, room),
    nonce: `n${i}`,
  };
}

function cpuMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
}

/** Durations of steps of one kind. */
class Steps {
  readonly #wall: number[] = [];
  readonly #cpu: number[] = [];

  measure<T>(step: () => T): T {
    const [startedAt, cpuBefore] = [performance.now(), cpuMs()];
    const result = step();
    this.#cpu.push(cpuMs() - cpuBefore);
    this.#wall.push(performance.now() - startedAt);
    return result;
  }

  get count(): number {
    return this.#cpu.length;
  }

  get totalCpuMs(): number {
    return this.#cpu.reduce((sum, ms) => sum + ms, 0);
  }

  print(name: string): void {
    console.log(`${name}: ${this.count} steps, ${Math.round(this.totalCpuMs)} ms of CPU`);
    console.log(`  wall ${quantiles(this.#wall)}`);
    console.log(`  CPU  ${quantiles(this.#cpu)}`);
  }
}

/** Returns quantiles of durations in ms, as text. */
function quantiles(ms: readonly number[]): string {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} p99 ${at(0.99)} p99.9 ${at(0.999)} max ${at(1)} ms`;
}

function open(
  path: string,
  now: () => number,
  options: Partial<Pick<SqliteOptions, "retentionMessages" | "search">> = {},
): SqliteBroker {
  return new SqliteBroker({
    path,
    durability: "normal",
    now,
    randomName: () => crypto.randomUUID(),
    report: (event, error) => console.error(event, error),
    nameHoldMs: 0,
    graceMs: 0,
    retentionDays: 0,
    retentionMessages: 0,
    maxRooms: 0,
    maxDataBytes: 0,
    search: true,
    // As the server does.
    pause: (ms) => new Promise((resolve) => void setTimeout(resolve, ms)),
    ...options,
  });
}

function headOf(broker: SqliteBroker, room: string): number {
  return broker.read(room, { before: 2, limit: 1, maxBytes: 1 }).head.offset;
}

/** Stores messages until there are enough. */
function store(broker: SqliteBroker): void {
  const stored = broker.newestRooms(rooms)
    .reduce((sum, { room }) => sum + headOf(broker, room), 0);
  const random = new SeededRandom(stored + 1);
  for (let i = stored; i < messages; i += batchSize) {
    broker.append(Array.from({ length: batchSize }, (_, j) => draftOf(random, i + j)));
  }
}

function index(broker: SqliteBroker): void {
  const steps = new Steps();
  while (steps.measure(() => broker.index()));
  steps.print("index");
  console.log(`  ${(steps.totalCpuMs * 1_000 / messages).toFixed(1)} µs of CPU per message`);
}

/** Prints CPU times of searches, and how many ended early. */
async function search(broker: SqliteBroker): Promise<void> {
  console.log("| search | p50 ms | max ms | ended early |\n| --- | --- | --- | --- |");
  for (const [kind, queryOf] of Object.entries(kinds)) {
    const random = new SeededRandom(1);
    const times: number[] = [];
    let early = 0;
    for (let i = 0; i < searches; i++) {
      const query = parseQuery(queryOf(random));
      if (query === undefined) throw new Error(kind);
      const before = cpuMs();
      const page = await broker.search?.({ query, limit: 20 });
      times.push(cpuMs() - before);
      if (page?.since !== undefined) early++;
    }
    times.sort((a, b) => a - b);
    const [middle, max] = [times[searches >> 1] ?? 0, times.at(-1) ?? 0];
    console.log(`| ${kind} | ${middle.toFixed(1)} | ${max.toFixed(1)} | ${early} of ${searches} |`);
  }
}

function removeMessages(broker: SqliteBroker): void {
  const deletions = new Steps();
  const head = headOf(broker, "room-3");
  for (let i = 0; i < 500; i++) {
    const targets = [Math.floor(i * head / 500) + 1];
    const draft = { room: "room-3", member: "moderator", from: "Mo", targets, nonce: `${i}` };
    deletions.measure(() => broker.append([{ type: "delete", isModerator: true, ...draft }]));
  }
  deletions.print("delete one message");
  const erasing = new Steps();
  for (let i = 0; i < 20; i++) {
    broker.append([{
      ...{ type: "delete", isModerator: true, room: "room-2", member: "moderator", from: "Mo" },
      ...{ targets: [i + 1], nonce: `${i}` },
    }]);
    erasing.measure(() => broker.eraseDeleted());
  }
  erasing.print("empty the journal and erase unused space");
}

async function sweep(broker: SqliteBroker): Promise<void> {
  const by = { member: "operator", username: "Operator", isOperator: true as const };
  const seconds = 1e9;
  let deleted = 0;
  const sweeping = new Steps();
  for (let i = 0; deleted < Math.min(sweptMax, messages / 10); i++) {
    await broker.moderation.moderate({ type: "sweep", member: `member${i}`, seconds }, by);
    for (let hasMore = true; hasMore;) {
      const step = sweeping.measure(() => broker.moderation.sweep());
      if (step instanceof Promise) throw new Error("not a step");
      deleted += step.deleted;
      hasMore = step.hasMore;
    }
  }
  sweeping.print(`sweep ${deleted} messages`);
}

function prune(broker: SqliteBroker): void {
  const steps = new Steps();
  let pruned = 0;
  const firsts = new Map<string, number>();
  broker.subscribe({
    entries: () => {},
    pruned: (room, first) => {
      pruned += first - (firsts.get(room) ?? 1);
      firsts.set(room, first);
    },
  });
  while (pruned < prunedMax && steps.measure(() => broker.prune()));
  steps.print(`prune ${pruned} messages`);
}

async function measure(path: string): Promise<void> {
  let ms = Date.now();
  const now = () => ms += 10;
  const broker = open(path, now);
  const size = () => {
    for (let i = 0; i < 2; i++) broker.eraseDeleted();
    return Deno.statSync(path).size;
  };
  store(broker);
  const sizeBefore = size();
  console.log(`${messages} messages, ${(sizeBefore / messages).toFixed(0)} bytes each`);
  index(broker);
  const grown = size() - sizeBefore;
  const percent = (100 * grown / sizeBefore).toFixed(0);
  console.log(`  ${(grown / 1e6).toFixed(0)} MB, ${percent} % of the database`);
  await search(broker);
  removeMessages(broker);
  await sweep(broker);
  broker.close();
  const retaining = open(path, now, { retentionMessages: 100 });
  prune(retaining);
  retaining.close();
  const dropping = open(path, now, { search: false });
  const steps = new Steps();
  for (let i = 0; i < droppedMax && steps.measure(() => dropping.index()); i++);
  steps.print("drop the index");
  dropping.close();
}

const [, path] = Deno.args;
const dir = path === undefined ? await Deno.makeTempDir({ prefix: "parley-search-" }) : undefined;
try {
  await measure(path ?? `${dir}/parley.db`);
} finally {
  if (dir !== undefined) await Deno.remove(dir, { recursive: true });
}
