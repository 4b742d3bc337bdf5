// RedisBroker: deleted text is nowhere in Redis, and nodes that fell behind get the current texts.

import { assertEquals } from "@std/assert";
import { BrokerNode, newest, testKey, testWithRedis } from "../../support/broker_node.ts";
import type { RedisProcess } from "../../support/redis_process.ts";
import { redisUrl } from "../../support/redis_process.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";
import { until } from "../../support/waiting.ts";
import { draft } from "./broker_contract.ts";
import { deletion, edit, title } from "./entries_contract.ts";

/** Returns the keys, without the prefix, whose value contains "secret". */
async function secretKeys(redis: RedisProcess): Promise<readonly string[]> {
  const script = `
    local found = {}
    for _, key in ipairs(redis.call('KEYS', '*')) do
      if redis.call('DUMP', key):find('secret', 1, true) then found[#found + 1] = key end
    end
    table.sort(found)
    return table.concat(found, ' ')`;
  // Otherwise a dump is compressed.
  await redis.cli("CONFIG", "SET", "rdbcompression", "no");
  const keys = await redis.cli("EVAL", script, "0");
  return keys.replaceAll(testKey(""), "").split(" ");
}

testWithRedis(
  "append() leaves no deleted or replaced text in the log, and none in the feed after a lease [E10]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url, { leaseMs: 1_500 });
    await a.broker.append([
      draft("secret 1", { nonce: "1" }),
      draft("secret 2", { nonce: "2" }),
      draft("b"),
      title("secret title", { nonce: "4" }),
    ]);
    await a.broker.append([edit(1, "secret 3", { nonce: "5" }), edit(2, "public")]);
    assertEquals(await secretKeys(redis), ["feed", "room:lobby", "text:lobby"]);
    await a.broker.append([deletion([1]), title("public")]);
    assertEquals(await secretKeys(redis), ["feed", "text:lobby"]);
    const { entries, title: present } = await a.broker.read("lobby", newest);
    assertEquals(entries.map(({ text }) => text).join(), ",public,b,secret title,,public,,public");
    assertEquals(present, "public");
    await a.broker.append([deletion([4])]);
    assertEquals(await secretKeys(redis), ["feed"]);
    await until(async () => (await secretKeys(redis)).join() === "");
    // The node had read the removed events, so it continues without a reset.
    await a.send("c");
    assertEquals([a.entries.length, a.resets, a.events], [10, 0, []]);
  },
);

testWithRedis(
  "prune() and the eviction of a room remove their texts [R11] [L11]",
  async (redis) => {
    let aheadMs = 0;
    const now = () => Date.now() + aheadMs;
    const more = { retentionMessages: 1, maxRooms: 2, leaseMs: 300, now };
    await using a = await BrokerNode.start(redis.url, more);
    await a.join("ada", "Ada");
    await a.broker.append([
      draft("secret", { nonce: "1" }),
      draft("old"),
      edit(1, "secret, too", { nonce: "2" }),
      draft("new"),
    ]);
    await a.broker.append([draft("secret", { room: "idle", nonce: "1" })]);
    await a.broker.prune();
    aheadMs = 2 * 86_400_000;
    await a.broker.append([draft("d", { room: "fresh" })]);
    await until(async () => (await secretKeys(redis)).join() === "");
    assertEquals(await redis.cli("HKEYS", testKey("text:lobby")), "4");
    assertEquals(await redis.cli("EXISTS", testKey("others:lobby"), testKey("text:idle")), "0");
  },
);

testWithRedis("the feed expires after the last node has gone [E10]", async (redis) => {
  const a = await BrokerNode.start(redis.url, { leaseMs: 300 });
  await a.send("a");
  await until(async () => Number(await redis.cli("PTTL", testKey("feed"))) > 0);
  await a.broker.close();
  await until(async () => await redis.cli("EXISTS", testKey("feed")) === "0");
  await using b = await BrokerNode.start(redis.url, { leaseMs: 300 });
  await b.send("b");
  assertEquals([b.texts(), b.resets], ["b2", 0]);
});

testWithRedis(
  "entries() reports current texts to a node that was cut off for longer than the feed lasts [R8] [E6]",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redis.url, { leaseMs: 600 });
    await using b = await BrokerNode.start(redisUrl(proxy.port), { leaseMs: 60_000 });
    await a.broker.append([draft("a"), draft("b")]);
    await until(() => b.entries.length === 2);
    proxy.cut();
    await until(() => !b.broker.isReady);
    await a.broker.append([edit(1, "early"), draft("c"), edit(1, "late"), deletion([2, 4])]);
    const length = () => redis.cli("XLEN", testKey("feed"));
    await until(async () => await length() === "0");
    proxy.isCut = false;
    await until(() => b.broker.isReady);
    assertEquals(
      b.entries.slice(2).map((entry) => [entry.type, entry.text]),
      [["edit", undefined], ["message", undefined], ["edit", "late"], ["delete", undefined]],
    );
    assertEquals([a.resets, b.resets], [0, 0]);
  },
);
