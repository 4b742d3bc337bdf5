// Commands in general: refusals, order and logging.

import { assert, assertEquals } from "@std/assert";
import { codesOf, helloOf, only, TestChat, textsOf } from "../../support/hub_harness.ts";

Deno.test("ChatHub.receive() closes with 4000 on frames that break the protocol [P3]", () => {
  for (const frame of ["", "nonsense", "[]", "1", '"x"', "null", '{"a":1}', '{"type":1}']) {
    const chat = new TestChat();
    const client = chat.connect();
    client.put(frame);
    assertEquals(client.socket.closed?.code, 4000, frame);
  }
  const chat = new TestChat();
  const client = chat.connect();
  chat.hub.receive(client.session, new ArrayBuffer(3));
  assertEquals(client.socket.closed?.code, 4000);
});

Deno.test("ChatHub.receive() refuses unknown types and stays open [P4]", () => {
  const client = new TestChat().connect();
  assertEquals(codesOf(client.send({ type: "dance" })), ["unknown_type"]);
  assertEquals(client.socket.closed, undefined);
});

Deno.test("ChatHub.receive() truncates an unknown type without splitting a surrogate pair [P4]", () => {
  const chat = new TestChat();
  const error = only(chat.connect().send({ type: `${"x".repeat(31)}\u{1f600}` }), "error");
  assert(error.re.isWellFormed());
});

Deno.test("ChatHub.receive() runs no part of an invalid command [P5]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const pushes = ada.send({ type: "message", room: "lobby", text: "hi", nonce: "no spaces" });
  assertEquals(codesOf(pushes), ["nonce_invalid"]);
  assertEquals(chat.broker.log("lobby"), []);
});

Deno.test("ChatHub requires hello first and only once [P6]", () => {
  const chat = new TestChat();
  const client = chat.connect();
  assertEquals(codesOf(client.sendMessage("hi")), ["hello_required"]);
  client.send({ type: "pong" });
  client.hello("Ada");
  assertEquals(codesOf(client.hello("Ada")), ["already_greeted"]);
});

Deno.test("ChatHub.hello() sends welcome, then a room push per room, in order [P7]", () => {
  const client = new TestChat().connect();
  client.put(helloOf("Ada", ["b", "a"]));
  const [frame = []] = client.frames();
  assertEquals(
    frame.map((push) => push.type === "room" ? push.room : push.type),
    ["welcome", "b", "a"],
  );
});

Deno.test("ChatHub.hello() can be retried on the same connection after a refusal [P7] [N4]", () => {
  const chat = new TestChat();
  chat.enter("Ada");
  const client = chat.connect();
  const rooms = [{ room: "lobby" }];
  assertEquals(codesOf(client.send({ type: "hello", username: "ADA", rooms })), ["username_taken"]);
  assertEquals(codesOf(client.send({ type: "hello", username: "-", rooms })), ["username_ends"]);
  assertEquals(
    only(client.send({ type: "hello", username: "Ben", rooms }), "welcome").username,
    "Ben",
  );
});

Deno.test("ChatHub states the command's type, a code and a sentence in a refusal [P10]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const error = only(ada.sendMessage("hi", "elsewhere", "n9"), "error");
  assertEquals(error, {
    type: "error",
    re: "message",
    code: "not_joined",
    message: "Join elsewhere first",
    nonce: "n9",
    room: "elsewhere",
  });
});

Deno.test("ChatHub keeps a session's commands in order while the broker is slow [P9]", async () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  const client = chat.connect();
  client.put(helloOf("Ada"));
  client.put({ type: "message", room: "lobby", text: "as Ada", nonce: "n1" });
  client.put({ type: "rename", username: "Ida" });
  client.put({ type: "message", room: "lobby", text: "as Ida", nonce: "n2" });
  await chat.settle();
  assertEquals(
    chat.broker.log("lobby").map(({ from, text }) => `${from}: ${text}`),
    ["Ada: as Ada", "Ida: as Ida"],
  );
});

Deno.test("ChatHub holds back at most 256 commands of a session while the broker is slow [L6]", () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  const client = chat.connect();
  client.put(helloOf("Ada"));
  chat.time.settle();
  for (let i = 0; i < 256; i++) client.put({ type: "pong" });
  assertEquals(client.socket.closed, undefined);
  client.put({ type: "pong" });
  assertEquals(client.socket.closed?.code, 4102);
});

Deno.test("ChatHub works with an asynchronous broker", async () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  const ada = chat.connect();
  const ben = chat.connect();
  ada.put(helloOf("Ada"));
  ben.put(helloOf("Ben"));
  await chat.settle();
  ada.put({ type: "message", room: "lobby", text: "hello", nonce: "n1" });
  await chat.settle();
  assertEquals(textsOf(ben.pushes()), ["hello"]);
  ben.put({ type: "rename", username: "Ada" });
  await chat.settle();
  assertEquals(codesOf(ben.pushes()), ["username_taken"]);
});

Deno.test("ChatHub logs events without the text of messages", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("a secret");
  ada.drop(1000);
  assertEquals(chat.lines.map(({ event }) => event), [
    "connect",
    "hello",
    "join",
    "message",
    "leave",
    "disconnect",
  ]);
  assert(!JSON.stringify(chat.lines).includes("secret"));
});

Deno.test("ChatHub logs the text of messages if configured", () => {
  const chat = new TestChat({ logMessageText: true });
  chat.enter("Ada").sendMessage("no secret");
  assert(JSON.stringify(chat.lines).includes("no secret"));
});
