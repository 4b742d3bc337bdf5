// RedisBroker with keys that another program has changed: it loses no message, and acknowledges
// none that is not stored.

import { assertEquals } from "@std/assert";
import {
  BrokerNode,
  newest,
  pageLimits,
  testKey,
  testWithRedis,
} from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { draft } from "./broker_contract.ts";
import { edit } from "./entries_contract.ts";

testWithRedis(
  "append() acknowledges nothing for a room whose log is unusable [M9]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    for (
      const corrupt of [
        () => redis.cli("SET", testKey("log:broken"), "x"),
        async () => {
          await redis.cli("DEL", testKey("log:broken"));
          await redis.cli("XADD", testKey("log:broken"), "99-0", "foreign", "1");
        },
        () => redis.cli("SET", testKey("text:broken"), "x"),
        async () => {
          await redis.cli("DEL", testKey("log:broken"), testKey("text:broken"));
          await redis.cli("SET", testKey("others:broken"), "x");
        },
      ]
    ) {
      await corrupt();
      const lost = draft("lost", { room: "broken" });
      const healthy = draft("kept", { nonce: crypto.randomUUID() });
      for (let tries = 0; tries < 2; tries++) {
        const late = edit(7, "x", { room: "broken" });
        const results = await a.broker.append([lost, healthy, lost, late]);
        assertEquals(results.map(({ kind }) => kind), [
          "unavailable",
          tries === 0 ? "stored" : "repeat",
          "unavailable",
          "unavailable",
        ]);
      }
    }
    const { entries } = await a.broker.read("lobby", newest);
    assertEquals(entries.map(({ text }) => text), Array(4).fill("kept"));
    assertEquals((await redis.cli("KEYS", testKey("nonce:broken:*"))).trim(), "");
  },
);

testWithRedis("read() skips entries that another program has added to a log", async (redis) => {
  await using a = await BrokerNode.start(redis.url);
  const { head } = await a.broker.read("lobby", newest);
  await a.send("a");
  const add = "for i = 1, 130 do redis.call('XADD', KEYS[1], '1-' .. i, 'foreign', 1) end";
  await redis.cli("EVAL", add, "1", testKey("log:lobby"));
  await a.send("b");
  await redis.cli("XADD", testKey("log:lobby"), "99-0", "foreign", "1");
  for (const query of [newest, { ...pageLimits, after: head }, { ...newest, limit: 2 }]) {
    const { entries } = await a.broker.read("lobby", query);
    assertEquals(entries.map(({ text }) => text), ["a", "b"]);
  }
});

testWithRedis(
  "read() and append() work without a text that another program has removed",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    await a.broker.append([draft("a"), draft("b"), edit(2, "c")]);
    await redis.cli("DEL", testKey("text:lobby"));
    const { entries } = await a.broker.read("lobby", newest);
    assertEquals(entries.map(({ type, text }) => [type, text]), [
      ["message", undefined],
      ["message", undefined],
      ["edit", undefined],
    ]);
    assertEquals(await a.broker.append([edit(1, "x"), draft("d")]), [
      { kind: "not_found" },
      { kind: "stored", offset: 4 },
    ]);
  },
);

testWithRedis("nodes continue after a foreign entry in the feed", async (redis) => {
  await using a = await BrokerNode.start(redis.url);
  await a.send("a");
  await redis.cli("XADD", testKey("feed"), "999999999-0", "foreign", "1");
  await a.send("b");
  await until(() => a.texts() === "a1 b2");
  await redis.cli("SET", testKey("feed"), "x");
  await a.send("c");
  await until(() => a.texts() === "a1 b2 c3");
});
