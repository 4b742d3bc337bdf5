// RedisBroker: names of members on several nodes.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisLink } from "../../../app/broker/redis/redis_link.ts";
import { BrokerNode, testKey, testWithRedis } from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { redisUrl } from "../../support/redis_process.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";
import { draft } from "./broker_contract.ts";

testWithRedis("claim() and release() count the nodes of a member [N8]", async ({ url }) => {
  await using a = await BrokerNode.start(url);
  await using b = await BrokerNode.start(url);
  assertEquals(await a.broker.claim("ada", "Ada"), "Ada");
  assertEquals(await b.broker.claim("ben", "ada"), undefined);
  assertEquals(await b.broker.claim("ada", "Other"), "Ada");
  await a.broker.release("ada");
  assertEquals(await a.broker.claim("ben", "Ada"), undefined);
  await b.broker.release("ada", true);
  assertEquals(await a.broker.claim("ben", "Ada"), "Ada");
});

testWithRedis(
  "release() frees a name that was released while Redis was unreachable [N8]",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxy.port));
    await using b = await BrokerNode.start(redis.url);
    await a.broker.claim("ada", "Ada");
    await a.broker.claim("eda", "Eda");
    proxy.cut();
    await until(() => !a.broker.isReady);
    for (const member of ["ada", "eda"]) await assertRejects(() => a.broker.release(member, true));
    await assertRejects(() => a.broker.claim("eda", "Eda"));
    proxy.isCut = false;
    await until(async () => await b.broker.claim("ben", "Ada") === "Ada");
    assertEquals(await b.broker.claim("zoe", "Eda"), undefined);
  },
);

for (const isStopped of [false, true]) {
  const when = isStopped ? "when Redis stopped" : "with the link";
  testWithRedis(
    `memberRenamed() is called for a rename whose reply was lost ${when} [N8]`,
    async (redis) => {
      await using proxy = new TcpProxy(redis.port);
      await using a = await BrokerNode.start(redisUrl(proxy.port));
      await using b = await BrokerNode.start(redis.url);
      await a.join("ada", "Ada");
      await until(() => b.remote() === "Ada");
      proxy.cut();
      await until(() => !a.broker.isReady);
      // As if Redis had run the first node's request, and the reply was lost.
      await b.broker.claim("ada", "Ada");
      await b.broker.rename("ada", "Ida");
      if (isStopped) {
        await redis.kill();
        await redis.restart();
      }
      proxy.isCut = false;
      await until(() => a.broker.isReady);
      assertEquals([a.resets, a.presence], [0, ["ada renamed to Ida"]]);
    },
  );
}

/** Starts a node that stops handling the feed at `pause`, and continues at `resume`. */
async function startPausable(url: string) {
  let paused = Promise.resolve();
  const node = await BrokerNode.start(url, {
    connect: async (options) => {
      const link = await RedisLink.open(options);
      const readFeed = link.readFeed.bind(link);
      link.readFeed = async (after) => {
        const events = await readFeed(after);
        await paused;
        return events;
      };
      return link;
    },
  });
  const pause = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    paused = promise;
    return { resume: resolve };
  };
  return { node, pause, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() };
}

testWithRedis(
  "rename() has no effect if the tab that wanted the name has moved to another node [N9]",
  async ({ url }) => {
    await using a = await startPausable(url);
    await using b = await BrokerNode.start(url);
    await a.node.broker.claim("ada", "Ada", "tab");
    const { resume } = a.pause();
    await b.broker.claim("ada", "x", "tab");
    const isWanted = () => !a.node.presence.includes("tab of ada moved");
    const late = a.node.broker.rename("ada", "Late", isWanted);
    assert(await b.broker.rename("ada", "Ida"));
    resume();
    assertEquals(await late, false);
    assertEquals(await b.broker.claim("ada", "x"), "Ida");
    assertEquals(await b.broker.claim("ben", "Late"), "Late");
  },
);

testWithRedis(
  "rename() takes effect if another tab of the member has moved to another node [N9]",
  async ({ url }) => {
    await using a = await startPausable(url);
    await using b = await BrokerNode.start(url);
    await a.node.broker.claim("ada", "Ada", "tab");
    const { resume } = a.pause();
    await b.broker.claim("ada", "x", "other");
    const renamed = a.node.broker.rename("ada", "Ida");
    resume();
    assert(await renamed);
    assertEquals(await b.broker.claim("ada", "x"), "Ida");
  },
);

testWithRedis(
  "claim() keeps a record for longer than until the next renewal of its hold [N8]",
  async (redis) => {
    const nameHoldMs = 10 * 3_600_000;
    await using node = await BrokerNode.start(redis.url, { nameHoldMs });
    await node.broker.claim("ada", "Ada");
    for (const key of ["member:ada", "name:ada"]) {
      assert(Number(await redis.cli("PTTL", testKey(key))) > nameHoldMs + 3_600_000, key);
    }
  },
);

testWithRedis("rename() has no effect once the member has left the node [N8]", async ({ url }) => {
  await using a = await BrokerNode.start(url);
  await using b = await BrokerNode.start(url);
  await a.broker.claim("ada", "Ada");
  await b.broker.claim("ada", "Ada");
  await a.broker.release("ada");
  assertEquals(await a.broker.rename("ada", "Late"), false);
  await b.broker.release("ada", true);
  assertEquals(await b.broker.claim("ben", "Ada"), "Ada");
});

testWithRedis(
  "tabMoved() is called for a tab that moved while Redis was unreachable [N9]",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxy.port));
    await using b = await BrokerNode.start(redis.url);
    await a.broker.claim("ada", "Ada", "tab");
    proxy.cut();
    await until(() => !a.broker.isReady);
    await b.broker.claim("ada", "Ada", "tab");
    proxy.isCut = false;
    await until(() => a.broker.isReady);
    assertEquals(a.presence, ["tab of ada moved"]);
  },
);

testWithRedis(
  "claim() respects the holds of members whose node was declared dead [N8]",
  async (redis) => {
    const wall = { ms: 1e12 };
    const options = { leaseMs: 200, now: () => wall.ms };
    await using b = await BrokerNode.start(redis.url, options);
    {
      await using a = await BrokerNode.start(redis.url, options);
      await a.broker.claim("ada", "Ada");
      await a.broker.claim("eda", "Eda");
      await a.broker.append([draft("a", { member: "eda", from: "Eda" })]);
      await a.join("ida", "Ida");
      await until(() => b.remote() === "Ida");
    }
    await until(() => b.remote() === "");
    assertEquals(await b.broker.claim("ben", "Ada"), undefined);
    assertEquals(await b.broker.claim("ida", "x"), "Ida");
    wall.ms += 10 * 60_000;
    assertEquals(await b.broker.claim("ben", "Ada"), "Ada");
    assertEquals(await b.broker.claim("zoe", "Eda"), undefined);
    assertEquals(await b.broker.claim("eda", "x"), "Eda");
  },
);

testWithRedis(
  "claim() takes effect after an earlier release() when Redis has flushed a script [N8]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    await using b = await BrokerNode.start(redis.url);
    const claim = () => a.broker.claim("ada", "Ada").catch(() => "none");
    await claim();
    await a.broker.release("ada");
    await claim();
    await redis.cli("SCRIPT", "FLUSH");
    // From here on, Redis knows the script that claims, but not the one that releases.
    await b.broker.claim("ben", "Ben").catch(() => {});
    await until(() => b.broker.isReady);
    await b.broker.claim("ben", "Ben");
    const released = a.broker.release("ada", true).catch(() => {});
    await Promise.resolve();
    let held = await claim();
    await released;
    while (held === "none") {
      await until(() => a.broker.isReady);
      held = await claim();
    }
    assertEquals([held, await b.broker.claim("eve", "Ada")], ["Ada", undefined]);
  },
);

testWithRedis(
  "connected members keep their names when Redis was unreachable until their records expired [N8]",
  async (redis) => {
    await using proxy = new TcpProxy(redis.port);
    await using a = await BrokerNode.start(redisUrl(proxy.port));
    await using b = await BrokerNode.start(redis.url);
    await a.join("ada", "Ada");
    await until(() => b.remote() === "Ada");
    proxy.cut();
    await until(() => !a.broker.isReady);
    await redis.cli("DEL", testKey("member:ada"), testKey("name:ada"));
    proxy.isCut = false;
    await until(() => a.broker.isReady);
    assertEquals(await b.broker.claim("ben", "Ada"), undefined);
    await using c = await BrokerNode.start(redis.url);
    await until(() => c.remote() === "Ada");
    assertEquals([a.presence, b.presence, a.resets], [[], ["Ada joined lobby"], 0]);
  },
);

testWithRedis(
  "connected members get their names back after Redis's clock jumped beyond their expiry [N8]",
  async (redis) => {
    const options = { leaseMs: 600 };
    await using a = await BrokerNode.start(redis.url, options);
    await using b = await BrokerNode.start(redis.url, options);
    await a.broker.claim("ada", "Ada");
    await b.broker.claim("ben", "Ben");
    const expired = ["member:ada", "name:ada", "member:ben", "name:ben"].map(testKey);
    const jump = "redis.call('DEL', unpack(KEYS, 2)) redis.call('HSET', KEYS[1], 'renewedAt', 1)";
    await redis.cli("EVAL", jump, "5", testKey("meta"), ...expired);
    await until(async () => await redis.cli("EXISTS", ...expired) === "4");
    assertEquals(await b.broker.claim("eve", "Ada"), undefined);
    assertEquals([a.resets, b.resets], [0, 0]);
  },
);

testWithRedis(
  "reset() is called when another member has claimed an expired name [N8]",
  async (redis) => {
    await using a = await BrokerNode.start(redis.url);
    await using b = await BrokerNode.start(redis.url);
    await a.broker.claim("ada", "Ada");
    await redis.cli("DEL", testKey("member:ada"), testKey("name:ada"));
    assertEquals(await b.broker.claim("ben", "Ada"), "Ada");
    await a.broker.renewHolds();
    await until(() => a.resets === 1 && a.broker.isReady);
    assertEquals(await a.broker.claim("ada", "Ada"), undefined);
  },
);

testWithRedis(
  "rename() is reported to every node, and known to later ones [N8]",
  async ({ url }) => {
    await using a = await BrokerNode.start(url);
    await using b = await BrokerNode.start(url);
    await a.join("ada", "Ada");
    assert(await a.broker.rename("ada", "Ida"));
    await until(() => b.presence.length === 2 && a.presence.length === 1);
    assertEquals(b.presence, ["Ada joined lobby", "ada renamed to Ida"]);
    await using c = await BrokerNode.start(url);
    assertEquals([b.remote(), c.remote()], ["Ida", "Ida"]);
  },
);
