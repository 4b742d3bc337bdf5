// RedisBroker: when a node starts over, because entries that it reported may be gone.

import { assertEquals, assertNotEquals } from "@std/assert";
import {
  BrokerNode,
  newest,
  pageLimits,
  startReplica,
  testKey,
  testWithRedis,
} from "../../support/broker_node.ts";
import { RedisLink } from "../../../app/broker/redis/redis_link.ts";
import type { RedisLinkOptions } from "../../../app/broker/redis/redis_link.ts";
import { until } from "../../support/waiting.ts";
import { redisUrl } from "../../support/redis_process.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";
import { draft } from "./broker_contract.ts";

testWithRedis("reset() is called on all nodes when Redis was emptied [R3]", async (redis) => {
  await using a = await BrokerNode.start(redis.url, { leaseMs: 300 });
  await using b = await BrokerNode.start(redis.url, { leaseMs: 300 });
  await a.broker.claim("ada", "Ada");
  await a.send("a");
  const { head } = await a.broker.read("lobby", newest);
  await until(() => b.entries.length === 1);
  await redis.cli("FLUSHALL");
  await until(() => a.resets === 1 && b.resets === 1);
  await until(() => a.broker.isReady && b.broker.isReady);
  const page = await b.broker.read("lobby", { ...pageLimits, after: head });
  assertEquals([page.valid, page.head.offset], [false, 0]);
  assertEquals(await b.broker.claim("ben", "Ada"), "Ada");
  await b.broker.append([draft("b", { member: "ben" })]);
  await until(() => a.entries.length === 2);
  assertEquals(a.texts(), "a1 b1");
});

testWithRedis(
  "reset() is called when a restored backup lacks a reported entry [R3]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    await a.send("a");
    await copyFolder(`${redis.dir}/appendonlydir`, `${redis.dir}/backup`);
    await a.send("b");
    const { head } = await a.broker.read("lobby", newest);
    await redis.kill();
    await until(() => !a.broker.isReady);
    await Deno.remove(`${redis.dir}/appendonlydir`, { recursive: true });
    await Deno.rename(`${redis.dir}/backup`, `${redis.dir}/appendonlydir`);
    await redis.restart();
    await until(() => a.broker.isReady);
    assertEquals(a.resets, 1);
    for (const text of ["c", "d"]) {
      const page = await a.broker.read("lobby", { ...pageLimits, after: head });
      assertEquals(page.valid, false);
      await a.send(text);
    }
    assertEquals(a.texts(), "a1 b2 c2 d3");
  },
);

testWithRedis(
  "reset() is called when a promoted replica lacks a reported entry [R3]",
  async (redis) => {
    await using replica = await startReplica(redis);
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxy.port));
    await a.send("a");
    const head = ["HGET", testKey("room:lobby"), "head"];
    await until(async () => await replica.cli(...head) === "1");
    await replica.cli("REPLICAOF", "NO", "ONE");
    await a.send("b");
    proxy.cut();
    await redis.kill();
    await until(() => !a.broker.isReady);
    proxy.targetPort = replica.port;
    proxy.isCut = false;
    await until(() => a.broker.isReady);
    assertEquals(a.resets, 1);
    await a.send("c");
    assertEquals(a.texts(), "a1 b2 c2");
    assertNotEquals(a.entries[2]?.epoch, a.entries[1]?.epoch);
  },
);

testWithRedis(
  "reset() is called when missed entries have been pruned [R6] [R11]",
  async (redis) => {
    const more = { retentionMessages: 3 };
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxy.port), more);
    await using b = await BrokerNode.start(redis.url, more);
    await a.send("a");
    proxy.cut();
    await until(() => !a.broker.isReady);
    await b.broker.append([..."bcde"].map((text) => draft(text)));
    await b.broker.prune();
    proxy.isCut = false;
    await until(() => a.broker.isReady);
    assertEquals([a.resets, a.texts()], [1, "a1"]);
  },
);

testWithRedis(
  "reset() is called on a node that was declared dead, before it stores entries",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    const options = { leaseMs: 200, nameHoldMs: 0 };
    await using a = await BrokerNode.start(redisUrl(proxy.port), options);
    await using b = await BrokerNode.start(redis.url, options);
    await a.broker.claim("ada", "Ada");
    proxy.cut();
    await until(async () => await b.broker.claim("ben", "Ada") === "Ada");
    await b.broker.append([draft("a", { member: "ben" })]);
    await a.broker.append([draft("never", { from: "Ida" })]);
    proxy.isCut = false;
    await until(() => a.broker.isReady);
    assertEquals([a.resets, a.entries], [1, []]);
    assertEquals(await a.broker.claim("ada", "Ada"), undefined);
    await a.broker.append([draft("b", { from: "Ida" })]);
    assertEquals(a.texts(), "b2");
  },
);

testWithRedis("leases survive a Redis that hung for longer than they last", async (redis) => {
  // Long enough that a busy machine doesn't end them first.
  const options = { leaseMs: 1_500, timeoutMs: 1_000 };
  await using a = await BrokerNode.start(redis.url, options);
  await using b = await BrokerNode.start(redis.url, options);
  await a.broker.claim("ada", "Ada");
  redis.signal("SIGSTOP");
  const stopped = performance.now();
  await until(() => performance.now() - stopped > 1.5 * options.leaseMs);
  redis.signal("SIGCONT");
  await until(() => a.broker.isReady && b.broker.isReady);
  assertEquals(await b.broker.claim("ben", "Ada"), undefined);
  assertEquals([a.resets, b.resets], [0, 0]);
});

testWithRedis(
  "leases survive a Redis that hung for longer than some of them last",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    const options = { leaseMs: 6_000 };
    await using late = await BrokerNode.start(redisUrl(proxy.port), options);
    const lease = await redis.cli("KEYS", testKey("lease:*"));
    await using _inTime = await BrokerNode.start(redis.url, options);
    proxy.cut();
    await until(() => !late.broker.isReady);
    const hang = "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[2], 'renewedAt', 0)";
    await redis.cli("EVAL", hang, "2", lease, testKey("meta"));
    // The node in time renews its lease twice before the other one can.
    let renewedAt = "0";
    for (let renewals = 0; renewals < 2; renewals++) {
      const before = renewedAt;
      await until(async () => {
        renewedAt = await redis.cli("HGET", testKey("meta"), "renewedAt");
        return renewedAt !== before;
      });
    }
    proxy.isCut = false;
    await until(() => late.broker.isReady);
    assertEquals(late.resets, 0);
  },
);

testWithRedis("leases end on time after Redis's clock was set back by an hour", async (redis) => {
  const options = { leaseMs: 1_500 };
  await using a = await BrokerNode.start(redis.url, options);
  {
    await using b = await BrokerNode.start(redis.url, options);
    await b.join("ben", "Ben");
    await until(() => a.remote() === "Ben");
  }
  const setBack = "redis.call('HSET', KEYS[1], 'renewedAt', ARGV[1]) " +
    "for i = 2, #KEYS do redis.call('PEXPIRE', KEYS[i], 3600000) end";
  const keys = [testKey("meta"), ...(await redis.cli("KEYS", testKey("lease:*"))).split("\n")];
  await redis.cli("EVAL", setBack, `${keys.length}`, ...keys, `${Date.now() + 3_600_000}`);
  await until(() => a.remote() === "");
  assertEquals(a.presence, ["Ben joined lobby", "Ben left lobby: timeout"]);
});

testWithRedis("leases outlast the filling of gaps in many rooms", async (redis) => {
  const leaseMs = 1_500;
  const renewedAt = async () => Number(await redis.cli("HGET", testKey("meta"), "renewedAt"));
  const links: RedisLink[] = [];
  const { promise: sent, resolve: onSent } = Promise.withResolvers<void>();
  const connect = async (options: RedisLinkOptions) => {
    if (links.length > 0) await sent;
    const link = await RedisLink.open(options);
    if (links.push(link) === 1) return link;
    const run = link.run.bind(link);
    link.run = async (name, ...rest) => {
      const start = Date.now();
      if (name === "read") await until(async () => await renewedAt() > start + 2 * leaseMs);
      return await run(name, ...rest);
    };
    return link;
  };
  await using a = await BrokerNode.start(redis.url, { leaseMs, connect });
  await using b = await BrokerNode.start(redis.url, { leaseMs });
  links[0]?.close();
  await until(() => !a.broker.isReady);
  await b.send("a");
  onSent();
  await until(() => a.broker.isReady);
  await a.send("b");
  assertEquals([a.texts(), a.resets], ["a1 b2", 0]);
});

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
