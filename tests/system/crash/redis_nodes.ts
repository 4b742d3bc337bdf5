// The target of the crash test with several nodes on one Redis. In each round, a node or Redis is
// killed, stopped or suspended, and the clients reconnect to any node.

import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/free_port.ts";
import { RedisProcess } from "../../support/redis_process.ts";
import { ServerProcess } from "../../support/server_process.ts";
import { until } from "../../support/waiting.ts";
import { moderatorCode } from "./crash_moderator.ts";
import { checkErased } from "./erased_text.ts";
import type { StoredEntry, StoredLog } from "./recorded_entry.ts";
import { abnormalCodes, noHelloCode, restartingCode } from "./close_codes.ts";
import { readErrorLog, urlOf } from "./crash_target.ts";
import type { CrashTarget, TargetOptions } from "./crash_target.ts";

/** The nodes' grace, and the lease that main.ts derives from it. */
const graceSeconds = 2;
const leaseMs = 4_500;
const prefix = "parley:{chat}:";
const nonceBatch = 500;
/** Events that a node may log after it or Redis has failed. */
const expectedEvents = new Set([
  "storage_failed",
  "storage_recovered",
  "reset",
  "read_failed",
  "claim_failed",
  "rename_failed",
  "release_failed",
  "moderation_failed",
  "sweep_failed",
]);

/** The close of a session without a name, because Redis failed or its node hung. */
const nameless = `code=${noHelloCode}`;

/** Nodes that fail in turn, and their Redis. */
export class RedisNodes implements CrashTarget {
  readonly #options: TargetOptions;
  readonly #ports: readonly number[];
  readonly urls: readonly string[];
  readonly startMs: number[] = [];
  readonly faults = new Map<string, number>();
  readonly #nodes: ServerProcess[] = [];
  #redis: RedisProcess | undefined;
  /** Resolves when Redis is up again; absent while it is up. */
  #redisRestarted: Promise<void> | undefined;

  constructor(options: TargetOptions) {
    this.#options = options;
    const ports = new Set<number>();
    while (ports.size < options.plan.nodes) ports.add(freePort());
    this.#ports = [...ports];
    this.urls = this.#ports.map(urlOf);
  }

  async start(): Promise<void> {
    this.#redis = await RedisProcess.start("--appendfsync", this.#options.plan.appendfsync);
    for (const i of this.#ports.keys()) await this.#startNode(i);
  }

  async fail(): Promise<void> {
    const { random } = this.#options;
    // A node that hung in the previous round has closed its sessions by now.
    for (const i of this.#ports.keys()) this.#allowCloseCodes(i, []);
    const node = random.below(this.#ports.length);
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
      [2, "node hung", () => this.#hang(node, random.next() * 2_000)],
      [2, "node hung past its lease", () => this.#hang(node, leaseMs * 1.6)],
    ];
    let at = random.below(faults.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, name, run] of faults) {
      at -= weight;
      if (at >= 0) continue;
      this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
      return await run();
    }
  }

  async check(): Promise<number> {
    for (const i of this.#nodes.keys()) {
      this.#allowCloseCodes(i, [restartingCode, ...abnormalCodes]);
      await this.#nodes[i]?.end("SIGTERM");
    }
    const redis = this.#redis;
    if (redis === undefined) return 0;
    const { ledger, dir } = this.#options;
    const count = ledger.check(await readStored(redis));
    // The feed is trimmed by the nodes.
    await this.#startNode(0);
    await redis.cli("CONFIG", "SET", "rdbcompression", "no");
    await checkErased(async () => {
      await redis.cli("CONFIG", "SET", "dir", await dumpDir(dir));
      await redis.cli("SAVE");
      return [`${dir}/dump`, `${dir}/logs`];
    }, ledger);
    return count;
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.end("SIGKILL").catch(() => {})));
    await this.#redis?.[Symbol.asyncDispose]();
  }

  async unexpectedErrors(): Promise<readonly string[]> {
    const lines = await Promise.all(
      [...this.#ports.keys()].map((i) => readErrorLog(this.#logs(i))),
    );
    return lines.flat().filter((line) =>
      !expectedEvents.has(/event=(\S+)/.exec(line)?.[1] ?? "") && !line.includes(nameless)
    );
  }

  #logs(i: number): string {
    return `${this.#options.dir}/logs/${i}`;
  }

  async #startNode(i: number): Promise<void> {
    const startedAt = performance.now();
    this.#nodes[i] = await ServerProcess.start(this.#options.dir, {
      port: this.#ports[i] ?? 0,
      env: {
        RATE_PER_SECOND: "0",
        GRACE_SECONDS: String(graceSeconds),
        REDIS_URL: this.#redis?.url ?? "",
        LOG_DIR: this.#logs(i),
        MODERATOR_CODE: moderatorCode,
      },
    });
    this.startMs.push(performance.now() - startedAt);
    this.#allowCloseCodes(i, []);
  }

  #allowCloseCodes(i: number, codes: readonly number[]): void {
    this.#options.ledger.allowedCloseCodes.set(this.urls[i] ?? "", codes);
  }

  async #kill(nodes: readonly number[]): Promise<void> {
    const { waitUntil, clients } = this.#options;
    for (const i of nodes) this.#allowCloseCodes(i, abnormalCodes);
    await Promise.all(nodes.map((i) => this.#nodes[i]?.end("SIGKILL")));
    const killed = nodes.map((i) => this.urls[i] ?? "");
    const areClosed = () =>
      clients().every(({ isConnected, url }) => !isConnected || !killed.includes(url));
    await waitUntil(areClosed, "connections stay open");
    await this.#letOthersServe();
    await this.#redisRestarted;
    await Promise.all(nodes.map((i) => this.#startNode(i)));
  }

  async #stop(i: number): Promise<void> {
    const { ledger } = this.#options;
    this.#allowCloseCodes(i, [restartingCode, ...abnormalCodes]);
    const code = await this.#nodes[i]?.end("SIGTERM");
    if (code !== 0) ledger.addViolation(`a stopped node exited with status ${code}`);
    await this.#letOthersServe();
    await this.#startNode(i);
  }

  /**
   * Suspends a node. Beyond its lease, the others declare it dead, and it then closes all its
   * sessions.
   */
  async #hang(i: number, ms: number): Promise<void> {
    const { clients } = this.#options;
    const node = this.#nodes[i];
    if (ms > leaseMs / 2) {
      // Its clients don't know yet, but may lose their names.
      this.#allowCloseCodes(i, [restartingCode, ...abnormalCodes]);
      for (const client of clients()) if (client.url === this.urls[i]) client.expectNameLoss();
    }
    node?.process.kill("SIGSTOP");
    await sleep(ms);
    node?.process.kill("SIGCONT");
    await this.#waitUntilReady();
  }

  /** Sometimes lets clients reconnect to other nodes before the node is back. */
  async #letOthersServe(): Promise<void> {
    const { random, clients } = this.#options;
    for (const client of clients()) if (random.isTrue(0.5)) client.reconnectNow();
    if (random.isTrue(0.5)) await sleep(random.next() * 1_000);
  }

  async #killRedis(): Promise<void> {
    const { random } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#redisRestarted = promise;
    await this.#redis?.kill();
    await sleep(random.next() * 1_500);
    await this.#redis?.restart();
    resolve();
    this.#redisRestarted = undefined;
    await this.#waitUntilReady();
  }

  async #hangRedis(): Promise<void> {
    const { random } = this.#options;
    this.#redis?.signal("SIGSTOP");
    // Sometimes longer than the nodes' timeout.
    await sleep(random.next() * 6_000);
    this.#redis?.signal("SIGCONT");
    await this.#waitUntilReady();
  }

  /** Waits until every running node can store messages again. */
  async #waitUntilReady(): Promise<void> {
    for (const port of this.#ports) {
      await until(async () => {
        const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
        await response?.body?.cancel();
        // Another fault starts the nodes that don't run.
        return response === undefined || response.ok;
      }, "every node is ready");
    }
  }
}

/** Makes the folder for dumps of Redis, apart from its journal, which keeps all text. */
async function dumpDir(dir: string): Promise<string> {
  await Deno.mkdir(`${dir}/dump`, { recursive: true });
  return `${dir}/dump`;
}

/** Reads all entries and names, from the keys that app/broker/redis uses. */
async function readStored(redis: RedisProcess): Promise<StoredLog> {
  const cli = async (command: string, ...args: string[]) =>
    (await redis.cli(command, ...args)).split("\n");
  const entries: Omit<StoredEntry, "nonceOffset">[] = [];
  const titles = new Map<string, string>();
  for (const room of await cli("SMEMBERS", `${prefix}rooms`)) {
    const head = Number(await redis.cli("HGET", `${prefix}room:${room}`, "head"));
    const title = await redis.cli("HGET", `${prefix}room:${room}`, "title");
    if (title !== "") titles.set(room, JSON.parse(title));
    const texts = await cli("HGETALL", `${prefix}text:${room}`);
    const states = new Map(texts.flatMap((field, i) => i % 2 === 0 ? [[field, texts[i + 1]]] : []));
    const fields = await cli("XRANGE", `${prefix}log:${room}`, "-", "+");
    // Each entry is an id and three fields with their values.
    for (let i = 0; i + 6 < fields.length; i += 7) {
      const [id = "", , epoch = "", , at, , body] = fields.slice(i, i + 7);
      const offset = Number.parseInt(id);
      const state = states.get(String(offset));
      const { target, targets = target === undefined ? [] : [target], ...own } = JSON.parse(
        `{${body}${state === undefined ? "" : `,${state}`}}`,
      );
      entries.push({ room, head, offset, epoch, at: Number(at), ...own, targets });
    }
  }
  const keys = entries.map(({ room, member, nonce }) =>
    `${prefix}nonce:${room}:${member}:${nonce}`
  );
  const nonceOffsets: string[] = [];
  for (let i = 0; i < keys.length; i += nonceBatch) {
    nonceOffsets.push(...await cli("MGET", ...keys.slice(i, i + nonceBatch)));
  }
  return {
    entries: entries.map((entry, i) => ({
      ...entry,
      nonceOffset: Number.parseInt(nonceOffsets[i] ?? ""),
    })),
    owners: await readOwners(cli),
    titles,
  };
}

async function readOwners(
  cli: (command: string, ...args: string[]) => Promise<string[]>,
): Promise<ReadonlyMap<string, string>> {
  const owners = new Map<string, string>();
  for (const name of await cli("KEYS", `${prefix}name:*`)) {
    const [member = ""] = await cli("GET", name);
    const flat = await cli("HGETALL", `${prefix}member:${member}`);
    const record = new Map(flat.flatMap((key, i) => i % 2 === 0 ? [[key, flat[i + 1] ?? ""]] : []));
    const key = name.slice(`${prefix}name:`.length);
    const isOwner = record.get("key") === key || record.get("formerKey") === key;
    const isPresent = [...record.keys()].some((field) => field.startsWith("node:"));
    const isHeld = record.get("hasWritten") === "1" && Number(record.get("heldUntil")) > Date.now();
    if (isOwner && (isPresent || isHeld)) owners.set(key, member);
  }
  return owners;
}
