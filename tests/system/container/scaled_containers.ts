// Three containers on one Redis behind one proxy, as the head of the compose file says to start them. Which of them somebody
// speaks to is told by nothing but the logs: the proxy decides, each time anew.

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Caller } from "./container_client.ts";
import { Compose, lowPortsOnly, none } from "./compose.ts";
import { until } from "./engine.ts";
import type { Engine } from "./engine.ts";
import { assertPage, freePort } from "./container_target.ts";

const nodeCount = 3;
const up = ["up", "--build", "--scale", `chat=${nodeCount}`, "-d"];
const names = ["Ada", "Ben", "Cy"];
/** Enough that one of the nodes would be left out by chance once in a hundred thousand times. */
const requests = 30;

/** A line of a log that says who came, from where and when. */
interface Greeting {
  readonly node: string;
  readonly time: string;
  readonly address: string;
}

export async function manyNodes(t: Deno.TestContext, engine: Engine): Promise<void> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}/`;
  const options = "--env-file docs/examples/cluster.env --profile cluster".split(" ");
  const compose = new Compose(engine, { PROXY_PORT: String(port) }, ...options);
  await using people = new AsyncDisposableStack();
  const callers: Caller[] = [];
  const come = async (name: string) => people.use(await Caller.dial(url, name));
  /** Everything that was said, in no order. */
  const said: string[] = [];
  const say = (caller: Caller, text: string) => {
    caller.say(text);
    said.push(text);
  };

  const logOf = (id: string) => engine.run("docker", "logs", id);
  const nodes = () => compose.containers("chat");
  const startsAll = async () => {
    await compose.run(...up);
    const ids = await nodes();
    assertEquals(ids.length, nodeCount);
    await Promise.all([...ids, await compose.container("redis")].map((id) => compose.healthy(id)));
  };

  /** Where somebody came to last. */
  const greetingOf = async (name: string): Promise<Greeting | undefined> => {
    const greetings: Greeting[] = [];
    for (const node of await nodes()) {
      for (const line of (await logOf(node)).split("\n")) {
        if (!line.includes(`event=hello `) || !line.includes(` name=${name} `)) continue;
        const [, time = ""] = /time=(\S+)/.exec(line) ?? [];
        const [, address = ""] = /address=(\S+)/.exec(line) ?? [];
        greetings.push({ node, time, address });
      }
    }
    return greetings.sort((one, other) => one.time < other.time ? -1 : 1).at(-1);
  };

  /** Every page shows everything that was said, once and in one order, and everybody. */
  const assertComplete = async () => {
    for (const caller of callers) {
      const hasAll = () => caller.isIn && caller.unsent === 0 && caller.texts.length >= said.length;
      await caller.sees(`${caller.username} has all messages`, hasAll);
      await caller.sees(
        `${caller.username} has all members`,
        () => caller.members.length === callers.length,
      );
    }
    for (const { texts, offsets, members } of callers) {
      assertEquals(texts.toSorted(), said.toSorted());
      assertEquals(texts, callers[0]?.texts);
      assertEquals(offsets, said.map((_, i) => i + 1));
      assertEquals(members, callers.map(({ username }) => username).sort());
    }
  };

  await t.step("builds, starts and turns healthy, all of it", startsAll);

  await t.step("serves the page on the proxy's port", () => assertPage(url));

  await t.step("answers from every node, whoever asks", async () => {
    for (let i = 0; i < requests; i++) await (await fetch(`${url}healthz?any`)).body?.cancel();
    const hasAnswered = async (id: string) => (await logOf(id)).includes("GET /healthz?any");
    for (const id of await nodes()) await until(`${id} has answered`, () => hasAnswered(id));
  });

  await t.step(
    "has people of different nodes in one room, who hear and see each other",
    async () => {
      for (const name of names) callers.push(await come(name));
      await until(
        "the nodes have logged who came",
        async () =>
          (await Promise.all(names.map(greetingOf))).every((greeting) => greeting !== undefined),
      );
      const greetings = await Promise.all(names.map(greetingOf));
      assertNotEquals(greetings[0]?.node, greetings[1]?.node);
      const [ada, ben] = callers;
      if (ada === undefined || ben === undefined) return;
      say(ada, "Good morning");
      await ben.hears("Good morning");
      say(ben, "Good morning to you");
      await ada.hears("Good morning to you");
      await assertComplete();
    },
  );

  await t.step("knows people by their own addresses, not by the proxy's", async () => {
    const ofNetwork = (field: string) => `{{range .NetworkSettings.Networks}}{{.${field}}}{{end}}`;
    const gateway = await compose.inspect(
      await compose.container("proxy"),
      ofNetwork("Gateway"),
    );
    assertEquals((await greetingOf("Ada"))?.address, gateway);
  });

  await t.step("lets nobody in beside the proxy but this machine", async () => {
    for (const id of await nodes()) {
      const published = await engine.run("docker", "port", id, "8000");
      assertMatch(published.trim(), /^127\.0\.0\.1:\d+$/);
    }
  });

  await t.step("runs everything with nothing that it does not need", async () => {
    const confined = { capabilities: none, reachable: none, noNewPrivileges: true, readOnly: true };
    for (const id of await nodes()) {
      assertEquals(await compose.confinement(id), { uid: 1993, ...confined, memory: 2 ** 30 });
      assertMatch(await compose.refusal(id, "/app/x"), /Read-only file system/);
    }
    const redis = await compose.container("redis");
    assertEquals(await compose.confinement(redis), { uid: 999, ...confined, memory: 0 });
    assertMatch(await compose.refusal(redis, "/x"), /Read-only file system/);
    const kept = await compose.inside(redis, "redis-cli", "config", "get", "append*");
    assertMatch(kept, /appendonly\nyes\n/);
    assertMatch(kept, /appendfsync\neverysec\n/);
    const proxy = await compose.confinement(await compose.container("proxy"));
    const mask = lowPortsOnly;
    assertEquals(proxy, { uid: 0, ...confined, capabilities: mask, reachable: mask, memory: 0 });
  });

  await t.step("loses and doubles nothing when a node is killed under its people", async () => {
    const { node } = await greetingOf("Ada") ?? {};
    if (node === undefined) throw new Error("Cannot find Ada's node");
    const killed = engine.run("docker", "kill", node);
    for (const caller of callers) {
      for (const i of [1, 2, 3]) say(caller, `${caller.username} ${i} while it ends`);
    }
    await killed;
    for (const caller of callers) {
      for (const i of [1, 2, 3]) say(caller, `${caller.username} ${i} when it has ended`);
    }
    await assertComplete();
    assertEquals(await compose.inspect(node, "{{.State.Running}}"), "false");
    await until("Ada is at another node", async () => (await greetingOf("Ada"))?.node !== node);
    callers.push(await come("Dee"));
    await assertComplete();
  });

  await t.step("keeps every message over down and up, and its people come back", async () => {
    await compose.run("down");
    await startsAll();
    await assertComplete();
    const [ada] = callers;
    if (ada !== undefined) say(ada, "Good night");
    callers.push(await come("Eve"));
    await assertComplete();
  });

  await t.step("leaves nothing behind", async () => {
    await people.disposeAsync();
    await compose.run("down", "-v");
    assertEquals((await engine.run("docker", "ps", "-aq")).trim(), "");
  });
}
