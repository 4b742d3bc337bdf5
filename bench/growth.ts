// Measures how the server grows: with what is stored, with idle clients, with messages in a tick, and with clients that hear
// them. `deno task growth`, or one part of it: `deno task growth idle`

import { SqliteBroker } from "../app/broker/sqlite/sqlite_broker.ts";
import { frame, RawSocket } from "../tests/system/hostile/raw_socket.ts";
import { ServerProcess } from "../tests/support/server_process.ts";
import { measure, median, table, whole } from "./bench.ts";
import type { Case, Result } from "./bench.ts";

const seconds = 3;
const rounds = 3;
/** Some heartbeats long. */
const idleSeconds = 60;
const batch = 1_000;
const pages = 200;

async function medianOf(scene: Case) {
  const results = [];
  for (let round = 0; round < rounds; round++) {
    results.push(await measure("parley", scene, seconds));
  }
  return {
    perCpuSecond: median(results.map((one) => one.perCpuSecond)),
    perFrame: median(results.map(({ deliveries, frames }) => deliveries / frames)),
    p99: median(results.map(({ p99 }) => p99)),
    mebibytes: median(results.map(({ residentKiB }) => residentKiB / 1024)),
  };
}

async function withClients(): Promise<string> {
  const rows = [["clients", "deliveries per CPU-second", "messages a frame", "p99 ms", "MiB"]];
  for (const clients of [10, 32, 100, 320, 1_000, 3_200, 10_000]) {
    const scene = { name: `${clients}`, clients, senders: 10 };
    const { perCpuSecond, perFrame, p99, mebibytes } = await medianOf(scene);
    rows.push([
      whole(clients),
      whole(perCpuSecond),
      perFrame.toFixed(1),
      p99.toFixed(1),
      whole(mebibytes),
    ]);
  }
  return table(rows);
}

async function withMessages(): Promise<string> {
  const rows = [["senders of 1,000", "messages a frame", "deliveries per CPU-second", "p99 ms"]];
  for (const senders of [1, 3, 10, 30, 100, 300]) {
    const scene = { name: `${senders}`, clients: 1_000, senders };
    const { perCpuSecond, perFrame, p99 } = await medianOf(scene);
    rows.push([whole(senders), perFrame.toFixed(1), whole(perCpuSecond), p99.toFixed(1)]);
  }
  return table(rows);
}

/** What a connection costs on which nobody says anything, beside one of Deno's that does nothing at all. */
async function withIdle(): Promise<string> {
  const rows = [[
    "server",
    "idle clients",
    "s until all are in one room",
    "CPU s for that",
    "KiB a client",
    "CPU for a minute's silence, s",
  ]];
  const scene = { name: "idle", clients: 10_000, senders: 0 };
  for (const server of ["parley", "deno"]) {
    const results: Result[] = [];
    for (let round = 0; round < rounds; round++) {
      results.push(await measure(server, scene, idleSeconds));
    }
    const of = (pick: (one: Result) => number) => median(results.map(pick));
    rows.push([
      server,
      whole(scene.clients),
      of(({ coming }) => coming.seconds).toFixed(1),
      of(({ coming }) => coming.cpu).toFixed(1),
      of(({ residentKiB, emptyKiB }) => (residentKiB - emptyKiB) / scene.clients).toFixed(1),
      of(({ cpuShare }) => 60 * cpuShare).toFixed(2),
    ]);
  }
  return table(rows);
}

/** A log of one room and a hundred others. */
function fill(path: string, messages: number): void {
  const broker = SqliteBroker.open({
    path,
    durability: "normal",
    now: Date.now,
    randomName: () => crypto.randomUUID(),
    nameHoldMs: 0,
    graceMs: 0,
    retentionDays: 0,
    retentionMessages: 0,
    maxRooms: 0,
    report: (event, error) => {
      throw new Error(event, { cause: error });
    },
  });
  for (let done = 0; done < messages; done += batch) {
    broker.append(Array.from({ length: Math.min(batch, messages - done) }, (_, i) => ({
      room: (done + i) % 2 === 0 ? "lobby" : `room-${(done + i) % 100}`,
      member: `member-${(done + i) % 1_000}`,
      from: `Member ${(done + i) % 1_000}`,
      text: `This is message ${done + i}, and it is about as long as most.`,
      nonce: `${done + i}-${crypto.randomUUID().slice(0, 18)}`,
    })));
  }
  broker.close();
}

async function withStored(): Promise<string> {
  const rows = [["messages stored", "MiB", "start ms", "join ms", "page of 50 ms", "append ms"]];
  for (const messages of [10, 100_000, 5_000_000]) {
    const dir = await Deno.makeTempDir();
    await Deno.mkdir(`${dir}/data`);
    fill(`${dir}/data/parley.db`, messages);
    const { size } = await Deno.stat(`${dir}/data/parley.db`);
    const startedAt = performance.now();
    const server = await ServerProcess.start(dir, { env: { RATE_PER_SECOND: "0" } });
    const startMs = performance.now() - startedAt;
    try {
      const { joinMs, pageMs, appendMs } = await talk(server.port, messages);
      rows.push([
        whole(messages),
        whole(size / 1024 / 1024),
        whole(startMs),
        ...[joinMs, pageMs, appendMs].map((ms) => ms.toFixed(2)),
      ]);
    } finally {
      await server.end();
      await Deno.remove(dir, { recursive: true });
    }
  }
  return table(rows);
}

/** Joins the room again and again, reads pages from all over it, and writes; the medians, in ms. */
async function talk(port: number, messages: number) {
  const socket = await RawSocket.open(port);
  let heard: (text: string) => void = () => {};
  socket.onText = (text) => heard(text);
  const ended = socket.ended();
  const ask = async (command: object, answer: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    heard = (text) => {
      if (text.includes(`"type":"error"`)) throw new Error(text);
      if (text.includes(`"type":"${answer}"`)) resolve();
    };
    const askedAt = performance.now();
    await socket.write(frame(JSON.stringify(command)));
    await promise;
    return performance.now() - askedAt;
  };
  await ask({ type: "hello", username: "Ada", rooms: [] }, "welcome");
  const [joins, reads, appends]: [number[], number[], number[]] = [[], [], []];
  for (let i = 0; i < pages; i++) {
    joins.push(await ask({ type: "join", room: "lobby" }, "room"));
    const before = 2 + Math.floor(Math.random() * messages / 2);
    reads.push(await ask({ type: "history", room: "lobby", before }, "history"));
    const message = { type: "message", room: "lobby", text: "Good morning", nonce: `g${i}` };
    appends.push(await ask(message, "message"));
    await ask({ type: "leave", room: "lobby" }, "left");
  }
  socket[Symbol.dispose]();
  await ended;
  return { joinMs: median(joins), pageMs: median(reads), appendMs: median(appends) };
}

if (import.meta.main) {
  const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n\n`));
  const parts = {
    stored: withStored,
    idle: withIdle,
    messages: withMessages,
    clients: withClients,
  };
  const [only] = Deno.args;
  for (const [name, measured] of Object.entries(parts)) {
    if (only === undefined || only === name) say(await measured());
  }
}
