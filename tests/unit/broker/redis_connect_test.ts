// RedisBroker.open(): the sentences for a Redis that cannot be used, and the rights it needs.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { requireUsable } from "../../../app/broker/redis/connect_error.ts";
import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import { BrokerNode, redisOptions, testKey, testWithRedis } from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { firstCertificate } from "../../support/certificates.ts";
import { hasRedis, RedisProcess } from "../../support/redis_process.ts";

async function assertRefused(url: string, why: string): Promise<void> {
  const { host } = new URL(url);
  const options = redisOptions(url, { timeoutMs: 1_000 });
  const error = await assertRejects(() => RedisBroker.open(options), Error);
  assertEquals(error.message, `Cannot use Redis at ${host}: ${why}`);
}

function infoOf(values: Readonly<Record<string, string>>): string {
  const all = {
    redis_version: "7.0.15",
    redis_mode: "standalone",
    run_id: "a",
    maxmemory_policy: "noeviction",
    ...values,
  };
  return Object.entries(all).map(([name, value]) => `${name}:${value}\r\n`).join("");
}

Deno.test("requireUsable() refuses a Redis that cannot store a chat, and says why in a sentence", () => {
  const refusals: readonly (readonly [info: string, why: string])[] = [
    [infoOf({ redis_mode: "sentinel" }), "it is a Sentinel; use the address of the Redis"],
    [infoOf({ redis_mode: "cluster" }), "it is part of a Redis Cluster"],
    [infoOf({ redis_version: "6.2.1" }), "its version is 6.2.1; it must be 7 or later"],
    [infoOf({ maxmemory_policy: "volatile-lru" }), "its maxmemory-policy is volatile-lru"],
    [infoOf({}).replace(/maxmemory.*\r\n/, ""), "its INFO has no maxmemory-policy"],
    [infoOf({ run_id: "b" }), "its address leads to more than one server; use the address of one"],
  ];
  for (const [info, why] of refusals) {
    assertThrows(() => requireUsable(info, infoOf({})), Error, why);
  }
  requireUsable(infoOf({}), infoOf({}));
});

testWithRedis("open() names the right that its user lacks, and how to grant it", async (redis) => {
  const url = `redis://chat:secret@127.0.0.1:${redis.port}/`;
  const keys = `~${testKey("*")}`;
  const channels = `&${testKey("*")}`;
  const rights = [keys, channels, "+@all", "-@dangerous", "+info"];
  const grant = `; grant it with ACL SETUSER chat ${rights.join(" ")}`;
  const setUser = (...rules: readonly string[]) =>
    redis.cli("ACL", "SETUSER", "chat", "reset", "on", ">secret", ...rules);
  for (const command of ["INFO", "EVALSHA", "EVAL", "XREAD", "SSCAN", "PUBLISH", "SUBSCRIBE"]) {
    await setUser(...rights, `-${command}`);
    await assertRefused(url, `its user chat may not run ${command}${grant}`);
  }
  await setUser(...rights.filter((right) => right !== channels));
  await assertRefused(url, `its user chat may not use the channel ${testKey("typing:0")}${grant}`);
  await setUser(...rights.filter((right) => right !== keys));
  await assertRefused(url, `its user chat may not use the keys ${testKey("*")}${grant}`);
  await setUser(...rights, "-hset");
  await assertRefused(url, `its user chat may not run a command that a script needs${grant}`);
  await setUser(...rights);
  await using a = await BrokerNode.start(url);
  await a.join("ada", "Ada");
  await a.send("a");
  assertEquals(await a.broker.prune(), false);
  assertEquals([a.broker.isReady, a.events], [true, []]);
});

testWithRedis("open() says when a password is missing", async (redis) => {
  await redis.cli("CONFIG", "SET", "requirepass", "secret");
  await assertRefused(
    redis.url,
    "it requires a password; write redis://:PASSWORD@HOST, or redis://USER:PASSWORD@HOST",
  );
});

testWithRedis("open() says which part of REDIS_URL is wrong", async ({ port }) => {
  for (
    const [address, why] of [
      [`ada:wrong@127.0.0.1:${port}`, "its user or password is wrong; correct REDIS_URL"],
      [`127.0.0.1:${port}/99`, "it has no database with that number; correct REDIS_URL"],
      ["nowhere.invalid", "its name has no address; correct REDIS_URL"],
    ] as const
  ) await assertRefused(`redis://${address}`, why);
});

Deno.test("open() gives up on a Redis that accepts connections but never replies", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await assertRefused(
    `redis://127.0.0.1:${silent.addr.port}`,
    "it does not respond; check REDIS_URL and the firewalls in between",
  );
});

testWithRedis(
  "open() reports a TLS mismatch, and a server of another protocol",
  async (redis) => {
    await assertRefused(
      redis.url.replace("redis:", "rediss:"),
      "its TLS handshake took too long; if it does not use TLS, write redis:// instead of rediss://",
    );
    await using other = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      () => new Response("no Redis"),
    );
    await assertRefused(
      `redis://127.0.0.1:${other.addr.port}/`,
      "its reply is not in the Redis protocol; if it uses TLS, write rediss:// instead of redis://",
    );
  },
);

Deno.test({
  name:
    "RedisBroker open() says when TLS is missing or the authority is unknown, and takes DENO_CERT",
  ignore: !hasRedis,
  async fn() {
    const dir = await Deno.makeTempDir();
    const [cert, key] = [`${dir}/cert.pem`, `${dir}/key.pem`];
    await Deno.writeTextFile(cert, firstCertificate.cert);
    await Deno.writeTextFile(key, firstCertificate.key);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert];
    const tls = ["--tls-port", String(port), "--tls-auth-clients", "no", ...files];
    try {
      await using _ = await RedisProcess.start(...tls);
      await assertRefused(
        `redis://127.0.0.1:${port}/`,
        "its reply is not in the Redis protocol; if it uses TLS, write rediss:// instead of redis://",
      );
      const url = `rediss://127.0.0.1:${port}/`;
      await assertRefused(
        url,
        "its certificate is not from a known authority; set DENO_CERT to your CA certificate",
      );
      const script = `
        import { BrokerNode } from ${
        JSON.stringify(import.meta.resolve("../../support/broker_node.ts"))
      };
        await using node = await BrokerNode.start(${JSON.stringify(url)});
        await node.send("stored");
      `;
      await Deno.writeTextFile(`${dir}/send.ts`, script);
      const config = new URL("../../../deno.json", import.meta.url).pathname;
      const { success } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-q", "-A", "--config", config, `${dir}/send.ts`],
        env: { DENO_CERT: cert },
      }).output();
      assert(success);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

testWithRedis("open() refuses a node of a Redis Cluster", async () => {
  await using cluster = await RedisProcess.start("--cluster-enabled", "yes");
  await assertRefused(
    cluster.url,
    "it is part of a Redis Cluster; use one without cluster-enabled",
  );
});

testWithRedis("cluster.typing() stays within its database [M10]", async (redis) => {
  await using a = await BrokerNode.start(`${redis.url}0`);
  await using b = await BrokerNode.start(`${redis.url}0`);
  await using other = await BrokerNode.start(`${redis.url}1`);
  // Messages of other programs are ignored.
  for (const text of ["", "x", "null", " "]) {
    await redis.cli("PUBLISH", testKey("typing:0"), text);
  }
  a.broker.cluster.typing("lobby", "ada");
  await until(() => b.presence.length > 0);
  other.broker.cluster.typing("lobby", "ben");
  a.broker.cluster.typing("lobby", "cy");
  await until(() => b.presence.length > 1);
  assertEquals(b.presence, ["ada typing in lobby", "cy typing in lobby"]);
  assertEquals(other.presence, []);
});
