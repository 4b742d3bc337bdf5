// Measures search in SQLite: `deno run -A bench/search.ts [MESSAGES [FILE]]`. Prints the cost of
// the index, the time of searches, and how long steps of indexing and deleting take. With FILE,
// keeps the database and continues with it the next time.
// deno-lint-ignore-file no-console

import { cpuUsage } from "node:process";
import { setImmediate } from "node:timers";
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
/** Members whose messages are deleted, and messages that retention removes. */
const sweptMax = 20_000;
const prunedMax = 5_000;
const searchRounds = 7;

const rare = (vocabulary - 7).toString(36);
const queries = [
  "w1",
  "w3k",
  `w${rare}`,
  "missing",
  "w1*",
  `w${rare.slice(0, 3)}*`,
  "zz*",
  "w1* missing",
  "w1* w2* w3*",
  "w* zzz",
  '"w1 w2"',
  '"w1 w2 w3 w4"',
  '"w1 w2 w1 missing"',
  `w1 w2 w${rare}`,
  "even odd",
  "even odd w1*",
  "from:name w1",
  'from:"name 7" w1',
  'from:"name 7" w3k',
  `w${rare} in:room-3`,
  "w1 in:room-3",
  "onlyone",
  "onlyone in:room-3",
  "onlyone in:room-49",
  "東京",
  "東京都",
  "一丁七",
  "京",
  "鱻",
  "鱻鱻",
];

/** Returns a random word. A few words are frequent and most are rare, as in languages (Zipf). */
function wordOf(random: SeededRandom): string {
  return `w${Math.floor(vocabulary ** random.next()).toString(36)}`;
}

/** Returns the text of message `i`: words, or every tenth time Chinese. */
function textOf(random: SeededRandom, i: number, room: number): string {
  if (i % 10 === 0) {
    const characters = Array.from(
      { length: 20 },
      () => String.fromCodePoint(0x4e00 + Math.floor(3_000 ** random.next())),
    ).join("");
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

function open(path: string, now: () => number, retentionMessages = 0): SqliteBroker {
  return new SqliteBroker({
    path,
    durability: "normal",
    now,
    randomName: () => crypto.randomUUID(),
    report: (event, error) => console.error(event, error),
    nameHoldMs: 0,
    graceMs: 0,
    retentionDays: 0,
    retentionMessages,
    maxRooms: 0,
    maxDataBytes: 0,
    search: true,
    // As the server does.
    nextTurn: (stepMs) =>
      new Promise((resolve) =>
        void (stepMs < 2 ? setImmediate(resolve) : setTimeout(resolve, stepMs))
      ),
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

async function search(broker: SqliteBroker): Promise<void> {
  for (const query of queries) {
    const parsed = parseQuery(query);
    if (parsed === undefined) throw new Error(query);
    const [times, busy]: [number[], number[]] = [[], []];
    let count = 0;
    for (let i = 0; i < searchRounds; i++) {
      const startedAt = performance.now();
      const page = await broker.search?.({ query: parsed, limit: 20 });
      times.push(performance.now() - startedAt);
      busy.push(page?.busyMs ?? 0);
      count = page?.messages.length ?? 0;
    }
    const middle = (ms: number[]) =>
      ms.toSorted((a, b) => a - b)[searchRounds >> 1]?.toFixed(1) ?? "";
    console.log(
      `${query}: ${count} found, ${middle(times)} ms (first ${times[0]?.toFixed(1)} ms, ` +
        `busy ${middle(busy)} ms)`,
    );
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
  console.log(`  ${((size() - sizeBefore) / messages).toFixed(0)} bytes per message`);
  await search(broker);
  removeMessages(broker);
  await sweep(broker);
  broker.close();
  const retaining = open(path, now, 100);
  prune(retaining);
  retaining.close();
}

const [, path] = Deno.args;
const dir = path === undefined ? await Deno.makeTempDir({ prefix: "parley-search-" }) : undefined;
try {
  await measure(path ?? `${dir}/parley.db`);
} finally {
  if (dir !== undefined) await Deno.remove(dir, { recursive: true });
}
