// RedisBroker: keys that another program has changed cost no message and acknowledge none.

import { assertEquals } from "@std/assert";
import { BrokerNode, newest, testKey, testWithRedis } from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { draft } from "./broker_contract.ts";

testWithRedis(
  "append() acknowledges nothing for a room whose log is unusable [M9]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    for (
      const spoil of [
        () => redis.cli("SET", testKey("log:broken"), "x"),
        async () => {
          await redis.cli("DEL", testKey("log:broken"));
          await redis.cli("XADD", testKey("log:broken"), "99-0", "foreign", "1");
        },
      ]
    ) {
      await spoil();
      const lost = draft("lost", { room: "broken" });
      const healthy = draft("kept", { nonce: crypto.randomUUID() });
      for (let tries = 0; tries < 2; tries++) {
        const results = await a.broker.append([lost, healthy, lost]);
        const kinds = results.map(({ kind }) => kind);
        assertEquals(kinds, ["unavailable", tries === 0 ? "stored" : "repeat", "unavailable"]);
      }
    }
    const { entries } = await a.broker.read("lobby", newest);
    assertEquals(entries.map(({ text }) => text), ["kept", "kept"]);
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
