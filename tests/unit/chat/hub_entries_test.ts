// Replies, edits, deletions and titles, from the command to the pushes.

import { assert, assertEquals } from "@std/assert";
import { Room } from "../../../app/chat/room.ts";
import type { Draft, Outcome, Page, ReadQuery } from "../../../app/chat/broker.ts";
import type { EntryPush, Push } from "../../../app/protocol/wire.ts";
import {
  codesOf,
  FakeSocket,
  helloOf,
  only,
  range,
  TestChat,
  type TestClient,
  textsOf,
  tokenOf,
} from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";

const room = "lobby";

/** A broker that holds back the pages it has read until `resume` is called. */
class HeldBroker extends MemoryBroker {
  isHolding = false;
  reads = 0;
  #held: (() => void)[] = [];

  override read(room: string, query: ReadQuery): Outcome<Page> {
    const page = super.read(room, query);
    this.reads++;
    if (!this.isHolding) return page;
    return new Promise((resolve) => this.#held.push(() => resolve(page)));
  }

  resume(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

const someone = { room, member: "someone", from: "Someone" };

function deletion(target: number): Draft {
  return { type: "delete", ...someone, targets: [target], nonce: `d${target}` };
}

/** Returns the texts of messages, and "-" for deleted ones. */
function texts(messages: readonly EntryPush[]): readonly string[] {
  return messages.flatMap((entry) => entry.type === "message" ? [entry.text ?? "-"] : []);
}

Deno.test("ChatHub.edit(), delete() and title() deliver their entries to all members [E1] [E3] [E4] [E5]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.sendMessage("first", room, "n1");
  ada.sendMessage("answer", room, "n2");
  ben.frames();
  const common = { room, member: "id-Ada", from: "Ada", at: 1_000 };
  const edit = { type: "edit", ...common, offset: 3, target: 1, text: "better", nonce: "n3" };
  const deletion = { type: "delete", ...common, offset: 4, targets: [2], nonce: "n4" };
  const title = { type: "title", ...common, offset: 5, text: "New title", nonce: "n5" };
  for (
    const [command, push] of [
      [{ type: "edit", room, offset: 1, text: " \nbetter ", nonce: "n3" }, edit],
      [{ type: "delete", room, offset: 2, nonce: "n4" }, deletion],
      [{ type: "title", room, text: " New  title", nonce: "n5" }, title],
    ] as const
  ) {
    assertEquals<unknown>(ada.send(command), [push]);
    assertEquals<unknown>(ben.pushes(), [push]);
  }
  const push = only(chat.connect().hello("Cy"), "room");
  assertEquals(push.title, "New title");
  assertEquals<unknown>(push.messages, [
    {
      type: "message",
      ...common,
      offset: 1,
      text: "better",
      nonce: "n1",
      amended: 3,
      editedAt: 1_000,
      epoch: "epoch1",
    },
    { type: "message", ...common, offset: 2, nonce: "n2", amended: 4, deletedBy: "id-Ada" },
    edit,
    deletion,
    title,
  ]);
});

Deno.test("ChatHub.message() delivers the offset of the message that a reply is to [E2]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.sendMessage("question");
  ben.frames();
  ada.send({ type: "message", room, text: "answer", nonce: "r", reply: 1 });
  assertEquals(only(ben.pushes(), "message").reply, 1);
  const { messages } = only(chat.connect().hello("Cy"), "room");
  assertEquals(messages.map((entry) => entry.type === "message" && entry.reply), [undefined, 1]);
});

Deno.test("ChatHub passes on why the log refuses an edit or a deletion [E3] [E4] [M9]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.sendMessage("mine");
  ben.frames();
  for (
    const [command, code] of [
      [{ type: "edit", room, offset: 1, text: "x", nonce: "n1" }, "forbidden"],
      [{ type: "delete", room, offset: 1, nonce: "n2" }, "forbidden"],
      [{ type: "delete", room, offset: 2, nonce: "n3" }, "not_found"],
    ] as const
  ) {
    const { re, code: found, nonce, room: about } = only(ben.send(command), "error");
    assertEquals([re, found, nonce, about], [command.type, code, command.nonce, room]);
  }
  assertEquals(codesOf(ben.send({ type: "title", room: "other", text: "x", nonce: "n" })), [
    "not_joined",
  ]);
  assertEquals(ada.pushes(), []);
});

Deno.test("ChatHub acknowledges a repeated edit after its target was deleted [M3] [M5]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("a");
  const edit = { type: "edit", room, offset: 1, text: "b", nonce: "e" };
  ada.send(edit);
  ada.send({ type: "delete", room, offset: 1, nonce: "d" });
  assertEquals(ada.send(edit), [{ type: "ack", room, nonce: "e", offset: 2 }]);
});

Deno.test("ChatHub charges edits and deletions like messages, and titles like renames [L2] [L3]", () => {
  const chat = new TestChat({ rateBurst: 4 });
  const ada = chat.enter("Ada");
  ada.sendMessage("a");
  const results = range(1, 4).map((i) =>
    ada.send({ type: "edit", room, offset: 1, text: `e${i}`, nonce: `e${i}` })
  );
  assertEquals(results.map((pushes) => codesOf(pushes).join()), ["", "", "", "rate_limited"]);
  assertEquals(codesOf(ada.send({ type: "delete", room, offset: 1, nonce: "d" })), [
    "rate_limited",
  ]);
  const titles = range(1, 6).map((i) =>
    ada.send({ type: "title", room, text: `T${i}`, nonce: `t${i}` })
  );
  assertEquals(titles.map((pushes) => codesOf(pushes).join()), [
    "",
    "",
    "",
    "",
    "",
    "rate_limited",
  ]);
});

Deno.test("Room keeps the newest 100 messages and the entries between them [E8] [R6]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  chat.broker.fill(room, 99);
  const ada = chat.enter("Ada");
  ada.sendMessage("a");
  for (const i of range(1, 5)) {
    ada.send({ type: "edit", room, offset: 100, text: `e${i}`, nonce: `e${i}` });
  }
  ada.sendMessage("b");
  const { messages, offset } = only(chat.connect().hello("Ben"), "room");
  assertEquals([messages.length, messages[0]?.offset, offset], [105, 2, 106]);
  assertEquals(texts(messages).length, 100);
  // Only the last edit has its text.
  const edits = messages.flatMap((entry) => entry.type === "edit" ? [entry.text] : []);
  assertEquals(edits, [undefined, undefined, undefined, undefined, "e5"]);
});

Deno.test("Room keeps the newest 100 messages however often they are edited [E8] [R6]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const ada = chat.enter("Ada");
  for (const i of range(1, 110)) ada.sendMessage(`m${i}`);
  for (const i of range(91, 110)) {
    for (const j of range(1, 20)) {
      ada.put({ type: "edit", room, offset: i, text: `e${j}`, nonce: `e${i}-${j}` });
    }
    chat.time.advance(20);
  }
  const { messages } = only(chat.connect().hello("Ben"), "room");
  assertEquals([texts(messages).length, messages.length, messages.at(-1)?.offset], [100, 500, 510]);
});

Deno.test("Room bounds the bytes of the entries in memory [E8]", () => {
  const lobby = new Room(room);
  const fields = { room, member: "ada", from: "Ada", epoch: "e", at: 1 };
  const head = { epoch: "e", offset: 0 };
  lobby.load({ entries: [], first: 1, head, valid: true });
  const text = "x".repeat(4_000);
  for (const i of range(1, 40)) {
    lobby.accept({ type: "message", ...fields, offset: 2 * i - 1, text, nonce: `m${i}` });
    const edit = { ...fields, offset: 2 * i, target: 2 * i - 1, text, nonce: `e${i}` };
    lobby.accept({ type: "edit", ...edit });
  }
  const reach = () => range(0, lobby.head.offset).find((i) => lobby.since(i) !== undefined);
  const oldest = reach() ?? 0;
  assert(oldest > 8 && oldest < 30, `${oldest}`);
  // Deleting entries frees their bytes.
  const targets = range(1, 40).map((i) => 2 * i - 1);
  lobby.accept({ type: "delete", ...fields, offset: 81, targets, nonce: "d" });
  for (const offset of range(82, 122)) {
    lobby.accept({ type: "message", ...fields, offset, text, nonce: `n${offset}` });
  }
  assertEquals(reach(), oldest);
});

Deno.test("Room.prune() removes the text of edits whose message is gone [R11] [E6]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("a");
  ada.send({ type: "edit", room, offset: 1, text: "secret", nonce: "e" });
  chat.broker.pruneBefore(room, 1);
  assert(JSON.stringify(only(chat.connect().hello("Cy"), "room").messages[1]).includes("secret"));
  chat.broker.pruneBefore(room, 2);
  const [entry] = only(chat.connect().hello("Ben"), "room").messages;
  assertEquals([entry?.type, entry?.offset, entry?.type === "edit" && entry.text], [
    "edit",
    2,
    undefined,
  ]);
});

Deno.test("LogReader.history() applies amendments made after the page was read [R9] [E4]", async () => {
  const broker = new HeldBroker();
  broker.fill(room, 200, "secret");
  const chat = new TestChat({}, broker);
  const ada = chat.enter("Ada");
  broker.isHolding = true;
  ada.put({ type: "history", room, before: 51, limit: 50 });
  broker.append([deletion(3)]);
  assertEquals(ada.pushTypes(), ["delete"]);
  broker.resume();
  await chat.settle();
  const { messages, head } = only(ada.pushes(), "history");
  assertEquals([head, messages.length, broker.reads], [201, 50, 2]);
  assertEquals(texts(messages).indexOf("-"), 2);
});

Deno.test("LogReader.history() reads again if memory does not reach back to the page [R9]", async () => {
  const broker = new HeldBroker();
  broker.fill(room, 200, "secret");
  const chat = new TestChat({}, broker);
  const ada = chat.enter("Ada");
  broker.isHolding = true;
  ada.put({ type: "history", room, before: 51, limit: 50 });
  broker.append([deletion(3)]);
  broker.append(
    range(1, 101).map((i) => ({
      type: "message",
      ...someone,
      text: "x",
      nonce: `x${i}`,
    })),
  );
  ada.frames();
  broker.isHolding = false;
  broker.resume();
  await chat.settle();
  const { messages, head } = only(ada.pushes(), "history");
  assertEquals([head, messages.length, broker.reads], [302, 50, 3]);
  assertEquals(texts(messages).indexOf("-"), 2);
});

Deno.test("LogReader.join() sends no text deleted after the page was read [E4]", async () => {
  const broker = new HeldBroker();
  broker.fill(room, 300, "secret");
  const chat = new TestChat({}, broker);
  chat.enter("Ada");
  broker.isHolding = true;
  const ben = chat.connect();
  ben.put(helloOf("Ben", [{ room, epoch: "epoch1", offset: 100 }]));
  chat.time.settle();
  broker.append([deletion(103)]);
  broker.resume();
  await chat.settle();
  const { messages, recovered } = only(ben.pushes(), "room");
  assertEquals([recovered, messages.length, texts(messages).indexOf("-")], [true, 201, 2]);
  assertEquals(messages.at(-1)?.type, "delete");
});

Deno.test("LogReader.join() counts a message stored after the page was read as missed [R7]", async () => {
  const broker = new HeldBroker();
  broker.fill(room, 1_200);
  const chat = new TestChat({}, broker);
  const ada = chat.enter("Ada");
  broker.isHolding = true;
  const ben = chat.connect();
  ben.put(helloOf("Ben", [{ room, epoch: "epoch1", offset: 50 }]));
  chat.time.settle();
  ada.sendMessage("newest");
  broker.resume();
  await chat.settle();
  assertEquals(only(ben.pushes(), "room").missed, 1_151 - 100);
});

Deno.test("LogReader.join() counts only messages as missed [R7] [E8]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const ada = chat.enter("Ada");
  ada.sendMessage("a");
  for (const i of range(1, 20)) {
    ada.put({ type: "edit", room, offset: 1, text: `e${i}`, nonce: `e${i}` });
  }
  chat.time.advance(20);
  chat.broker.fill("other", 1);
  for (const i of range(1, 1_000)) ada.put({ type: "message", room, text: "x", nonce: `x${i}` });
  ada.pushes();
  const from = (offset: number) =>
    only(chat.connect().hello(`P${offset}`, [{ room, epoch: "epoch1", offset }]), "room");
  // 1,000 messages behind, and 20 edits.
  assertEquals([from(1).recovered, from(1).missed], [true, undefined]);
  assertEquals([from(0).recovered, from(0).missed], [false, 901]);
});

Deno.test("ChatHub logs edits, deletions and titles without their text [E1]", () => {
  const chat = new TestChat({ logMessageText: true });
  const ada = chat.enter("Ada");
  ada.sendMessage("a");
  ada.send({ type: "edit", room, offset: 1, text: "secret", nonce: "e" });
  ada.send({ type: "title", room, text: "secret", nonce: "t" });
  ada.send({ type: "delete", room, offset: 1, nonce: "d" });
  const found = chat.lines.filter(({ event }) => ["edit", "title", "delete"].includes(event));
  const common = { session: "1", room, name: "Ada" };
  const defined = found.map(({ event, fields }) => [event, JSON.parse(JSON.stringify(fields))]);
  assertEquals(defined, [
    ["edit", { ...common, offset: 2, targets: "1", length: 6 }],
    ["title", { ...common, offset: 3, length: 6 }],
    ["delete", { ...common, offset: 4, targets: "1" }],
  ]);
  assert(!JSON.stringify(found).includes("secret"));
});

Deno.test("ChatHub.post() replies with the entry of its own room [H8]", () => {
  const chat = new TestChat();
  const sockets = ["one", "two"].map((room) => {
    const socket = new FakeSocket();
    chat.hub.post(
      socket,
      { address: "192.0.2.1", network: "192.0.2.1", scope: "public" },
      { type: "hello", username: "Ada", token: tokenOf("Ada"), rooms: [] },
      { type: "message", room, text: `to ${room}`, nonce: "n1" },
    );
    return socket;
  });
  chat.time.settle();
  const replies = sockets.flatMap(({ frames }) => JSON.parse(frames[0] ?? "[]") as Push[]);
  assertEquals(textsOf(replies), ["to one", "to two"]);
});

Deno.test("ChatHub.post() stores nothing once the hub has closed it [H12]", async () => {
  const broker = new HeldBroker();
  const chat = new TestChat({}, broker);
  const socket = new FakeSocket();
  broker.isHolding = true;
  chat.hub.post(
    socket,
    { address: "192.0.2.1", network: "192.0.2.1", scope: "public" },
    { type: "hello", username: "Ada", token: tokenOf("Ada"), rooms: [] },
    { type: "message", room, text: "hi", nonce: "n1" },
  );
  chat.time.settle();
  assertEquals(broker.reads, 1);
  chat.time.advance(61_000);
  assertEquals(socket.closed?.code, 4103);
  broker.resume();
  await chat.settle();
  assertEquals(broker.appends, []);
});

Deno.test("ChatHub.edit() and delete() let messages of others pass while many of them wait [P9] [C7]", async () => {
  const chat = new TestChat({ rateBurst: 100 });
  const [ada, ben] = [chat.enter("Ada"), chat.enter("Ben")];
  for (const i of range(1, 6)) ada.sendMessage(`${i}`, room, `m${i}`);
  const start = chat.broker.appends.length;
  const nonces = () => chat.broker.appends.slice(start).map((drafts) => drafts.map((d) => d.nonce));
  const put = (client: TestClient, type: string, offset: number, nonce: string) =>
    client.put({ type, room, offset, text: "x", nonce });
  for (const i of range(1, 6)) put(ada, i % 2 === 0 ? "delete" : "edit", i, `a${i}`);
  ada.put({ type: "message", room, text: "after", nonce: "a7" });
  ben.put({ type: "message", room, text: "not delayed", nonce: "b1" });
  ben.pushes();
  assertEquals(nonces(), [["a1", "a2", "b1"]]);
  // A timer, because Deno receives nothing during a chain of immediates.
  chat.time.advance(1);
  assertEquals(nonces().slice(1), [["a3", "a4"]]);
  chat.time.advance(1);
  assertEquals(nonces().slice(2), [["a5", "a6", "a7"]]);
  for (const i of range(1, 9)) put(ada, "edit", 7, `c${i}`);
  ada.drop(1000);
  chat.time.advance(4);
  assertEquals(nonces().slice(3).flat(), range(1, 9).map((i) => `c${i}`));
  for (const i of range(1, 9)) put(ben, "edit", 8, `d${i}`);
  await chat.hub.drain();
  const acks = ben.socket.frames.join();
  assertEquals(range(1, 9).filter((i) => !acks.includes(`"nonce":"d${i}"`)), []);
});
