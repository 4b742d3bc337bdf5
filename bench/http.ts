// Measures rooms over HTTP: compares the CPU time of a post with that of a bare Deno server, and
// 1,000 event streams with as many WebSockets: `deno task bench-http`. Server and load share the
// machine, so compare CPU time and memory, and only figures of one run.

import { setTimeout as sleep } from "node:timers/promises";
import { ServerProcess } from "../tests/support/server_process.ts";
import { readTaskFlags } from "../tests/support/task_flags.ts";
import { formatInteger, median, table } from "./bench.ts";

const { rounds } = readTaskFlags({ rounds: 3 });
const postSeconds = 4;
const warmUpMs = 3_000;
const readerCount = 1_000;
const posterCount = 10;
const postsPerPoster = 40;
const env = { RATE_PER_SECOND: "0", MAX_CONNECTIONS: "20000" };
const encoder = new TextEncoder();

interface Subject {
  readonly port: number;
  readonly pid: number;
  end(): Promise<unknown>;
}

async function startParley(): Promise<Subject> {
  const dir = await Deno.makeTempDir();
  const server = await ServerProcess.start(dir, { env });
  const end = async () => {
    await server.end("SIGKILL");
    await Deno.remove(dir, { recursive: true });
  };
  return { port: server.port, pid: server.process.pid, end };
}

async function startFloor(): Promise<Subject> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const script = new URL("floors/post.ts", import.meta.url).pathname;
  const args = ["run", "-q", "--no-check", "-A", script];
  const process = new Deno.Command(Deno.execPath(), { args, env: { PORT: String(port) } }).spawn();
  const isListening = () => fetch(`http://127.0.0.1:${port}/`).then(({ ok }) => ok, () => false);
  while (!await isListening()) await sleep(50);
  const end = () => (process.kill("SIGKILL"), process.status);
  return { port, pid: process.pid, end };
}

/** Returns the CPU time that a process has used, in µs. Linux counts in steps of 10 ms. */
function cpuUs({ pid }: Subject): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** Returns the largest amount of memory that a process has used, in MB. */
function peakMb({ pid }: Subject): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

/** A client that keeps one connection and posts one message at a time. */
class Poster {
  readonly #connection: Deno.TcpConn;
  readonly #head: string;
  readonly #buffer = new Uint8Array(4_096);

  private constructor(connection: Deno.TcpConn, number: number) {
    this.#connection = connection;
    const credentials = btoa(`p${number}:${`p${number}`.padEnd(43, "-")}`);
    this.#head =
      `POST /r/bench HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: */*\r\n` +
      `Authorization: Basic ${credentials}\r\nContent-Type: text/plain\r\nContent-Length: `;
  }

  static async connect({ port }: Subject, number: number): Promise<Poster> {
    return new Poster(await Deno.connect({ hostname: "127.0.0.1", port }), number);
  }

  /** Posts a message and waits for the response, which fits in one read. */
  async post(text: string): Promise<void> {
    await this.#connection.write(encoder.encode(`${this.#head}${text.length}\r\n\r\n${text}`));
    const count = await this.#connection.read(this.#buffer) ?? 0;
    const status = new TextDecoder().decode(this.#buffer.subarray(0, Math.min(count, 12)));
    if (status !== "HTTP/1.1 201") throw new Error(`Cannot post: ${status}`);
  }
}

/** Returns the posts per second, and the CPU time per post in µs. */
async function measurePosts(start: () => Promise<Subject>, connections: number) {
  const subject = await start();
  let posts = 0;
  let isDone = false;
  const clients = Array.from({ length: connections }, async (_, i) => {
    const poster = await Poster.connect(subject, i);
    for (; !isDone; posts++) await poster.post(`Build ${posts} is green`);
  });
  await sleep(warmUpMs);
  const before = { posts, cpu: cpuUs(subject), at: performance.now() };
  await sleep(postSeconds * 1_000);
  const count = posts - before.posts;
  const us = (cpuUs(subject) - before.cpu) / count;
  const perSecond = count / (performance.now() - before.at) * 1_000;
  isDone = true;
  await Promise.all(clients);
  await subject.end();
  return { us, perSecond };
}

/** Opens readers of a room. `onEvent` is called for each message that one receives. */
async function openReaders({ port }: Subject, kind: "streams" | "sockets", onEvent: () => void) {
  const count = (text: string) => {
    for (const _ of text.matchAll(/"text":"event/g)) onEvent();
  };
  const openStream = async () => {
    const headers = { accept: "text/event-stream" };
    const response = await fetch(`http://127.0.0.1:${port}/r/bench`, { headers });
    const text = response.body?.pipeThrough(new TextDecoderStream()) ?? [];
    void (async () => {
      let rest = "";
      for await (const part of text) {
        rest += part;
        const end = rest.lastIndexOf("\n") + 1;
        count(rest.slice(0, end));
        rest = rest.slice(end);
      }
    })().catch(() => {});
  };
  const openSocket = (i: number) =>
    new Promise<void>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
      const hello = { type: "hello", username: `reader ${i}`, rooms: [{ room: "bench" }] };
      socket.onopen = () => socket.send(JSON.stringify(hello));
      socket.onmessage = ({ data }) => {
        if (data === "[]") socket.send('{"type":"pong"}');
        else if (data.includes('"type":"room"')) resolve();
        else count(data);
      };
    });
  const open = kind === "streams" ? openStream : openSocket;
  for (let i = 0; i < readerCount; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, j) => open(i + j)));
  }
}

/** Returns the CPU time per event and reader in µs, and the memory of the server in MB. */
async function measureReaders(kind: "streams" | "sockets") {
  const subject = await startParley();
  let events = 0;
  await openReaders(subject, kind, () => events++);
  const posters = await Promise.all(
    Array.from({ length: posterCount }, (_, i) => Poster.connect(subject, i)),
  );
  await sleep(warmUpMs);
  const cpu = cpuUs(subject);
  await Promise.all(posters.map(async (poster) => {
    for (let i = 0; i < postsPerPoster; i++) await poster.post(`event ${i}`);
  }));
  const expected = readerCount * posterCount * postsPerPoster;
  while (events < expected) await sleep(20);
  const result = { us: (cpuUs(subject) - cpu) / expected, mb: peakMb(subject) };
  await subject.end();
  return result;
}

async function repeat<T>(measure: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let round = 0; round < rounds; round++) results.push(await measure());
  return results;
}

const posts = [["posts to", "connections", "µs of CPU", "per second"]];
for (const connections of [32, 128]) {
  for (const [name, start] of [["Deno alone", startFloor], ["Parley", startParley]] as const) {
    const results = await repeat(() => measurePosts(start, connections));
    const figures = [results.map(({ us }) => us), results.map(({ perSecond }) => perSecond)];
    posts.push([
      name,
      formatInteger(connections),
      ...figures.map((each) => formatInteger(median(each))),
    ]);
  }
}
const readers = [["1,000 readers", "µs of CPU an event", "peak MB"]];
for (const kind of ["sockets", "streams"] as const) {
  const results = await repeat(() => measureReaders(kind));
  const us = median(results.map(({ us }) => us)).toFixed(1);
  readers.push([kind, us, formatInteger(median(results.map(({ mb }) => mb)))]);
}
Deno.stdout.writeSync(encoder.encode(`${table(posts)}\n\n${table(readers)}\n`));
Deno.exit();
