// Limits on what sessions, members and networks may do.

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { codesOf, only, range, TestChat, textsOf } from "../../support/hub_harness.ts";

Deno.test("ChatHub.receive() closes with 1009 on a frame that is too big [L1]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.put(`{"type":"pong","x":"${"ü".repeat(33_000)}"}`);
  assertEquals(ada.socket.closed?.code, 1009);
});

Deno.test("ChatHub.receive() closes with 1009 on a frame over 8 KiB before welcome [L1]", () => {
  const chat = new TestChat();
  const filled = (length: number) => `{"type":"pong","x":"${"x".repeat(length - 22)}"}`;
  const client = chat.connect();
  client.put(filled(8_192));
  assertEquals(client.socket.closed, undefined);
  client.put(filled(8_193));
  assertEquals(client.socket.closed?.code, 1009);
  const ada = chat.enter("Ada");
  ada.put(filled(65_536));
  assertEquals(ada.socket.closed, undefined);
});

Deno.test("Quotas limits a member's messages across its sessions, later ones included [L2]", () => {
  const chat = new TestChat();
  const one = chat.enter("Ada", ["lobby"], { tab: "1" });
  const two = chat.enter("Ada", ["lobby"], { tab: "2" });
  for (let i = 0; i < 5; i++) one.say(`1 ${i}`, "lobby", `a${i}`);
  for (let i = 0; i < 5; i++) two.say(`2 ${i}`, "lobby", `b${i}`);
  const error = only(one.say("over"), "error");
  assertEquals(error.code, "rate_limited");
  one.drop(1000);
  two.drop(1000);
  const again = chat.enter("Ada");
  assertEquals(codesOf(again.say("still over", "lobby", "s1")), ["rate_limited"]);
  chat.time.pass(error.retryAfter ?? 0);
  assertEquals(textsOf(again.say("now", "lobby", "s1")), ["now"]);
});

Deno.test("Quotas limits nothing if the rate is 0 [L2]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const ada = chat.enter("Ada");
  for (let i = 0; i < 500; i++) {
    ada.put({ type: "message", room: "lobby", text: "x", nonce: `n${i}` });
  }
  assertEquals(textsOf(ada.pushes()).length, 500);
});

Deno.test("Quotas charges a network for the bytes it causes [L3]", () => {
  const chat = new TestChat();
  chat.broker.fill("big", 300, "x".repeat(2_000));
  const ada = chat.enter("Ada", ["big"]);
  let pages = 0;
  const read = () => ada.send({ type: "history", room: "big", before: 300, limit: 100 });
  while (codesOf(read()).length === 0) pages++;
  assertGreater(pages, 50);
  assertLess(pages, 100);
  const error = only(read(), "error");
  chat.time.pass(error.retryAfter ?? 0);
  ada.send({ type: "pong" });
  assertEquals(only(read(), "history").messages.length, 100);
});

Deno.test("Quotas charges one network for all its addresses, and for each room they make [L3]", () => {
  const chat = new TestChat();
  const codes = range(1, 30).map((i) => {
    const client = chat.connect(`2001:db8::${i}`, "2001:db8::/64");
    return [...client.hello(`M${i}`, [`room-${i}`]), ...client.say("mine", `room-${i}`)];
  }).map((pushes) => codesOf(pushes).join());
  // Rooms are never removed, so one network must not use up MAX_ROOMS.
  assertEquals(codes.slice(0, 15), Array(15).fill(""));
  assert(codes.at(-1)?.startsWith("rate_limited"));
});

Deno.test("Quotas charges members themselves on loopback [L3]", () => {
  const chat = new TestChat();
  const codes = range(1, 30).map((i) => {
    const client = chat.connect("127.0.0.1");
    return [...client.hello(`M${i}`, [`room-${i}`]), ...client.say("mine", `room-${i}`)];
  }).flatMap(codesOf);
  assertEquals(codes, []);
});

Deno.test("Quotas lets members write while another on their network has read too much [L3] [L2]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 300, "x".repeat(4_000));
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.frames();
  const read = () => codesOf(ada.send({ type: "history", room: "lobby", before: 300, limit: 100 }));
  while (read().length === 0);
  assertEquals(read(), ["rate_limited"]);
  ben.frames();
  assertEquals(textsOf(ben.say("all the same")), ["all the same"]);
  // A new room is never removed, so the network that has read too much cannot make one.
  assertEquals(codesOf(ben.send({ type: "join", room: "new" })), ["rate_limited"]);
});

Deno.test("Quotas allows five renames an hour [L3]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  for (let i = 0; i < 5; i++) {
    assertEquals(codesOf(ada.send({ type: "rename", username: `Ada${i}` })), []);
  }
  assertEquals(codesOf(ada.send({ type: "rename", username: "Ada9" })), ["rate_limited"]);
});

Deno.test("ChatHub.join() allows a session 20 rooms [L4]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada", range(1, 20).map((i) => `r${i}`));
  assertEquals(codesOf(ada.send({ type: "join", room: "one-more" })), ["too_many_rooms"]);
  ada.send({ type: "leave", room: "r1" });
  assertEquals(codesOf(ada.send({ type: "join", room: "one-more" })), []);
});

Deno.test("Quotas closes a session after 100 refusals in 10 s [L6]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  for (let i = 0; i < 99; i++) ada.put({ type: "leave", room: "nowhere" });
  assertEquals(ada.socket.closed, undefined);
  ada.put({ type: "pong" });
  assertEquals(ada.socket.closed?.code, 4102);
});

Deno.test("Quotas tolerates refusals spread over time [L6]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  for (let i = 0; i < 300; i++) {
    ada.send({ type: "leave", room: "nowhere" });
    chat.time.pass(200);
    ada.put({ type: "typing", room: "lobby" });
    if (i % 25 === 0) chat.time.pass(11_000);
  }
  assertEquals(ada.socket.closed?.code, undefined);
});
