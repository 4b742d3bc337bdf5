// Compares servers on Redis with one on SQLite, and measures the delay of messages between nodes:
// `deno task bench-nodes`. Rounds alternate between the setups, so that noise affects all equally.
// All share one machine, so compare CPU time.

import { RemotePresence } from "../app/broker/redis/presence.ts";
import { frame, RawSocket } from "../tests/support/raw_socket.ts";
import { RedisProcess } from "../tests/support/redis_process.ts";
import { ServerProcess } from "../tests/support/server_process.ts";
import { readTaskFlags } from "../tests/support/task_flags.ts";
import { formatInteger, median, runLoad, table } from "./bench.ts";
import type { Plan } from "./load.ts";

/** A load on all servers together. */
interface Load {
  readonly name: string;
  readonly clients: number;
  readonly senders: number;
  /** Messages per second over all senders; by default each sender waits for its own message. */
  readonly rate?: number;
}

const loads: readonly Load[] = [
  { name: "1,000 clients, 10 senders, each waits", clients: 1_000, senders: 10 },
  { name: "1,000 clients, 200 messages per second", clients: 1_000, senders: 10, rate: 200 },
  { name: "2 clients, 2,000 messages per second", clients: 2, senders: 2, rate: 2_000 },
];
/** Messages to measure delays with, and the time between them. */
const messageCount = 300;
const messageIntervalMs = 20;

/** Servers, and the storage they use. */
interface Setup {
  readonly name: string;
  readonly nodes: number;
  /** Additional servers without clients, which still read the feed. */
  readonly listeners?: number;
  readonly hasRedis: boolean;
}

const setups: readonly Setup[] = [
  { name: "one on SQLite", nodes: 1, hasRedis: false },
  { name: "one on Redis", nodes: 1, hasRedis: true },
  { name: "two on Redis", nodes: 2, hasRedis: true },
  { name: "one on Redis, and a listener", nodes: 1, listeners: 1, hasRedis: true },
];
/** Remote members to measure the memory of. */
const remoteMemberCount = 100_000;

/** The measurement of one round. */
interface Result {
  readonly setup: Setup;
  readonly load: Load;
  readonly deliveries: number;
  readonly sent: number;
  readonly seconds: number;
  readonly outOfOrder: number;
  readonly p50: number;
  readonly p99: number;
  /** CPU time of all nodes with clients, in seconds. */
  readonly nodeCpu: number;
  readonly redisCpu: number;
  readonly listenerCpu: number;
}

/** Starts servers, runs `use`, and stops them. */
async function withNodes<T>(
  { nodes, listeners = 0, hasRedis }: Setup,
  use: (nodes: readonly ServerProcess[], redis: RedisProcess | undefined) => Promise<T>,
): Promise<T> {
  const dir = await Deno.makeTempDir();
  // Like DURABILITY=normal, an acknowledged message survives the crash of any process.
  const redis = hasRedis ? await RedisProcess.start("--appendfsync", "everysec") : undefined;
  const started: ServerProcess[] = [];
  try {
    for (let i = 0; i < nodes + listeners; i++) {
      const env = {
        LOG_DIR: `${dir}/logs/${i}`,
        RATE_PER_SECOND: "0",
        MAX_CONNECTIONS: "20000",
        ...(redis === undefined ? {} : { REDIS_URL: redis.url }),
      };
      const under = ["sh", "-c", 'ulimit -n $(ulimit -H -n); exec "$0" "$@"'];
      started.push(await ServerProcess.start(dir, { env, under }));
    }
    return await use(started, redis);
  } finally {
    await Promise.all(started.map((node) => node.end("SIGKILL")));
    await redis?.[Symbol.asyncDispose]();
    await Deno.remove(dir, { recursive: true });
  }
}

function measure(setup: Setup, seconds: number, totalLoad: Load): Promise<Result> {
  return withNodes(setup, async (all, redis) => {
    const { clients, senders, rate } = totalLoad;
    const nodes = all.slice(0, setup.nodes);
    // Measured once, along with the first node.
    const otherPids = [redis?.pid, all[setup.nodes]?.process.pid].filter((pid) =>
      pid !== undefined
    );
    const parts = await Promise.all(nodes.map(({ url, process }, i) => {
      const plan: Plan = {
        url: `${url.replace("http", "ws")}ws`,
        protocol: "parley.v1",
        clients: clients / nodes.length,
        first: i * clients,
        senders: senders / nodes.length,
        rooms: 1,
        padding: 0,
        seconds,
        join: ['{"type":"hello","username":"u%d","rooms":[{"room":"lobby"}]}'],
        message: '{"type":"message","room":"lobby","text":"%s","nonce":"n%n"}',
        heartbeat: ["[]", '{"type":"pong"}'],
        ...(rate === undefined ? {} : { rate: rate / nodes.length }),
      };
      return runLoad(plan, [process.pid, ...(i === 0 ? otherPids : [])]);
    }));
    const sum = (pick: (part: typeof parts[number]) => number) =>
      parts.reduce((total, part) => total + pick(part), 0);
    return {
      setup,
      load: totalLoad,
      deliveries: sum(({ result }) => result.deliveries),
      sent: sum(({ result }) => result.sent),
      seconds: Math.max(...parts.map(({ result }) => result.seconds)),
      outOfOrder: sum(({ result }) => result.outOfOrder),
      p50: Math.max(...parts.map(({ result }) => result.p50)),
      p99: Math.max(...parts.map(({ result }) => result.p99)),
      nodeCpu: sum(({ cpus }) => cpus[0] ?? NaN),
      redisCpu: parts[0]?.cpus[1] ?? 0,
      listenerCpu: parts[0]?.cpus[2] ?? 0,
    };
  });
}

function report(results: readonly Result[]): string {
  const rows = [[
    "load",
    "servers",
    "deliveries per second",
    "per CPU-second",
    "CPU per message, µs",
    "of Redis, µs",
    "of a listener, µs",
    "p50 ms",
    "p99 ms",
  ]];
  for (const load of loads) {
    for (const setup of setups) {
      const own = results.filter((result) => result.setup === setup && result.load === load);
      if (own.length === 0) continue;
      const medianOf = (pick: (result: Result) => number) => median(own.map(pick));
      rows.push([
        load.name,
        setup.name,
        formatInteger(medianOf(({ deliveries, seconds }) => deliveries / seconds)),
        formatInteger(medianOf(({ deliveries, nodeCpu }) => deliveries / nodeCpu)),
        formatInteger(medianOf(({ nodeCpu, sent }) => nodeCpu / sent * 1e6)),
        formatInteger(medianOf(({ redisCpu, sent }) => redisCpu / sent * 1e6)),
        formatInteger(medianOf(({ listenerCpu, sent }) => listenerCpu / sent * 1e6)),
        medianOf(({ p50 }) => p50).toFixed(1),
        medianOf(({ p99 }) => p99).toFixed(1),
      ]);
    }
  }
  return table(rows);
}

/** Returns the sorted delays in ms to a client of the same node, and to one of another node. */
function measureDelays(): Promise<readonly (readonly number[])[]> {
  return withNodes({ name: "", nodes: 2, hasRedis: true }, async (nodes) => {
    const ports = nodes.map(({ port }) => port);
    const [sender, ...readers] = await Promise.all(
      [ports[0], ports[0], ports[1]].map((port, i) => join(port ?? 0, `Client ${i}`)),
    );
    const sentAt = new Map<string, number>();
    const all = readers.map((reader) => {
      const delays: number[] = [];
      const { promise, resolve } = Promise.withResolvers<readonly number[]>();
      reader.onText = (text) => {
        for (const [, nonce = ""] of text.matchAll(/"nonce":"(a\d+)"/g)) {
          delays.push(performance.now() - (sentAt.get(nonce) ?? NaN));
        }
        if (delays.length === messageCount) resolve(delays.sort((a, b) => a - b));
      };
      return promise;
    });
    for (let i = 0; i < messageCount; i++) {
      const message = { type: "message", room: "lobby", text: `message ${i}`, nonce: `a${i}` };
      sentAt.set(message.nonce, performance.now());
      await sender?.write(frame(JSON.stringify(message)));
      await new Promise((resolve) => setTimeout(resolve, messageIntervalMs));
    }
    const sorted = await Promise.all(all);
    for (const socket of [sender, ...readers]) socket?.[Symbol.dispose]();
    return sorted;
  });
}

async function join(port: number, username: string): Promise<RawSocket> {
  const socket = await RawSocket.open(port);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.onText = (text) => {
    if (text.includes('"type":"room"')) resolve();
  };
  void socket.ended();
  const hello = { type: "hello", username, rooms: [{ room: "lobby" }] };
  await socket.write(frame(JSON.stringify(hello)));
  await promise;
  return socket;
}

/** Returns the memory a node uses per remote member, in bytes. */
function remoteMemberBytes(): number {
  const presence = new RemotePresence(() => undefined);
  const before = Deno.memoryUsage().heapUsed;
  for (let i = 0; i < remoteMemberCount; i++) {
    const member = crypto.randomUUID().slice(0, 22);
    const room = `room-${i % (remoteMemberCount / 50)}`;
    presence.apply("other", [{ kind: "joined", room, member, username: `Member ${i}` }]);
  }
  const after = Deno.memoryUsage().heapUsed;
  if (presence.membersOf("room-1").length !== 50) {
    throw new Error("Cannot measure: members are missing");
  }
  return (after - before) / remoteMemberCount;
}

async function main(): Promise<void> {
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const { rounds, seconds } = readTaskFlags({ rounds: 5, seconds: 4 });
  print(`load average before: ${Deno.loadavg().map((one) => one.toFixed(1)).join(" ")}`);
  const [near, far] = await measureDelays();
  const results: Result[] = [];
  for (const load of loads) {
    for (let round = 0; round < rounds; round++) {
      for (const setup of setups) results.push(await measure(setup, seconds, load));
    }
  }
  const outOfOrder = results.reduce((sum, result) => sum + result.outOfOrder, 0);
  print(report(results));
  print(`out of order: ${outOfOrder}`);
  print(`memory per remote member: ${formatInteger(remoteMemberBytes())} bytes`);
  for (const [name, sorted] of [["the same node", near], ["another node", far]] as const) {
    const percentile = (share: number) =>
      (sorted?.[Math.floor(messageCount * share)] ?? NaN).toFixed(2);
    print(
      `to a client of ${name}: p50 ${percentile(0.5)} ms, p99 ${
        percentile(0.99)
      } ms of ${messageCount} messages`,
    );
  }
  print(`load average after: ${Deno.loadavg().map((one) => one.toFixed(1)).join(" ")}`);
}

if (import.meta.main) await main();
