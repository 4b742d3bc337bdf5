// Several servers on one Redis. In each round a node dies, hangs or is stopped, or Redis does; the clients come back to
// whichever node there is.

import { RedisProcess } from "../../support/redis_process.ts";
import { ServerProcess } from "../../support/server_process.ts";
import type { Kept } from "./ledger.ts";
import { abnormalCodes, errorsIn, freePort, restartingCode, urlOf } from "./crash_target.ts";
import type { Site, Surroundings } from "./crash_target.ts";

/** The server's grace, and what its lease is then (main.ts). */
const graceSeconds = 2;
const leaseMs = 4_500;
const prefix = "parley:{chat}:";
const noncesAtOnce = 500;
/** What a node may write while it or Redis was away. */
const expectedErrors = new Set([
  "storage_failed",
  "storage_recovered",
  "reset",
  "read",
  "names",
  "release",
]);

/** Nodes that fail one by one, and their Redis. */
export class ManyNodes implements Site {
  readonly #around: Surroundings;
  readonly #ports: readonly number[];
  readonly urls: readonly string[];
  readonly startMs: number[] = [];
  readonly faults = new Map<string, number>();
  readonly #nodes: ServerProcess[] = [];
  #redis: RedisProcess | undefined;

  constructor(around: Surroundings) {
    this.#around = around;
    const ports = new Set<number>();
    while (ports.size < around.plan.nodes) ports.add(freePort());
    this.#ports = [...ports];
    this.urls = this.#ports.map(urlOf);
  }

  async start(): Promise<void> {
    this.#redis = await RedisProcess.start("--appendfsync", this.#around.plan.appendfsync);
    for (const i of this.#ports.keys()) await this.#startNode(i);
  }

  async fail(): Promise<void> {
    const { chance } = this.#around;
    // A node that hung in the round before had time until now to send its people away.
    for (const i of this.#ports.keys()) this.#mayEnd(i, []);
    const node = chance.below(this.#ports.length);
    const other = (node + 1) % this.#ports.length;
    const faults: readonly (readonly [number, string, () => Promise<void>])[] = [
      [10, "node killed", () => this.#kill([node])],
      [3, "node stopped", () => this.#stop(node)],
      [3, "two nodes killed", () => this.#kill([node, other])],
      [1, "all nodes killed", () => this.#kill([...this.#ports.keys()])],
      [4, "redis killed", () => this.#killRedis()],
      [2, "redis and a node killed", async () => {
        await Promise.all([this.#killRedis(), this.#kill([node])]);
      }],
      [2, "redis hung", () => this.#hangRedis()],
      [2, "node hung", () => this.#hang(node, chance.next() * 2_000)],
      [2, "node hung past its lease", () => this.#hang(node, leaseMs * 1.6)],
    ];
    let at = chance.below(faults.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, name, run] of faults) {
      at -= weight;
      if (at >= 0) continue;
      this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
      return await run();
    }
  }

  async judge(): Promise<number> {
    for (const i of this.#nodes.keys()) {
      this.#mayEnd(i, [restartingCode, ...abnormalCodes]);
      await this.#nodes[i]?.end("SIGTERM");
    }
    if (this.#redis === undefined) return 0;
    return this.#around.books.judgeKept(await keptIn(this.#redis));
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.end("SIGKILL").catch(() => {})));
    await this.#redis?.[Symbol.asyncDispose]();
  }

  async errors(): Promise<readonly string[]> {
    const lines = await Promise.all([...this.#ports.keys()].map((i) => errorsIn(this.#logs(i))));
    return lines.flat().filter((line) => !expectedErrors.has(/event=(\S+)/.exec(line)?.[1] ?? ""));
  }

  // ---------------------------------------------------------------- nodes

  #logs(i: number): string {
    return `${this.#around.dir}/logs/${i}`;
  }

  async #startNode(i: number): Promise<void> {
    const startedAt = performance.now();
    this.#nodes[i] = await ServerProcess.start(this.#around.dir, {
      port: this.#ports[i] ?? 0,
      env: {
        RATE_PER_SECOND: "0",
        GRACE_SECONDS: String(graceSeconds),
        REDIS_URL: this.#redis?.url ?? "",
        LOG_DIR: this.#logs(i),
      },
    });
    this.startMs.push(performance.now() - startedAt);
    this.#mayEnd(i, []);
  }

  #mayEnd(i: number, codes: readonly number[]): void {
    this.#around.books.mayEndWith.set(this.urls[i] ?? "", codes);
  }

  async #kill(nodes: readonly number[]): Promise<void> {
    const { until, clients } = this.#around;
    for (const i of nodes) this.#mayEnd(i, abnormalCodes);
    await Promise.all(nodes.map((i) => this.#nodes[i]?.end("SIGKILL")));
    const gone = nodes.map((i) => this.urls[i] ?? "");
    const isOver = () => clients().every(({ isHere, url }) => !isHere || !gone.includes(url));
    await until(isOver, "connections do not end");
    await this.#whileOthersServe();
    await this.#redisIsUp;
    await Promise.all(nodes.map((i) => this.#startNode(i)));
  }

  async #stop(i: number): Promise<void> {
    const { books } = this.#around;
    this.#mayEnd(i, [restartingCode, ...abnormalCodes]);
    const code = await this.#nodes[i]?.end("SIGTERM");
    if (code !== 0) books.violate(`a node that was stopped ended with ${code}`);
    await this.#whileOthersServe();
    await this.#startNode(i);
  }

  /** A node stands still. When that was too long, the others went on without it, and it sends its people away. */
  async #hang(i: number, ms: number): Promise<void> {
    const { clients, pause } = this.#around;
    const node = this.#nodes[i];
    if (ms > leaseMs / 2) {
      // They do not know it yet, but may lose their names.
      this.#mayEnd(i, [restartingCode, ...abnormalCodes]);
      for (const client of clients()) if (client.url === this.urls[i]) client.mayLoseItsName();
    }
    node?.process.kill("SIGSTOP");
    await pause(ms);
    node?.process.kill("SIGCONT");
    await this.#ready();
  }

  /** So that clients come back to others before the node is there again, sometimes. */
  async #whileOthersServe(): Promise<void> {
    const { chance, clients, pause } = this.#around;
    for (const client of clients()) if (chance.isTrue(0.5)) client.hurry();
    if (chance.isTrue(0.5)) await pause(chance.next() * 1_000);
  }

  // ---------------------------------------------------------------- Redis

  #redisIsUp: Promise<void> | undefined;

  async #killRedis(): Promise<void> {
    const { chance, pause } = this.#around;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#redisIsUp = promise;
    await this.#redis?.kill();
    await pause(chance.next() * 1_500);
    await this.#redis?.restart();
    resolve();
    this.#redisIsUp = undefined;
    await this.#ready();
  }

  async #hangRedis(): Promise<void> {
    const { chance, pause } = this.#around;
    this.#redis?.signal("SIGSTOP");
    // Longer than nodes wait for an answer, sometimes.
    await pause(chance.next() * 6_000);
    this.#redis?.signal("SIGCONT");
    await this.#ready();
  }

  /** Waits until every node that runs can store messages again. */
  async #ready(): Promise<void> {
    for (const port of this.#ports) {
      for (;;) {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
        await response?.body?.cancel();
        // One that does not run is being started by somebody else.
        if (response === undefined || response.ok) break;
        await this.#around.pause(50);
      }
    }
  }
}

// ------------------------------------------------------------------ what Redis has

/** Reads everything by the keys of app/broker/redis/scripts.ts. */
async function keptIn(redis: RedisProcess): Promise<Kept> {
  const ask = async (command: string, ...args: string[]) =>
    (await redis.cli(command, ...args)).split("\n");
  const lines: Omit<Kept["lines"][number], "noted">[] = [];
  for (const room of await ask("SMEMBERS", `${prefix}rooms`)) {
    const head = Number(await redis.cli("HGET", `${prefix}room:${room}`, "head"));
    const fields = await ask("XRANGE", `${prefix}log:${room}`, "-", "+");
    // An id, and three fields with their values.
    for (let i = 0; i + 6 < fields.length; i += 7) {
      const [id = "", , epoch = "", , at, , body] = fields.slice(i, i + 7);
      const offset = Number.parseInt(id);
      lines.push({ room, head, offset, epoch, at: Number(at), ...JSON.parse(`{${body}}`) });
    }
  }
  const keys = lines.map(({ room, member, nonce }) => `${prefix}nonce:${room}:${member}:${nonce}`);
  const noted: string[] = [];
  for (let i = 0; i < keys.length; i += noncesAtOnce) {
    noted.push(...await ask("MGET", ...keys.slice(i, i + noncesAtOnce)));
  }
  return {
    lines: lines.map((line, i) => ({ ...line, noted: Number.parseInt(noted[i] ?? "") })),
    owners: await ownersIn(ask),
  };
}

async function ownersIn(
  ask: (command: string, ...args: string[]) => Promise<string[]>,
): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  for (const name of await ask("KEYS", `${prefix}name:*`)) {
    const [member = ""] = await ask("GET", name);
    const flat = await ask("HGETALL", `${prefix}member:${member}`);
    const book = new Map(flat.flatMap((key, i) => i % 2 === 0 ? [[key, flat[i + 1] ?? ""]] : []));
    const key = name.slice(`${prefix}name:`.length);
    const isItsOwn = book.get("key") === key || book.get("formerKey") === key;
    const isHere = [...book.keys()].some((field) => field.startsWith("node:"));
    const isHeld = book.get("hasWritten") === "1" && Number(book.get("heldUntil")) > Date.now();
    if (isItsOwn && (isHere || isHeld)) owners.set(key, member);
  }
  return owners;
}
