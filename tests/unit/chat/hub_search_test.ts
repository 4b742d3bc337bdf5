// Searches, from the command to the results.

import { assert, assertEquals } from "@std/assert";
import type { MessageEntry } from "../../../app/chat/broker.ts";
import type { PeerAddress } from "../../../app/chat/session.ts";
import { codesOf, only, TestChat } from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";

const peer = {
  address: "192.0.2.9",
  network: "192.0.2.9",
  scope: "public",
  isBannable: true,
} as const;

Deno.test("ChatHub.search() returns the messages found, with the ranges of the matches [F4]", async () => {
  const chat = new TestChat();
  chat.enter("Ada").sendMessage("the quick fox");
  const ben = chat.enter("Ben", ["other"]);
  ben.put({ type: "search", query: "QUICK in:lobby" });
  await chat.settle();
  const { results } = only(ben.pushes(), "results");
  assertEquals(results, [{
    room: "lobby",
    offset: 1,
    member: "id-Ada",
    from: "Ada",
    at: 1_000,
    text: "the quick fox",
    ranges: [[4, 9]],
  }]);
});

Deno.test("ChatHub.search() sends excerpts of long texts [F4]", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage(`x${"😀".repeat(500)} needle ${"x".repeat(300)}${"😀".repeat(200)}`);
  ada.put({ type: "search", query: "needle", room: "lobby" });
  await chat.settle();
  const [found] = only(ada.pushes(), "results").results;
  assert(found !== undefined);
  assert(Math.abs(found.text.length - 402) <= 1, `${found.text.length}`);
  // Neither half an emoji nor its replacement.
  assert(found.text.isWellFormed() && !found.text.includes("\ufffd"));
  const [[start, end] = [0, 0]] = found.ranges;
  assertEquals(found.text.slice(start, end), "needle");
  assert(found.text.startsWith("…") && found.text.endsWith("…"));
});

Deno.test("ChatHub.search() leaves out messages that differ in the end of a long phrase [F2]", async () => {
  const broker = new MemoryBroker();
  const chat = new TestChat({}, broker);
  const message = (offset: number, text: string): MessageEntry => ({
    ...{ type: "message", room: "lobby", member: "id-Ada", from: "Ada", nonce: "n", epoch: "e" },
    ...{ offset, at: 0, text },
  });
  const messages = [message(2, "one two three four"), message(1, "one two three five")];
  broker.search = () => Promise.resolve({ messages });
  const query = { phrases: [{ words: ["one", "two", "three", "five"], isPrefix: false }] };
  const push = await chat.hub.visitors.search(peer, undefined, { type: "search", query });
  assert(push.type === "results");
  assertEquals(push.results.map(({ offset }) => offset), [1]);
});

Deno.test("ChatHub.search() refuses invalid queries, and a second concurrent search [F2] [F8]", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  assertEquals(codesOf(ada.send({ type: "search", query: "***" })), ["query_invalid"]);
  assertEquals(codesOf(ada.send({ type: "search", query: "a", before: "?" })), ["field_invalid"]);
  ada.put({ type: "search", query: "a" });
  assertEquals(codesOf(ada.send({ type: "search", query: "b" })), ["rate_limited"]);
  await chat.settle();
  assertEquals(ada.pushes().map(({ type }) => type), ["results"]);
});

Deno.test("ChatHub.search() is charged to the address [F8]", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  let [results, codes]: [number, readonly unknown[]] = [0, []];
  while (codes.length === 0 && results < 1_000) {
    ada.put({ type: "search", query: "a" });
    await chat.settle();
    codes = codesOf(ada.pushes());
    results++;
  }
  assertEquals(codes, ["rate_limited"]);
  assert(results > 100 && results < 300, `${results}`);
});

Deno.test("ChatHub.search() says that search is off, or storage unavailable [F8]", async () => {
  const broker = new MemoryBroker();
  const chat = new TestChat({}, broker);
  const ada = chat.enter("Ada");
  const codes = async () => {
    ada.put({ type: "search", query: "a" });
    await chat.settle();
    return codesOf(ada.pushes());
  };
  broker.isFailing = true;
  assertEquals(await codes(), ["storage_unavailable"]);
  broker.isFailing = false;
  broker.search = undefined;
  assertEquals(await codes(), ["search_off"]);
});

Deno.test("ChatHub.search() asks clients without a session for the access code [F9]", async () => {
  const chat = new TestChat({}, new MemoryBroker(), { access: (code) => code === "right" });
  const query = { phrases: [], from: { words: ["ada"], isPrefix: false } };
  const command = { type: "search", query } as const;
  assertEquals((await chat.hub.visitors.search(peer, undefined, command)).type, "error");
  assertEquals((await chat.hub.visitors.search(peer, "right", command)).type, "results");
});

Deno.test("ChatHub.search() charges the time that a search takes [F8]", async () => {
  const broker = new MemoryBroker();
  const chat = new TestChat({}, broker);
  broker.search = () => Promise.resolve({ messages: [], busyMs: 250 });
  const query = { phrases: [{ words: ["a"], isPrefix: false }] };
  const search = () => chat.hub.visitors.search(peer, undefined, { type: "search", query });
  const types: string[] = [];
  for (let i = 0; i < 6; i++) types.push((await search()).type);
  // 16 MiB pay for 800 ms.
  assertEquals(types, ["results", "results", "results", "results", "error", "error"]);
});

Deno.test("ChatHub.search() charges the time for the matches in its results, and lets others run [F8]", async () => {
  const broker = new MemoryBroker();
  const chat = new TestChat({}, broker);
  const message = {
    ...{ type: "message", room: "lobby", member: "id-Ada", from: "Ada", nonce: "n", epoch: "e" },
    ...{ offset: 1, at: 0 },
    get text() {
      chat.time.advance(50);
      return "a";
    },
  } as const;
  broker.search = () => Promise.resolve({ messages: Array(5).fill(message) });
  const query = { phrases: [{ words: ["a"], isPrefix: false }] };
  const search = async () => {
    let type: string | undefined;
    void chat.hub.visitors.search(peer, undefined, { type: "search", query })
      .then((push) => type = push.type);
    let turns = 0;
    for (; type === undefined; turns++) {
      for (let i = 0; i < 10; i++) await Promise.resolve();
      // A timer, because Deno receives nothing during a chain of immediates.
      chat.time.advance(1);
    }
    return [type, turns];
  };
  const found: unknown[] = [];
  for (let i = 0; i < 5; i++) found.push(await search());
  // 16 MiB pay for 800 ms.
  assertEquals(found, [...Array(4).fill(["results", 5]), ["error", 1]]);
});

Deno.test("ChatHub.search() bounds the concurrent searches of an address, and of all together [F8]", async () => {
  const broker = new MemoryBroker();
  const chat = new TestChat({}, broker);
  const gate = Promise.withResolvers<void>();
  broker.search = async () => {
    await gate.promise;
    return { messages: [] };
  };
  const query = { phrases: [{ words: ["a"], isPrefix: false }] };
  const home = { ...peer, network: "192.0.2.1" };
  const search = (from: PeerAddress = home) =>
    chat.hub.visitors.search(from, undefined, { type: "search", query });
  const isRefused = (push: Awaited<ReturnType<typeof search>>) =>
    push.type === "error" && push.code === "rate_limited" && push.retryAfter === 1_000;
  // Sessions and requests of an address count together.
  const sessions = ["Ada", "Ben"].map((name) => chat.enter(name, []));
  for (const session of sessions) session.put({ type: "search", query: "a" });
  const results = [search(), search(), search()];
  assert(isRefused(await search()));
  for (const network of ["2001:db8:1:1::/64", "2001:db8:1:2::/64"]) {
    for (let i = 0; i < 5; i++) results.push(search({ ...peer, network }));
  }
  // An IPv6 /48 counts as two addresses.
  assert(isRefused(await search({ ...peer, network: "2001:db8:1:3::/64" })));
  for (let i = 0; i < 5; i++) results.push(search({ ...peer, network: "192.0.2.12" }));
  assert(isRefused(await search({ ...peer, network: "192.0.2.13" })));
  gate.resolve();
  const types = new Set((await Promise.all(results)).map(({ type }) => type));
  assertEquals(types, new Set(["results"]));
  await chat.settle();
  assertEquals(sessions.flatMap((session) => session.pushes()).map(({ type }) => type), [
    "results",
    "results",
  ]);
  assertEquals((await search()).type, "results");
});
