// Several real servers on one real Redis: what users on different nodes see of each other, and what
// they see when a node or Redis fails.

import { assertEquals } from "@std/assert";
import type { Push } from "../../app/protocol/wire.ts";
import type { ChatClient, ChatClientOptions } from "../support/chat_client.ts";
import { readiness, withBench } from "../support/server_bench.ts";
import type { Bench } from "../support/server_bench.ts";
import { hasRedis, RedisProcess } from "../support/redis_process.ts";
import type { ServerProcess } from "../support/server_process.ts";
import { until } from "../support/waiting.ts";

interface Cluster {
  readonly redis: RedisProcess;
  readonly nodes: readonly ServerProcess[];
  /** Connects a user to a node, given by its index, and joins the lobby. */
  join(node: number, username: string, options?: ChatClientOptions): Promise<ChatClient>;
}

/** For tests in which no node dies: on a busy machine, the shortest lease may expire. */
const longGraceSeconds = 20;

/** Declares a test. A node without a heartbeat for 1.5 times the grace, min 4.5 s, is dead. */
function test(
  promise: string,
  nodeCount: number,
  use: (cluster: Cluster) => Promise<void>,
  graceSeconds = 2,
): void {
  const fn = async () => {
    await using redis = await RedisProcess.start();
    await withBench(async (bench) => {
      const nodes = await Promise.all(
        Array.from({ length: nodeCount }, (_, i) => startNode(bench, redis, i, graceSeconds)),
      );
      const join = (node: number, username: string, options?: ChatClientOptions) => {
        const server = nodes[node];
        if (server === undefined) throw new RangeError(`There is no node ${node}`);
        return bench.join(server, username, options);
      };
      await use({ redis, nodes, join });
    });
  };
  Deno.test({ name: `A cluster ${promise}`, ignore: !hasRedis, fn });
}

async function startNode(
  bench: Bench,
  redis: RedisProcess,
  i: number,
  graceSeconds: number,
): Promise<ServerProcess> {
  const env = {
    REDIS_URL: redis.url,
    LOG_DIR: `${bench.dir}/logs/${i}`,
    GRACE_SECONDS: String(graceSeconds),
  };
  return await bench.start({ env });
}

/** Returns a user's presence pushes, as text. */
function presenceOf(client: ChatClient): string[] {
  return client.pushes.flatMap((push) => {
    switch (push.type) {
      case "joined":
        return [`${push.username} joined`];
      case "left":
        return [`${push.username} left: ${push.reason}`];
      case "renamed":
        return [`${push.from} renamed to ${push.to}`];
      case "typing":
        return push.usernames.length > 0 ? [`${push.usernames.join(" ")} typing`] : [];
      default:
        return [];
    }
  });
}

/** Waits until a user receives a message, and with it everything sent before. */
async function waitForText(client: ChatClient, text: string): Promise<void> {
  await client.waitFor((push) => push.type === "message" && push.text === text);
}

/** Waits until a node can store messages. */
async function untilReady(node: ServerProcess | undefined): Promise<void> {
  await until(async () => node === undefined || await readiness(node) === 200, "a node is ready");
}

const isJoined = (push: Push) => push.type === "joined";
const isLeft = (push: Push) => push.type === "left";

test(
  "shares messages, presence, names and typing [M4] [N10] [N11] [M10]",
  2,
  async ({ join }) => {
    const ada = await join(0, "Ada");
    const ben = await join(1, "Ben");
    await ada.waitFor(isJoined);
    assertEquals((await ben.joined()).members?.map(({ username }) => username).sort(), [
      "Ada",
      "Ben",
    ]);
    await Promise.all([ada.sendMessage("from one"), ben.sendMessage("from the other")]);
    for (const talker of [ada, ben]) {
      await Promise.all(["from one", "from the other"].map((text) => waitForText(talker, text)));
    }
    assertEquals(ada.messages, ben.messages);
    ada.send({ type: "typing", room: "lobby" });
    await ben.waitFor(({ type }) => type === "typing");
    ada.send({ type: "rename", username: "Ida" });
    await ben.waitFor(({ type }) => type === "renamed");
    await ada.close();
    await ben.waitFor(isLeft);
    assertEquals(presenceOf(ben), ["Ada typing", "Ada renamed to Ida", "Ida left: timeout"]);
    assertEquals(presenceOf(ada), ["Ben joined", "Ada typing", "Ada renamed to Ida"]);
  },
);

test(
  "has one member per token and one holder per name [N4] [N6] [N7]",
  2,
  async ({ join }) => {
    const zoe = await join(0, "Zoe");
    const ada = await join(0, "Ada");
    const again = await join(1, "Other", { token: ada.token });
    const { members, count } = await again.joined();
    assertEquals([members?.map(({ username }) => username).sort(), count], [["Ada", "Zoe"], 2]);
    await ada.close();
    await again.sendMessage("still here");
    again.send({ type: "leave", room: "lobby" });
    await zoe.waitFor(isLeft);
    assertEquals(presenceOf(zoe), ["Ada joined", "Ada left: timeout"]);
    const taken = await join(1, "zoe").then(
      () => "joined",
      ({ message }) => JSON.parse(message).code,
    );
    assertEquals(taken, "username_taken");
  },
);

test(
  "closes the old connection of a tab that moves to another node, and no newer one [N9]",
  2,
  async ({ join }) => {
    const zoe = await join(0, "Zoe");
    const token = "A".repeat(43);
    const first = await join(0, "Ada", { token, tab: "one" });
    const tab = await join(0, "Ada", { token, tab: "two" });
    const second = await join(1, "Ada", { token, tab: "one" });
    assertEquals(await first.closed, 4005);
    const third = await join(0, "Ada", { token, tab: "one" });
    assertEquals(await second.closed, 4005);
    await third.sendMessage("from the third", "a");
    await tab.sendMessage("from the other tab", "b");
    await waitForText(zoe, "from the other tab");
    assertEquals(presenceOf(zoe), ["Ada joined"]);
  },
  longGraceSeconds,
);

test(
  "announces nothing when members move to another node, even after their own died [N10] [R4]",
  3,
  async ({ join, nodes }) => {
    const zoe = await join(2, "Zoe");
    const ada = await join(0, "Ada");
    const ben = await join(0, "Ben");
    await join(0, "Cy");
    await ada.sendMessage("before");
    const head = { epoch: ada.messages.at(-1)?.epoch ?? "", offset: 1 };
    await ben.close();
    await join(1, "Ben", { token: ben.token });
    await nodes[0]?.end("SIGKILL");
    await zoe.sendMessage("meanwhile");
    const back = await join(1, "Ada", { token: ada.token, position: head });
    assertEquals(back.texts, ["meanwhile"]);
    await zoe.waitFor(isLeft);
    // Any other report would have come before this message.
    await back.sendMessage("after", "after");
    await waitForText(zoe, "after");
    assertEquals(presenceOf(zoe), ["Ada joined", "Ben joined", "Cy joined", "Cy left: timeout"]);
    assertEquals(presenceOf(back), ["Cy left: timeout"]);
  },
);

test(
  "resets a node that was disconnected for longer than its lease [C1] [N8]",
  2,
  async ({ join, nodes }) => {
    const ada = await join(0, "Ada");
    const zoe = await join(1, "Zoe");
    nodes[0]?.process.kill("SIGSTOP");
    await zoe.waitFor(isLeft);
    await zoe.sendMessage("alone");
    const since = zoe.pushes.length;
    nodes[0]?.process.kill("SIGCONT");
    assertEquals(await ada.closed, 1012);
    assertEquals(ada.texts, []);
    await untilReady(nodes[0]);
    const again = await join(0, "Ida", { token: ada.token });
    assertEquals((await again.joined()).messages.map((entry) => "text" in entry && entry.text), [
      "alone",
    ]);
    // She wrote nothing, and still has her name.
    await zoe.waitFor((push) => push.type === "joined" && push.username === "Ada", since);
  },
);

test(
  "recovers after a Redis outage, with nothing lost or duplicated [M3] [M5] [M9]",
  2,
  async ({ redis, join, nodes }) => {
    const ada = await join(0, "Ada");
    const ben = await join(1, "Ben");
    await ada.sendMessage("before");
    await redis.kill();
    const { nonce, error } = await ada.sendMessage("retried", "n");
    assertEquals([error?.code, error?.message], [
      "storage_unavailable",
      "Storage is unavailable. Retrying…",
    ]);
    assertEquals(await Promise.all(nodes.map(readiness)), [503, 503]);
    await redis.restart();
    // Retry the same message until it is stored, as a page does.
    await until(
      async () => (await ada.sendMessage("retried", nonce)).error === undefined,
      "the message is stored",
    );
    await waitForText(ben, "retried");
    assertEquals((await ada.sendMessage("retried", nonce)).offset, 2);
    await ben.sendMessage("after");
    await waitForText(ada, "after");
    assertEquals([ada.texts, ben.texts], [["before", "retried", "after"], [
      "before",
      "retried",
      "after",
    ]]);
    assertEquals([presenceOf(ada), presenceOf(ben)], [["Ben joined"], []]);
  },
  longGraceSeconds,
);
