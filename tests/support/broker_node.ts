// A node for tests of the Redis broker: the broker, and a listener that records its reports.

import { RedisBroker } from "../../app/broker/redis/redis_broker.ts";
import type { RedisBrokerOptions } from "../../app/broker/redis/options.ts";
import type { Entry } from "../../app/chat/broker.ts";
import { later } from "../../app/core/timers.ts";
import { defaults, draft } from "../unit/broker/broker_contract.ts";
import { hasRedis, RedisProcess } from "./redis_process.ts";
import { until } from "./waiting.ts";

/** Limits that no page in these tests reaches. */
export const pageLimits = { limit: 1_000, maxBytes: 1e6 };
/** A query for the end of a room. */
export const newest = { before: Infinity, ...pageLimits };
const testPrefix = "parley:{test}:";

export function redisOptions(
  url: string,
  more: Partial<RedisBrokerOptions> = {},
): RedisBrokerOptions {
  return {
    url,
    prefix: testPrefix,
    randomName: () => crypto.randomUUID(),
    leaseMs: 15_000,
    timeoutMs: 3_000,
    report: () => {},
    later,
    random: Math.random,
    ...defaults,
    ...more,
  };
}

/** Returns the Redis key that the nodes of this file use for `name`. */
export function testKey(name: string): string {
  return testPrefix + name;
}

export class BrokerNode {
  /** All reported entries. */
  readonly entries: Entry[] = [];
  /** The reports about remote members, as text. */
  readonly presence: string[] = [];
  readonly pruned: string[] = [];
  readonly banned: string[] = [];
  /** Number of reports of a pending sweep. */
  sweeps = 0;
  resets = 0;

  private constructor(readonly broker: RedisBroker, readonly events: readonly string[]) {
    broker.subscribe({
      entries: (entries) => this.entries.push(...entries),
      pruned: (room, first) => this.pruned.push(`${room} ${first}`),
      reset: () => this.resets++,
      memberJoined: (room, { username }) => this.presence.push(`${username} joined ${room}`),
      memberLeft: (room, { username }, reason) =>
        this.presence.push(`${username} left ${room}: ${reason}`),
      memberRenamed: (member, username) => this.presence.push(`${member} renamed to ${username}`),
      tabMoved: (member, tab) => this.presence.push(`${tab} of ${member} moved`),
      membersBanned: (members, until) =>
        this.banned.push(...members.map((member) => `${member} ${until}`)),
      sweepPending: () => this.sweeps++,
      memberTyping: (room, member) => this.presence.push(`${member} typing in ${room}`),
    });
  }

  /** Starts a node that has loaded the lobby. */
  static async start(url: string, more: Partial<RedisBrokerOptions> = {}): Promise<BrokerNode> {
    const events: string[] = [];
    const report = (event: string) => events.push(event);
    const broker = await RedisBroker.open(redisOptions(url, { report, ...more }));
    const node = new BrokerNode(broker, events);
    await broker.read("lobby", newest);
    return node;
  }

  /** Returns the entries reported for a room, as text and offset. */
  texts(room = "lobby"): string {
    return this.entries.filter((entry) => entry.room === room)
      .map(({ text, offset }) => `${text}${offset}`).join(" ");
  }

  /** Connects a member to this node, and joins a room. */
  async join(member: string, username: string, room = "lobby"): Promise<void> {
    await this.broker.claim(member, username);
    this.broker.cluster.join(room, member, username);
  }

  /** Returns the sorted usernames of a room's remote members. */
  remote(room = "lobby"): string {
    return this.broker.cluster.remoteMembers(room).map(({ username }) => username).sort().join(" ");
  }

  /** Sends a message and retries until it is stored, as a page does. */
  async send(text: string): Promise<void> {
    for (;;) {
      const [result] = await this.broker.append([draft(text)]);
      if (result?.kind === "stored" || result?.kind === "repeat") return;
      await until(() => this.broker.isReady);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
  }
}

/** Registers a test with its own Redis. */
export function testWithRedis(promise: string, run: (redis: RedisProcess) => Promise<void>): void {
  Deno.test({
    name: `RedisBroker ${promise}`,
    ignore: !hasRedis,
    fn: async () => {
      await using redis = await RedisProcess.start();
      await run(redis);
    },
  });
}

/** Starts a replica of a Redis. */
export async function startReplica(redis: RedisProcess): Promise<RedisProcess> {
  await redis.cli("CONFIG", "SET", "repl-diskless-sync-delay", "0");
  return await RedisProcess.start("--replicaof", "127.0.0.1", `${redis.port}`);
}
