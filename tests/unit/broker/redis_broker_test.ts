import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import type { RedisBrokerOptions } from "../../../app/broker/redis/redis_broker.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import { later } from "../../../app/core/timers.ts";
import { hasRedis, RedisProcess } from "../../support/redis_process.ts";
import { defaults, draft, testBroker } from "./broker_contract.ts";
import type { BrokerSettings, Wall } from "./broker_contract.ts";

function optionsFor(
  url: string,
  more: Partial<RedisBrokerOptions & BrokerSettings> = {},
): RedisBrokerOptions {
  return {
    url,
    prefix: "parley:{test}:",
    randomName: () => crypto.randomUUID(),
    leaseMs: 15_000,
    timeoutMs: 3_000,
    report: () => {},
    later,
    random: Math.random,
    ...defaults,
    ...more,
  };
}

if (hasRedis) {
  testBroker("RedisBroker", async (settings, wall: Wall) => {
    const redis = await RedisProcess.start("--appendonly", "no");
    const now = () => wall.ms;
    const broker = await RedisBroker.open(optionsFor(redis.url, { ...settings, now }));
    const close = broker.close.bind(broker);
    broker.close = async () => {
      await close();
      await redis[Symbol.asyncDispose]();
    };
    return broker;
  });
}

/** A node, and what its listener was told. */
class Node {
  readonly heard: Entry[] = [];
  readonly pruned: string[] = [];
  /** What it was told of members on other nodes. */
  readonly news: string[] = [];
  resets = 0;

  private constructor(readonly broker: RedisBroker, readonly said: readonly string[]) {
    broker.subscribe({
      entries: (entries) => this.heard.push(...entries),
      pruned: (room, first) => this.pruned.push(`${room} ${first}`),
      reset: () => this.resets++,
      memberJoined: (room, { username }) => this.news.push(`${username} came to ${room}`),
      memberLeft: (room, { username }, reason) =>
        this.news.push(`${username} went: ${reason} ${room}`),
      memberRenamed: (member, username) => this.news.push(`${member} is ${username}`),
      memberTyping: (room, member) => this.news.push(`${member} types in ${room}`),
    });
  }

  static async start(
    url: string,
    more: Partial<RedisBrokerOptions> = {},
  ): Promise<Node> {
    const said: string[] = [];
    const report = (event: string) => said.push(event);
    const node = new Node(await RedisBroker.open(optionsFor(url, { report, ...more })), said);
    // As a hub with somebody in the lobby does.
    await node.broker.read("lobby", all);
    return node;
  }

  /** What it heard of a room, as text and offset. */
  texts(room = "lobby"): string {
    return this.heard.filter((entry) => entry.room === room)
      .map(({ text, offset }) => `${text}${offset}`).join(" ");
  }

  /** Takes a name and goes into a room. */
  async enter(member: string, username: string, room = "lobby"): Promise<void> {
    await this.broker.claim(member, username);
    this.broker.cluster.join(room, member, username);
  }

  /** Who is in a room by way of other nodes. */
  others(room = "lobby"): string {
    return this.broker.cluster.remoteMembers(room).map(({ username }) => username).sort().join(" ");
  }

  /** Appends one message until it is in the log, as a client does, and answers how often it was tried. */
  async say(text: string): Promise<number> {
    for (let tries = 1;; tries++) {
      const [result] = await this.broker.append([draft(text)]);
      if (result?.kind === "stored" || result?.kind === "repeat") return tries;
      await until(() => this.broker.isReady);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
  }
}

/** Waits for something that somebody else brings about. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!await condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The way from one node to Redis, which can be cut. */
class Wire {
  /** The port that it leads to. */
  target: number;
  readonly #listener: Deno.TcpListener;
  readonly #ends = new Set<Deno.TcpConn>();
  readonly #copies: Promise<void>[] = [];
  isCut = false;

  constructor(target: number) {
    this.target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#copies.push(this.#serve());
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#listener.addr.port}/`;
  }

  cut(): void {
    this.isCut = true;
    for (const end of this.#ends) close(end);
    this.#ends.clear();
  }

  async #serve(): Promise<void> {
    for await (const near of this.#listener) {
      if (this.isCut) {
        near.close();
        continue;
      }
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.target })
        .catch(() => undefined);
      if (far === undefined || this.isCut) {
        near.close();
        far?.close();
        continue;
      }
      for (const [from, to] of [[near, far], [far, near]] as const) {
        this.#ends.add(from);
        this.#copies.push(
          from.readable.pipeTo(to.writable).catch(() => {}).finally(() => close(to)),
        );
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#listener.close();
    await Promise.all(this.#copies);
  }
}

/** Closes what may be closed already. */
function close(end: Deno.TcpConn): void {
  try {
    end.close();
  } catch {
    // The other side was quicker.
  }
}

/** How often everything breaks; more in a long run. */
const rounds = Number(Deno.env.get("REDIS_ROUNDS") ?? 2);
const all = { before: Infinity, limit: 1_000, maxBytes: 1e6 };
const forward = { limit: 1_000, maxBytes: 1e6 };

function test(criterion: string, run: (redis: RedisProcess) => Promise<void>): void {
  Deno.test({
    name: `RedisBroker ${criterion}`,
    ignore: !hasRedis,
    fn: async () => {
      await using redis = await RedisProcess.start();
      await run(redis);
    },
  });
}

test("append() tells all nodes everything, in one order [M4]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  const write = async (node: Node, name: string) => {
    for (let i = 0; i < 50; i++) {
      const room = i % 3 === 0 ? "other" : "lobby";
      const [result] = await node.broker.append([draft(`${name}${i}-`, { room })]);
      assertEquals(result?.kind, "stored");
    }
  };
  await Promise.all([write(a, "a"), write(b, "b")]);
  await until(() => a.heard.length === 100 && b.heard.length === 100);
  assertEquals(a.heard, b.heard);
  const offsets = a.heard.filter(({ room }) => room === "lobby").map(({ offset }) => offset);
  assertEquals(offsets, offsets.map((_, i) => i + 1));
  assertEquals((await b.broker.read("other", all)).head.offset, 34);
});

test("append() takes several batches at once, and keeps their order", async ({ url }) => {
  await using a = await Node.start(url);
  const batches = Array.from({ length: 20 }, (_, i) => [draft(`x${i}-`), draft(`y${i}-`)]);
  await Promise.all(batches.map((batch) => a.broker.append(batch)));
  assertEquals(a.texts(), batches.map((_, i) => `x${i}-${2 * i + 1} y${i}-${2 * i + 2}`).join(" "));
});

test("append() refuses a name that another member has taken meanwhile [N4]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  await b.broker.claim("ben", "Ada");
  const results = await a.broker.append([draft("a"), draft("b", { member: "ben" })]);
  assertEquals(results, [{ kind: "unavailable" }, { kind: "stored", offset: 1 }]);
});

test("append() stores nothing in a Redis that is full, and reads go on [M9]", async (redis) => {
  await using a = await Node.start(redis.url, { leaseMs: 300 });
  await a.say("a");
  await redis.cli("CONFIG", "SET", "maxmemory", "1");
  assertEquals(await a.broker.append([draft("b"), draft("c")]), [
    { kind: "unavailable" },
    { kind: "unavailable" },
  ]);
  assertEquals((await a.broker.read("lobby", all)).head.offset, 1);
  assertEquals(a.broker.isReady, false);
  await redis.cli("CONFIG", "SET", "maxmemory", "0");
  // Also when nobody tries.
  await until(() => a.broker.isReady);
  assertEquals(a.said, ["storage_failed", "storage_recovered"]);
  assertEquals(await a.broker.append([draft("b")]), [{ kind: "stored", offset: 2 }]);
  assertEquals(a.texts(), "a1 b2");
  assertEquals(a.said, ["storage_failed", "storage_recovered"]);
});

test("append() does not double what Redis did without answering [M3]", async (redis) => {
  await using a = await Node.start(redis.url, { timeoutMs: 200 });
  await a.say("a");
  redis.signal("SIGSTOP");
  assertEquals(await a.broker.append([draft("b")]), [{ kind: "unavailable" }]);
  assertEquals(a.broker.isReady, false);
  assertEquals(await a.broker.append([draft("c")]), [{ kind: "unavailable" }]);
  redis.signal("SIGCONT");
  await until(() => a.broker.isReady);
  await a.say("b");
  await a.say("c");
  assertEquals(a.texts(), "a1 b2 c3");
});

test("append() loses and doubles nothing while Redis is killed and wires are cut [M4] [M5]", async (redis) => {
  const more = { timeoutMs: 500 };
  await using wireA = new Wire(redis.port);
  await using wireB = new Wire(redis.port);
  await using a = await Node.start(wireA.url, more);
  await using b = await Node.start(wireB.url, more);
  await using c = await Node.start(redis.url, more);
  const acked = new Map<string, number>();
  let isOver = false;
  const write = async (node: Node, name: string) => {
    for (let i = 0; !isOver; i++) {
      const text = `${name}${i}-`;
      for (let offset; offset === undefined && !isOver;) {
        const [result] = await node.broker.append([draft(text)]);
        if (result?.kind === "stored" || result?.kind === "repeat") offset = result.offset;
        if (offset === undefined) await until(() => node.broker.isReady || isOver);
        else acked.set(text, offset);
      }
    }
  };
  const grows = async () => {
    const wanted = acked.size + 20;
    await until(() => acked.size >= wanted);
  };
  const writers = [write(a, "a"), write(b, "b"), write(c, "c")];
  for (let round = 0; round < rounds; round++) {
    await grows();
    const wire = round % 2 === 0 ? wireA : wireB;
    wire.cut();
    await grows();
    await redis.kill();
    await redis.restart();
    await grows();
    wire.isCut = false;
    await until(() => a.broker.isReady && b.broker.isReady);
  }
  await grows();
  isOver = true;
  await Promise.all(writers);
  await a.say("end");
  const end = (node: Node) => node.heard.at(-1)?.text === "end";
  await until(() => end(a) && end(b) && end(c));
  const { entries } = await a.broker.read("lobby", { ...all, limit: 1e6, maxBytes: 1e9 });
  assertEquals(entries.map(({ offset }) => offset), entries.map((_, i) => i + 1));
  assertEquals(new Set(entries.map(({ nonce }) => nonce)).size, entries.length);
  for (const [text, offset] of acked) assertEquals(entries[offset - 1]?.text, text);
  for (const node of [a, b, c]) {
    assertEquals(node.heard, entries);
    assertEquals(node.resets, 0);
  }
});

test("append() goes on by itself after Redis was killed, with nothing lost [M5]", async (redis) => {
  await using a = await Node.start(redis.url);
  await using b = await Node.start(redis.url);
  await a.broker.claim("ada", "Ada");
  await a.say("a");
  const before = await a.broker.read("lobby", all);
  await redis.kill();
  assertEquals(await a.broker.append([draft("b")]), [{ kind: "unavailable" }]);
  await assertRejects(() => a.broker.read("lobby", all), Error, "Cannot reach Redis");
  await redis.restart();
  await until(() => a.broker.isReady && b.broker.isReady);
  const { valid } = await b.broker.read("lobby", { ...forward, after: before.head });
  assert(valid);
  await a.say("b");
  await until(() => b.heard.length === 2);
  assertEquals([a.texts(), b.texts()], ["a1 b2", "a1 b2"]);
  assertNotEquals(a.heard[1]?.epoch, a.heard[0]?.epoch);
  assertEquals(await b.broker.claim("ben", "Ada"), undefined);
  assertEquals([a.resets, b.resets], [0, 0]);
});

test("reset() is told to all nodes when Redis has forgotten everything [R3]", async (redis) => {
  await using a = await Node.start(redis.url, { leaseMs: 300 });
  await using b = await Node.start(redis.url, { leaseMs: 300 });
  await a.broker.claim("ada", "Ada");
  await a.say("a");
  const { head } = await a.broker.read("lobby", all);
  await until(() => b.heard.length === 1);
  await redis.cli("FLUSHALL");
  await until(() => a.resets === 1 && b.resets === 1);
  await until(() => a.broker.isReady && b.broker.isReady);
  const page = await b.broker.read("lobby", { ...forward, after: head });
  assertEquals([page.valid, page.head.offset], [false, 0]);
  assertEquals(await b.broker.claim("ben", "Ada"), "Ada");
  await b.broker.append([draft("b", { member: "ben" })]);
  await until(() => a.heard.length === 2);
  assertEquals(a.texts(), "a1 b1");
});

test("reset() is told when a Redis from a backup lacks what was heard [R3]", async (redis) => {
  await using a = await Node.start(redis.url);
  await a.say("a");
  await copyFolder(`${redis.dir}/appendonlydir`, `${redis.dir}/backup`);
  await a.say("b");
  const { head } = await a.broker.read("lobby", all);
  await redis.kill();
  await until(() => !a.broker.isReady);
  await Deno.remove(`${redis.dir}/appendonlydir`, { recursive: true });
  await Deno.rename(`${redis.dir}/backup`, `${redis.dir}/appendonlydir`);
  await redis.restart();
  await until(() => a.broker.isReady);
  assertEquals(a.resets, 1);
  for (const text of ["c", "d"]) {
    const page = await a.broker.read("lobby", { ...forward, after: head });
    assertEquals(page.valid, false);
    await a.say(text);
  }
  assertEquals(a.texts(), "a1 b2 c2 d3");
});

test("reset() is told when another Redis takes over that lacks what was heard [R3]", async (redis) => {
  await using replica = await replicaOf(redis);
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url);
  await a.say("a");
  const head = ["HGET", "parley:{test}:room:lobby", "head"];
  await until(async () => await replica.cli(...head) === "1");
  await replica.cli("REPLICAOF", "NO", "ONE");
  await a.say("b");
  wire.cut();
  await redis.kill();
  await until(() => !a.broker.isReady);
  wire.target = replica.port;
  wire.isCut = false;
  await until(() => a.broker.isReady);
  assertEquals(a.resets, 1);
  await a.say("c");
  assertEquals(a.texts(), "a1 b2 c2");
  assertNotEquals(a.heard[2]?.epoch, a.heard[1]?.epoch);
});

test("reset() is told when what was missed is not kept any more [R6] [R11]", async (redis) => {
  const more = { retentionMessages: 3 };
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url, more);
  await using b = await Node.start(redis.url, more);
  await a.say("a");
  wire.cut();
  await until(() => !a.broker.isReady);
  await b.broker.append([..."bcde"].map((text) => draft(text)));
  await b.broker.prune();
  wire.isCut = false;
  await until(() => a.broker.isReady);
  assertEquals([a.resets, a.texts()], [1, "a1"]);
});

test("append() waits for a replica to be made the master", async (redis) => {
  await using replica = await replicaOf(redis);
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url);
  await a.say("a");
  const head = ["HGET", "parley:{test}:room:lobby", "head"];
  await until(async () => await replica.cli(...head) === "1");
  wire.target = replica.port;
  wire.cut();
  wire.isCut = false;
  await until(async () => (await replica.cli("INFO", "errorstats")).includes("READONLY"));
  assertEquals(a.broker.isReady, false);
  await replica.cli("REPLICAOF", "NO", "ONE");
  await until(() => a.broker.isReady);
  await a.say("b");
  assertEquals([a.texts(), a.resets], ["a1 b2", 0]);
});

test("entries() fills a hole after a node was cut off [R8]", async (redis) => {
  await using wire = new Wire(redis.port);
  await using a = await Node.start(redis.url);
  await using b = await Node.start(wire.url);
  await a.say("a");
  await b.broker.read("other", all);
  await until(() => b.heard.length === 1);
  wire.cut();
  await until(() => !b.broker.isReady);
  await a.broker.append(Array.from({ length: 1_200 }, (_, i) => draft(`m${i}-`)));
  await a.broker.append([draft("first", { room: "other" })]);
  wire.isCut = false;
  await until(() => b.broker.isReady);
  assertEquals(b.texts(), a.texts());
  assertEquals(b.texts("other"), "first1");
  await a.say("z");
  await until(() => b.texts() === a.texts());
  assertEquals([a.resets, b.resets], [0, 0]);
});

test("entries() fills a hole in the feed [R8]", async (redis) => {
  await using a = await Node.start(redis.url);
  await using b = await Node.start(redis.url);
  await a.say("a");
  await until(() => b.heard.length === 1);
  const end = Number(await redis.cli("HGET", "parley:{test}:meta", "feed"));
  const event = ["after", String(end + 1), "event", "{}"];
  await redis.cli("XADD", "parley:{test}:feed", `${end + 2}-0`, ...event);
  await a.say("b");
  await until(() => b.heard.length === 2);
  assertEquals([a.texts(), b.texts()], ["a1 b2", "a1 b2"]);
});

test("prune() tells every node what is gone, whoever does it [R11]", async ({ url }) => {
  await using a = await Node.start(url, { retentionMessages: 2 });
  await using b = await Node.start(url, { retentionMessages: 2 });
  await a.broker.append([draft("a"), draft("b"), draft("c")]);
  assertEquals(await Promise.all([a.broker.prune(), b.broker.prune()]), [false, false]);
  await until(() => b.pruned.length > 0);
  assertEquals([a.pruned, b.pruned], [["lobby 2"], ["lobby 2"]]);
});

test("prune() takes long logs in bounded steps, and says when there is more [R11]", async ({ url }) => {
  await using a = await Node.start(url, { retentionMessages: 10 });
  await a.broker.append(Array.from({ length: 11_000 }, (_, i) => draft(`m${i}`)));
  const said: boolean[] = [];
  do said.push(await a.broker.prune()); while (said.at(-1));
  assertEquals(said, [true, true, false]);
  assertEquals(a.pruned, ["lobby 5001", "lobby 10001", "lobby 10991"]);
});

test("claim() and release() know a member that is on two nodes [N8]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  assertEquals(await a.broker.claim("ada", "Ada"), "Ada");
  assertEquals(await b.broker.claim("ben", "ada"), undefined);
  assertEquals(await b.broker.claim("ada", "Other"), "Ada");
  await a.broker.release("ada");
  assertEquals(await a.broker.claim("ben", "Ada"), undefined);
  await b.broker.release("ada");
  assertEquals(await a.broker.claim("ben", "Ada"), "Ada");
});

test("release() frees a name also when Redis is away at the time [N8]", async (redis) => {
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url);
  await using b = await Node.start(redis.url);
  await a.broker.claim("ada", "Ada");
  await a.broker.claim("eda", "Eda");
  wire.cut();
  await until(() => !a.broker.isReady);
  for (const member of ["ada", "eda"]) await assertRejects(() => a.broker.release(member));
  await assertRejects(() => a.broker.claim("eda", "Eda"));
  wire.isCut = false;
  await until(async () => await b.broker.claim("ben", "Ada") === "Ada");
  assertEquals(await b.broker.claim("zoe", "Eda"), undefined);
});

test("renamed() is told of a rename whose answer was lost [N8]", async (redis) => {
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url);
  await using b = await Node.start(redis.url);
  await a.enter("ada", "Ada");
  await until(() => b.others() === "Ada");
  wire.cut();
  await until(() => !a.broker.isReady);
  // The same member, as if the node itself had asked.
  await b.broker.rename("ada", "Ida");
  wire.isCut = false;
  await until(() => a.news.length === 1);
  assertEquals(a.news, ["ada is Ida"]);
});

test("claim() gives away a name once the node of its silent holder is found dead [N8]", async ({ url }) => {
  await using b = await Node.start(url, { leaseMs: 200 });
  {
    await using a = await Node.start(url, { leaseMs: 200 });
    await a.broker.claim("ada", "Ada");
    await a.broker.claim("eda", "Eda");
    await a.broker.append([draft("a", { member: "eda", from: "Eda" })]);
  }
  await until(async () => await b.broker.claim("ben", "Ada") === "Ada");
  assertEquals(await b.broker.claim("zoe", "Eda"), undefined);
  assertEquals(await b.broker.claim("eda", "x"), "Eda");
});

test("reset() is told to a node that the others held for dead, before anything else", async (redis) => {
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url, { leaseMs: 200 });
  await using b = await Node.start(redis.url, { leaseMs: 200 });
  await a.broker.claim("ada", "Ada");
  wire.cut();
  await until(async () => await b.broker.claim("ben", "Ada") === "Ada");
  await b.broker.append([draft("a", { member: "ben" })]);
  await a.broker.append([draft("never", { from: "Ida" })]);
  wire.isCut = false;
  await until(() => a.broker.isReady);
  assertEquals([a.resets, a.heard], [1, []]);
  assertEquals(await a.broker.claim("ada", "Ada"), undefined);
  await a.broker.append([draft("b", { from: "Ida" })]);
  assertEquals(a.texts(), "b2");
});

test("renew() finds nobody dead when it was Redis that stood still", async (redis) => {
  await using a = await Node.start(redis.url, { leaseMs: 300, timeoutMs: 100 });
  await using b = await Node.start(redis.url, { leaseMs: 300, timeoutMs: 100 });
  await a.broker.claim("ada", "Ada");
  redis.signal("SIGSTOP");
  const stopped = performance.now();
  await until(() => performance.now() - stopped > 600);
  redis.signal("SIGCONT");
  await until(() => a.broker.isReady && b.broker.isReady);
  assertEquals(await b.broker.claim("ben", "Ada"), undefined);
  assertEquals([a.resets, b.resets], [0, 0]);
});

test("cluster.enter() and leave() tell the other nodes who is where [N10]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  await a.enter("ada", "Ada");
  await a.enter("ben", "Ben");
  a.broker.cluster.join("other", "ada", "Ada");
  a.broker.cluster.leave("lobby", "ben", "quit");
  await until(() => b.news.length === 4);
  assertEquals(b.news, [
    "Ada came to lobby",
    "Ben came to lobby",
    "Ada came to other",
    "Ben went: quit lobby",
  ]);
  assertEquals([a.others(), b.others(), b.others("other")], ["", "Ada", "Ada"]);
  await using c = await Node.start(url);
  assertEquals([c.others(), c.others("other"), c.others("none")], ["Ada", "Ada", ""]);
  assertEquals([a.news, c.news], [[], []]);
});

test("cluster.leave() is no news of a member that is on a third node too [N10]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  await using c = await Node.start(url);
  await a.enter("ada", "Ada");
  await until(() => b.others() === "Ada");
  await b.enter("ada", "Ada");
  await until(() => a.others() === "Ada");
  a.broker.cluster.leave("lobby", "ada", "timeout");
  await until(() => b.others() === "");
  await b.enter("ben", "Ben");
  await until(() => c.others() === "Ada Ben");
  assertEquals(c.news, ["Ada came to lobby", "Ben came to lobby"]);
});

test("rename() tells every node, and who comes later [N8]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  await a.enter("ada", "Ada");
  assert(await a.broker.rename("ada", "Ida"));
  await until(() => b.news.length === 2 && a.news.length === 1);
  assertEquals(b.news, ["Ada came to lobby", "ada is Ida"]);
  await using c = await Node.start(url);
  assertEquals([b.others(), c.others()], ["Ida", "Ida"]);
});

test("cluster.type() reaches the other nodes, and is kept nowhere [M10]", async ({ url }) => {
  await using a = await Node.start(url);
  await using b = await Node.start(url);
  a.broker.cluster.typing("lobby", "ada");
  await until(() => b.news.length === 1);
  assertEquals([a.news, b.news], [[], ["ada types in lobby"]]);
});

test("went() is told once of each member of a node that died, unless it is elsewhere [N10]", async ({ url }) => {
  const lease = { leaseMs: 200 };
  await using b = await Node.start(url, lease);
  await using c = await Node.start(url, lease);
  {
    await using a = await Node.start(url, lease);
    await a.enter("ada", "Ada");
    await a.enter("ben", "Ben");
    await until(() => b.others() === "Ada Ben" && c.others() === "Ada Ben");
  }
  await b.enter("ben", "Ben");
  await until(() => b.others() === "" && c.others() === "Ben");
  await b.enter("zoe", "Zoe");
  await until(() => c.others() === "Ben Zoe");
  const came = ["Ada came to lobby", "Ben came to lobby"];
  assertEquals(c.news, [...came, "Ada went: timeout lobby", "Zoe came to lobby"]);
  assertEquals(b.news.slice(2).sort(), ["Ada went: timeout lobby", "Ben went: timeout lobby"]);
});

test("came() and went() catch up after a node was cut off, both ways [N11]", async (redis) => {
  await using wire = new Wire(redis.port);
  await using a = await Node.start(wire.url);
  await using b = await Node.start(redis.url);
  await a.enter("ada", "Ada");
  await a.enter("ben", "Ben");
  await b.enter("kim", "Kim");
  await b.enter("lea", "Lea");
  await until(() => a.others() === "Kim Lea" && b.others() === "Ada Ben");
  wire.cut();
  await until(() => !a.broker.isReady);
  a.broker.cluster.leave("lobby", "ben", "quit");
  a.broker.cluster.join("other", "ada", "Ada");
  b.broker.cluster.leave("lobby", "lea", "quit");
  await b.broker.rename("kim", "Tim");
  await b.enter("mia", "Mia");
  wire.isCut = false;
  await until(() =>
    a.others() === "Mia Tim" && b.others() === "Ada" && b.others("other") === "Ada"
  );
  assertEquals(a.news.slice(2).sort(), [
    "Lea went: timeout lobby",
    "Mia came to lobby",
    "kim is Tim",
  ]);
  assertEquals([a.resets, b.resets], [0, 0]);
});

test("open() refuses a Redis that throws keys away when it is full", async (redis) => {
  await redis.cli("CONFIG", "SET", "maxmemory-policy", "allkeys-lru");
  await assertRejects(
    () => RedisBroker.open(optionsFor(redis.url)),
    Error,
    `Cannot use Redis at 127.0.0.1:${redis.port}: its maxmemory-policy is allkeys-lru`,
  );
});

test("open() says why Redis cannot be used, without its password", async (redis) => {
  await redis.kill();
  const url = `redis://:secret@127.0.0.1:${redis.port}/`;
  const error = await assertRejects(() => RedisBroker.open(optionsFor(url)), Error, "Cannot use");
  assertEquals(error.message.includes("secret"), false);
});

async function replicaOf(redis: RedisProcess): Promise<RedisProcess> {
  await redis.cli("CONFIG", "SET", "repl-diskless-sync-delay", "0");
  return await RedisProcess.start("--replicaof", "127.0.0.1", `${redis.port}`);
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.mkdir(to);
  for await (const { name } of Deno.readDir(from)) {
    await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
