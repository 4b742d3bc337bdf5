// Messages and typing, from the command to the pushes that the room receives.

import { assertEquals, assertGreater } from "@std/assert";
import { codesOf, only, range, TestChat, textsOf } from "../../support/hub_harness.ts";

Deno.test("ChatHub.message() delivers the stored entry to all members, its author included [M4] [M5]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.pushes();
  const own = only(ada.sendMessage("hello", "lobby", "n1"), "message");
  assertEquals(own, {
    type: "message",
    room: "lobby",
    offset: 1,
    member: "id-Ada",
    from: "Ada",
    text: "hello",
    at: 1000,
    nonce: "n1",
    epoch: "epoch1",
  });
  assertEquals(ben.pushes(), [own]);
});

Deno.test("ChatHub.message() uses one commit per tick, and one frame per session", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.frames();
  for (const client of [ada, ben]) {
    for (let i = 0; i < 5; i++) {
      client.put({ type: "message", room: "lobby", text: `m${i}`, nonce: `n${i}` });
    }
  }
  assertEquals(ada.frames().map((frame) => frame.length), [10]);
  assertEquals(ben.frames().map((frame) => frame.length), [10]);
  assertEquals(chat.broker.appends.map((drafts) => drafts.length), [10]);
});

Deno.test("Ticker collects the frames of up to four turns in one tick", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const ada = chat.enter("Ada");
  ada.frames();
  let count = 0;
  const sendInEachTurn = (turns: number) => {
    if (turns === 0) return;
    // Frames arrive in a turn before the hub's own task of that turn.
    chat.time.soon(() => sendInEachTurn(turns - 1));
    ada.put({ type: "message", room: "lobby", text: "hello", nonce: `n${count++}` });
  };
  sendInEachTurn(3);
  assertEquals(ada.frames().map((frame) => frame.length), [3]);
  // The frame that scheduled the tick, and those of the four turns after it.
  sendInEachTurn(6);
  assertEquals(ada.frames().map((frame) => frame.length), [5, 1]);
});

Deno.test("ChatHub.message() stores a nonce once and acknowledges repeats with the first offset [M3]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("hello", "lobby", "n1");
  ada.sendMessage("other", "lobby", "n2");
  assertEquals(ada.sendMessage("hello", "lobby", "n1"), [
    { type: "ack", room: "lobby", nonce: "n1", offset: 1 },
  ]);
  assertEquals(chat.broker.log("lobby").length, 2);
});

Deno.test("ChatHub.message() cleans the text before storing it [M2]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("  a\r\nb\u0007 \ud800 ");
  assertEquals(chat.broker.log("lobby").map(({ text }) => text), ["  a\nb \ufffd"]);
});

Deno.test("ChatHub.message() refuses empty and overlong texts [M1]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  assertEquals(codesOf(ada.sendMessage(" \n ")), ["text_empty"]);
  assertEquals(codesOf(ada.sendMessage("x".repeat(4_001))), ["text_too_long"]);
  assertEquals(textsOf(ada.sendMessage("😀".repeat(4_000))).length, 1);
});

Deno.test("ChatHub.message() delivers no message that could not be stored, and accepts a retry [M9] [M8]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.pushes();
  chat.broker.isFailing = true;
  const error = only(ada.sendMessage("hello", "lobby", "n1"), "error");
  assertEquals([error.code, error.nonce, error.room], ["storage_unavailable", "n1", "lobby"]);
  assertGreater(error.retryAfter ?? 0, 0);
  assertEquals(ben.pushes(), []);
  chat.broker.isFailing = false;
  ada.sendMessage("hello", "lobby", "n1");
  assertEquals(textsOf(ben.pushes()), ["hello"]);
});

Deno.test("ChatHub.message() delivers nothing before the commit [M5]", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.pushes();
  chat.broker.isAsync = true;
  assertEquals(ada.sendMessage("hello"), []);
  assertEquals(ben.pushes(), []);
  await chat.settle();
  assertEquals(textsOf(ben.pushes()), ["hello"]);
});

Deno.test("ChatHub.message() collects the next batch while one is being appended", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  chat.broker.isAsync = true;
  ada.sendMessage("1");
  ada.sendMessage("2");
  ada.sendMessage("3");
  await chat.settle();
  assertEquals(chat.broker.appends.map((drafts) => drafts.length), [1, 2]);
  assertEquals(textsOf(ada.pushes()), ["1", "2", "3"]);
});

Deno.test("ChatHub.message() refuses a room that was not joined [M7]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  assertEquals(codesOf(ada.sendMessage("hi", "other")), ["not_joined"]);
});

Deno.test("ChatHub.message() acknowledges a message to an author that is not live in the room [M5]", () => {
  const chat = new TestChat();
  chat.broker.fill("big", 900, "x".repeat(1_000));
  const ada = chat.connect();
  const pushes = ada.hello("Ada", [{ room: "big", epoch: "epoch1", offset: 1 }]);
  assertEquals(only(pushes, "room").more, true);
  assertEquals(ada.sendMessage("early", "big", "n1"), [
    { type: "ack", room: "big", nonce: "n1", offset: 901 },
  ]);
});

Deno.test("ChatHub.typing() announces a member at most once every 3 s [M10]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.put({ type: "typing", room: "lobby" });
  assertEquals(only(ben.pushes(), "typing").usernames, ["Ada"]);
  ada.put({ type: "typing", room: "lobby" });
  assertEquals(ben.pushTypes(), []);
  chat.time.advance(3_000);
  ada.put({ type: "typing", room: "lobby" });
  assertEquals(only(ben.pushes(), "typing").usernames, ["Ada"]);
});

Deno.test("ChatHub.typing() announces no member in rooms of more than 50 [M10]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  for (const i of range(3, 51)) chat.enter(`M${i}`);
  ada.pushes();
  ben.put({ type: "typing", room: "lobby" });
  assertEquals(ada.pushTypes(), []);
});
