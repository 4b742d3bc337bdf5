// Sessions from open to close: heartbeats, timeouts, slow consumers and draining.

import { assertEquals, assertLess } from "@std/assert";
import {
  FakeSocket,
  helloOf,
  range,
  TestChat,
  textsOf,
  tokenOf,
} from "../../support/hub_harness.ts";

Deno.test("ChatHub sends an empty frame every 25 s, even amid other traffic [P8]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  let beats = 0;
  for (let second = 0; second < 100; second++) {
    chat.time.advance(1_000);
    if (second % 3 === 0) ada.put({ type: "typing", room: "lobby" });
    for (const frame of ada.frames()) {
      if (frame.length > 0) continue;
      beats++;
      ada.put({ type: "pong" });
    }
  }
  assertEquals(beats, 4);
});

Deno.test("ChatHub sends an empty frame every 45 s to an idle client [P8]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const beats: number[] = [];
  for (let second = 1; second <= 240; second++) {
    chat.time.advance(1_000);
    if (second === 180) ada.sendMessage("Still here");
    for (const frame of ada.frames()) {
      if (frame.length > 0) continue;
      beats.push(second);
      ada.put({ type: "pong" });
    }
  }
  const gaps = beats.map((at, i) => at - (beats[i - 1] ?? 0));
  assertEquals(gaps.slice(1), [45, 45, 45, 45, 25]);
  assertEquals(ada.socket.closed, undefined);
});

Deno.test("ChatHub replies to a ping with a heartbeat, and closes a session that floods it [P11]", () => {
  const chat = new TestChat();
  const client = chat.connect();
  const beats = () => {
    client.frames();
    client.put({ type: "ping" });
    const count = client.frames().filter((frame) => frame.length === 0).length;
    if (count > 0) client.put({ type: "pong" });
    return count;
  };
  assertEquals(beats(), 1);
  client.hello("Ada", ["lobby"], { token: tokenOf("x") });
  for (let i = 0; i < 200; i++) {
    chat.time.advance(1_000);
    assertEquals(beats(), 1);
  }
  for (let i = 0; i < 100; i++) beats();
  assertEquals(client.socket.closed?.code, 4102);
});

Deno.test("ChatHub closes a session without hello after 5 s [C3]", () => {
  const chat = new TestChat();
  const client = chat.connect();
  chat.time.advance(7_000);
  assertEquals(client.socket.closed?.code, 4100);
});

Deno.test("ChatHub waits for the broker if hello has arrived within 5 s [C3]", async () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  const ada = chat.connect();
  chat.time.advance(4_000);
  ada.put(helloOf("Ada"));
  chat.time.advance(5_000);
  assertEquals(ada.socket.closed, undefined);
  await chat.settle();
  assertEquals(ada.pushTypes(), ["welcome", "room"]);
});

Deno.test("ChatHub allows 60 s after each of up to four refused hellos [C3]", () => {
  const chat = new TestChat();
  chat.enter("Ada");
  const slow = chat.connect();
  for (let i = 0; i < 2; i++) {
    slow.hello("Ada", ["lobby"], { token: tokenOf("x") });
    chat.time.advance(50_000);
    assertEquals(slow.socket.closed, undefined);
  }
  chat.time.advance(12_000);
  assertEquals(slow.socket.closed?.code, 4100);
  const eager = chat.connect();
  for (let i = 0; i < 5; i++) eager.hello("-", ["lobby"], { token: tokenOf("x") });
  assertEquals(eager.socket.closed?.code, 4100);
});

Deno.test("ChatHub closes a session that is silent for 60 s [C4]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  chat.time.advance(62_000);
  assertEquals(ada.socket.closed?.code, 4103);
});

Deno.test("Outbound closes a slow consumer and sends it nothing more [C5]", () => {
  const chat = new TestChat({ outboxMaxBytes: 10_000, ratePerSecond: 0 });
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ben.frames();
  const send = ben.socket.send.bind(ben.socket);
  ben.socket.send = (text) => {
    send(text);
    ben.socket.buffered += text.length;
  };
  for (let i = 0; i < 20; i++) {
    assertEquals(ben.socket.closed, undefined);
    ada.sendMessage("x".repeat(300));
  }
  while (ben.socket.closed === undefined) ada.sendMessage("x".repeat(300));
  assertEquals(ben.socket.closed.code, 4101);
  assertLess(ben.socket.buffered, 10_000);
  assertEquals(textsOf(ada.sendMessage("still here")), ["still here"]);
});

Deno.test("Outbound counts bytes exactly before it closes a slow consumer [C5]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  chat.broker.fill("lobby", 300, "x".repeat(4_000));
  const ada = chat.enter("Ada");
  const page = () => ada.send({ type: "history", room: "lobby", before: 300, limit: 60 });
  ada.socket.buffered = 300_000;
  for (let i = 0; i < 4; i++) assertEquals(page().map(({ type }) => type), ["history"]);
  assertEquals(ada.socket.closed, undefined);
  ada.socket.buffered = 900_000;
  page();
  assertEquals(ada.socket.closed?.code, 4101);
});

Deno.test("ChatHub.drain() delivers pending messages, then closes all sessions with 1012 and announces no leave [C7]", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.pushes();
  chat.broker.isAsync = true;
  ada.put({ type: "message", room: "lobby", text: "last words", nonce: "n1" });
  const drained = chat.hub.drain();
  ada.put({ type: "message", room: "lobby", text: "too late", nonce: "n2" });
  await drained;
  assertEquals(textsOf(ben.pushes()), ["last words"]);
  assertEquals(ben.socket.closed, { code: 1012, reason: "1000" });
  assertEquals(chat.broker.log("lobby").length, 1);
  assertEquals(chat.broker.released, []);
  assertEquals(chat.time.timers, 0);
});

Deno.test("ChatHub.disconnect() may be called twice, and after the hub closed the session", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada");
  ben.pushes();
  ada.drop(1001);
  ada.drop(1005);
  chat.time.advance(12_000);
  assertEquals(ben.pushTypes().filter((type) => type === "left").length, 1);
  assertEquals(chat.lines.filter(({ event }) => event === "disconnect").length, 1);
});

Deno.test("ChatHub.follow() has no member, and forgets the room with its last follower [H15]", () => {
  const chat = new TestChat();
  const { peer } = chat.connect().session;
  const session = chat.hub.follow(new FakeSocket(), peer, undefined, "lobby", undefined);
  chat.time.settle();
  assertEquals([chat.hub.size.rooms, chat.hub.size.members], [1, 0]);
  if (!("code" in session)) chat.hub.disconnect(session, 1001);
  chat.time.settle();
  assertEquals(chat.hub.size.rooms, 0);
});

Deno.test("ChatHub forgets everything once all members are gone", () => {
  const chat = new TestChat();
  const clients = range(1, 50).map((i) => chat.enter(`M${i}`, ["lobby", `r${i}`]));
  for (const [i, client] of clients.entries()) {
    if (i % 2 === 0) client.sendMessage("hello");
    client.drop(i % 3 === 0 ? 1000 : 1006);
  }
  chat.time.advance(3_600_000 * 2);
  assertEquals(chat.hub.size, { sessions: 0, members: 0, rooms: 0, graces: 0, rates: 0 });
  assertEquals(chat.time.timers, 0);
});

Deno.test("ChatHub logs how it closed a session, with an id that no earlier process used", () => {
  const chat = new TestChat({ sessionPrefix: "x7." });
  const client = chat.connect();
  client.send("{");
  client.drop(1006);
  const line = chat.lines.find(({ event }) => event === "disconnect");
  assertEquals([line?.fields.session, line?.fields.code], ["x7.1", 4000]);
  assertEquals(typeof line?.fields.reason, "string");
  const polite = chat.enter("Ada");
  polite.drop(1001);
  const last = chat.lines.findLast(({ event }) => event === "disconnect");
  assertEquals([last?.fields.code, last?.fields.reason], [1001, undefined]);
});

Deno.test("ChatHub logs refused hellos", () => {
  const chat = new TestChat();
  chat.connect().hello("");
  const { fields } = chat.lines.find(({ event }) => event === "hello_refused") ?? {};
  assertEquals(fields?.code, "username_empty");
});

Deno.test("ChatHub logs the network that causes an event, which in IPv6 is a /64", () => {
  const chat = new TestChat({}, undefined, {
    access: (code) => code === "open-sesame",
    moderatorAccess: () => false,
  });
  const connect = () => chat.connect("2001:db8::1", "2001:db8:0:0::/64");
  const access = "open-sesame";
  const client = connect();
  client.hello("Ada", ["lobby"], { access: "guess-guess" });
  client.hello("Ada", ["lobby"], { access, tab: "t1" });
  client.send({ type: "rename", username: "Ada 2" });
  client.send({ type: "moderate", code: "guess" });
  client.send({ type: "leave", room: "lobby" });
  connect().hello("Ada", [], { access, tab: "t1" });
  connect().send("no JSON");
  client.drop();
  const lines = chat.lines.filter(({ network }) => network === "2001:db8:0:0::/64");
  assertEquals(chat.lines, lines);
  const events = new Set(lines.map(({ event }) => event));
  assertEquals([...events].sort(), [
    "access_denied",
    "close",
    "connect",
    "disconnect",
    "hello",
    "hello_refused",
    "join",
    "leave",
    "moderator_denied",
    "rename",
    "session_replaced",
  ]);
});
