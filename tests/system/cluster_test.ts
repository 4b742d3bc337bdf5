// Several real servers on one real Redis: what people on different nodes see of one another, and what they see when a node
// or Redis is gone.

import { assertEquals } from "@std/assert";
import type { Push } from "../../app/protocol/wire.ts";
import { pause, readiness, withBench } from "./faults/fault_harness.ts";
import type { Bench, Talker, Who } from "./faults/fault_harness.ts";
import { hasRedis, RedisProcess } from "../support/redis_process.ts";
import type { ServerProcess } from "../support/server_process.ts";

/** Nodes on one Redis. */
interface Cluster {
  readonly redis: RedisProcess;
  readonly nodes: readonly ServerProcess[];
  /** Somebody who joins by way of the so-manieth node. */
  join(node: number, username: string, who?: Who): Promise<Talker>;
}

function test(name: string, count: number, use: (cluster: Cluster) => Promise<void>): void {
  const fn = async () => {
    await using redis = await RedisProcess.start();
    await withBench(async (bench) => {
      const nodes = await Promise.all(
        Array.from({ length: count }, (_, i) => startNode(bench, redis, i)),
      );
      const join = (node: number, username: string, who?: Who) => {
        const server = nodes[node];
        if (server === undefined) throw new RangeError(`Cannot join: there is no node ${node}`);
        return bench.join(server, username, who);
      };
      await use({ redis, nodes, join });
    });
  };
  Deno.test({ name: `A cluster ${name}`, ignore: !hasRedis, fn });
}

async function startNode(bench: Bench, redis: RedisProcess, i: number): Promise<ServerProcess> {
  const env = { REDIS_URL: redis.url, LOG_DIR: `${bench.dir}/logs/${i}`, GRACE_SECONDS: "2" };
  return await bench.start({ env });
}

/** What somebody was told of the comings and goings of others, in short; what is said at the start is quiet and counts as well. */
function news(talker: Talker): string[] {
  return talker.heard.flatMap((push) => {
    switch (push.type) {
      case "joined":
        return [`${push.username} joined`];
      case "left":
        return [`${push.username} left: ${push.reason}`];
      case "renamed":
        return [`${push.from} is ${push.to}`];
      case "typing":
        return push.usernames.length > 0 ? [`${push.usernames.join(" ")} types`] : [];
      default:
        return [];
    }
  });
}

/** Waits until somebody has heard a message: all that was said before has come by then. */
async function hears(talker: Talker, text: string): Promise<void> {
  await talker.hears((push) => push.type === "message" && push.text === text);
}

/** Waits until a node can store messages, which no event tells of. */
async function ready(node: ServerProcess | undefined): Promise<void> {
  while (node !== undefined && await readiness(node) !== 200) await pause();
}

const isJoined = (push: Push) => push.type === "joined";
const isLeft = (push: Push) => push.type === "left";

test(
  "is one chat: what is said, who is here, who types, who is called what [M4] [N10] [N11] [M10]",
  2,
  async ({ join }) => {
    const ada = await join(0, "Ada");
    const ben = await join(1, "Ben");
    await ada.hears(isJoined);
    assertEquals((await ben.joined()).members?.map(({ username }) => username).sort(), [
      "Ada",
      "Ben",
    ]);
    await Promise.all([ada.says("from one"), ben.says("from the other")]);
    for (const talker of [ada, ben]) {
      await Promise.all(["from one", "from the other"].map((text) => hears(talker, text)));
    }
    assertEquals(ada.messages, ben.messages);
    ada.send({ type: "typing", room: "lobby" });
    await ben.hears(({ type }) => type === "typing");
    ada.send({ type: "rename", username: "Ida" });
    await ben.hears(({ type }) => type === "renamed");
    await ada.close();
    await ben.hears(isLeft);
    assertEquals(news(ben), ["Ada types", "Ada is Ida", "Ida left: timeout"]);
    assertEquals(news(ada), ["Ben joined", "Ada types", "Ada is Ida"]);
  },
);

test(
  "has one member for one token, and one owner for one name [N4] [N6] [N7]",
  2,
  async ({ join, nodes }) => {
    const zoe = await join(0, "Zoe");
    const ada = await join(0, "Ada");
    const again = await join(1, "Other", { token: ada.token });
    const { members, count } = await again.joined();
    assertEquals([members?.map(({ username }) => username).sort(), count], [["Ada", "Zoe"], 2]);
    await ada.close();
    await again.says("still here");
    again.send({ type: "leave", room: "lobby" });
    await zoe.hears(isLeft);
    assertEquals(news(zoe), ["Ada joined", "Ada left: timeout"]);
    const [, other] = nodes;
    if (other === undefined) return;
    const taken = await join(1, "zoe").then(
      () => "joined",
      ({ message }) => JSON.parse(message).code,
    );
    assertEquals(taken, "username_taken");
  },
);

test(
  "closes the old connection of a tab that comes to another node, and no newer one [N9]",
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
    await third.says("from the third", "a");
    await tab.says("from the other tab", "b");
    await hears(zoe, "from the other tab");
    assertEquals(news(zoe), ["Ada joined"]);
  },
);

test(
  "makes no noise about who comes back to another node, also when theirs died [N10] [R4]",
  3,
  async ({ join, nodes }) => {
    const zoe = await join(2, "Zoe");
    const ada = await join(0, "Ada");
    const ben = await join(0, "Ben");
    await join(0, "Cy");
    await ada.says("before");
    const head = { epoch: ada.messages.at(-1)?.epoch ?? "", offset: 1 };
    await ben.close();
    await join(1, "Ben", { token: ben.token });
    await nodes[0]?.end("SIGKILL");
    await zoe.says("meanwhile");
    const back = await join(1, "Ada", { token: ada.token, position: head });
    assertEquals(back.texts, ["meanwhile"]);
    await zoe.hears(isLeft);
    // Whatever else was to be said would have been said with it.
    await back.says("after", "after");
    await hears(zoe, "after");
    assertEquals(news(zoe), ["Ada joined", "Ben joined", "Cy joined", "Cy left: timeout"]);
    assertEquals(news(back), ["Cy left: timeout"]);
  },
);

test(
  "lets a node go that was away for too long, and its people come again [C1]",
  2,
  async ({ join, nodes }) => {
    const ada = await join(0, "Ada");
    const zoe = await join(1, "Zoe");
    nodes[0]?.process.kill("SIGSTOP");
    await zoe.hears(isLeft);
    await zoe.says("alone");
    // Ada was silent and is gone, so her name is free.
    const other = await join(1, "Ada");
    nodes[0]?.process.kill("SIGCONT");
    assertEquals(await ada.closed, 1012);
    assertEquals(ada.texts, []);
    await ready(nodes[0]);
    const again = await join(0, "Ida", { token: ada.token });
    assertEquals((await again.joined()).messages.map(({ text }) => text), ["alone"]);
    await other.hears((push) => push.type === "joined" && push.username === "Ida");
  },
);

test(
  "waits while Redis is away, and goes on by itself with nothing lost or doubled [M3] [M5] [M9]",
  2,
  async ({ redis, join, nodes }) => {
    const [one, two] = nodes;
    const ada = await join(0, "Ada");
    const ben = await join(1, "Ben");
    await ada.says("before");
    await redis.kill();
    const { nonce, error } = await ada.says("waits", "waiting");
    assertEquals([error?.code, error?.message], [
      "storage_unavailable",
      "Storage is unavailable. Retrying…",
    ]);
    if (one !== undefined && two !== undefined) {
      assertEquals([await readiness(one), await readiness(two)], [503, 503]);
    }
    await redis.restart();
    // As a page does: the same message again until it is in the log.
    while ((await ada.says("waits", nonce)).error !== undefined) {
      await pause();
    }
    await hears(ben, "waits");
    assertEquals((await ada.says("waits", nonce)).offset, 2);
    await ben.says("after");
    await hears(ada, "after");
    assertEquals([ada.texts, ben.texts], [["before", "waits", "after"], [
      "before",
      "waits",
      "after",
    ]]);
    assertEquals([news(ada), news(ben)], [["Ben joined"], []]);
  },
);
