// Measures how the server's cost grows with stored messages, idle clients, messages per tick, and
// clients. `deno task growth` measures all four; `deno task growth idle` measures one.

import { SqliteBroker } from "../app/broker/sqlite/sqlite_broker.ts";
import { frame, RawSocket } from "../tests/support/raw_socket.ts";
import { ServerProcess } from "../tests/support/server_process.ts";
import { formatInteger, measure, median, table } from "./bench.ts";
import type { Result, Scenario } from "./bench.ts";

const seconds = 3;
const rounds = 3;
/** Covers several heartbeats. */
const idleSeconds = 60;
const batchSize = 1_000;
const repetitions = 200;

async function measureMedian(scenario: Scenario) {
  const results = [];
  for (let round = 0; round < rounds; round++) {
    results.push(await measure("parley", scenario, seconds));
  }
  return {
    perCpuSecond: median(results.map(({ perCpuSecond }) => perCpuSecond)),
    perFrame: median(results.map(({ deliveries, frames }) => deliveries / frames)),
    p99: median(results.map(({ p99 }) => p99)),
    mebibytes: median(results.map(({ residentKiB }) => residentKiB / 1024)),
  };
}

async function measureClients(): Promise<string> {
  const rows = [["clients", "deliveries per CPU-second", "messages per frame", "p99 ms", "MiB"]];
  for (const clients of [10, 32, 100, 320, 1_000, 3_200, 10_000]) {
    const scenario = { name: `${clients}`, clients, senders: 10 };
    const { perCpuSecond, perFrame, p99, mebibytes } = await measureMedian(scenario);
    rows.push([
      formatInteger(clients),
      formatInteger(perCpuSecond),
      perFrame.toFixed(1),
      p99.toFixed(1),
      formatInteger(mebibytes),
    ]);
  }
  return table(rows);
}

async function measureMessages(): Promise<string> {
  const rows = [["senders", "messages per frame", "deliveries per CPU-second", "p99 ms"]];
  for (const senders of [1, 3, 10, 30, 100, 300]) {
    const scenario = { name: `${senders}`, clients: 1_000, senders };
    const { perCpuSecond, perFrame, p99 } = await measureMedian(scenario);
    rows.push([
      formatInteger(senders),
      perFrame.toFixed(1),
      formatInteger(perCpuSecond),
      p99.toFixed(1),
    ]);
  }
  return table(rows);
}

/** Measures the cost of idle connections, compared with a bare Deno server. */
async function measureIdle(): Promise<string> {
  const rows = [[
    "server",
    "idle clients",
    "all connected after, s",
    "CPU for connecting, s",
    "KiB per client",
    "CPU for the second idle minute, s",
  ]];
  // The first minute has more heartbeats, and collects the garbage of connecting.
  const scenario = { name: "idle", clients: 10_000, senders: 0, settleSeconds: 60 };
  for (const server of ["parley", "deno"]) {
    const results: Result[] = [];
    for (let round = 0; round < rounds; round++) {
      results.push(await measure(server, scenario, idleSeconds));
    }
    const medianOf = (pick: (result: Result) => number) => median(results.map(pick));
    rows.push([
      server,
      formatInteger(scenario.clients),
      medianOf(({ connecting }) => connecting.seconds).toFixed(1),
      medianOf(({ connecting }) => connecting.cpu).toFixed(1),
      medianOf(({ residentKiB, emptyKiB }) => (residentKiB - emptyKiB) / scenario.clients).toFixed(
        1,
      ),
      medianOf(({ cpuShare }) => 60 * cpuShare).toFixed(2),
    ]);
  }
  return table(rows);
}

/** Fills a database: half of the messages in one room, the rest in a hundred others. */
function fillDatabase(path: string, messages: number): void {
  const broker = new SqliteBroker({
    path,
    durability: "normal",
    now: Date.now,
    randomName: () => crypto.randomUUID(),
    nameHoldMs: 0,
    graceMs: 0,
    retentionDays: 0,
    retentionMessages: 0,
    maxRooms: 0,
    maxDataBytes: 0,
    report: (event, error) => {
      throw new Error(event, { cause: error });
    },
  });
  for (let done = 0; done < messages; done += batchSize) {
    broker.append(Array.from({ length: Math.min(batchSize, messages - done) }, (_, i) => ({
      type: "message" as const,
      room: (done + i) % 2 === 0 ? "lobby" : `room-${(done + i) % 100}`,
      member: `member-${(done + i) % 1_000}`,
      from: `Member ${(done + i) % 1_000}`,
      text: `This is message ${done + i}, and it is about as long as most.`,
      nonce: `${done + i}-${crypto.randomUUID().slice(0, 18)}`,
    })));
  }
  broker.close();
}

async function measureStored(): Promise<string> {
  const rows = [["messages stored", "MiB", "start ms", "join ms", "page of 50 ms", "append ms"]];
  for (const messages of [10, 100_000, 5_000_000]) {
    const dir = await Deno.makeTempDir();
    await Deno.mkdir(`${dir}/data`);
    fillDatabase(`${dir}/data/parley.db`, messages);
    const { size } = await Deno.stat(`${dir}/data/parley.db`);
    const startedAt = performance.now();
    const server = await ServerProcess.start(dir, { env: { RATE_PER_SECOND: "0" } });
    const startMs = performance.now() - startedAt;
    try {
      const { joinMs, pageMs, appendMs } = await measureCommands(server.port, messages);
      rows.push([
        formatInteger(messages),
        formatInteger(size / 1024 / 1024),
        formatInteger(startMs),
        ...[joinMs, pageMs, appendMs].map((ms) => ms.toFixed(2)),
      ]);
    } finally {
      await server.end();
      await Deno.remove(dir, { recursive: true });
    }
  }
  return table(rows);
}

/** Joins, reads random pages and sends messages, repeatedly. Returns the median durations. */
async function measureCommands(port: number, messages: number) {
  const socket = await RawSocket.open(port);
  let onText: (text: string) => void = () => {};
  socket.onText = (text) => onText(text);
  const ended = socket.ended();
  const request = async (command: object, reply: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    onText = (text) => {
      if (text.includes(`"type":"error"`)) throw new Error(text);
      if (text.includes(`"type":"${reply}"`)) resolve();
    };
    const startedAt = performance.now();
    await socket.write(frame(JSON.stringify(command)));
    await promise;
    return performance.now() - startedAt;
  };
  await request({ type: "hello", username: "Ada", rooms: [] }, "welcome");
  const [joins, reads, appends]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < repetitions; i++) {
    joins.push(await request({ type: "join", room: "lobby" }, "room"));
    const before = 2 + Math.floor(Math.random() * messages / 2);
    reads.push(await request({ type: "history", room: "lobby", before }, "history"));
    const message = { type: "message", room: "lobby", text: "Good morning", nonce: `g${i}` };
    appends.push(await request(message, "message"));
    await request({ type: "leave", room: "lobby" }, "left");
  }
  socket[Symbol.dispose]();
  await ended;
  return { joinMs: median(joins), pageMs: median(reads), appendMs: median(appends) };
}

if (import.meta.main) {
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n\n`));
  const parts = {
    stored: measureStored,
    idle: measureIdle,
    messages: measureMessages,
    clients: measureClients,
  };
  const [only] = Deno.args;
  if (only !== undefined && !Object.hasOwn(parts, only)) {
    print(`Cannot measure ${only}: the parts are ${Object.keys(parts).join(", ")}`);
    Deno.exit(2);
  }
  for (const [name, measurePart] of Object.entries(parts)) {
    if (only === undefined || only === name) print(await measurePart());
  }
}
