// Three containers on one Redis behind one proxy, as defined in the compose file. The proxy chooses
// a node for each connection, so only the logs show which one a client is on.

import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { ContainerClient } from "./container_client.ts";
import { bindServiceOnly, Compose, noCapabilities } from "./compose.ts";
import { until } from "./engine.ts";
import type { Engine } from "./engine.ts";
import { freePort } from "../../support/free_port.ts";
import { assertPage } from "./container_target.ts";

const nodeCount = 3;
const up = ["up", "--build", "--scale", `chat=${nodeCount}`, "-d"];
const names = ["Ada", "Ben", "Cy"];
/** Enough that a node is left out by chance only once in 60,000 runs. */
const requestCount = 30;

/** A `hello` line of a node's log. */
interface HelloLine {
  readonly node: string;
  readonly time: string;
  readonly address: string;
}

export async function testScaledContainers(t: Deno.TestContext, engine: Engine): Promise<void> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}/`;
  const options = "--env-file docs/examples/cluster.env --profile cluster".split(" ");
  const compose = new Compose(engine, { PROXY_PORT: String(port) }, ...options);
  await using disposables = new AsyncDisposableStack();
  const clients: ContainerClient[] = [];
  const join = async (name: string) => disposables.use(await ContainerClient.join(url, name));
  /** The texts of all messages sent, in no particular order. */
  const sent: string[] = [];
  const send = (client: ContainerClient, text: string) => {
    client.send(text);
    sent.push(text);
  };

  const logOf = (id: string) => engine.run("docker", "logs", id);
  const nodeIds = () => compose.containers("chat");
  const startAll = async () => {
    await compose.run(...up);
    const ids = await nodeIds();
    assertEquals(ids.length, nodeCount);
    await Promise.all(
      [...ids, await compose.container("redis")].map((id) => compose.untilHealthy(id)),
    );
  };

  /** Returns the newest `hello` line of a member. */
  const lastHello = async (name: string): Promise<HelloLine | undefined> => {
    const lines: HelloLine[] = [];
    for (const node of await nodeIds()) {
      for (const line of (await logOf(node)).split("\n")) {
        if (!line.includes(`event=hello `) || !line.includes(` name=${name} `)) continue;
        const [, time = ""] = /time=(\S+)/.exec(line) ?? [];
        const [, address = ""] = /address=(\S+)/.exec(line) ?? [];
        lines.push({ node, time, address });
      }
    }
    return lines.sort((a, b) => a.time < b.time ? -1 : 1).at(-1);
  };

  /** Asserts that every client has every message once, in one order, and every member. */
  const assertComplete = async () => {
    for (const client of clients) {
      const hasAll = () =>
        client.isLive && client.unsentCount === 0 && client.texts.length >= sent.length;
      await client.waitFor(`${client.username} has all messages`, hasAll);
      await client.waitFor(
        `${client.username} has all members`,
        () => client.members.length === clients.length,
      );
    }
    for (const { texts, offsets, members } of clients) {
      assertEquals(texts.toSorted(), sent.toSorted());
      assertEquals(texts, clients[0]?.texts);
      assertEquals(offsets, sent.map((_, i) => i + 1));
      assertEquals(members, clients.map(({ username }) => username).sort());
    }
  };

  await t.step("builds, starts and becomes healthy", startAll);

  await t.step("serves the page on the proxy's port", () => assertPage(url));

  await t.step("spreads requests over every node", async () => {
    for (let i = 0; i < requestCount; i++) await (await fetch(`${url}healthz?any`)).body?.cancel();
    const hasResponded = async (id: string) => (await logOf(id)).includes("GET /healthz?any");
    for (const id of await nodeIds()) await until(`${id} has responded`, () => hasResponded(id));
  });

  await t.step(
    "lets members on different nodes share a room and receive each other's messages",
    async () => {
      for (const name of names) clients.push(await join(name));
      await until(
        "the nodes have logged every hello",
        async () => (await Promise.all(names.map(lastHello))).every((hello) => hello !== undefined),
      );
      const hellos = await Promise.all(names.map(lastHello));
      assertNotEquals(hellos[0]?.node, hellos[1]?.node);
      const [ada, ben] = clients;
      if (ada === undefined || ben === undefined) return;
      send(ada, "Good morning");
      await ben.waitForText("Good morning");
      send(ben, "Good morning to you");
      await ada.waitForText("Good morning to you");
      await assertComplete();
    },
  );

  await t.step("logs the addresses of clients, not the proxy's", async () => {
    const ofNetwork = (field: string) => `{{range .NetworkSettings.Networks}}{{.${field}}}{{end}}`;
    const gateway = await compose.inspect(
      await compose.container("proxy"),
      ofNetwork("Gateway"),
    );
    assertEquals((await lastHello("Ada"))?.address, gateway);
  });

  await t.step("publishes the nodes' ports on this machine only", async () => {
    for (const id of await nodeIds()) {
      const published = await engine.run("docker", "port", id, "8000");
      assertMatch(published.trim(), /^127\.0\.0\.1:\d+$/);
    }
  });

  await t.step("runs everything without capabilities, on read-only file systems", async () => {
    const confined = {
      capabilities: noCapabilities,
      boundingSet: noCapabilities,
      noNewPrivileges: true,
      readOnly: true,
    };
    const limits = { memoryBytes: 2 ** 30, maxThreads: 256 };
    const noLimits = { memoryBytes: 0, maxThreads: 0 };
    for (const id of await nodeIds()) {
      assertEquals(await compose.confinement(id), { uid: 1993, ...confined, ...limits });
      assertMatch(await compose.touchError(id, "/app/x"), /Read-only file system/);
    }
    const redis = await compose.container("redis");
    assertEquals(await compose.confinement(redis), { uid: 999, ...confined, ...noLimits });
    assertMatch(await compose.touchError(redis, "/x"), /Read-only file system/);
    const settings = await compose.exec(redis, "redis-cli", "config", "get", "append*");
    assertMatch(settings, /appendonly\nyes\n/);
    assertMatch(settings, /appendfsync\neverysec\n/);
    const proxy = await compose.confinement(await compose.container("proxy"));
    const mask = bindServiceOnly;
    assertEquals(proxy, {
      uid: 0,
      ...confined,
      capabilities: mask,
      boundingSet: mask,
      ...noLimits,
    });
  });

  await t.step("loses and duplicates nothing when a node is killed", async () => {
    const { node } = await lastHello("Ada") ?? {};
    if (node === undefined) throw new Error("Cannot find Ada's node");
    const killed = engine.run("docker", "kill", node);
    for (const client of clients) {
      for (const i of [1, 2, 3]) send(client, `${client.username} ${i} during the kill`);
    }
    await killed;
    for (const client of clients) {
      for (const i of [1, 2, 3]) send(client, `${client.username} ${i} after the kill`);
    }
    await assertComplete();
    assertEquals(await compose.inspect(node, "{{.State.Running}}"), "false");
    await until("Ada is on another node", async () => (await lastHello("Ada"))?.node !== node);
    clients.push(await join("Dee"));
    await assertComplete();
  });

  await t.step("keeps every message across down and up, and its members reconnect", async () => {
    await compose.run("down");
    await startAll();
    await assertComplete();
    const [ada] = clients;
    if (ada !== undefined) send(ada, "Good night");
    clients.push(await join("Eve"));
    await assertComplete();
  });

  await t.step("leaves no containers or volumes behind", async () => {
    await disposables.disposeAsync();
    await compose.run("down", "-v");
    assertEquals((await engine.run("docker", "ps", "-aq")).trim(), "");
  });
}
