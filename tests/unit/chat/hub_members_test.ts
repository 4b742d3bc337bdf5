// Members: their names and tokens, their presence, and the pushes about it.

import { assert, assertEquals } from "@std/assert";
import type { Push } from "../../../app/protocol/wire.ts";
import {
  codesOf,
  FakeSocket,
  helloOf,
  only,
  range,
  TestChat,
  textsOf,
  tokenOf,
} from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";

Deno.test("ChatHub.hello() issues a token to a client without one, and recognizes it later [N5] [N6]", () => {
  const chat = new TestChat();
  const first = chat.connect();
  const welcome = only(
    first.send({ type: "hello", username: "Ada", rooms: [{ room: "lobby" }] }),
    "welcome",
  );
  assertEquals(welcome.token.length, 43);
  first.drop();
  const second = chat.connect();
  const again = only(second.hello("Other", ["lobby"], { token: welcome.token }), "welcome");
  assertEquals([again.member, again.username], [welcome.member, "Ada"]);
});

Deno.test("ChatHub never sends a token to another member [N5]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada");
  ada.sendMessage("hello");
  const received = JSON.stringify(ben.pushes());
  assert(!received.includes(tokenOf("Ada")), received);
});

Deno.test("ChatHub.hello() keeps the name that a member holds, even if it asks for another [N7]", () => {
  const chat = new TestChat();
  chat.enter("Ada");
  const phone = chat.connect();
  const welcome = only(phone.hello("Zoe", ["lobby"], { token: tokenOf("Ada") }), "welcome");
  assertEquals(welcome.username, "Ada");
});

Deno.test("ChatHub holds a name through the grace and releases it afterwards [N8] [N10]", () => {
  const chat = new TestChat();
  chat.enter("Ada").drop();
  const thief = chat.connect();
  assertEquals(codesOf(thief.hello("Ada", ["lobby"], { token: tokenOf("thief") })), [
    "username_taken",
  ]);
  chat.time.advance(12_000);
  assertEquals(chat.broker.released, ["id-Ada"]);
  assertEquals(
    only(thief.hello("Ada", ["lobby"], { token: tokenOf("thief") }), "welcome").username,
    "Ada",
  );
});

Deno.test("ChatHub.hello() replaces the older session of a tab without a push to the room [N9]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const old = chat.enter("Ada", ["lobby"], { tab: "t1" });
  ben.pushes();
  chat.enter("Ada", ["lobby"], { tab: "t1" });
  assertEquals(old.socket.closed?.code, 4005);
  old.drop(1005);
  chat.time.advance(15_000);
  assertEquals(ben.pushTypes().filter((type) => type === "joined" || type === "left"), []);
});

Deno.test("ChatHub.rename() takes effect before the welcome of a newer connection of the tab [N9]", () => {
  const chat = new TestChat();
  const old = chat.enter("Ada", ["lobby"], { tab: "t1" });
  const newer = chat.connect();
  newer.put(helloOf("Ada", ["lobby"], { tab: "t1" }));
  old.put({ type: "rename", username: "Ida" });
  const pushes = newer.pushes();
  assertEquals(only(pushes, "welcome").username, "Ida");
  assertEquals(pushes.map(({ type }) => type), ["welcome", "room"]);
});

Deno.test("ChatHub accepts several tabs of a member at once [N9]", () => {
  const chat = new TestChat();
  const one = chat.enter("Ada", ["lobby"], { tab: "t1" });
  const two = chat.enter("Ada", ["lobby"], { tab: "t2" });
  const ben = chat.enter("Ben");
  one.pushes();
  two.pushes();
  ben.sendMessage("both");
  assertEquals([textsOf(one.pushes()), textsOf(two.pushes())], [["both"], ["both"]]);
  one.drop(1000);
  assertEquals(ben.pushTypes().includes("left"), false);
});

Deno.test("ChatHub announces joined and left once per member [N10] [C6]", () => {
  const chat = new TestChat();
  chat.time.advance(31_000);
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada");
  assertEquals(only(ben.pushes(), "joined"), {
    type: "joined",
    room: "lobby",
    member: "id-Ada",
    username: "Ada",
  });
  ada.drop(1000);
  assertEquals(only(ben.pushes(), "left").reason, "quit");
});

Deno.test("ChatHub announces a timeout only after the grace [N10] [C6]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  chat.enter("Ada").drop();
  ben.pushes();
  chat.time.advance(8_000);
  assertEquals(ben.pushTypes().includes("left"), false);
  chat.time.advance(4_000);
  assertEquals(only(ben.pushes(), "left").reason, "timeout");
});

Deno.test("ChatHub announces nothing when a member returns within the grace [N10]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada");
  ben.pushes();
  ada.drop();
  chat.time.advance(5_000);
  chat.enter("Ada");
  chat.time.advance(30_000);
  assertEquals(ben.pushTypes().filter((type) => type === "joined" || type === "left"), []);
  assertEquals(chat.broker.released, []);
});

Deno.test("ChatHub holds a name until the member's grace in every room is over [N8] [N10]", () => {
  const chat = new TestChat();
  chat.enter("Ada", ["one"], { tab: "1" }).drop();
  chat.enter("Ada", ["two"], { tab: "2" }).drop(1000);
  assertEquals(chat.broker.released, []);
  chat.time.advance(12_000);
  assertEquals(chat.broker.released, ["id-Ada"]);
});

Deno.test("ChatHub marks arrivals as quiet for 30 s after a start [N10]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  chat.enter("Ada");
  assertEquals(only(ben.pushes(), "joined").quiet, true);
});

Deno.test("ChatHub.leave() sends left to the session and to the room [N10]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada");
  ben.pushes();
  assertEquals(only(ada.send({ type: "leave", room: "lobby" }), "left").reason, "quit");
  assertEquals(only(ben.pushes(), "left").member, "id-Ada");
  assertEquals(codesOf(ada.sendMessage("still there?")), ["not_joined"]);
});

Deno.test("ChatHub.rename() pushes nothing to a pending post [H8] [N11]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  const socket = new FakeSocket();
  const token = tokenOf("Ada");
  chat.hub.post(
    socket,
    ada.session.peer,
    { type: "hello", username: "Ada", token, rooms: [] },
    { type: "message", room: "lobby", text: "hi", nonce: "n1" },
  );
  assert(ada.send({ type: "rename", username: "Ida" }).some(({ type }) => type === "you"));
  const replies = socket.frames.flatMap((frame) => JSON.parse(frame) as Push[]);
  assertEquals(replies.map(({ type }) => type), ["message"]);
});

Deno.test("ChatHub.rename() announces the name to the member's sessions and rooms [N11] [N4]", () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada", ["lobby"], { tab: "a" });
  const other = chat.enter("Ada", ["lobby"], { tab: "b" });
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

Deno.test("ChatHub.rename() does nothing if the member is gone when the broker replies", async () => {
  const chat = new TestChat();
  const ben = chat.enter("Ben");
  const ada = chat.enter("Ada");
  chat.broker.isAsync = true;
  ada.put({ type: "rename", username: "Bea" });
  ada.drop();
  chat.time.advance(12_000);
  ben.pushes();
  await chat.settle();
  assertEquals(ben.pushTypes(), []);
});

Deno.test("ChatHub counts the members of a crowded room, at most once a second, instead of listing them [N12]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const watcher = chat.enter("M0");
  const clients = range(1, 500).map((i) => chat.enter(`M${i}`));
  chat.time.advance(1_000);
  watcher.pushes();
  const late = chat.connect();
  const room = only(late.hello("Late"), "room");
  assertEquals([room.count, room.members], [502, undefined]);
  assertEquals(watcher.pushTypes(), []);
  chat.time.advance(1_000);
  assertEquals(watcher.pushes().filter(({ type }) => type === "count"), [
    { type: "count", room: "lobby", count: 502 },
  ]);
  for (const client of clients.slice(299)) client.drop(1000);
  const counts = watcher.pushes().filter((push) => push.type === "count");
  assertEquals(counts.filter(({ members }) => members !== undefined).length, 1);
  assertEquals(only(watcher.pushes().concat(counts.slice(-1)), "count").count, 399);
});

Deno.test("ChatHub releases many names over several turns [N8]", () => {
  const chat = new TestChat({ ratePerSecond: 0 });
  const soon = chat.time.soon.bind(chat.time);
  let turn = 0;
  chat.time.soon = (task) =>
    soon(() => {
      turn++;
      task();
    });
  const releases = new Map<number, number>();
  chat.broker.release = () => void releases.set(turn, (releases.get(turn) ?? 0) + 1);
  const watcher = chat.enter("Watcher");
  const crowd = range(1, 250).map((i) => chat.enter(`Member ${i}`));
  for (const client of crowd) client.drop();
  watcher.pushes();
  chat.time.advance(11_000);
  assertEquals([...releases.values()].sort(), [100, 100, 50]);
  // The departures are announced at once.
  assertEquals(watcher.pushes().filter(({ type }) => type === "left").length, 250);
  assertEquals(chat.hub.size.graces, 0);
});

Deno.test("ChatHub repeats releases that failed, unless the member has returned [N8]", () => {
  const chat = new TestChat();
  const clients = ["Ada", "Ben", "Eve"].map((name) => chat.enter(name));
  chat.broker.isFailing = true;
  for (const client of clients) client.drop(1000);
  chat.time.advance(30_000);
  chat.broker.isFailing = false;
  chat.enter("Ben");
  // Its next release replaces the failed one, which might free a name that this one holds.
  chat.enter("Eve").drop(1000);
  chat.time.advance(29_000);
  assertEquals(chat.broker.released, ["id-Eve"]);
  chat.time.advance(2_000);
  assertEquals(chat.broker.released, ["id-Eve", "id-Ada"]);
  assertEquals(chat.lines.filter(({ event }) => event === "release_failed").length, 3);
});

Deno.test("ChatHub repeats a release that failed although nobody is connected [N8]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  chat.broker.isFailing = true;
  ada.drop(1000);
  chat.time.advance(300_000);
  chat.broker.isFailing = false;
  chat.time.advance(61_000);
  assertEquals(chat.broker.released, ["id-Ada"]);
});

Deno.test("ChatHub stores a member's messages before it releases the name [N8]", () => {
  const chat = new TestChat();
  const ada = chat.enter("Ada");
  ada.put({ type: "message", room: "lobby", text: "goodbye", nonce: "n1" });
  ada.put({ type: "leave", room: "lobby" });
  let stored = -1;
  const release = chat.broker.release.bind(chat.broker);
  chat.broker.release = (id) => {
    stored = chat.broker.log("lobby").length;
    release(id);
  };
  ada.drop(1000);
  assertEquals(stored, 1);
});

Deno.test("ChatHub.hello() admits no member whose connection is lost during the claim [N8]", async () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  const ada = chat.connect();
  ada.put(helloOf("Ada"));
  ada.drop(1006);
  await chat.settle();
  assertEquals(chat.hub.size.members, 0);
  assertEquals(chat.broker.released, ["id-Ada"]);
});

Deno.test("ChatHub.hello() releases the name if the broker fails, since the claim may have succeeded [N8]", () => {
  const chat = new TestChat();
  chat.broker.isFailing = true;
  assertEquals(codesOf(chat.connect().hello("Ada")), ["storage_unavailable"]);
  chat.broker.isFailing = false;
  chat.time.advance(61_000);
  assertEquals(chat.broker.released, ["id-Ada"]);
});

Deno.test("ChatHub.hello() keeps the name of a lost claim that another connection repeats [N8]", async () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  const [lost, again] = [chat.connect(), chat.connect()];
  lost.put(helloOf("Ada"));
  chat.time.settle();
  lost.drop(1006);
  // The first claim ends while the second one is pending.
  chat.broker.isAsync = false;
  again.put(helloOf("Ada"));
  await Promise.resolve();
  await chat.settle();
  assertEquals(only(again.pushes(), "welcome").username, "Ada");
  assertEquals(chat.broker.released, []);
});

Deno.test("ChatHub.drain() releases no name whose claim is pending [C7]", async () => {
  const chat = new TestChat();
  chat.broker.isAsync = true;
  chat.connect().put(helloOf("Ada"));
  await chat.hub.drain();
  await chat.settle();
  assertEquals(chat.broker.released, []);
});

Deno.test("ChatHub does not release a name while its holder is claiming it [N8]", async () => {
  const chat = new TestChat();
  chat.enter("Ada").drop(1006);
  chat.broker.isAsync = true;
  const again = chat.connect();
  again.put(helloOf("Ada"));
  // The broker replies only after the grace.
  chat.time.advance(30_000);
  assertEquals(chat.broker.released, []);
  await chat.settle();
  const other = chat.connect();
  other.put(helloOf("Ada", ["lobby"], { token: tokenOf("Eve") }));
  await chat.settle();
  assertEquals(codesOf(other.pushes()), ["username_taken"]);
});

Deno.test("ChatHub.membersOf() returns the number of members and the first names", () => {
  const chat = new TestChat();
  for (const name of ["Ada", "Ben", "Cy"]) chat.enter(name);
  assertEquals(chat.hub.membersOf("lobby", 2), { count: 3, usernames: ["Ada", "Ben"] });
  assertEquals(chat.hub.membersOf("other", 2), { count: 0, usernames: [] });
});

Deno.test("ChatHub marks presence pushes as quiet if join lines are off [N10]", () => {
  const chat = new TestChat({ joinLines: false });
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ben.send({ type: "rename", username: "Benno" });
  ben.drop(1000);
  const pushes = ada.pushes().filter(({ type }) => type !== "you");
  assertEquals(pushes.map((push) => [push.type, "quiet" in push && push.quiet]), [
    ["joined", true],
    ["renamed", true],
    ["left", true],
  ]);
});

Deno.test("ChatHub sends no typing pushes if they are turned off, and says so in welcome [M10]", () => {
  const chat = new TestChat({ typing: false });
  assert(!only(chat.connect().hello("Cy"), "welcome").limits.typing);
  const ada = chat.enter("Ada");
  const ben = chat.enter("Ben");
  ada.pushes();
  assertEquals(ben.send({ type: "typing", room: "lobby" }), []);
  chat.time.advance(1_000);
  assertEquals(ada.pushTypes().filter((type) => type === "typing"), []);
});

Deno.test("ChatHub.hello() without a username uses the name that the token holds, if any [N7]", () => {
  const chat = new TestChat();
  const client = chat.connect();
  assertEquals(codesOf(client.hello("Ada", [], { username: undefined })), ["username_empty"]);
  chat.enter("Ada");
  const welcome = only(client.hello("Ada", [], { username: undefined }), "welcome");
  assertEquals(welcome.username, "Ada");
});

/** A broker that counts its batches, and whose commits can fail. */
class BatchingBroker extends MemoryBroker {
  batches = 0;
  isCommitFailing = false;

  override batch(work: () => void): void {
    this.batches++;
    work();
    if (this.isCommitFailing) throw new Error("the commit fails");
  }
}

Deno.test("ChatHub commits a tick's claims and releases together [N4] [N8]", () => {
  const broker = new BatchingBroker();
  const chat = new TestChat({}, broker);
  const ben = chat.enter("Ben", []);
  const [first, second] = [chat.connect(), chat.connect()];
  broker.batches = 0;
  first.put(helloOf("Ada"));
  second.put(helloOf("Ada", ["lobby"], { token: tokenOf("thief") }));
  chat.hub.disconnect(ben.session, 1000);
  const third = chat.connect();
  third.put(helloOf("Ben", ["lobby"], { token: tokenOf("Ben2") }));
  assertEquals(only(first.pushes(), "welcome").username, "Ada");
  assertEquals(codesOf(second.pushes()), ["username_taken"]);
  assertEquals(only(third.pushes(), "welcome").username, "Ben");
  assertEquals(broker.batches, 1);
});

Deno.test("ChatHub.hello() refuses all claims of a commit that fails [N4] [M9]", () => {
  const broker = new BatchingBroker();
  const chat = new TestChat({}, broker);
  const [first, second] = [chat.connect(), chat.connect()];
  broker.isCommitFailing = true;
  first.put(helloOf("Ada"));
  second.put(helloOf("Ben"));
  assertEquals(codesOf(first.pushes()), ["storage_unavailable"]);
  assertEquals(codesOf(second.pushes()), ["storage_unavailable"]);
  assertEquals(chat.hub.size.members, 0);
  assertEquals(chat.lines.filter(({ event }) => event === "claim_failed").length, 2);
});

Deno.test("ChatHub.receive() runs the commands sent with a hello before a frame that ends the session [N4] [L1]", () => {
  const chat = new TestChat();
  const ada = chat.connect();
  ada.put(helloOf("Ada"));
  ada.put({
    type: "message",
    room: "lobby",
    text: "x".repeat(4_000),
    nonce: "n1",
    y: "y".repeat(8_000),
  });
  ada.put("no JSON");
  chat.time.settle();
  assertEquals(ada.socket.closed?.code, 4000);
  assertEquals(chat.broker.log("lobby").length, 1);
});
