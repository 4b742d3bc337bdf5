// Measures search in SQLite: `deno run -A bench/search.ts [MESSAGES]`. Prints the cost of the index
// and the time of searches.
// deno-lint-ignore-file no-console

import { cpuUsage } from "node:process";
import { setImmediate } from "node:timers";
import { SqliteBroker } from "../app/broker/sqlite/sqlite_broker.ts";
import type { Draft } from "../app/chat/broker.ts";
import { parseQuery } from "../app/protocol/search.ts";

const messages = Number(Deno.args[0] ?? 300_000);
const batchSize = 500;
const wordsPerMessage = 12;
const vocabulary = 50_000;
const rooms = 20;

/** Returns a random word. A few words are frequent and most are rare, as in languages (Zipf). */
function word(random: () => number): string {
  return `w${Math.floor(vocabulary ** random()).toString(36)}`;
}

function cpuMs(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1_000;
}

/** Returns quantiles of durations in ms, as text. */
function quantiles(ms: readonly number[]): string {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} p99 ${at(0.99)} p99.9 ${at(0.999)} max ${at(1)} ms`;
}

const dir = await Deno.makeTempDir({ prefix: "parley-search-" });
try {
  await measure(`${dir}/parley.db`);
} finally {
  await Deno.remove(dir, { recursive: true });
}

async function measure(path: string): Promise<void> {
  let ms = Date.UTC(2026, 0, 1);
  const broker = new SqliteBroker({
    path,
    durability: "normal",
    now: () => ms += 10,
    randomName: () => crypto.randomUUID(),
    report: (event, error) => console.error(event, error),
    nameHoldMs: 0,
    graceMs: 0,
    retentionDays: 0,
    retentionMessages: 0,
    maxRooms: 0,
    maxDataBytes: 0,
    search: true,
    nextTurn: () => new Promise((resolve) => void setImmediate(resolve)),
  });
  const size = () => {
    broker.eraseDeleted();
    return Deno.statSync(path).size;
  };
  for (let i = 0; i < messages; i += batchSize) {
    const drafts = Array.from({ length: batchSize }, (_, j): Draft => ({
      type: "message",
      room: `room-${(i + j) % rooms}`,
      member: `member${(i + j) % 100}`,
      from: `Name ${(i + j) % 100}`,
      text: Array.from({ length: wordsPerMessage }, () => word(Math.random)).join(" "),
      nonce: `n${i + j}`,
    }));
    broker.append(drafts);
  }
  const sizeBefore = size();
  const [wall, cpu]: [number[], number[]] = [[], []];
  for (let hasMore = true; hasMore;) {
    const [startedAt, cpuBefore] = [performance.now(), cpuMs()];
    hasMore = broker.index();
    cpu.push(cpuMs() - cpuBefore);
    wall.push(performance.now() - startedAt);
  }
  const total = cpu.reduce((sum, ms) => sum + ms, 0);
  console.log(`messages ${messages}, index steps ${cpu.length}`);
  console.log(`index CPU ${(total * 1_000 / messages).toFixed(1)} µs per message`);
  console.log(`step, wall: ${quantiles(wall)}`);
  console.log(`step, CPU:  ${quantiles(cpu)}`);
  const sizeAfter = size();
  console.log(
    `file ${(sizeBefore / messages).toFixed(0)} + ` +
      `${((sizeAfter - sizeBefore) / messages).toFixed(0)} bytes per message`,
  );
  const rare = (vocabulary - 7).toString(36);
  for (
    const query of [
      "w1",
      `w${rare}`,
      "missing",
      "w1*",
      `w${rare.slice(0, 3)}*`,
      "zz*",
      '"w1 w2"',
      '"w1 w2 w3 w4"',
      `w1 w2 w${rare}`,
      "from:name w1",
      `w${rare} in:room-3`,
    ]
  ) {
    const parsed = parseQuery(query);
    if (parsed === undefined) throw new Error(query);
    const times: number[] = [];
    let count = 0;
    for (let i = 0; i < 5; i++) {
      const startedAt = performance.now();
      count = (await broker.search?.({ query: parsed, limit: 20 }))?.messages.length ?? 0;
      times.push(performance.now() - startedAt);
    }
    console.log(`${query}: ${count} found, ${quantiles(times)}`);
  }
  const deletions: number[] = [];
  const deletionCpuBefore = cpuMs();
  for (let i = 0; i < 200; i++) {
    const number = Math.floor(i * messages / 200);
    const startedAt = performance.now();
    broker.append([{
      type: "delete",
      room: `room-${number % rooms}`,
      member: `member${number % 100}`,
      from: "Name",
      targets: [Math.floor(number / rooms) + 1],
      nonce: `d${i}`,
    }]);
    deletions.push(performance.now() - startedAt);
  }
  const deletionCpu = (cpuMs() - deletionCpuBefore) / deletions.length;
  console.log(`deletion: ${quantiles(deletions)}, CPU ${deletionCpu.toFixed(2)} ms`);
  broker.close();
}
