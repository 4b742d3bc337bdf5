// Reading the log for sessions that join, resume, repair a hole or scroll back.

import { assertEquals, assertLess } from "@std/assert";
import type { Page, ReadQuery } from "../../../app/chat/broker.ts";
import { codesOf, helloOf, only, range, TestChat } from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";

Deno.test("LogReader.join() sends a newcomer the newest 100 messages and the members [R6] [R10]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 250);
  chat.enter("Ben");
  const room = only(chat.connect().hello("Ada"), "room");
  assertEquals(room.messages.map(({ offset }) => offset), range(151, 250));
  assertEquals([room.offset, room.first, room.more, room.recovered], [250, 1, false, false]);
  assertEquals(room.members?.map(({ username }) => username), ["Ben", "Ada"]);
});

Deno.test("LogReader.join() sends the entries after a valid position [R2] [R3] [R4]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 250);
  for (const offset of [0, 5, 149, 200, 249, 250]) {
    const room = only(
      chat.connect().hello(`P${offset}`, [{ room: "lobby", epoch: "epoch1", offset }]),
      "room",
    );
    assertEquals(room.recovered, true, `from ${offset}`);
    assertEquals(room.messages.map((message) => message.offset), range(offset + 1, 250));
    assertEquals(room.missed, undefined);
  }
});

Deno.test("LogReader.join() sends the newest messages if the position belongs to another log [R3] [R6] [R7]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 20);
  for (const position of [{ epoch: "nope", offset: 5 }, { epoch: "epoch1", offset: 21 }]) {
    const room = only(
      chat.connect().hello(`P${position.offset}`, [{ room: "lobby", ...position }]),
      "room",
    );
    assertEquals([room.recovered, room.missed, room.messages.length], [false, undefined, 20]);
  }
});

Deno.test("LogReader.join() counts the missed messages of a client more than 1,000 behind [R6] [R7]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 1_500);
  const room = only(
    chat.connect().hello("Ada", [{ room: "lobby", epoch: "epoch1", offset: 10 }]),
    "room",
  );
  assertEquals([room.recovered, room.missed], [false, 1_390]);
  assertEquals(room.messages[0]?.offset, 1_401);
});

Deno.test("LogReader.join() sends the newest messages if the position was pruned [R6] [R11]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 300);
  chat.broker.pruneBefore("lobby", 200);
  const room = only(
    chat.connect().hello("Ada", [{ room: "lobby", epoch: "epoch1", offset: 100 }]),
    "room",
  );
  assertEquals([room.recovered, room.missed, room.first], [false, 100, 200]);
});

Deno.test("LogReader.join() sends pages and goes live with the last one [R4] [R5]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  chat.broker.fill("big", 600, "x".repeat(1_000));
  const ben = chat.enter("Ben", ["big"]);
  const ada = chat.connect();
  let room = only(ada.hello("Ada", [{ room: "big", epoch: "epoch1", offset: 1 }]), "room");
  const got = room.messages.map(({ offset }) => offset);
  while (room.more) {
    assertLess(JSON.stringify(room.messages).length, 256 * 1024 + 2_000);
    ben.sendMessage("in between", "big");
    assertEquals(ada.pushTypes(), []);
    room = only(
      ada.send({ type: "join", room: "big", epoch: room.epoch, offset: room.offset }),
      "room",
    );
    got.push(...room.messages.map(({ offset }) => offset));
  }
  ben.sendMessage("live", "big");
  got.push(...ada.pushes().flatMap((push) => push.type === "message" ? [push.offset] : []));
  assertEquals(got, range(2, got.length + 1));
  assertEquals(got.at(-1), chat.broker.log("big").length);
});

Deno.test("LogReader.join() sends at most 512 KiB for all rooms of a hello [R4]", () => {
  const chat = new TestChat();
  const rooms = ["a", "b", "c", "d"];
  for (const room of rooms) chat.broker.fill(room, 500, "x".repeat(1_000));
  const client = chat.connect();
  client.put(helloOf("Ada", rooms.map((room) => ({ room, epoch: "epoch1", offset: 1 }))));
  chat.time.settle();
  const bytes = client.socket.frames.join("").length;
  assertLess(bytes, 512 * 1024 + 10_000);
});

Deno.test("LogReader.join() loses no message sent while the log is read [R5]", async () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  chat.broker.fill("lobby", 300);
  const ben = chat.enter("Ben");
  chat.broker.isAsync = true;
  const ada = chat.connect();
  ada.put(helloOf("Ada", [{ room: "lobby", epoch: "epoch1", offset: 50 }]));
  for (let i = 0; i < 20; i++) {
    ben.put({ type: "message", room: "lobby", text: `m${i}`, nonce: `x${i}` });
    await Promise.resolve();
    chat.time.settle();
  }
  await chat.settle();
  const got = ada.pushes().flatMap((push) =>
    push.type === "room" ? push.messages : push.type === "message" ? [push] : []
  );
  assertEquals(got.map(({ offset }) => offset), range(51, 320));
});

Deno.test("LogReader.join() sends nothing if the room is left before the log was read", async () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 300);
  const ada = chat.enter("Ada", []);
  chat.broker.isAsync = true;
  ada.put({ type: "join", room: "lobby", epoch: "epoch1", offset: 5 });
  ada.put({ type: "leave", room: "lobby" });
  await chat.settle();
  assertEquals(ada.pushTypes(), ["left"]);
});

Deno.test("LogReader.join() can be retried after the log could not be read", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada", []);
  chat.broker.isFailing = true;
  assertEquals(codesOf(ada.send({ type: "join", room: "lobby" })), ["storage_unavailable"]);
  chat.broker.isFailing = false;
  assertEquals(only(ada.send({ type: "join", room: "lobby" }), "room").more, false);
});

Deno.test("LogReader.join() announces no departure if the log could not be read [N10]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 300);
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada", []);
  const join = { type: "join", room: "lobby", epoch: "epoch1", offset: 5 };
  chat.broker.isFailing = true;
  assertEquals(codesOf(ada.send(join)), ["storage_unavailable"]);
  chat.broker.isFailing = false;
  assertEquals(only(ada.send(join), "room").recovered, true);
  assertEquals(ben.pushTypes(), ["joined"]);
});

Deno.test("LogReader.join() forgets a room that everyone left while its log was unreadable", async () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada", []);
  chat.broker.isAsync = true;
  ada.send({ type: "join", room: "lobby" });
  chat.broker.isFailing = true;
  ada.drop(1000);
  await chat.settle();
  assertEquals(chat.hub.size.rooms, 0);
});

Deno.test("LogReader.join() refuses each join of a room that cannot be read", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada", []);
  chat.broker.isFailing = true;
  for (let i = 0; i < 2; i++) ada.put({ type: "join", room: "lobby" });
  assertEquals(codesOf(ada.pushes()), Array(2).fill("storage_unavailable"));
});

Deno.test("LogReader.join() makes a room live once, even if it is joined twice in a tick", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada", []);
  for (let i = 0; i < 2; i++) ada.put({ type: "join", room: "lobby" });
  ada.pushes();
  assertEquals(ada.session.liveCount, 1);
  ada.send({ type: "leave", room: "lobby" });
  assertEquals(ada.session.liveCount, 0);
});

Deno.test("LogReader.join() leaves out entries pruned while the log was read [R11]", async () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 20);
  chat.broker.isAsync = true;
  const ada = chat.connect();
  ada.put(helloOf("Ada"));
  // Wait until the read has begun, but not until it has ended.
  while (ada.socket.frames.length === 0) {
    await Promise.resolve();
    chat.time.settle();
  }
  await Promise.resolve();
  chat.broker.pruneBefore("lobby", 15);
  await chat.settle();
  const { first, messages } = only(ada.pushes(), "room");
  assertEquals(first, 15);
  assertEquals(messages.map(({ offset }) => offset), range(15, 20));
});

Deno.test("ChatHub sends a message's epoch if it differs from the one before [R1]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ben.pushes();
  ada.sendMessage("1");
  ada.sendMessage("2");
  chat.broker.startEpoch("epoch2");
  ada.sendMessage("3");
  ada.sendMessage("4");
  const epochs = ben.pushes().flatMap((push) => push.type === "message" ? [push.epoch] : []);
  assertEquals(epochs, ["epoch1", undefined, "epoch2", undefined]);
});

Deno.test("LogReader.join() lists the members present at the end of the tick [R10]", () => {
  const chat = new TestChat();
  const ada = chat.connect();
  const ben = chat.connect();
  ada.put(helloOf("Ada"));
  ben.put(helloOf("Ben"));
  for (const client of [ada, ben]) {
    const pushes = client.pushes();
    assertEquals(pushes.map(({ type }) => type), ["welcome", "room"]);
    assertEquals(only(pushes, "room").count, 2);
  }
});

Deno.test("LogReader.join() repairs a hole from the last good position [R8]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 20);
  const ada = chat.enter("Ada");
  const room = only(
    ada.send({ type: "join", room: "lobby", epoch: "epoch1", offset: 15 }),
    "room",
  );
  assertEquals(room.messages.map(({ offset }) => offset), range(16, 20));
  assertEquals(room.more, false);
});

Deno.test("LogReader.history() sends the entries before an offset, in order [R9]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 300);
  const ada = chat.enter("Ada");
  const history = only(ada.send({ type: "history", room: "lobby", before: 201 }), "history");
  assertEquals(history.messages.map(({ offset }) => offset), range(151, 200));
  assertEquals(history.first, 1);
  const none = only(ada.send({ type: "history", room: "lobby", before: 1 }), "history");
  assertEquals(none.messages, []);
  assertEquals(codesOf(ada.send({ type: "history", room: "other", before: 5 })), ["not_joined"]);
});

Deno.test("LogReader.history() reads a session's pages one by one and queues at most 20 [L3]", async () => {
  let [reads, maxReads, totalReads] = [0, 0, 0];
  const broker = new class extends MemoryBroker {
    override async read(room: string, query: ReadQuery): Promise<Page> {
      totalReads++;
      maxReads = Math.max(maxReads, ++reads);
      try {
        return await super.read(room, query);
      } finally {
        reads--;
      }
    }
  }();
  const chat = new TestChat({ ratePerSecond: 0 }, broker);
  broker.fill("lobby", 300);
  broker.isAsync = true;
  const ada = chat.connect();
  ada.hello("Ada");
  await chat.settle();
  ada.frames();
  const ask = (count: number) => {
    for (let i = 0; i < count; i++) ada.put({ type: "history", room: "lobby", before: 200 + i });
  };
  ask(22);
  await chat.settle();
  const pushes = ada.pushes();
  const ends = pushes.flatMap((push) =>
    push.type === "history" ? [push.messages.at(-1)?.offset] : []
  );
  assertEquals(codesOf(pushes), Array(2).fill("rate_limited"));
  assertEquals(ends, range(199, 218));
  assertEquals(maxReads, 1);
  broker.isFailing = true;
  ask(2);
  await chat.settle();
  assertEquals(codesOf(ada.pushes()), Array(2).fill("storage_unavailable"));
  // Nothing more is read for a session that has closed.
  totalReads = 0;
  ask(3);
  ada.drop();
  await chat.settle();
  assertEquals(totalReads, 1);
});

Deno.test("LogReader.join() queues at most 20 joins, in a frame of bounded size [L3]", () => {
  const chat = new TestChat();
  chat.broker.fill("big", 100, "x".repeat(4_000));
  const ada = chat.enter("Ada", []);
  for (let i = 0; i < 90; i++) ada.put({ type: "join", room: "big" });
  const frames = ada.frames();
  const pushes = frames.flat();
  assertEquals(pushes.filter(({ type }) => type === "room").length, 20);
  assertEquals(codesOf(pushes), Array(70).fill("rate_limited"));
  assertLess(JSON.stringify(frames).length, 1024 * 1024);
});

Deno.test("LogReader.history() sends a bounded amount of history per turn [L3]", () => {
  const chat = new TestChat();
  chat.broker.fill("big", 300, "x".repeat(4_000));
  const ada = chat.enter("Ada", ["big"]);
  for (let i = 0; i < 50; i++) {
    ada.put({ type: "history", room: "big", before: 200, limit: 100 });
  }
  const frames = ada.frames();
  assertLess(JSON.stringify(frames).length, 1024 * 1024);
  assertEquals(new Set(codesOf(frames.flat())), new Set(["rate_limited"]));
});

Deno.test("LogReader sends the pages of a session in order, in a frame of bounded size [P9] [L3]", () => {
  const chat = new TestChat();
  for (const room of ["a", "b"]) chat.broker.fill(room, 300, "x".repeat(4_000));
  const ada = chat.enter("Ada", ["a"]);
  ada.put({ type: "join", room: "b" });
  for (let i = 0; i < 19; i++) ada.put({ type: "history", room: "a", before: 300, limit: 100 });
  ada.put({ type: "join", room: "b" });
  const frames = ada.frames();
  const types = frames.flat().map(({ type }) => type);
  assertEquals(types, ["error", "room", ...Array(19).fill("history")]);
  assertLess(JSON.stringify(frames).length, 1024 * 1024);
});

/** A broker that records the rooms it has to forget. */
class ForgetfulBroker extends MemoryBroker {
  readonly forgotten: string[] = [];

  forget(room: string): void {
    this.forgotten.push(room);
  }
}

Deno.test("Rooms.forgetIfEmpty() makes the broker forget a room, but not while its log is read", async () => {
  const broker = new ForgetfulBroker();
  const chat = new TestChat({}, broker);
  const ada = chat.enter("Ada", ["lobby", "design"]);
  ada.send({ type: "leave", room: "design" });
  assertEquals(broker.forgotten, ["design"]);
  broker.isAsync = true;
  ada.send({ type: "join", room: "design" });
  ada.send({ type: "leave", room: "design" });
  assertEquals(broker.forgotten, ["design"]);
  await chat.settle();
  assertEquals(broker.forgotten, ["design", "design"]);
  assertEquals(chat.hub.size.rooms, 1);
});
