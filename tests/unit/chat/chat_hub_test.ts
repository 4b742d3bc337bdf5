import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import type { Push } from "../../../app/protocol/wire.ts";
import {
  Bench,
  FakeSocket,
  MemoryBroker,
  only,
  peerAddress,
  token,
} from "../../support/hub_harness.ts";
import type { Peer } from "../../support/hub_harness.ts";

function codesOf(pushes: readonly Push[]): string[] {
  return pushes.flatMap((push) => push.type === "error" ? [push.code] : []);
}

function textsOf(pushes: readonly Push[]): string[] {
  return pushes.flatMap((push) => push.type === "message" ? [push.text] : []);
}

// ------------------------------------------------------------------ frames

Deno.test("ChatHub.receive() closes with 4000 what is no frame of the protocol [P3]", () => {
  for (const frame of ["", "nonsense", "[]", "1", '"x"', "null", '{"a":1}', '{"type":1}']) {
    const bench = new Bench();
    const peer = bench.connect();
    peer.put(frame);
    assertEquals(peer.socket.closed?.code, 4000, frame);
  }
  const bench = new Bench();
  const peer = bench.connect();
  bench.hub.receive(peer.session, new ArrayBuffer(3));
  assertEquals(peer.socket.closed?.code, 4000);
});

Deno.test("ChatHub.receive() answers an unknown type and stays [P4]", () => {
  const peer = new Bench().connect();
  assertEquals(codesOf(peer.send({ type: "dance" })), ["unknown_type"]);
  assertEquals(peer.socket.closed, undefined);
});

Deno.test("ChatHub.receive() lets nothing of a wrong command take effect [P5]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const pushes = ada.send({ type: "message", room: "lobby", text: "hi", nonce: "no spaces" });
  assertEquals(codesOf(pushes), ["nonce_invalid"]);
  assertEquals(bench.broker.log("lobby"), []);
});

Deno.test("ChatHub wants hello first, and only once [P6]", () => {
  const bench = new Bench();
  const peer = bench.connect();
  assertEquals(codesOf(peer.say("hi")), ["hello_required"]);
  peer.send({ type: "pong" });
  peer.hello("Ada");
  assertEquals(codesOf(peer.hello("Ada")), ["already_greeted"]);
});

Deno.test("ChatHub answers hello with welcome, then a room push for each room, in order [P7]", () => {
  const peer = new Bench().connect();
  const [frame = []] = (peer.put({
    type: "hello",
    username: "Ada",
    rooms: [{ room: "b" }, { room: "a" }],
  }),
    peer.frames());
  assertEquals(
    frame.map((push) => push.type === "room" ? push.room : push.type),
    ["welcome", "b", "a"],
  );
});

Deno.test("ChatHub lets a refused hello be tried again on the same connection [P7] [N4]", () => {
  const bench = new Bench();
  bench.enter("Ada");
  const peer = bench.connect();
  const rooms = [{ room: "lobby" }];
  assertEquals(codesOf(peer.send({ type: "hello", username: "ADA", rooms })), ["username_taken"]);
  assertEquals(codesOf(peer.send({ type: "hello", username: "-", rooms })), ["username_ends"]);
  assertEquals(
    only(peer.send({ type: "hello", username: "Ben", rooms }), "welcome").username,
    "Ben",
  );
});

Deno.test("ChatHub sends an empty frame every 25 s, whatever the traffic [P8]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  let beats = 0;
  for (let second = 0; second < 100; second++) {
    bench.time.pass(1_000);
    if (second % 3 === 0) ada.put({ type: "typing", room: "lobby" });
    for (const frame of ada.frames()) {
      if (frame.length > 0) continue;
      beats++;
      ada.put({ type: "pong" });
    }
  }
  assertEquals(beats, 4);
});

Deno.test("ChatHub keeps the order of a session's commands, also while the broker is slow [P9]", async () => {
  const bench = new Bench();
  bench.broker.async = true;
  const peer = bench.connect();
  peer.put({ type: "hello", username: "Ada", token: token("Ada"), rooms: [{ room: "lobby" }] });
  peer.put({ type: "message", room: "lobby", text: "as Ada", nonce: "n1" });
  peer.put({ type: "rename", username: "Ida" });
  peer.put({ type: "message", room: "lobby", text: "as Ida", nonce: "n2" });
  await bench.settle();
  assertEquals(
    bench.broker.log("lobby").map(({ from, text }) => `${from}: ${text}`),
    ["Ada: as Ada", "Ida: as Ida"],
  );
});

Deno.test("ChatHub names command, code and sentence in an error [P10]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const error = only(ada.say("hi", "elsewhere", "n9"), "error");
  assertEquals(error, {
    type: "error",
    re: "message",
    code: "not_joined",
    message: "Join elsewhere first",
    nonce: "n9",
    room: "elsewhere",
  });
});

// ------------------------------------------------------------------ names and members

Deno.test("ChatHub gives a token to whom sends none, and knows it again [N5] [N6]", () => {
  const bench = new Bench();
  const first = bench.connect();
  const welcome = only(
    first.send({ type: "hello", username: "Ada", rooms: [{ room: "lobby" }] }),
    "welcome",
  );
  assertEquals(welcome.token.length, 43);
  first.drop();
  const second = bench.connect();
  const again = only(second.hello("Other", ["lobby"], { token: welcome.token }), "welcome");
  assertEquals([again.member, again.username], [welcome.member, "Ada"]);
});

Deno.test("ChatHub tells nobody another's token [N5]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada");
  ada.say("hello");
  const told = JSON.stringify(ben.pushes());
  assert(!told.includes(token("Ada")), told);
});

Deno.test("ChatHub keeps the name of a member that says hello with another [N7]", () => {
  const bench = new Bench();
  bench.enter("Ada");
  const phone = bench.connect();
  const welcome = only(phone.hello("Zoe", ["lobby"], { token: token("Ada") }), "welcome");
  assertEquals(welcome.username, "Ada");
});

Deno.test("ChatHub holds a name through the grace, and releases it after [N8] [N10]", () => {
  const bench = new Bench();
  bench.enter("Ada").drop();
  const thief = bench.connect();
  assertEquals(codesOf(thief.hello("Ada", ["lobby"], { token: token("thief") })), [
    "username_taken",
  ]);
  bench.time.pass(12_000);
  assertEquals(bench.broker.released, ["id-Ada"]);
  assertEquals(
    only(thief.hello("Ada", ["lobby"], { token: token("thief") }), "welcome").username,
    "Ada",
  );
});

Deno.test("ChatHub closes the older connection of a tab, without a word to the room [N9]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  const old = bench.enter("Ada", ["lobby"], { tab: "t1" });
  ben.pushes();
  bench.enter("Ada", ["lobby"], { tab: "t1" });
  assertEquals(old.socket.closed?.code, 4005);
  old.drop(1005);
  bench.time.pass(15_000);
  assertEquals(ben.types().filter((type) => type === "joined" || type === "left"), []);
});

Deno.test("ChatHub lets tabs of one member be sessions side by side [N9]", () => {
  const bench = new Bench();
  const one = bench.enter("Ada", ["lobby"], { tab: "t1" });
  const two = bench.enter("Ada", ["lobby"], { tab: "t2" });
  const ben = bench.enter("Ben");
  one.pushes();
  two.pushes();
  ben.say("both");
  assertEquals([textsOf(one.pushes()), textsOf(two.pushes())], [["both"], ["both"]]);
  one.drop(1000);
  assertEquals(ben.types().includes("left"), false);
});

Deno.test("ChatHub tells who joined and who quit, once for a member [N10] [C6]", () => {
  const bench = new Bench();
  bench.time.pass(31_000);
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada");
  assertEquals(only(ben.pushes(), "joined"), {
    type: "joined",
    room: "lobby",
    member: "id-Ada",
    username: "Ada",
  });
  ada.drop(1000);
  assertEquals(only(ben.pushes(), "left").reason, "quit");
});

Deno.test("ChatHub says timeout only when the grace is over [N10] [C6]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  bench.enter("Ada").drop();
  ben.pushes();
  bench.time.pass(8_000);
  assertEquals(ben.types().includes("left"), false);
  bench.time.pass(4_000);
  assertEquals(only(ben.pushes(), "left").reason, "timeout");
});

Deno.test("ChatHub makes no noise of a return within the grace [N10]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada");
  ben.pushes();
  ada.drop();
  bench.time.pass(5_000);
  bench.enter("Ada");
  bench.time.pass(30_000);
  assertEquals(ben.types().filter((type) => type === "joined" || type === "left"), []);
});

Deno.test("ChatHub marks joined as quiet for 30 s after a start [N10]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  bench.enter("Ada");
  assertEquals(only(ben.pushes(), "joined").quiet, true);
});

Deno.test("ChatHub.leave() answers left, and is a goodbye to the room [N10]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada");
  ben.pushes();
  assertEquals(only(ada.send({ type: "leave", room: "lobby" }), "left").reason, "quit");
  assertEquals(only(ben.pushes(), "left").member, "id-Ada");
  assertEquals(codesOf(ada.say("still there?")), ["not_joined"]);
});

Deno.test("ChatHub.rename() tells all sessions of the member and its rooms [N11] [N4]", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada", ["lobby"], { tab: "a" });
  const other = bench.enter("Ada", ["lobby"], { tab: "b" });
  ben.pushes();
  ada.pushes();
  ada.put({ type: "rename", username: "Ida" });
  assertEquals(only(ada.pushes(), "you").username, "Ida");
  assertEquals(only(other.pushes(), "you").username, "Ida");
  assertEquals(only(ben.pushes(), "renamed"), {
    type: "renamed",
    room: "lobby",
    member: "id-Ada",
    from: "Ada",
    to: "Ida",
  });
  assertEquals(codesOf(ada.send({ type: "rename", username: "Ben" })), ["username_taken"]);
});

Deno.test("ChatHub counts a crowded room instead of listing it, once a second at most [N12]", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  const peers = Array.from({ length: 501 }, (_, i) => bench.enter(`M${i}`));
  const [watcher] = peers;
  if (watcher === undefined) return;
  bench.time.pass(1_000);
  watcher.pushes();
  const late = bench.connect();
  const room = only(late.hello("Late"), "room");
  assertEquals([room.count, room.members], [502, undefined]);
  assertEquals(watcher.types(), []);
  bench.time.pass(1_000);
  assertEquals(watcher.pushes().filter(({ type }) => type === "count"), [
    { type: "count", room: "lobby", count: 502 },
  ]);
  for (const peer of peers.slice(300)) peer.drop(1000);
  const counts = watcher.pushes().filter((push) => push.type === "count");
  assertEquals(counts.filter(({ members }) => members !== undefined).length, 1);
  assertEquals(only(watcher.pushes().concat(counts.slice(-1)), "count").count, 399);
});

// ------------------------------------------------------------------ messages

Deno.test("ChatHub.message() delivers what the broker stored, to all, the author too [M4] [M5]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.pushes();
  const own = only(ada.say("hello", "lobby", "n1"), "message");
  assertEquals(own, {
    type: "message",
    room: "lobby",
    offset: 1,
    member: "id-Ada",
    from: "Ada",
    text: "hello",
    at: 1000,
    nonce: "n1",
    epoch: "term1",
  });
  assertEquals(ben.pushes(), [own]);
});

Deno.test("ChatHub.message() gives one tick one commit and each session one frame", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.frames();
  for (const peer of [ada, ben]) {
    for (let i = 0; i < 5; i++) {
      peer.put({ type: "message", room: "lobby", text: `m${i}`, nonce: `n${i}` });
    }
  }
  assertEquals(ada.frames().map((frame) => frame.length), [10]);
  assertEquals(ben.frames().map((frame) => frame.length), [10]);
  assertEquals(bench.broker.appends.map((drafts) => drafts.length), [10]);
});

Deno.test("ChatHub takes what several turns bring into one tick, but waits for four and no more", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  const ada = bench.enter("Ada");
  ada.frames();
  let count = 0;
  const speak = (turns: number) => {
    if (turns === 0) return;
    // The next is read in the next turn, before what the hub does at its end.
    bench.time.soon(() => speak(turns - 1));
    ada.put({ type: "message", room: "lobby", text: "hello", nonce: `n${count++}` });
  };
  speak(3);
  assertEquals(ada.frames().map((frame) => frame.length), [3]);
  // What began the tick, and what the four turns after it brought.
  speak(6);
  assertEquals(ada.frames().map((frame) => frame.length), [5, 1]);
});

Deno.test("ChatHub.message() answers a repeated nonce with the first offset, and stores it once [M3]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  ada.say("hello", "lobby", "n1");
  ada.say("other", "lobby", "n2");
  assertEquals(ada.say("hello", "lobby", "n1"), [
    { type: "ack", room: "lobby", nonce: "n1", offset: 1 },
  ]);
  assertEquals(bench.broker.log("lobby").length, 2);
});

Deno.test("ChatHub.message() cleans the text before it is stored [M2]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  ada.say("  a\r\nb\u0007 \ud800 ");
  assertEquals(bench.broker.log("lobby").map(({ text }) => text), ["a\nb \ufffd"]);
});

Deno.test("ChatHub.message() refuses a text that is empty or too long [M1]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  assertEquals(codesOf(ada.say(" \n ")), ["text_empty"]);
  assertEquals(codesOf(ada.say("x".repeat(4_001))), ["text_too_long"]);
  assertEquals(textsOf(ada.say("😀".repeat(4_000))).length, 1);
});

Deno.test("ChatHub.message() is seen by nobody when it cannot be stored, and can be sent again [M9] [M8]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.pushes();
  bench.broker.failing = true;
  const error = only(ada.say("hello", "lobby", "n1"), "error");
  assertEquals([error.code, error.nonce, error.room], ["storage_unavailable", "n1", "lobby"]);
  assertGreater(error.retryAfter ?? 0, 0);
  assertEquals(ben.pushes(), []);
  bench.broker.failing = false;
  ada.say("hello", "lobby", "n1");
  assertEquals(textsOf(ben.pushes()), ["hello"]);
});

Deno.test("ChatHub.message() is sent to nobody before it is committed [M5]", async () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.pushes();
  bench.broker.async = true;
  assertEquals(ada.say("hello"), []);
  assertEquals(ben.pushes(), []);
  await bench.settle();
  assertEquals(textsOf(ben.pushes()), ["hello"]);
});

Deno.test("ChatHub.message() gathers the next batch while one is on its way", async () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  bench.broker.async = true;
  ada.say("1");
  ada.say("2");
  ada.say("3");
  await bench.settle();
  assertEquals(bench.broker.appends.map((drafts) => drafts.length), [1, 2]);
  assertEquals(textsOf(ada.pushes()), ["1", "2", "3"]);
});

Deno.test("ChatHub.message() to a room that was not joined is refused [M7]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  assertEquals(codesOf(ada.say("hi", "other")), ["not_joined"]);
});

Deno.test("ChatHub answers a sender that is not live in the room by ack [M5]", () => {
  const bench = new Bench();
  bench.broker.fill("big", 900, "x".repeat(1_000));
  const ada = bench.connect();
  const pushes = ada.hello("Ada", [{ room: "big", epoch: "term1", offset: 1 }]);
  assertEquals(only(pushes, "room").more, true);
  assertEquals(ada.say("early", "big", "n1"), [
    { type: "ack", room: "big", nonce: "n1", offset: 901 },
  ]);
});

Deno.test("ChatHub.typing() tells the others, once in 3 s for a member [M10]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.put({ type: "typing", room: "lobby" });
  assertEquals(only(ben.pushes(), "typing").usernames, ["Ada"]);
  ada.put({ type: "typing", room: "lobby" });
  assertEquals(ben.types(), []);
  bench.time.pass(3_000);
  ada.put({ type: "typing", room: "lobby" });
  assertEquals(only(ben.pushes(), "typing").usernames, ["Ada"]);
});

Deno.test("ChatHub.typing() is not shown in rooms of more than 50 [M10]", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  const peers = Array.from({ length: 51 }, (_, i) => bench.enter(`M${i}`));
  peers[0]?.pushes();
  peers[1]?.put({ type: "typing", room: "lobby" });
  assertEquals(peers[0]?.types(), []);
});

// ------------------------------------------------------------------ joining, resuming

Deno.test("ChatHub.join() gives a newcomer the newest 100 and the members [R6] [R10]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 250);
  bench.enter("Ben");
  const room = only(bench.connect().hello("Ada"), "room");
  assertEquals(room.messages.map(({ offset }) => offset), range(151, 250));
  assertEquals([room.offset, room.first, room.more, room.recovered], [250, 1, false, false]);
  assertEquals(room.members?.map(({ username }) => username), ["Ben", "Ada"]);
});

Deno.test("ChatHub.join() with a valid position gives what follows [R2] [R3] [R4]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 250);
  for (const offset of [0, 5, 149, 200, 249, 250]) {
    const room = only(
      bench.connect().hello(`P${offset}`, [{ room: "lobby", epoch: "term1", offset }]),
      "room",
    );
    assertEquals(room.recovered, true, `from ${offset}`);
    assertEquals(room.messages.map((message) => message.offset), range(offset + 1, 250));
    assertEquals(room.missed, undefined);
  }
});

Deno.test("ChatHub.join() with a position of another log starts from the newest [R3] [R6] [R7]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 20);
  for (const position of [{ epoch: "nope", offset: 5 }, { epoch: "term1", offset: 21 }]) {
    const room = only(
      bench.connect().hello(`P${position.offset}`, [{ room: "lobby", ...position }]),
      "room",
    );
    assertEquals([room.recovered, room.missed, room.messages.length], [false, undefined, 20]);
  }
});

Deno.test("ChatHub.join() from more than 1,000 behind says how many are missed [R6] [R7]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 1_500);
  const room = only(
    bench.connect().hello("Ada", [{ room: "lobby", epoch: "term1", offset: 10 }]),
    "room",
  );
  assertEquals([room.recovered, room.missed], [false, 1_390]);
  assertEquals(room.messages[0]?.offset, 1_401);
});

Deno.test("ChatHub.join() from before what is kept starts anew [R6] [R11]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 300);
  bench.broker.keepFrom("lobby", 200);
  const room = only(
    bench.connect().hello("Ada", [{ room: "lobby", epoch: "term1", offset: 100 }]),
    "room",
  );
  assertEquals([room.recovered, room.missed, room.first], [false, 100, 200]);
});

Deno.test("ChatHub.join() pages what is large, and goes live with the last page [R4] [R5]", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  bench.broker.fill("big", 600, "x".repeat(1_000));
  const ben = bench.enter("Ben", ["big"]);
  const ada = bench.connect();
  let room = only(ada.hello("Ada", [{ room: "big", epoch: "term1", offset: 1 }]), "room");
  const got = room.messages.map(({ offset }) => offset);
  while (room.more) {
    assertLess(JSON.stringify(room.messages).length, 256 * 1024 + 2_000);
    ben.say("in between", "big");
    assertEquals(ada.types(), []);
    room = only(
      ada.send({ type: "join", room: "big", epoch: room.epoch, offset: room.offset }),
      "room",
    );
    got.push(...room.messages.map(({ offset }) => offset));
  }
  ben.say("live", "big");
  got.push(...ada.pushes().flatMap((push) => push.type === "message" ? [push.offset] : []));
  assertEquals(got, range(2, got.length + 1));
  assertEquals(got.at(-1), bench.broker.log("big").length);
});

Deno.test("ChatHub gives all rooms of a hello at most 512 KiB [R4]", () => {
  const bench = new Bench();
  const rooms = ["a", "b", "c", "d"];
  for (const room of rooms) bench.broker.fill(room, 500, "x".repeat(1_000));
  const peer = bench.connect();
  peer.put({
    type: "hello",
    username: "Ada",
    rooms: rooms.map((room) => ({ room, epoch: "term1", offset: 1 })),
  });
  bench.time.settle();
  const bytes = peer.socket.frames.join("").length;
  assertLess(bytes, 512 * 1024 + 10_000);
});

Deno.test("ChatHub.join() loses nothing that is said while the log is read [R5]", async () => {
  const bench = new Bench({ ratePerSecond: 0 });
  bench.broker.fill("lobby", 300);
  const ben = bench.enter("Ben");
  bench.broker.async = true;
  const ada = bench.connect();
  ada.put({
    type: "hello",
    username: "Ada",
    token: token("Ada"),
    rooms: [{ room: "lobby", epoch: "term1", offset: 50 }],
  });
  for (let i = 0; i < 20; i++) {
    ben.put({ type: "message", room: "lobby", text: `m${i}`, nonce: `x${i}` });
    await Promise.resolve();
    bench.time.settle();
  }
  await bench.settle();
  const got = ada.pushes().flatMap((push) =>
    push.type === "room" ? push.messages : push.type === "message" ? [push] : []
  );
  assertEquals(got.map(({ offset }) => offset), range(51, 320));
});

Deno.test("ChatHub.join() is void when the room is left before the log is read", async () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 300);
  const ada = bench.enter("Ada", []);
  bench.broker.async = true;
  ada.put({ type: "join", room: "lobby", epoch: "term1", offset: 5 });
  ada.put({ type: "leave", room: "lobby" });
  await bench.settle();
  assertEquals(ada.types(), ["left"]);
});

Deno.test("ChatHub.join() can be tried again when the log could not be read", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada", []);
  bench.broker.failing = true;
  assertEquals(codesOf(ada.send({ type: "join", room: "lobby" })), ["storage_unavailable"]);
  bench.broker.failing = false;
  assertEquals(only(ada.send({ type: "join", room: "lobby" }), "room").more, false);
});

Deno.test("ChatHub says the epoch of a message where it differs from the one before [R1]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ben.pushes();
  ada.say("1");
  ada.say("2");
  bench.broker.newTerm("term2");
  ada.say("3");
  ada.say("4");
  const epochs = ben.pushes().flatMap((push) => push.type === "message" ? [push.epoch] : []);
  assertEquals(epochs, ["term1", undefined, "term2", undefined]);
});

Deno.test("ChatHub gives the members of the moment in the last room push of a tick [R10]", () => {
  const bench = new Bench();
  const ada = bench.connect();
  const ben = bench.connect();
  ada.put({ type: "hello", username: "Ada", token: token("Ada"), rooms: [{ room: "lobby" }] });
  ben.put({ type: "hello", username: "Ben", token: token("Ben"), rooms: [{ room: "lobby" }] });
  for (const peer of [ada, ben]) {
    const pushes = peer.pushes();
    assertEquals(pushes.map(({ type }) => type), ["welcome", "room"]);
    assertEquals(only(pushes, "room").count, 2);
  }
});

Deno.test("ChatHub.history() gives what lies before an offset, in order [R9]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 300);
  const ada = bench.enter("Ada");
  const history = only(ada.send({ type: "history", room: "lobby", before: 201 }), "history");
  assertEquals(history.messages.map(({ offset }) => offset), range(151, 200));
  assertEquals(history.first, 1);
  const none = only(ada.send({ type: "history", room: "lobby", before: 1 }), "history");
  assertEquals(none.messages, []);
  assertEquals(codesOf(ada.send({ type: "history", room: "other", before: 5 })), ["not_joined"]);
});

Deno.test("ChatHub repairs a hole by a join from the last good position [R8]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 20);
  const ada = bench.enter("Ada");
  const room = only(
    ada.send({ type: "join", room: "lobby", epoch: "term1", offset: 15 }),
    "room",
  );
  assertEquals(room.messages.map(({ offset }) => offset), range(16, 20));
  assertEquals(room.more, false);
});

// ------------------------------------------------------------------ closing

Deno.test("ChatHub closes who says no hello within 5 s [C3]", () => {
  const bench = new Bench();
  const peer = bench.connect();
  bench.time.pass(7_000);
  assertEquals(peer.socket.closed?.code, 4100);
});

Deno.test("ChatHub gives 60 s and five tries after a refused hello [C3]", () => {
  const bench = new Bench();
  bench.enter("Ada");
  const slow = bench.connect();
  slow.hello("Ada", ["lobby"], { token: token("x") });
  bench.time.pass(50_000);
  assertEquals(slow.socket.closed, undefined);
  bench.time.pass(12_000);
  assertEquals(slow.socket.closed?.code, 4100);
  const eager = bench.connect();
  for (let i = 0; i < 5; i++) eager.hello("-", ["lobby"], { token: token("x") });
  assertEquals(eager.socket.closed?.code, 4100);
});

Deno.test("ChatHub closes who is silent for 60 s [C4]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  bench.time.pass(62_000);
  assertEquals(ada.socket.closed?.code, 4103);
});

Deno.test("ChatHub closes a slow consumer and sends it nothing more [C5]", () => {
  const bench = new Bench({ outboxMaxBytes: 10_000, ratePerSecond: 0 });
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ben.frames();
  const send = ben.socket.send.bind(ben.socket);
  ben.socket.send = (text) => {
    send(text);
    ben.socket.buffered += text.length;
  };
  for (let i = 0; i < 20; i++) {
    assertEquals(ben.socket.closed, undefined);
    ada.say("x".repeat(300));
  }
  while (ben.socket.closed === undefined) ada.say("x".repeat(300));
  assertEquals(ben.socket.closed.code, 4101);
  assertLess(ben.socket.buffered, 10_000);
  assertEquals(textsOf(ada.say("still here")), ["still here"]);
});

Deno.test("ChatHub.drain() answers what was sent, then closes all with 1012, and nobody left [C7]", async () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.pushes();
  bench.broker.async = true;
  ada.put({ type: "message", room: "lobby", text: "last words", nonce: "n1" });
  const drained = bench.hub.drain();
  ada.put({ type: "message", room: "lobby", text: "too late", nonce: "n2" });
  await drained;
  assertEquals(textsOf(ben.pushes()), ["last words"]);
  assertEquals(ben.socket.closed, { code: 1012, reason: "1000" });
  assertEquals(bench.broker.log("lobby").length, 1);
  assertEquals(bench.broker.released, []);
  assertEquals(bench.time.timers, 0);
});

// ------------------------------------------------------------------ limits

Deno.test("ChatHub closes a frame that is too big with 1009 [L1]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  ada.put(`{"type":"pong","x":"${"ü".repeat(33_000)}"}`);
  assertEquals(ada.socket.closed?.code, 1009);
});

Deno.test("ChatHub limits a member's messages over all its sessions, and beyond them [L2]", () => {
  const bench = new Bench();
  const one = bench.enter("Ada", ["lobby"], { tab: "1" });
  const two = bench.enter("Ada", ["lobby"], { tab: "2" });
  for (let i = 0; i < 5; i++) one.say(`1 ${i}`, "lobby", `a${i}`);
  for (let i = 0; i < 5; i++) two.say(`2 ${i}`, "lobby", `b${i}`);
  const error = only(one.say("over"), "error");
  assertEquals(error.code, "rate_limited");
  one.drop(1000);
  two.drop(1000);
  const again = bench.enter("Ada");
  assertEquals(codesOf(again.say("still over", "lobby", "s1")), ["rate_limited"]);
  bench.time.pass(error.retryAfter ?? 0);
  assertEquals(textsOf(again.say("now", "lobby", "s1")), ["now"]);
});

Deno.test("ChatHub lets all rates go when there is no limit [L2]", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  const ada = bench.enter("Ada");
  for (let i = 0; i < 500; i++) {
    ada.put({ type: "message", room: "lobby", text: "x", nonce: `n${i}` });
  }
  assertEquals(textsOf(ada.pushes()).length, 500);
});

Deno.test("ChatHub charges an address for the bytes that it causes [L3]", () => {
  const bench = new Bench();
  bench.broker.fill("big", 300, "x".repeat(2_000));
  const ada = bench.enter("Ada", ["big"]);
  let asked = 0;
  const ask = () => ada.send({ type: "history", room: "big", before: 300, limit: 100 });
  while (codesOf(ask()).length === 0) asked++;
  assertGreater(asked, 50);
  assertLess(asked, 100);
  const error = only(ask(), "error");
  bench.time.pass(error.retryAfter ?? 0);
  ada.send({ type: "pong" });
  assertEquals(only(ask(), "history").messages.length, 100);
});

Deno.test("ChatHub lets a member rename itself five times an hour [L3]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  for (let i = 0; i < 5; i++) {
    assertEquals(codesOf(ada.send({ type: "rename", username: `Ada${i}` })), []);
  }
  assertEquals(codesOf(ada.send({ type: "rename", username: "Ada9" })), ["rate_limited"]);
});

Deno.test("ChatHub lets a session be in 20 rooms [L4]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada", range(1, 20).map((i) => `r${i}`));
  assertEquals(codesOf(ada.send({ type: "join", room: "one-more" })), ["too_many_rooms"]);
  ada.send({ type: "leave", room: "r1" });
  assertEquals(codesOf(ada.send({ type: "join", room: "one-more" })), []);
});

Deno.test("ChatHub closes who is refused a hundred times in 10 s [L6]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  for (let i = 0; i < 99; i++) ada.put({ type: "leave", room: "nowhere" });
  assertEquals(ada.socket.closed, undefined);
  ada.put({ type: "pong" });
  assertEquals(ada.socket.closed?.code, 4102);
});

Deno.test("ChatHub forgives refusals that are spread over time [L6]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  for (let i = 0; i < 300; i++) {
    ada.send({ type: "leave", room: "nowhere" });
    bench.time.pass(200);
    ada.put({ type: "typing", room: "lobby" });
    if (i % 25 === 0) bench.time.pass(11_000);
  }
  assertEquals(ada.socket.closed?.code, undefined);
});

Deno.test("ChatHub takes back all memory when everybody is gone", () => {
  const bench = new Bench();
  const peers: Peer[] = [];
  for (let i = 0; i < 50; i++) peers.push(bench.enter(`M${i}`, ["lobby", `r${i}`]));
  for (const [i, peer] of peers.entries()) {
    if (i % 2 === 0) peer.say("hello");
    peer.drop(i % 3 === 0 ? 1000 : 1006);
  }
  bench.time.pass(3_600_000 * 2);
  const { sessions, members, rooms, graces, rates } = bench.hub.size;
  assertEquals({ sessions, members, rooms, graces, rates }, {
    sessions: 0,
    members: 0,
    rooms: 0,
    graces: 0,
    rates: 0,
  });
  assertEquals(bench.time.timers, 0);
});

Deno.test("ChatHub.disconnect() may come twice, and after the hub has closed", () => {
  const bench = new Bench();
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada");
  ben.pushes();
  ada.drop(1001);
  ada.drop(1005);
  bench.time.pass(12_000);
  assertEquals(ben.types().filter((type) => type === "left").length, 1);
});

Deno.test("ChatHub logs what happened, without the text of messages", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  ada.say("a secret");
  ada.drop(1000);
  assertEquals(bench.lines.map(({ event }) => event), [
    "connect",
    "hello",
    "join",
    "message",
    "leave",
    "disconnect",
  ]);
  assert(!JSON.stringify(bench.lines).includes("secret"));
});

Deno.test("ChatHub logs the text of messages where that is wanted", () => {
  const bench = new Bench({ logMessageText: true });
  bench.enter("Ada").say("no secret");
  assert(JSON.stringify(bench.lines).includes("no secret"));
});

Deno.test("ChatHub works the same on a broker that answers later", async () => {
  const broker = new MemoryBroker();
  broker.async = true;
  const bench = new Bench({}, broker);
  const ada = bench.connect();
  const ben = bench.connect();
  ada.put({ type: "hello", username: "Ada", token: token("Ada"), rooms: [{ room: "lobby" }] });
  ben.put({ type: "hello", username: "Ben", token: token("Ben"), rooms: [{ room: "lobby" }] });
  await bench.settle();
  ada.put({ type: "message", room: "lobby", text: "hello", nonce: "n1" });
  await bench.settle();
  assertEquals(textsOf(ben.pushes()), ["hello"]);
  ben.put({ type: "rename", username: "Ada" });
  await bench.settle();
  assertEquals(codesOf(ben.pushes()), ["username_taken"]);
});

Deno.test("ChatHub answers only so many joins of a turn, in a frame of bounded size [L3]", () => {
  const bench = new Bench();
  bench.broker.fill("big", 100, "x".repeat(4_000));
  const ada = bench.enter("Ada", []);
  for (let i = 0; i < 90; i++) ada.put({ type: "join", room: "big" });
  const frames = ada.frames();
  const answers = frames.flat();
  assertEquals(answers.filter(({ type }) => type === "room").length, 20);
  assertEquals(codesOf(answers), Array(70).fill("rate_limited"));
  assertLess(JSON.stringify(frames).length, 1024 * 1024);
});

Deno.test("ChatHub answers only so much history in one turn [L3]", () => {
  const bench = new Bench();
  bench.broker.fill("big", 300, "x".repeat(4_000));
  const ada = bench.enter("Ada", ["big"]);
  for (let i = 0; i < 50; i++) {
    ada.put({ type: "history", room: "big", before: 200, limit: 100 });
  }
  const frames = ada.frames();
  assertLess(JSON.stringify(frames).length, 1024 * 1024);
  assertEquals(codesOf(frames.flat()).every((code) => code === "rate_limited"), true);
});

Deno.test("ChatHub makes the network pay that a peer is one of [L3]", () => {
  const bench = new Bench();
  const sockets = range(1, 30).map(() => new FakeSocket());
  const codes = sockets.map((socket, i) => {
    const session = bench.hub.connect(socket, peerAddress(`2001:db8::${i}`, "2001:db8::/64"));
    const say = (command: object) => bench.hub.receive(session, JSON.stringify(command));
    say({ type: "hello", username: `M${i}`, rooms: [{ room: `room-${i}` }] });
    say({ type: "message", room: `room-${i}`, text: "mine", nonce: "n" });
    bench.time.settle();
    return codesOf(socket.frames.flatMap((frame) => JSON.parse(frame))).join();
  });
  // A room that is stored stays, so that one network cannot take all that may be stored.
  assertEquals(codes.slice(0, 15), Array(15).fill(""));
  assert(codes.at(-1)?.startsWith("rate_limited"));
});

Deno.test("ChatHub releases the names of a crowd that left in several turns [N8]", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  const soon = bench.time.soon.bind(bench.time);
  let turn = 0;
  bench.time.soon = (task) =>
    soon(() => {
      turn++;
      task();
    });
  const releases = new Map<number, number>();
  bench.broker.release = () => void releases.set(turn, (releases.get(turn) ?? 0) + 1);
  const watcher = bench.enter("Watcher");
  const crowd = Array.from({ length: 250 }, (_, i) => bench.enter(`Member ${i}`));
  for (const peer of crowd) peer.drop();
  watcher.pushes();
  bench.time.pass(11_000);
  assertEquals([...releases.values()].sort(), [100, 100, 50]);
  // Everybody else is told at once.
  assertEquals(watcher.pushes().filter(({ type }) => type === "left").length, 250);
  assertEquals(bench.hub.size.graces, 0);
});

Deno.test("ChatHub stores what a member said before it releases the name [N8]", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  ada.put({ type: "message", room: "lobby", text: "goodbye", nonce: "n1" });
  ada.put({ type: "leave", room: "lobby" });
  let stored = -1;
  const release = bench.broker.release.bind(bench.broker);
  bench.broker.release = (id) => {
    stored = bench.broker.log("lobby").length;
    release(id);
  };
  ada.drop(1000);
  assertEquals(stored, 1);
});

Deno.test("ChatHub keeps no member whose connection is lost while its name is claimed [N8]", async () => {
  const broker = new MemoryBroker();
  broker.async = true;
  const bench = new Bench({}, broker);
  const ada = bench.connect();
  ada.put({ type: "hello", username: "Ada", token: token("Ada"), rooms: [{ room: "lobby" }] });
  ada.drop(1006);
  await bench.settle();
  assertEquals(bench.hub.size.members, 0);
  assertEquals(broker.released, ["id-Ada"]);
});

Deno.test("ChatHub does not release a name that is being claimed by its holder [N8]", async () => {
  const broker = new MemoryBroker();
  const bench = new Bench({}, broker);
  bench.enter("Ada").drop(1006);
  broker.async = true;
  const again = bench.connect();
  again.put({ type: "hello", username: "Ada", token: token("Ada"), rooms: [{ room: "lobby" }] });
  // The answer comes only when the grace is over.
  bench.time.pass(30_000);
  assertEquals(broker.released, []);
  await bench.settle();
  const other = bench.connect();
  other.put({ type: "hello", username: "Ada", token: token("Eve"), rooms: [{ room: "lobby" }] });
  await bench.settle();
  assertEquals(codesOf(other.pushes()), ["username_taken"]);
});

Deno.test("ChatHub forgets a rename of who is gone when the broker answers", async () => {
  const broker = new MemoryBroker();
  const bench = new Bench({}, broker);
  const ben = bench.enter("Ben");
  const ada = bench.enter("Ada");
  broker.async = true;
  ada.put({ type: "rename", username: "Bea" });
  ada.drop(1000);
  ben.pushes();
  await bench.settle();
  assertEquals(ben.types(), []);
});

Deno.test("ChatHub.here() tells how many are in a room, and the first names", () => {
  const bench = new Bench();
  for (const name of ["Ada", "Ben", "Cy"]) bench.enter(name);
  assertEquals(bench.hub.here("lobby", 2), { count: 3, usernames: ["Ada", "Ben"] });
  assertEquals(bench.hub.here("elsewhere", 2), { count: 0, usernames: [] });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
}
