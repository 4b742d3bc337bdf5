// RedisBroker: the members of each room, by node.

import { assertEquals } from "@std/assert";
import { BrokerNode, testWithRedis } from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { redisUrl } from "../../support/redis_process.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";

testWithRedis(
  "cluster.join() and leave() are reported to the other nodes [N10]",
  async ({ url }) => {
    await using a = await BrokerNode.start(url);
    await using b = await BrokerNode.start(url);
    await a.join("ada", "Ada");
    await a.join("ben", "Ben");
    a.broker.cluster.join("other", "ada", "Ada");
    a.broker.cluster.leave("lobby", "ben", "quit");
    await until(() => b.presence.length === 4);
    assertEquals(b.presence, [
      "Ada joined lobby",
      "Ben joined lobby",
      "Ada joined other",
      "Ben left lobby: quit",
    ]);
    assertEquals([a.remote(), b.remote(), b.remote("other")], ["", "Ada", "Ada"]);
    await using c = await BrokerNode.start(url);
    assertEquals([c.remote(), c.remote("other"), c.remote("none")], ["Ada", "Ada", ""]);
    assertEquals([a.presence, c.presence], [[], []]);
  },
);

testWithRedis(
  "cluster.leave() is not reported while the member is on a third node [N10]",
  async ({ url }) => {
    await using a = await BrokerNode.start(url);
    await using b = await BrokerNode.start(url);
    await using c = await BrokerNode.start(url);
    await a.join("ada", "Ada");
    await until(() => b.remote() === "Ada");
    await b.join("ada", "Ada");
    await until(() => a.remote() === "Ada");
    a.broker.cluster.leave("lobby", "ada", "timeout");
    await until(() => b.remote() === "");
    await b.join("ben", "Ben");
    await until(() => c.remote() === "Ada Ben");
    assertEquals(c.presence, ["Ada joined lobby", "Ben joined lobby"]);
  },
);

testWithRedis("cluster.typing() is reported to the other nodes [M10]", async ({ url }) => {
  await using a = await BrokerNode.start(url);
  await using b = await BrokerNode.start(url);
  a.broker.cluster.typing("lobby", "ada");
  await until(() => b.presence.length === 1);
  assertEquals([a.presence, b.presence], [[], ["ada typing in lobby"]]);
});

testWithRedis(
  "memberLeft() is called once for each member of a dead node that is on no other [N10]",
  async ({ url }) => {
    const lease = { leaseMs: 200 };
    await using b = await BrokerNode.start(url, lease);
    await using c = await BrokerNode.start(url, lease);
    {
      await using a = await BrokerNode.start(url, lease);
      await a.join("ada", "Ada");
      await a.join("ben", "Ben");
      await until(() => b.remote() === "Ada Ben" && c.remote() === "Ada Ben");
    }
    await b.join("ben", "Ben");
    await until(() => b.remote() === "" && c.remote() === "Ben");
    await b.join("zoe", "Zoe");
    await until(() => c.remote() === "Ben Zoe");
    const joins = ["Ada joined lobby", "Ben joined lobby"];
    assertEquals(c.presence, [...joins, "Ada left lobby: timeout", "Zoe joined lobby"]);
    assertEquals(b.presence.slice(2).sort(), [
      "Ada left lobby: timeout",
      "Ben left lobby: timeout",
    ]);
  },
);

testWithRedis(
  "memberJoined() and memberLeft() catch up on both sides after a node was cut off [N11]",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxy.port));
    await using b = await BrokerNode.start(redis.url);
    await a.join("ada", "Ada");
    await a.join("ben", "Ben");
    await b.join("kim", "Kim");
    await b.join("lea", "Lea");
    await until(() => a.remote() === "Kim Lea" && b.remote() === "Ada Ben");
    proxy.cut();
    await until(() => !a.broker.isReady);
    a.broker.cluster.leave("lobby", "ben", "quit");
    a.broker.cluster.join("other", "ada", "Ada");
    b.broker.cluster.leave("lobby", "lea", "quit");
    await b.broker.rename("kim", "Tim");
    await b.join("mia", "Mia");
    proxy.isCut = false;
    await until(() =>
      a.remote() === "Mia Tim" && b.remote() === "Ada" && b.remote("other") === "Ada"
    );
    assertEquals(a.presence.slice(2).sort(), [
      "Lea left lobby: timeout",
      "Mia joined lobby",
      "kim renamed to Tim",
    ]);
    assertEquals([a.resets, b.resets], [0, 0]);
  },
);
