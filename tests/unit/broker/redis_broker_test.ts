// RedisBroker: the broker contract, and what several nodes and a failing Redis add to it.

import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import { RedisLink } from "../../../app/broker/redis/redis_link.ts";
import {
  BrokerNode,
  newest,
  pageLimits,
  redisOptions,
  startReplica,
  testKey,
  testWithRedis,
} from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { hasRedis, RedisProcess, redisUrl } from "../../support/redis_process.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";
import { draft, testBroker } from "./broker_contract.ts";
import type { Open } from "./broker_contract.ts";
import { deletion, edit, testEntries } from "./entries_contract.ts";
import { testSearch } from "./search_contract.ts";

if (hasRedis) {
  const open: Open = async (settings, wall) => {
    const redis = await RedisProcess.start("--appendonly", "no");
    const now = () => wall.ms;
    const options = redisOptions(redis.url, { ...settings, now, search: true });
    const broker = await RedisBroker.open(options);
    const close = broker.close.bind(broker);
    broker.close = async () => {
      await close();
      await redis[Symbol.asyncDispose]();
    };
    return broker;
  };
  testBroker("RedisBroker", open);
  testEntries("RedisBroker", open);
  testSearch("RedisBroker", open, () => {});
}

/** How often everything fails in the longest test. */
const rounds = Number(Deno.env.get("REDIS_ROUNDS") ?? 2);

testWithRedis("append() reports all entries to all nodes, in one order [M4]", async ({ url }) => {
  await using a = await BrokerNode.start(url);
  await using b = await BrokerNode.start(url);
  const write = async (node: BrokerNode, name: string) => {
    for (let i = 0; i < 50; i++) {
      const room = i % 3 === 0 ? "other" : "lobby";
      const [result] = await node.broker.append([draft(`${name}${i}-`, { room })]);
      assertEquals(result?.kind, "stored");
    }
  };
  await Promise.all([write(a, "a"), write(b, "b")]);
  await until(() => a.entries.length === 100 && b.entries.length === 100);
  assertEquals(a.entries, b.entries);
  const offsets = a.entries.filter(({ room }) => room === "lobby").map(({ offset }) => offset);
  assertEquals(offsets, offsets.map((_, i) => i + 1));
  assertEquals((await b.broker.read("other", newest)).head.offset, 34);
});

testWithRedis("append() keeps the order of concurrent batches", async ({ url }) => {
  await using a = await BrokerNode.start(url);
  const batches = Array.from({ length: 20 }, (_, i) => [draft(`x${i}-`), draft(`y${i}-`)]);
  await Promise.all(batches.map((batch) => a.broker.append(batch)));
  assertEquals(a.texts(), batches.map((_, i) => `x${i}-${2 * i + 1} y${i}-${2 * i + 2}`).join(" "));
});

testWithRedis(
  "append() refuses a draft whose username another member has claimed since [N4]",
  async ({ url }) => {
    await using a = await BrokerNode.start(url);
    await using b = await BrokerNode.start(url);
    await b.broker.claim("ben", "Ada");
    const results = await a.broker.append([draft("a"), draft("b", { member: "ben" })]);
    assertEquals(results, [{ kind: "unavailable" }, { kind: "stored", offset: 1 }]);
  },
);

testWithRedis(
  "append() keeps its link to a Redis that has been full since the start [M9]",
  async (redis) => {
    await redis.cli("CONFIG", "SET", "maxmemory", "1");
    await using a = await BrokerNode.start(redis.url);
    for (const text of "abc") {
      assertEquals(await a.broker.append([draft(text)]), [{ kind: "storage_full" }]);
    }
    assertEquals(a.events, ["storage_failed"]);
  },
);

testWithRedis(
  "append() stores only deletions while Redis is full, and reads still work [M9]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url, { leaseMs: 300 });
    await a.send("a");
    await redis.cli("CONFIG", "SET", "maxmemory", "1");
    assertEquals(await a.broker.append([draft("b"), draft("c")]), [
      { kind: "storage_full" },
      { kind: "storage_full" },
    ]);
    assert(a.broker.isFull);
    assertEquals((await a.broker.read("lobby", newest)).head.offset, 1);
    assertEquals(a.broker.isReady, false);
    // Deleting messages frees memory, and members must connect to do so.
    assertEquals(await a.broker.claim("ben", "Ben"), "Ben");
    const drafts = [draft("a"), draft("x"), deletion([1]), edit(1, "x"), deletion([1])];
    assertEquals((await a.broker.append(drafts)).map(({ kind }) => kind), [
      "repeat",
      "storage_full",
      "stored",
      "storage_full",
      "repeat",
    ]);
    assertEquals((await a.broker.read("lobby", newest)).entries[0]?.text, undefined);
    assert(a.broker.isFull);
    await redis.cli("CONFIG", "SET", "maxmemory", "0");
    // Even though no one sends anything.
    await until(() => a.broker.isReady);
    assertEquals(a.broker.isFull, false);
    assertEquals(a.events, ["storage_failed", "storage_recovered"]);
    assertEquals(await a.broker.append([draft("b")]), [{ kind: "stored", offset: 3 }]);
    assertEquals(a.events, ["storage_failed", "storage_recovered"]);
  },
);

testWithRedis(
  "append() stores a draft once if Redis stored it without replying [M3]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url, { timeoutMs: 1_000 });
    await a.send("a");
    redis.signal("SIGSTOP");
    assertEquals(await a.broker.append([draft("b")]), [{ kind: "unavailable" }]);
    assertEquals(a.broker.isReady, false);
    assertEquals(await a.broker.append([draft("c")]), [{ kind: "unavailable" }]);
    redis.signal("SIGCONT");
    await until(() => a.broker.isReady);
    await a.send("b");
    await a.send("c");
    assertEquals(a.texts(), "a1 b2 c3");
  },
);

testWithRedis(
  "append() loses and duplicates nothing while Redis is killed and connections are cut [M4] [M5]",
  async (redis) => {
    const more = { timeoutMs: 500 };
    await using proxyA = new TcpProxy(redis.port);
    await using proxyB = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxyA.port), more);
    await using b = await BrokerNode.start(redisUrl(proxyB.port), more);
    await using c = await BrokerNode.start(redis.url, more);
    const acked = new Map<string, number>();
    let isOver = false;
    const write = async (node: BrokerNode, name: string) => {
      for (let i = 0; !isOver; i++) {
        const text = `${name}${i}-`;
        for (let offset; offset === undefined && !isOver;) {
          const [result] = await node.broker.append([draft(text)]);
          if (result?.kind === "stored" || result?.kind === "repeat") offset = result.offset;
          if (offset === undefined) await until(() => node.broker.isReady || isOver);
          else acked.set(text, offset);
        }
      }
    };
    const growth = async () => {
      const wanted = acked.size + 20;
      await until(() => acked.size >= wanted);
    };
    const writers = [write(a, "a"), write(b, "b"), write(c, "c")];
    for (let round = 0; round < rounds; round++) {
      await growth();
      const proxy = round % 2 === 0 ? proxyA : proxyB;
      proxy.cut();
      await growth();
      await redis.kill();
      await redis.restart();
      await growth();
      proxy.isCut = false;
      await until(() => a.broker.isReady && b.broker.isReady);
    }
    await growth();
    isOver = true;
    await Promise.all(writers);
    await a.send("end");
    const end = (node: BrokerNode) => node.entries.at(-1)?.text === "end";
    await until(() => end(a) && end(b) && end(c));
    const { entries } = await a.broker.read("lobby", { ...newest, limit: 1e6, maxBytes: 1e9 });
    assertEquals(entries.map(({ offset }) => offset), entries.map((_, i) => i + 1));
    assertEquals(new Set(entries.map(({ nonce }) => nonce)).size, entries.length);
    for (const [text, offset] of acked) assertEquals(entries[offset - 1]?.text, text);
    for (const node of [a, b, c]) {
      assertEquals(node.entries, entries);
      assertEquals(node.resets, 0);
    }
  },
);

testWithRedis(
  "append() works again after Redis was killed, with nothing lost [M5]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    await using b = await BrokerNode.start(redis.url);
    await a.broker.claim("ada", "Ada");
    await a.send("a");
    const before = await a.broker.read("lobby", newest);
    await redis.kill();
    assertEquals(await a.broker.append([draft("b")]), [{ kind: "unavailable" }]);
    await assertRejects(() => a.broker.read("lobby", newest), Error, "Cannot reach Redis");
    await redis.restart();
    await until(() => a.broker.isReady && b.broker.isReady);
    const { valid } = await b.broker.read("lobby", { ...pageLimits, after: before.head });
    assert(valid);
    await a.send("b");
    await until(() => b.entries.length === 2);
    assertEquals([a.texts(), b.texts()], ["a1 b2", "a1 b2"]);
    assertNotEquals(a.entries[1]?.epoch, a.entries[0]?.epoch);
    assertEquals(await b.broker.claim("ben", "Ada"), undefined);
    assertEquals([a.resets, b.resets], [0, 0]);
  },
);

testWithRedis("append() waits for a replica to be promoted", async (redis) => {
  await using replica = await startReplica(redis);
  await using proxy = new TcpProxy(redis.port);
  await using a = await BrokerNode.start(redisUrl(proxy.port));
  await a.send("a");
  const head = ["HGET", testKey("room:lobby"), "head"];
  await until(async () => await replica.cli(...head) === "1");
  proxy.targetPort = replica.port;
  proxy.cut();
  proxy.isCut = false;
  await until(async () => (await replica.cli("INFO", "errorstats")).includes("READONLY"));
  assertEquals(a.broker.isReady, false);
  await replica.cli("REPLICAOF", "NO", "ONE");
  await until(() => a.broker.isReady);
  await a.send("b");
  assertEquals([a.texts(), a.resets], ["a1 b2", 0]);
});

testWithRedis("entries() fills the gap after a node was cut off [R8]", async (redis) => {
  await using proxy = new TcpProxy(redis.port);
  await using a = await BrokerNode.start(redis.url);
  await using b = await BrokerNode.start(redisUrl(proxy.port));
  await a.send("a");
  await b.broker.read("other", newest);
  await until(() => b.entries.length === 1);
  proxy.cut();
  await until(() => !b.broker.isReady);
  await a.broker.append(Array.from({ length: 1_200 }, (_, i) => draft(`m${i}-`)));
  await a.broker.append([draft("first", { room: "other" })]);
  proxy.isCut = false;
  await until(() => b.broker.isReady);
  assertEquals(b.texts(), a.texts());
  assertEquals(b.texts("other"), "first1");
  await a.send("z");
  await until(() => b.texts() === a.texts());
  assertEquals([a.resets, b.resets], [0, 0]);
});

testWithRedis("entries() fills a gap in the feed [R8]", async (redis) => {
  await using a = await BrokerNode.start(redis.url);
  await using b = await BrokerNode.start(redis.url);
  await a.send("a");
  await until(() => b.entries.length === 1);
  const end = Number(await redis.cli("HGET", testKey("meta"), "feed"));
  const event = ["after", String(end + 1), "event", "{}"];
  await redis.cli("XADD", testKey("feed"), `${end + 2}-0`, ...event);
  await a.send("b");
  await until(() => b.entries.length === 2);
  assertEquals([a.texts(), b.texts()], ["a1 b2", "a1 b2"]);
});

testWithRedis("entries() fills a gap at the end of the feed [R8]", async (redis) => {
  const reads: (() => void)[] = [];
  let isHeld = false;
  const connect = async (options: Parameters<typeof RedisLink.open>[0]) => {
    const link = await RedisLink.open(options);
    const readFeed = link.readFeed.bind(link);
    link.readFeed = async (after) => {
      if (isHeld) await new Promise<void>((resolve) => reads.push(resolve));
      return await readFeed(after);
    };
    return link;
  };
  await using a = await BrokerNode.start(redis.url);
  await using b = await BrokerNode.start(redis.url, { leaseMs: 1_500, connect });
  isHeld = true;
  await a.send("a");
  await until(() => reads.length > 0);
  await a.send("b");
  await redis.cli("DEL", testKey("feed"));
  isHeld = false;
  for (const read of reads) read();
  await until(() => b.texts() === "a1 b2");
  assertEquals(b.resets, 0);
});

testWithRedis("prune() is reported to every node, whichever prunes [R11]", async ({ url }) => {
  await using a = await BrokerNode.start(url, { retentionMessages: 2 });
  await using b = await BrokerNode.start(url, { retentionMessages: 2 });
  await a.broker.append([draft("a"), draft("b"), draft("c")]);
  assertEquals(await Promise.all([a.broker.prune(), b.broker.prune()]), [false, false]);
  await until(() => b.pruned.length > 0);
  assertEquals([a.pruned, b.pruned], [["lobby 2"], ["lobby 2"]]);
});

testWithRedis(
  "prune() removes long logs in bounded steps, and returns whether more remains [R11]",
  async ({ url }) => {
    await using a = await BrokerNode.start(url, { retentionMessages: 10, timeoutMs: 60_000 });
    await a.broker.append(Array.from({ length: 11_000 }, (_, i) => draft(`m${i}`)));
    const hasMore: boolean[] = [];
    do hasMore.push(await a.broker.prune()); while (hasMore.at(-1));
    assertEquals(hasMore, [true, true, false]);
    assertEquals(a.pruned, ["lobby 5001", "lobby 10001", "lobby 10991"]);
  },
);

testWithRedis(
  "prune() removes nothing by age while Redis's clock is years ahead [R11]",
  async ({ url }) => {
    await using a = await BrokerNode.start(url);
    await a.send("a");
    const onTyping = () => {};
    const options = { name: "link", url, prefix: testKey(""), timeoutMs: 3_000, onTyping };
    const link = await RedisLink.open(options);
    const now = Date.now() + 3_650 * 86_400_000;
    const common = { node: "node", link: "link", feedMaxBytes: 1e6, now };
    const args = { ...common, retentionDays: 1, retentionMessages: 0, maxEntries: 100 };
    const entriesLeft = async (wallNow: number) =>
      (await link.run("prune", { ...args, wallNow }, [["lobby"]])).entriesLeft;
    assertEquals(await entriesLeft(Date.now()), 100);
    assertEquals(await entriesLeft(now), 99);
    link.close();
  },
);

testWithRedis("newestRooms() considers all rooms, also after a restart [D1]", async (redis) => {
  const rooms = Array.from({ length: 1_500 }, (_, i) => `room-${i}`);
  const newest = rooms.slice(-50).reverse();
  let at = Date.now();
  const now = () => ++at;
  {
    await using a = await BrokerNode.start(redis.url, { now });
    for (const room of rooms) await a.broker.append([draft("a", { room })]);
    await a.broker.append([draft("b", { room: "p-private" })]);
    assertEquals((await a.broker.newestRooms(50)).map(({ room }) => room), newest);
  }
  // An import doesn't write it.
  await redis.cli("DEL", testKey("recent"));
  await using b = await BrokerNode.start(redis.url, { now });
  assertEquals((await b.broker.newestRooms(50)).map(({ room }) => room), newest);
});

testWithRedis("open() refuses a Redis that evicts keys when it is full", async (redis) => {
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  await assertRejects(
    () => RedisBroker.open(redisOptions(redis.url)),
    Error,
    `Cannot use Redis at 127.0.0.1:${redis.port}: its maxmemory-policy is allkeys-lru`,
  );
});

testWithRedis("open() says why Redis cannot be used, without the password", async (redis) => {
  await redis.kill();
  const url = `redis://:secret@127.0.0.1:${redis.port}/`;
  const error = await assertRejects(() => RedisBroker.open(redisOptions(url)), Error, "Cannot use");
  assertEquals(error.message.includes("secret"), false);
});
