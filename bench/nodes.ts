// Measures servers on Redis beside one on SQLite, and how long a message takes from one node to another: `deno task bench-nodes`.
// Rounds alternate, so that a noisy machine is noisy for all of them. What one machine cannot run side by side is compared by
// what each process computed.

import { RemotePresence } from "../app/broker/redis/remote_presence.ts";
import { frame, RawSocket } from "../tests/system/hostile/raw_socket.ts";
import { RedisProcess } from "../tests/support/redis_process.ts";
import { ServerProcess } from "../tests/support/server_process.ts";
import { load, median, table, whole } from "./bench.ts";
import type { Plan } from "./load.ts";

/** What people do. */
interface Load {
  readonly name: string;
  readonly clients: number;
  readonly senders: number;
  /** Messages a second, where that is the same for all; without it each sender waits for its message before the next. */
  readonly rate?: number;
}

const loads: readonly Load[] = [
  { name: "1,000 clients, 10 senders, each waits", clients: 1_000, senders: 10 },
  { name: "1,000 clients, 200 messages a second", clients: 1_000, senders: 10, rate: 200 },
  { name: "2 clients, 2,000 messages a second", clients: 2, senders: 2, rate: 2_000 },
];
const messages = 300;
const everyMs = 20;

/** How many servers, on what. */
interface Setup {
  readonly name: string;
  readonly nodes: number;
  /** Further ones that nobody is connected to, and that hear of all the same. */
  readonly listeners?: number;
  readonly hasRedis: boolean;
}

const setups: readonly Setup[] = [
  { name: "one on SQLite", nodes: 1, hasRedis: false },
  { name: "one on Redis", nodes: 1, hasRedis: true },
  { name: "two on Redis", nodes: 2, hasRedis: true },
  { name: "one on Redis, and one that listens", nodes: 1, listeners: 1, hasRedis: true },
];
/** Members on other nodes, to see what each of them takes. */
const elsewhere = 100_000;

/** What was measured in one round. */
interface Result {
  readonly setup: Setup;
  readonly load: Load;
  readonly deliveries: number;
  readonly sent: number;
  readonly seconds: number;
  readonly disorder: number;
  readonly p50: number;
  readonly p99: number;
  /** Seconds that all nodes computed, and that Redis did. */
  readonly nodeCpu: number;
  readonly redisCpu: number;
  /** The one that a listener did. */
  readonly listenerCpu: number;
}

/** Starts servers for the time of `use`. */
async function withNodes<T>(
  { nodes, listeners = 0, hasRedis }: Setup,
  use: (nodes: readonly ServerProcess[], redis: RedisProcess | undefined) => Promise<T>,
): Promise<T> {
  const dir = await Deno.makeTempDir();
  // As DURABILITY=normal: what was answered survives the death of any process.
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

function measure(setup: Setup, seconds: number, people: Load): Promise<Result> {
  return withNodes(setup, async (all, redis) => {
    const { clients, senders, rate } = people;
    const nodes = all.slice(0, setup.nodes);
    // These are looked at once.
    const others = [redis?.pid, all[setup.nodes]?.process.pid].filter((pid) => pid !== undefined);
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
      return load(plan, [process.pid, ...(i === 0 ? others : [])]);
    }));
    const sum = (pick: (part: typeof parts[number]) => number) =>
      parts.reduce((total, part) => total + pick(part), 0);
    return {
      setup,
      load: people,
      deliveries: sum(({ seen }) => seen.deliveries),
      sent: sum(({ seen }) => seen.sent),
      seconds: Math.max(...parts.map(({ seen }) => seen.seconds)),
      disorder: sum(({ seen }) => seen.disorder),
      p50: Math.max(...parts.map(({ seen }) => seen.p50)),
      p99: Math.max(...parts.map(({ seen }) => seen.p99)),
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
    "deliveries a second",
    "deliveries per CPU-second of the nodes",
    "their CPU for a message, µs",
    "Redis's",
    "a listener's",
    "p50 ms",
    "p99 ms",
  ]];
  for (const load of loads) {
    for (const setup of setups) {
      const own = results.filter((one) => one.setup === setup && one.load === load);
      if (own.length === 0) continue;
      const of = (pick: (one: Result) => number) => median(own.map(pick));
      rows.push([
        load.name,
        setup.name,
        whole(of(({ deliveries, seconds }) => deliveries / seconds)),
        whole(of(({ deliveries, nodeCpu }) => deliveries / nodeCpu)),
        whole(of(({ nodeCpu, sent }) => nodeCpu / sent * 1e6)),
        whole(of(({ redisCpu, sent }) => redisCpu / sent * 1e6)),
        whole(of(({ listenerCpu, sent }) => listenerCpu / sent * 1e6)),
        of(({ p50 }) => p50).toFixed(1),
        of(({ p99 }) => p99).toFixed(1),
      ]);
    }
  }
  return table(rows);
}

// ------------------------------------------------------------------ from one node to another

/** How long a message takes to a client of the same node, and to one of another, in ms: sorted. */
function ages(): Promise<readonly (readonly number[])[]> {
  return withNodes({ name: "", nodes: 2, hasRedis: true }, async (nodes) => {
    const ports = nodes.map(({ port }) => port);
    const [sender, ...readers] = await Promise.all(
      [ports[0], ports[0], ports[1]].map((port, i) => join(port ?? 0, `Client ${i}`)),
    );
    const sentAt = new Map<string, number>();
    const all = readers.map((reader) => {
      const ages: number[] = [];
      const { promise, resolve } = Promise.withResolvers<readonly number[]>();
      reader.onText = (text) => {
        for (const [, nonce = ""] of text.matchAll(/"nonce":"(a\d+)"/g)) {
          ages.push(performance.now() - (sentAt.get(nonce) ?? NaN));
        }
        if (ages.length === messages) resolve(ages.sort((one, other) => one - other));
      };
      return promise;
    });
    for (let i = 0; i < messages; i++) {
      const message = { type: "message", room: "lobby", text: `message ${i}`, nonce: `a${i}` };
      sentAt.set(message.nonce, performance.now());
      await sender?.write(frame(JSON.stringify(message)));
      await new Promise((resolve) => setTimeout(resolve, everyMs));
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

/** Bytes of memory that a node has for each member who is on another one. */
function bytesElsewhere(): number {
  const presence = new RemotePresence(() => undefined);
  const before = Deno.memoryUsage().heapUsed;
  for (let i = 0; i < elsewhere; i++) {
    const member = crypto.randomUUID().slice(0, 22);
    const room = `room-${i % (elsewhere / 50)}`;
    presence.apply("that", [{ kind: "joined", room, member, username: `Somebody ${i}` }]);
  }
  const after = Deno.memoryUsage().heapUsed;
  if (presence.membersOf("room-1").length !== 50) {
    throw new Error("Cannot measure: nobody is there");
  }
  return (after - before) / elsewhere;
}

async function main(): Promise<void> {
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const flag = (name: string, fallback: number) => {
    const at = Deno.args.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(Deno.args[at + 1]);
  };
  const [rounds, seconds] = [flag("rounds", 5), flag("seconds", 4)];
  say(`load average before: ${Deno.loadavg().map((one) => one.toFixed(1)).join(" ")}`);
  const [near, far] = await ages();
  const results: Result[] = [];
  for (const people of loads) {
    for (let round = 0; round < rounds; round++) {
      for (const setup of setups) results.push(await measure(setup, seconds, people));
    }
  }
  const wrong = results.reduce((sum, { disorder }) => sum + disorder, 0);
  say(report(results));
  say(`out of order: ${wrong}`);
  say(`memory for each member elsewhere: ${whole(bytesElsewhere())} bytes`);
  for (const [name, sorted] of [["the same node", near], ["another node", far]] as const) {
    const of = (share: number) => (sorted?.[Math.floor(messages * share)] ?? NaN).toFixed(2);
    say(
      `to a client of ${name}: p50 ${of(0.5)} ms, p99 ${of(0.99)} ms of ${messages} messages`,
    );
  }
  say(`load average after: ${Deno.loadavg().map((one) => one.toFixed(1)).join(" ")}`);
}

if (import.meta.main) await main();
