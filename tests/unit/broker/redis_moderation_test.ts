// RedisBroker: sanctions and sweeps with several nodes, and an unreachable or full Redis.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import { RedisLink } from "../../../app/broker/redis/redis_link.ts";
import { BrokerNode, redisOptions, testKey, testWithRedis } from "../../support/broker_node.ts";
import { hasRedis, RedisProcess, redisUrl } from "../../support/redis_process.ts";
import { TcpProxy } from "../../support/tcp_proxy.ts";
import { until } from "../../support/waiting.ts";
import {
  ban,
  done,
  from,
  macOf,
  mona,
  mute,
  sweepAll,
  testModeration,
  textsOf,
} from "./moderation_contract.ts";

const moderatorMac = macOf("code");
const dayMs = 86_400_000;

if (hasRedis) {
  testModeration("RedisBroker", async (use) => {
    await using redis = await RedisProcess.start("--appendonly", "no");
    await use((wall, moderatorMac) =>
      RedisBroker.open(redisOptions(redis.url, { now: () => wall.ms, moderatorMac }))
    );
  });
}

/** Starts a node whose moderator is Mona. */
async function startModerated(url: string, more: object = {}): Promise<BrokerNode> {
  const node = await BrokerNode.start(url, { moderatorMac, ...more });
  await node.broker.moderation.appoint("mona");
  return node;
}

async function kindOf({ broker }: BrokerNode, member: string, text: string) {
  const [result] = await broker.append([from(member, text)]);
  return result?.kind;
}

testWithRedis(
  "append() refuses on every node as soon as moderate() returns [B8]",
  async (redis) => {
    await using a = await startModerated(redis.url);
    await using b = await startModerated(redis.url);
    await b.broker.claim("ada", "ada");
    const { changed } = done(await a.broker.moderation.moderate(ban("ada"), mona));
    assertEquals(await kindOf(b, "ada", "a"), "banned");
    done(await a.broker.moderation.moderate(mute("ben"), mona));
    assertEquals(await kindOf(b, "ben", "b"), "muted");
    await until(() => b.broker.moderation.mutedFor("ben") > 59_000);
    assertEquals([a.banned, b.banned], [[`ada ${changed?.until}`], [`ada ${changed?.until}`]]);
    done(await b.broker.moderation.moderate({ type: "lift", id: changed?.id ?? 0 }, mona));
    assertEquals(await a.broker.claim("ada", "ada"), "ada");
    assertEquals(await kindOf(a, "ada", "c"), "stored");
  },
);

testWithRedis("membersBanned() is also called after an outage of Redis [B8]", async (redis) => {
  await using proxy = new TcpProxy(redis.port);
  await using a = await startModerated(redis.url);
  await using b = await startModerated(redisUrl(proxy.port));
  await b.join("ada", "ada");
  done(await a.broker.moderation.moderate(mute("ben"), mona));
  await until(() => b.broker.moderation.mutedFor("ben") > 0);
  proxy.cut();
  await until(() => !b.broker.isReady);
  const { changed, sanctions } = done(await a.broker.moderation.moderate(ban("ada"), mona));
  const muted = sanctions.find(({ kind }) => kind === "mute");
  done(await a.broker.moderation.moderate({ type: "lift", id: muted?.id ?? 0 }, mona));
  proxy.isCut = false;
  await until(() => b.broker.isReady);
  assertEquals(b.banned, [`ada ${changed?.until}`]);
  assertEquals([b.broker.moderation.mutedFor("ben"), b.resets], [0, 0]);
});

testWithRedis("sanctions survive a restart of Redis, and ban nobody else [B8]", async (redis) => {
  await using a = await startModerated(redis.url);
  await a.join("ada", "ada");
  await a.join("ben", "ben");
  const { changed } = done(await a.broker.moderation.moderate(ban("ada"), mona));
  await redis.kill();
  await until(() => !a.broker.isReady);
  await redis.restart();
  await until(() => a.broker.isReady);
  assertEquals(a.banned, [`ada ${changed?.until}`, `ada ${changed?.until}`]);
  assertEquals([await kindOf(a, "ada", "a"), await kindOf(a, "ben", "b")], ["banned", "stored"]);
  assertEquals(a.resets, 0);
});

testWithRedis(
  "claim() refuses a member that is banned before its reply arrives [B4]",
  async (redis) => {
    const reply = Promise.withResolvers<void>();
    const claimed = Promise.withResolvers<void>();
    await using a = await startModerated(redis.url);
    await using b = await startModerated(redis.url, {
      connect: async (options: Parameters<typeof RedisLink.open>[0]) => {
        const link = await RedisLink.open(options);
        const run = link.run.bind(link);
        link.run = async (name, ...call) => {
          const result = await run(name, ...call);
          if (name === "claim") {
            claimed.resolve();
            await reply.promise;
          }
          return result;
        };
        return link;
      },
    });
    const claim = b.broker.claim("ada", "ada");
    await claimed.promise;
    done(await a.broker.moderation.moderate(ban("ada"), mona));
    await until(() => b.banned.length === 1);
    reply.resolve();
    const result = await claim;
    assert(typeof result === "object" && result.retryAfter > 59_000, JSON.stringify(result));
  },
);

testWithRedis(
  "sweepPending() is called on other nodes until a sweep is done [B7]",
  async (redis) => {
    const a = await startModerated(redis.url, { leaseMs: 300 });
    await using b = await startModerated(redis.url, { leaseMs: 300, sweepEntries: 2 });
    await a.broker.append([..."abc"].map((text) => from("troll", text)));
    done(await a.broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
    await a.broker.close();
    await until(() => b.sweeps > 0);
    assertEquals(await sweepAll(b.broker), 3);
    assertEquals(new Set(await textsOf(b.broker)), new Set(["deleted by mona"]));
    assertEquals(await redis.cli("EXISTS", testKey("sweeps")), "0");
  },
);

testWithRedis("moderation works while Redis is full [B7]", async (redis) => {
  await using a = await startModerated(redis.url);
  await a.broker.append([from("troll", "a"), from("ben", "b")]);
  await redis.cli("CONFIG", "SET", "maxmemory", "1");
  assertEquals(await kindOf(a, "ben", "c"), "storage_full");
  done(await a.broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
  assertEquals(await sweepAll(a.broker), 1);
  assertEquals(await textsOf(a.broker), ["deleted by mona", "b"]);
  await redis.cli("CONFIG", "SET", "maxmemory", "0");
  assertEquals(await kindOf(a, "troll", "d"), "banned");
});

testWithRedis("sweep() leaves a room with unusable keys for later [B7]", async (redis) => {
  await using a = await startModerated(redis.url);
  const rooms = ["lobby", "broken", "last"];
  await a.broker.append(rooms.map((room) => from("troll", "a", { room })));
  await redis.cli("RENAME", testKey("log:broken"), "elsewhere");
  await redis.cli("SET", testKey("log:broken"), "x");
  done(await a.broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
  await assertRejects(() => sweepAll(a.broker), Error, "another program");
  assertEquals(await textsOf(a.broker, "last"), ["deleted by mona"]);
  await a.broker.append([from("vandal", "b", { room: "last" })]);
  done(await a.broker.moderation.moderate(ban("vandal", { deleteMessages: true }), mona));
  // The second sweep gets its turn, although the first cannot finish.
  for (let i = 0; i < 2; i++) await assertRejects(() => sweepAll(a.broker), Error);
  assertEquals(new Set(await textsOf(a.broker, "last")), new Set(["deleted by mona"]));
  await redis.cli("RENAME", "elsewhere", testKey("log:broken"));
  await sweepAll(a.broker);
  assertEquals(await textsOf(a.broker, "broken"), ["deleted by mona"]);
});

testWithRedis("keys last as long as sanctions and networks are needed [B4] [B6]", async (redis) => {
  let aheadMs = 0;
  const now = () => Date.now() + aheadMs;
  await using a = await startModerated(redis.url, { now, leaseMs: 300 });
  for (const member of ["ada", "ben"]) await a.broker.claim(member, member, "tab", "192.0.2.1");
  await a.broker.append([from("ada", "a"), from("ben", "b")]);
  const seconds = 10 * dayMs / 1000;
  done(await a.broker.moderation.moderate(ban("ada", { seconds }), mona));
  await a.broker.release("ada");
  for (const key of ["member:ada", "name:ada", "sanctions", "ends"]) {
    assert(Number(await redis.cli("PTTL", testKey(key))) > 9 * dayMs, key);
  }
  assertEquals(await redis.cli("HKEYS", testKey("networks")), "ada\nben");
  aheadMs = dayMs + 1;
  await until(async () => await redis.cli("EXISTS", testKey("networks"), testKey("seen")) === "0");
  assertEquals(await redis.cli("EXISTS", testKey("network:192.0.2.1"), testKey("wrote:ada")), "1");
});
