// Limits on what sessions, members and networks may do.

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { codesOf, only, range, TestChat, textsOf } from "../../support/hub_harness.ts";
import type { TestClient } from "../../support/hub_harness.ts";

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
  for (let i = 0; i < 5; i++) one.sendMessage(`1 ${i}`, "lobby", `a${i}`);
  for (let i = 0; i < 5; i++) two.sendMessage(`2 ${i}`, "lobby", `b${i}`);
  const error = only(one.sendMessage("over"), "error");
  assertEquals(error.code, "rate_limited");
  one.drop(1000);
  two.drop(1000);
  const again = chat.enter("Ada");
  assertEquals(codesOf(again.sendMessage("still over", "lobby", "s1")), ["rate_limited"]);
  chat.time.advance(error.retryAfter ?? 0);
  assertEquals(textsOf(again.sendMessage("now", "lobby", "s1")), ["now"]);
});

let newMembers = 0;

/** Sends `count` messages, each by a new member at one address; returns how many were stored. */
function sendAsNewMembers(chat: TestChat, address: string, count: number): number {
  const stored = range(1, count).map((i) => {
    const client = chat.connect(address);
    client.hello(`M${++newMembers}`, []);
    client.send({ type: "join", room: "lobby" });
    const nonce = `${address.replaceAll(/[.:/]/g, "-")}-${chat.time.now()}-${i}`;
    const isStored = textsOf(client.sendMessage(nonce, "lobby", nonce)).includes(nonce);
    client.drop(1000);
    return isStored;
  });
  return stored.filter(Boolean).length;
}

Deno.test("Quotas limits the messages of an address, however many members it has [L2]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 1);
  assertEquals(sendAsNewMembers(chat, "192.0.2.1", 150), 100);
  chat.time.advance(1_000);
  assertEquals(sendAsNewMembers(chat, "192.0.2.1", 50), 20);
  assertEquals(sendAsNewMembers(chat, "192.0.2.2", 50), 50);
});

Deno.test("Quotas limits the messages of an IPv6 /48, however many addresses it has [L2]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 1);
  const networks = range(1, 40).map((i) => `2001:db8:1:${i}::/64`);
  const stored = networks.map((network) => sendAsNewMembers(chat, network, 100));
  assertEquals(stored.filter((count) => count === 100).length, 32);
  assertEquals(sendAsNewMembers(chat, "2001:db8:2:1::/64", 100), 100);
});

Deno.test("Quotas counts titles as messages of the address, since it can have any number of members [L2]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("hello");
  const codes = range(1, 40).flatMap((i) => {
    const eve = chat.connect();
    eve.hello(`Eve${i}`);
    const title = (n: number) => ({ type: "title", room: "lobby", text: `t${n}`, nonce: `n${n}` });
    const replies = range(1, 5).map((n) => codesOf(eve.send(title(n)))[0] ?? "set");
    eve.drop(1000);
    return replies;
  });
  assertEquals(codes.filter((code) => code === "set").length, 99);
  assertEquals(new Set(codes), new Set(["set", "rate_limited"]));
});

Deno.test("Quotas allows more messages from addresses that many people share [L2]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 1);
  assertEquals(sendAsNewMembers(chat, "10.0.0.1", 1_100), 991);
  assertEquals(sendAsNewMembers(chat, "127.0.0.1", 1_100), 1_100);
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
  chat.time.advance(error.retryAfter ?? 0);
  ada.send({ type: "pong" });
  assertEquals(only(read(), "history").messages.length, 100);
});

Deno.test("Quotas charges a network for all its addresses, and for each room they create [L3]", () => {
  const chat = new TestChat();
  const codes = range(1, 30).map((i) => {
    const client = chat.connect(`2001:db8::${i}`, "2001:db8::/64");
    return [...client.hello(`M${i}`, [`room-${i}`]), ...client.sendMessage("mine", `room-${i}`)];
  }).map((pushes) => codesOf(pushes).join());
  // Rooms are never removed, so one network must not use up MAX_ROOMS.
  assertEquals(codes.slice(0, 15), Array(15).fill(""));
  assert(codes.at(-1)?.startsWith("rate_limited"));
});

Deno.test("Quotas charges every message that may create a room [L10]", () => {
  const chat = new TestChat();
  const rooms = range(1, 20).map((i) => `room-${i}`);
  const open = (address: string) => {
    const client = chat.connect(address);
    client.hello(`M${address}`, rooms);
    return client;
  };
  const writeToAll = (client: TestClient) =>
    rooms.slice(0, 10).forEach((room, i) =>
      client.put({ type: "message", room, text: "mine", nonce: `${i}` })
    );
  // All in one tick, from two connections.
  const [ada, ben] = [open("192.0.2.1"), open("192.0.2.1")];
  writeToAll(ada);
  writeToAll(ben);
  assertEquals(codesOf(ada.pushes()), []);
  assertEquals(codesOf(ben.pushes()).slice(-1), ["rate_limited"]);
});

Deno.test("Quotas refunds a room that was not stored [L10]", () => {
  const chat = new TestChat({ rateBurst: 100 });
  const ada = chat.enter("Ada", ["new"]);
  chat.broker.isFailing = true;
  for (let i = 0; i < 50; i++) {
    assertEquals(codesOf(ada.sendMessage("hi", "new")), ["storage_unavailable"]);
  }
  chat.broker.isFailing = false;
  assertEquals(textsOf(ada.sendMessage("hi", "new")), ["hi"]);
});

Deno.test("Quotas refunds a room that another message of the tick has created [L10]", () => {
  const chat = new TestChat({ rateBurst: 100 });
  const [ada, ben] = [chat.connect("192.0.2.1"), chat.connect("192.0.2.2")];
  const rooms = range(1, 20).map((i) => `room-${i}`);
  ada.hello("Ada", rooms);
  ben.hello("Ben", rooms);
  for (const room of rooms) {
    ada.put({ type: "message", room, text: "first", nonce: "a" });
    ben.put({ type: "message", room, text: "second", nonce: "b" });
    chat.time.settle();
  }
  // Ben creates the rooms that Ada's address may not create any more.
  assertEquals(codesOf(ada.pushes()).length, 4);
  assertEquals(codesOf(ben.pushes()), []);
});

Deno.test("Quotas charges a room that has been emptied like a new one [L10]", () => {
  const chat = new TestChat({ rateBurst: 100 });
  const rooms = range(1, 20).map((i) => `room-${i}`);
  for (const room of rooms) {
    chat.broker.fill(room, 3);
    chat.broker.pruneBefore(room, 4);
  }
  const ada = chat.enter("Ada", rooms);
  const codes = rooms.flatMap((room) => codesOf(ada.sendMessage("again", room)));
  assertEquals(codes, Array(4).fill("rate_limited"));
});

Deno.test("Quotas allows an address 5% of MAX_ROOMS, and the same again each day [L10]", () => {
  const makeRooms = (chat: TestChat, address: string, count: number) => {
    const codes = range(1, count).map((i) => {
      const client = chat.connect(address);
      const room = `room-${chat.time.now()}-${i}`;
      client.hello(`M${i}`, [room]);
      const [code] = codesOf(client.sendMessage("mine", room));
      client.drop(1000);
      // So that neither bytes nor messages are used up.
      chat.time.advance(2_000);
      return code;
    });
    return codes.filter((code) => code === undefined).length;
  };
  const chat = new TestChat({ maxRooms: 1_000 });
  assertEquals(makeRooms(chat, "192.0.2.1", 100), 50);
  const many = makeRooms(chat, "10.0.0.1", 600);
  assert(many > 490 && many < 510, `${many} rooms`);
  chat.time.advance(86_400_000);
  assertEquals(makeRooms(chat, "192.0.2.1", 100), 50);
  const subnets = range(1, 5).map((i) => makeRooms(chat, `2001:db8:1:${i}::/64`, 60));
  // The limit of the /48 has recovered a little by then.
  assertEquals(subnets, [50, 50, 50, 50, 1]);
  assertEquals(makeRooms(new TestChat({ maxRooms: 0 }), "192.0.2.1", 100), 100);
});

Deno.test("Quotas charges newcomers for announcing their joins and renames [L3]", () => {
  const chat = new TestChat();
  const rooms = range(1, 20).map((i) => `room-${i}`);
  for (let i = 1; i <= 100; i++) chat.connect(`198.51.100.${i}`).hello(`Reader${i}`, rooms);
  const greet = (name: string) => {
    const client = chat.connect();
    const refusal = client.hello(name, rooms).find((push) => push.type === "error");
    client.drop();
    return refusal?.type === "error" ? refusal.retryAfter ?? 0 : 0;
  };
  let hellos = 0;
  while (greet(`M${hellos}`) === 0) hellos++;
  assertGreater(hellos, 20);
  assertLess(hellos, 40);
  chat.time.advance(greet("M-1"));
  assertEquals(greet("M-1"), 0);
  assertGreater(greet("M-2"), 400);
});

Deno.test("Quotas charges a member for typing, and drops it when no bytes are left [L3]", () => {
  const rooms = range(1, 20).map((i) => `room-${i}`);
  /** Types in rooms of 50, then reads history until refused; returns how often that worked. */
  const readsAfterTypingIn = (typedIn: readonly string[]) => {
    const chat = new TestChat();
    const readers = range(1, 49).map((i) => {
      const reader = chat.connect(`198.51.100.${i}`);
      reader.hello(`Reader${i}`, rooms);
      return reader;
    });
    const ada = chat.connect("192.0.2.1");
    ada.hello("Ada", rooms);
    for (const room of typedIn) ada.put({ type: "typing", room });
    let reads = 0;
    while (codesOf(ada.send({ type: "history", room: "room-1", before: 1 })).length === 0) reads++;
    const [reader] = readers;
    reader?.pushes();
    chat.time.advance(1);
    ada.put({ type: "typing", room: "room-20" });
    assertEquals(reader?.pushTypes(), []);
    return reads;
  };
  assertEquals(readsAfterTypingIn([]) - readsAfterTypingIn(rooms.slice(0, 19)), 14);
});

Deno.test("Quotas counts a message's bytes in UTF-8 [L3]", () => {
  const countUntilRefused = (text: string) => {
    const chat = new TestChat({ rateBurst: 1_000_000 });
    chat.broker.fill("lobby", 1);
    const ada = chat.connect();
    ada.hello("Ada");
    let count = 0;
    while (codesOf(ada.sendMessage(text)).length === 0) count++;
    return count;
  };
  assertEquals(countUntilRefused("a".repeat(4_000)), Math.ceil(2 ** 24 / 5_024));
  assertEquals(countUntilRefused("語".repeat(4_000)), Math.ceil(2 ** 24 / 13_024));
});

Deno.test("Quotas charges each member on loopback, not only the address [L3]", () => {
  const chat = new TestChat();
  const codes = range(1, 30).map((i) => {
    const client = chat.connect("127.0.0.1");
    return [...client.hello(`M${i}`, [`room-${i}`]), ...client.sendMessage("mine", `room-${i}`)];
  }).flatMap(codesOf);
  assertEquals(codes, []);
});

Deno.test("Quotas lets members write while a heavy reader shares their network [L3] [L2]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 300, "x".repeat(4_000));
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.frames();
  const read = () => codesOf(ada.send({ type: "history", room: "lobby", before: 300, limit: 100 }));
  while (read().length === 0);
  assertEquals(read(), ["rate_limited"]);
  ben.frames();
  assertEquals(textsOf(ben.sendMessage("all the same")), ["all the same"]);
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

Deno.test("Quotas refunds renames and titles that do not take effect [L3]", () => {
  const chat = new TestChat();
  chat.enter("Ben");
  const ada = chat.enter("Ada");
  ada.sendMessage("hello");
  const title = { type: "title", room: "lobby", text: "Tea", nonce: "t" };
  const codes = (command: Readonly<Record<string, unknown>>) =>
    range(1, 6).flatMap(() => codesOf(ada.send(command)));
  const rename = { type: "rename", username: "Ben" };
  assertEquals(codes(rename), Array(6).fill("username_taken"));
  chat.broker.isFailing = true;
  assertEquals(codes({ ...rename, username: "Ida" }), Array(6).fill("storage_unavailable"));
  assertEquals(codes(title), Array(6).fill("storage_unavailable"));
  chat.broker.isFailing = false;
  // The last five are repeats.
  assertEquals(codes(title), []);
  assertEquals(codesOf(ada.send({ ...title, nonce: "u" })), []);
  assertEquals(codesOf(ada.send({ ...rename, username: "Ida" })), []);
});

Deno.test("ChatHub.join() allows a session 20 rooms [L4]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada", range(1, 20).map((i) => `r${i}`));
  assertEquals(codesOf(ada.send({ type: "join", room: "one-more" })), ["too_many_rooms"]);
  assertEquals(codesOf(ada.send({ type: "join", room: "r2" })), []);
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

Deno.test("ChatHub.typing() counts signals within 3 s as refusals [M10] [L6]", () => {
  const ada = new TestChat().enter("Ada");
  for (let i = 0; i <= 100; i++) ada.put({ type: "typing", room: "lobby" });
  assertEquals(ada.socket.closed?.code, 4102);
});

Deno.test("Quotas tolerates refusals spread over time [L6]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  for (let i = 0; i < 300; i++) {
    ada.send({ type: "leave", room: "nowhere" });
    chat.time.advance(200);
    ada.put({ type: "typing", room: "lobby" });
    if (i % 25 === 0) chat.time.advance(11_000);
  }
  assertEquals(ada.socket.closed?.code, undefined);
});
