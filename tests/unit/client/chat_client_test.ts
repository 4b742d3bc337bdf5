import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { memoryStorage } from "../../../static/client/state/storage.ts";
import { message, Page, room, welcome } from "../../support/page_harness.ts";

function lobby(page: Page) {
  const found = page.chat.rooms.get("lobby");
  if (found === undefined) throw new Error("Cannot find the lobby");
  return found;
}

function offsets(page: Page): number[] {
  return lobby(page).messages.map(({ offset }) => offset);
}

function waiting(page: Page): string[] {
  return page.chat.outbox.messagesIn("lobby").map(({ text }) => text);
}

Deno.test("Chat says hello with token, tab and the position of each room [R2] [N5]", () => {
  const page = new Page().signIn();
  page.wire.push(room(3, {}, 1));
  page.wire.events.onClose(1006, "");
  page.time.pass(30_000);
  page.wire.events.onOpen();
  assertEquals(page.wire.take(), [{
    type: "hello",
    username: "Ada",
    token: "t".repeat(43),
    tab: "tab",
    rooms: [{ room: "lobby", epoch: "e1", offset: 3 }],
  }]);
});

Deno.test("Chat answers a heartbeat at once [P8]", () => {
  const page = new Page().signIn();
  page.wire.take();
  page.wire.push();
  assertEquals(page.wire.take(), [{ type: "pong" }]);
});

Deno.test("Chat asks for another name when the server refuses one, on the same connection [P7]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ben", token: "t".repeat(43) });
  page.wire.events.onOpen();
  page.wire.push({ type: "error", re: "hello", code: "username_taken", message: "Ben is taken" });
  const problem = "Ben is taken";
  assertEquals(page.chat.signInState, { kind: "asking", problem, code: "username_taken" });
  page.wire.take();
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  assertEquals(page.wire.take().map(({ username }) => username), ["Ada"]);
  page.wire.push(welcome());
  assertEquals(page.chat.signInState, { kind: "in" });
});

Deno.test("Chat says the access code with each hello once it has it [N13]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43), access: "sesame" });
  page.accept();
  page.wire.events.onClose(1006, "");
  page.time.pass(30_000);
  page.wire.events.onOpen();
  assertEquals(page.wire.take().map(({ access }) => access), ["sesame"]);
});

Deno.test("Chat says why its hello has to wait, until it is let in [L3]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.wire.events.onOpen();
  const error = { type: "error", re: "hello", message: "Too much at once" } as const;
  page.wire.push({ ...error, code: "rate_limited", retryAfter: 3_000 });
  assertEquals([page.chat.problem, page.chat.signInState.kind], ["Too much at once", "entering"]);
  page.wire.take();
  page.time.pass(3_000);
  assertEquals(page.wire.take().map(({ type }) => type), ["hello"]);
  page.wire.push(welcome());
  assertEquals(page.chat.problem, undefined);
});

Deno.test("Chat ignores fields and pushes that it does not know [P5]", () => {
  const page = new Page().signIn();
  page.wire.events.onFrame('[{"type":"news","x":1},{"type":"you","username":"Ida","y":2}]');
  assertEquals(page.chat.username, "Ida");
});

Deno.test("Chat gives up a connection on which the server breaks the protocol, and comes back", () => {
  const messages = [
    '[{"type":"message","room":"lobby","offset":1,"nonce":"n"}]',
    JSON.stringify([message(1, { at: 1e300 })]),
    '[{"type":"room","room":"lobby","offset":1}]',
  ];
  for (const frame of ["x", "{}", "[1]", '[{"a":1}]', ...messages]) {
    const page = new Page().signIn();
    page.wire.events.onFrame(frame);
    assertEquals(page.chat.status.kind, "waiting", frame);
    assert(page.wire.closed !== undefined);
  }
});

// ------------------------------------------------------------------ sending

Deno.test("Chat has at most one message in flight in each room [M8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.chat.send("lobby", "two");
  const [first] = page.wire.take();
  assertEquals(first?.text, "one");
  page.wire.push(message(1, { member: "me", nonce: String(first?.nonce) }));
  assertEquals(page.wire.take().map(({ text }) => text), ["two"]);
});

Deno.test("Chat sends no message before the room push of this connection [M8]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "early");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.wire.events.onOpen();
  page.wire.take();
  page.wire.push(welcome());
  assertEquals(page.wire.take(), []);
  page.wire.push(room(1, { more: true }, 1));
  assertEquals(page.wire.take().map(({ type }) => type), ["join"]);
  page.wire.push(room(2, { recovered: true }, 2));
  assertEquals(page.wire.take().map(({ text }) => text), ["early"]);
});

Deno.test("Chat settles a message by its push, its ack, or its place in a page [M5]", () => {
  for (const how of ["push", "ack", "page"] as const) {
    const page = new Page().signIn();
    page.chat.send("lobby", "one");
    const nonce = String(page.wire.take()[0]?.nonce);
    const mine = message(1, { member: "me", nonce });
    if (how === "push") page.wire.push(mine);
    if (how === "ack") page.wire.push({ type: "ack", room: "lobby", nonce, offset: 1 });
    if (how === "page") page.wire.push(room(1, { messages: [mine], recovered: true }));
    assertEquals(waiting(page), [], how);
  }
});

Deno.test("Chat sends again what was in flight when the connection was lost, with its nonce [M8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const [first] = page.wire.take();
  page.wire.events.onClose(1006, "");
  page.time.pass(30_000);
  page.accept();
  const [again] = page.wire.take();
  assertEquals([again?.nonce, again?.text], [first?.nonce, "one"]);
});

Deno.test("Chat tries again by itself what may be tried again, after retryAfter [M8] [L2]", () => {
  for (const code of ["rate_limited", "storage_unavailable", "draining"] as const) {
    const page = new Page().signIn();
    page.chat.send("lobby", "one");
    const [first] = page.wire.take();
    const nonce = String(first?.nonce);
    const retryAfter = 1_500;
    page.wire.push({
      type: "error",
      re: "message",
      code,
      message: "",
      nonce,
      room: "lobby",
      retryAfter,
    });
    page.chat.send("lobby", "two");
    page.time.pass(1_400);
    assertEquals(page.wire.take(), [], code);
    page.time.pass(100);
    assertEquals(page.wire.take().map((sent) => sent.nonce), [nonce], code);
  }
});

Deno.test("Chat joins again when it is told that it is not in the room [M7]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const nonce = String(page.wire.take()[0]?.nonce);
  const error = { type: "error", re: "message", code: "not_joined", message: "", nonce } as const;
  page.wire.push({ ...error, room: "lobby" });
  assertEquals(page.wire.take().map(({ type }) => type), ["join"]);
  page.wire.push(room(0));
  assertEquals(page.wire.take().map((sent) => sent.nonce), [nonce]);
});

Deno.test("Chat shows a message that is refused for good, and sends it anew with another nonce", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const nonce = String(page.wire.take()[0]?.nonce);
  const error = { type: "error", re: "message", code: "rooms_full", message: "No room" } as const;
  page.wire.push({ ...error, nonce, room: "lobby" });
  const [failed] = page.chat.outbox.messagesIn("lobby");
  assertEquals([failed?.state, failed?.problem], ["failed", "No room"]);
  if (failed !== undefined) page.chat.retry(failed);
  const [anew] = page.wire.take();
  assertEquals(anew?.text, "one");
  assert(anew?.nonce !== nonce);
});

Deno.test("Chat stops sending what twice ended the connection badly [C8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "poison");
  for (const code of [1009, 1011]) {
    page.wire.events.onClose(code, "");
    page.time.pass(30_000);
    page.accept();
  }
  assertEquals(page.chat.outbox.messagesIn("lobby").map(({ state }) => state), ["failed"]);
});

Deno.test("Chat does not count bad ends that are not in a row [C8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "fine");
  for (const code of [1011, 1006, 1011, 1012]) {
    page.wire.events.onClose(code, "");
    page.chat.retryNow();
    page.accept();
  }
  assertEquals(page.chat.outbox.messagesIn("lobby").map(({ state }) => state), ["waiting"]);
});

Deno.test("Chat refuses what can be seen to be wrong before it is sent [M1]", () => {
  const page = new Page().signIn();
  assert(page.chat.send("lobby", "  ") !== undefined);
  assert(page.chat.send("lobby", "x".repeat(4_001)) !== undefined);
  assertEquals(waiting(page), []);
});

Deno.test("Chat keeps messages across a reload of its tab, in order", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const page = new Page(shared, own);
  page.chat.openRoom("lobby");
  for (const text of ["one", "two", "three"]) page.chat.send("lobby", text);
  assertEquals(waiting(new Page(shared, own)), ["one", "two", "three"]);
});

Deno.test("Chat adopts the messages of a tab that is gone, but not of one that is there", () => {
  const shared = memoryStorage();
  const page = new Page(shared);
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "one");
  assertEquals(waiting(new Page(shared)), []);
  page.store.release();
  assertEquals(waiting(new Page(shared)), ["one"]);
  const crashed = new Page(memoryStorage());
  crashed.chat.openRoom("lobby");
  crashed.chat.send("lobby", "two");
  assertEquals(waiting(new Page(crashed.shared, memoryStorage(), crashed.wall + 200_000)), ["two"]);
});

Deno.test("Chat asks before it sends what is older than a day", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const page = new Page(shared, own);
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "old");
  const later = new Page(shared, own, page.wall + 25 * 3_600_000).signIn();
  assertEquals(later.wire.take(), []);
  const [old] = later.chat.outbox.messagesIn("lobby");
  assertEquals(old?.state, "asks");
  if (old !== undefined) later.chat.retry(old);
  assertEquals(later.wire.take().map(({ nonce }) => nonce), [old?.nonce]);
});

// ------------------------------------------------------------------ receiving

Deno.test("Chat takes each message once, in the order of the offsets [M4]", () => {
  const page = new Page().signIn();
  page.wire.push(message(1), message(2));
  page.wire.push(message(2), message(3));
  assertEquals(offsets(page), [1, 2, 3]);
});

Deno.test("Chat joins again from its last good position on a hole, and drops what it has [R8]", () => {
  const page = new Page().signIn();
  page.wire.push(message(1, { epoch: "e1" }));
  page.wire.take();
  page.wire.push(message(3), message(4));
  assertEquals(page.wire.take(), [{ type: "join", room: "lobby", epoch: "e1", offset: 1 }]);
  page.wire.push(room(4, { recovered: true }, 2));
  assertEquals(offsets(page), [1, 2, 3, 4]);
});

Deno.test("Chat asks for page after page until it is live [R5]", () => {
  const page = new Page().signIn();
  page.wire.push(room(2, { more: true, recovered: true }, 1));
  assertEquals(page.wire.take(), [{ type: "join", room: "lobby", epoch: "e1", offset: 2 }]);
  page.wire.push(room(4, { recovered: true }, 3), message(5));
  assertEquals(offsets(page), [1, 2, 3, 4, 5]);
  assertEquals(lobby(page).phase, "live");
});

Deno.test("Chat replaces what it has by what did not recover, and says what is missing [R6] [R7]", () => {
  const page = new Page().signIn();
  page.wire.push(room(3, { recovered: true }, 1));
  page.chat.send("lobby", "kept");
  page.wire.push(room(2_000, { missed: 1_897 }, 1_901));
  assertEquals(offsets(page)[0], 1_901);
  assertEquals(lobby(page).missingCount, 1_897);
  assertEquals(waiting(page), ["kept"]);
  page.wire.push({
    type: "history",
    room: "lobby",
    first: 1,
    messages: Array.from({ length: 100 }, (_, i) => message(1_801 + i)),
  });
  assertEquals(lobby(page).missingCount, 1_797);
});

Deno.test("Chat says when the log is another one than it had [R6]", () => {
  const page = new Page().signIn();
  page.wire.push(room(3, { recovered: true }, 1));
  page.wire.push(room(2, { epoch: "e2" }, 1));
  assertEquals([lobby(page).wasReset, offsets(page)], [true, [1, 2]]);
});

Deno.test("Chat loads older messages before those that it has [R9]", () => {
  const page = new Page().signIn();
  page.wire.push(room(200, {}, 101));
  page.wire.take();
  page.chat.loadOlder("lobby");
  page.chat.loadOlder("lobby");
  assertEquals(page.wire.take(), [{ type: "history", room: "lobby", before: 101, limit: 100 }]);
  const messages = Array.from({ length: 100 }, (_, i) => message(1 + i));
  page.wire.push({ type: "history", room: "lobby", messages, first: 1 });
  assertEquals([offsets(page).length, offsets(page)[0]], [200, 1]);
  page.chat.loadOlder("lobby");
  assertEquals(page.wire.take(), []);
});

Deno.test("Chat takes membership pushes as operations on a set [N11]", () => {
  const page = new Page().signIn();
  const push = { room: "lobby", member: "ben", username: "Ben" };
  page.wire.push({ type: "joined", ...push });
  page.wire.push({ type: "joined", ...push });
  assertEquals([lobby(page).memberCount, lobby(page).presenceEvents.length], [2, 1]);
  page.wire.push({ type: "renamed", room: "lobby", member: "ben", from: "Ben", to: "Bo" });
  page.wire.push({ type: "left", ...push, username: "Bo", reason: "quit" });
  page.wire.push({ type: "left", ...push, username: "Bo", reason: "quit" });
  assertEquals(lobby(page).presenceEvents.map(({ kind }) => kind), ["joined", "renamed", "left"]);
  page.wire.push({ type: "joined", room: "lobby", member: "c", username: "C", quiet: true });
  assertEquals(lobby(page).presenceEvents.length, 3);
});

Deno.test("Chat counts a crowded room, and lists it again [N12]", () => {
  const page = new Page().signIn();
  page.wire.push({ type: "count", room: "lobby", count: 600 });
  assertEquals([lobby(page).isCrowded, lobby(page).memberCount], [true, 600]);
  page.wire.push({
    type: "count",
    room: "lobby",
    count: 1,
    members: [{ member: "me", username: "Ada" }],
  });
  assertEquals([lobby(page).isCrowded, lobby(page).members.size], [false, 1]);
});

Deno.test("Chat shows who types until they stop [M10]", () => {
  const page = new Page().signIn();
  page.wire.push({ type: "typing", room: "lobby", usernames: ["Ada", "Ben"] });
  assertEquals(lobby(page).typingNames, ["Ben"]);
  page.time.pass(6_000);
  assertEquals(lobby(page).typingNames, []);
});

Deno.test("Chat counts what is not read, and where it begins", () => {
  const page = new Page().signIn();
  page.wire.push(room(2, { recovered: true }, 1));
  lobby(page).markRead();
  page.wire.push(message(3), message(4, { text: "@ada are you there?" }));
  assertEquals([lobby(page).unread, lobby(page).mentions, lobby(page).newSince], [2, 1, 2]);
  lobby(page).markRead();
  assertEquals([lobby(page).unread, lobby(page).mentions], [0, 0]);
});

Deno.test("Chat.readElsewhere() takes for read what another tab has shown, here already or not", () => {
  const page = new Page().signIn();
  page.wire.push(room(2, { recovered: true }, 1), message(3), message(4), message(5));
  lobby(page).readOffset = 2;
  page.chat.markReadUpTo("lobby", 4);
  assertEquals([lobby(page).readOffset, lobby(page).unread, lobby(page).newSince], [4, 1, 4]);
  page.chat.markReadUpTo("lobby", 3);
  assertEquals(lobby(page).readOffset, 4);
  // The other tab was told of it first.
  page.chat.markReadUpTo("lobby", 6);
  assertEquals(lobby(page).unread, 0);
  page.wire.push(message(6));
  assertEquals(lobby(page).unread, 0);
  page.wire.push(message(7));
  assertEquals(lobby(page).unread, 1);
  page.chat.markReadUpTo("nowhere", 9);
});

Deno.test("Chat counts nothing as not read while the pages up to it are still coming [R5]", () => {
  const page = new Page().signIn();
  lobby(page).readOffset = 6;
  page.wire.push(room(3, { recovered: true, more: true }, 1));
  page.wire.push(room(6, { recovered: true }, 4));
  assertEquals([lobby(page).readOffset, lobby(page).unread], [6, 0]);
});

Deno.test("Chat keeps a long room short, and loads it again", () => {
  const page = new Page().signIn();
  page.wire.push(room(700, { recovered: true }, 1));
  lobby(page).trim();
  assertEquals([offsets(page)[0], lobby(page).hasOlder, lobby(page).missingCount], [301, true, 0]);
});

Deno.test("Chat joins a room that was opened between hello and welcome, and leaves one that was closed", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.wire.events.onOpen();
  page.wire.take();
  page.chat.openRoom("late");
  page.chat.leaveRoom("lobby");
  page.wire.take();
  page.wire.push(welcome());
  assertEquals(page.wire.take(), [{ type: "join", room: "late" }, {
    type: "leave",
    room: "lobby",
  }]);
});

Deno.test("Chat counts what came into an empty room while it was away as not read", () => {
  const page = new Page().signIn();
  page.wire.events.onClose(1006, "");
  page.time.pass(30_000);
  page.accept("Ada", room(2, { recovered: true }, 1));
  assertEquals([lobby(page).unread, lobby(page).newSince], [2, 0]);
});

Deno.test("Chat has at most 20 rooms, and opens the others that messages wait for as rooms are left [L4]", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const before = new Page(shared, own);
  for (let i = 0; i < 22; i++) before.chat.send(`room-${i}`, "kept");
  const { chat, wire } = new Page(shared, own).signIn();
  assertEquals([chat.rooms.size, chat.outbox.rooms.size], [20, 22]);
  wire.push(room(0, { room: "room-0" }));
  const nonce = String(wire.take().find(({ type }) => type === "message")?.nonce);
  wire.push({ type: "ack", room: "room-0", nonce, offset: 1 });
  assert(chat.leaveRoom("room-0"));
  assertEquals([chat.rooms.size, chat.rooms.has("room-20")], [20, true]);
  assertEquals(wire.take(), [{ type: "leave", room: "room-0" }, { type: "join", room: "room-20" }]);
});

Deno.test("Chat.leave() leaves no room in which a message waits to be sent", () => {
  const { chat, wire } = new Page().signIn();
  chat.send("lobby", "one");
  const nonce = String(wire.take()[0]?.nonce);
  assertEquals([chat.leaveRoom("lobby"), chat.rooms.has("lobby")], [false, true]);
  wire.push(message(1, { member: "me", nonce }));
  assertEquals([chat.leaveRoom("lobby"), chat.rooms.has("lobby")], [true, false]);
});

Deno.test("Chat.leave() forgets the join that was to come, and is content with a room that was not joined", () => {
  const page = new Page().signIn();
  page.chat.openRoom("busy");
  const refused = { type: "error", message: "Too much", room: "busy" } as const;
  page.wire.push({ ...refused, re: "join", code: "rate_limited", retryAfter: 500 });
  page.wire.take();
  page.chat.leaveRoom("busy");
  page.chat.openRoom("busy");
  page.time.pass(1_000);
  assertEquals(page.wire.take().map(({ type }) => type), ["leave", "join"]);
  page.wire.push({ ...refused, re: "leave", code: "not_joined" });
  assertEquals(page.chat.problem, undefined);
});

Deno.test("Chat keeps a refused room in sight while messages wait in it, and asks again with them", () => {
  const page = new Page().signIn();
  for (const name of ["full", "none"]) page.chat.openRoom(name);
  page.chat.send("full", "one");
  page.wire.take();
  for (const room of ["full", "none"]) {
    const error = { type: "error", re: "join", code: "rooms_full", message: "No room" } as const;
    page.wire.push({ ...error, room });
  }
  assertEquals([...page.chat.rooms.keys()], ["lobby", "full"]);
  const [failed] = page.chat.outbox.messagesIn("full");
  assertEquals([failed?.state, failed?.problem], ["failed", "No room"]);
  if (failed !== undefined) page.chat.retry(failed);
  assertEquals(page.wire.take(), [{ type: "join", room: "full" }]);
});

Deno.test("Chat forgets what was refused with the next command, and when it came true after all", () => {
  const { chat, wire } = new Page().signIn();
  const refuse = () =>
    wire.push({ type: "error", re: "rename", code: "username_taken", message: "Ben is taken" });
  const commands = [
    () => chat.send("lobby", "hello"),
    () => chat.openRoom("design"),
    () => chat.leaveRoom("design"),
    () => chat.rename("Bo"),
    () => wire.push({ type: "you", username: "Bo" }),
  ];
  for (const command of commands) {
    refuse();
    assertEquals(chat.problem, "Ben is taken");
    command();
    assertEquals(chat.problem, undefined);
  }
});

// ------------------------------------------------------------------ connecting

Deno.test("Chat does not say hello while it asks for a name, nor keep a connection for it [C3]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ben", token: "t".repeat(43) });
  page.wire.events.onOpen();
  page.wire.push({ type: "error", re: "hello", code: "username_taken", message: "Ben is taken" });
  page.wire.events.onClose(4100, "");
  page.time.pass(100_000);
  assertEquals([page.sockets.length, page.time.timers], [1, 0]);
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.wire.events.onOpen();
  assertEquals(page.wire.take().map(({ username }) => username), ["Ada"]);
});

Deno.test("Chat stays in when a second hello is refused [P6]", () => {
  const page = new Page().signIn();
  page.wire.push({ type: "error", re: "hello", code: "already_greeted", message: "Again" });
  assertEquals(page.chat.signInState, { kind: "in" });
});

Deno.test("Chat comes back on every code but 1000 and 4000 to 4099 [C1]", () => {
  for (const code of [1001, 1006, 1009, 1011, 1012, 1013, 4100, 4101, 4102, 4103]) {
    const page = new Page().signIn();
    page.wire.events.onClose(code, "");
    assertEquals(page.chat.status.kind, "waiting", String(code));
    page.time.pass(130_000);
    assert(page.sockets.length > 1);
  }
  for (const code of [1000, 4000, 4005, 4099]) {
    const page = new Page().signIn();
    page.wire.events.onClose(code, "");
    page.time.pass(130_000);
    assertEquals([page.chat.status.kind, page.sockets.length], ["ended", 1]);
  }
});

Deno.test("Chat waits from 0.5 s to 20 s, longer each time, and by chance [C2]", () => {
  const page = new Page().signIn();
  for (const chance of [0, 0.99]) {
    page.chance = chance;
    for (let i = 0; i < 12; i++) {
      const lostAt = page.time.now();
      page.wire.events.onClose(1006, "");
      const { status } = page.chat;
      if (status.kind !== "waiting") throw new Error(status.kind);
      assertGreaterOrEqual(status.at - lostAt, 500);
      assertLessOrEqual(status.at - lostAt, 20_000);
      page.time.pass(status.at - lostAt);
    }
  }
});

Deno.test("Chat forgets the long waits after 10 s of connection [C2]", () => {
  const page = new Page().signIn();
  page.chance = 0.99;
  for (let i = 0; i < 8; i++) {
    page.wire.events.onClose(1006, "");
    page.time.pass(20_000);
  }
  page.accept();
  page.time.pass(10_000);
  const lostAt = page.time.now();
  page.wire.events.onClose(1006, "");
  const { status } = page.chat;
  assertLessOrEqual(status.kind === "waiting" ? status.at - lostAt : Infinity, 1_000);
});

Deno.test("Chat goes at once when the page awakes or the person wants it [C2]", () => {
  for (const verb of ["checkConnection", "retryNow"] as const) {
    const page = new Page().signIn();
    page.wire.events.onClose(1006, "");
    page.chat[verb]();
    assertEquals([page.chat.status.kind, page.sockets.length], ["connecting", 2]);
  }
});

Deno.test("Chat spreads its return over the time that a restarting server names [C7]", () => {
  const page = new Page().signIn();
  page.chance = 0.5;
  page.wire.events.onClose(1012, "8000");
  page.time.pass(3_999);
  assertEquals(page.sockets.length, 1);
  page.time.pass(1);
  assertEquals(page.sockets.length, 2);
});

Deno.test("Chat asks why a handshake was refused, and says it [C9]", () => {
  const page = new Page();
  page.problem = "The server is full";
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.wire.events.onClose(1006, "");
  const { status } = page.chat;
  assertEquals([page.probes, status.kind === "waiting" && status.problem], [
    1,
    "The server is full",
  ]);
});

Deno.test("Chat gives up a connection that is silent for as long as the server said [C4]", () => {
  const page = new Page().signIn();
  for (let i = 0; i < 4; i++) {
    page.time.pass(25_000);
    page.wire.push();
  }
  assertEquals(page.sockets.length, 1);
  page.time.pass(61_000);
  assertEquals(page.sockets[0]?.closed?.code, 4103);
  assert(page.sockets.length > 1);
});

Deno.test("Chat does not listen to a connection that it has given up", () => {
  const page = new Page().signIn();
  const old = page.wire;
  page.time.pass(60_000);
  page.time.pass(20_000);
  old.events.onFrame(JSON.stringify([message(1)]));
  old.events.onClose(4005, "");
  assertEquals(offsets(page), []);
  assert(page.chat.status.kind !== "ended");
});

Deno.test("Chat leaves a chat that went on in another tab, until it is taken over [N9]", () => {
  const page = new Page().signIn();
  page.wire.events.onClose(4005, "");
  assertEquals(page.chat.status.kind, "ended");
  page.chat.takeOver();
  page.accept();
  assertEquals(page.chat.isReady, true);
});

Deno.test("Chat.goodbye() closes with 1000 and comes back only by a new name [C6]", () => {
  const page = new Page().signIn();
  page.chat.signOut();
  assertEquals([page.wire.closed?.code, page.chat.signInState.kind], [1000, "asking"]);
  page.time.pass(100_000);
  assertEquals(page.sockets.length, 1);
  assertEquals(page.time.timers, 0);
});

Deno.test("Chat leaves no timer behind on a lost connection but the one that returns", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.wire.push({ type: "typing", room: "lobby", usernames: ["Ben"] });
  page.wire.events.onClose(1006, "");
  assertEquals(page.time.timers, 1);
});
