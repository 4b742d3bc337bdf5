// Signing in, rooms and problems of the page's chat client.

import { assert, assertEquals } from "@std/assert";
import { memoryStorage } from "../../../static/client/state/storage.ts";
import { lobby, message, Page, room, welcome } from "../../support/page_harness.ts";

Deno.test("ChatClient sends hello with token, tab and the position of each room [R2] [N5]", () => {
  const page = new Page().signIn();
  page.socket.push(room(3, {}, 1));
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.socket.events.onOpen();
  assertEquals(page.socket.take(), [{
    type: "hello",
    username: "Ada",
    token: "t".repeat(43),
    tab: "tab",
    rooms: [{ room: "lobby", epoch: "e1", offset: 3 }],
  }]);
});

Deno.test("ChatClient.signIn() asks for another name on the same connection after a refusal [P7]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ben", token: "t".repeat(43) });
  page.socket.events.onOpen();
  page.socket.push({ type: "error", re: "hello", code: "username_taken", message: "Ben is taken" });
  const problem = { re: "hello", code: "username_taken", message: "Ben is taken" };
  assertEquals(page.chat.session.state, { kind: "required", problem });
  page.socket.take();
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  assertEquals(page.socket.take().map(({ username }) => username), ["Ada"]);
  page.socket.push(welcome());
  assertEquals(page.chat.session.state, { kind: "done" });
});

Deno.test("ChatClient sends typing every 3 s, unless the server wants none [M10]", () => {
  for (const typing of [true, false]) {
    const page = new Page();
    page.chat.openRoom("lobby");
    page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
    page.socket.events.onOpen();
    page.socket.take();
    const push = welcome();
    page.socket.push({ ...push, limits: { ...push.limits, typing } }, room(0));
    const sent = [0, 2_900, 200].map((ms) => {
      page.time.advance(ms);
      page.chat.sendTyping("lobby");
      return page.socket.take().map(({ type }) => type);
    });
    assertEquals(sent, typing ? [["typing"], [], ["typing"]] : [[], [], []]);
  }
});

Deno.test("ChatClient sends the access code with each hello [N13]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43), access: "sesame" });
  page.accept();
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.socket.events.onOpen();
  assertEquals(page.socket.take().map(({ access }) => access), ["sesame"]);
});

Deno.test("ChatClient repeats a rate-limited hello, and reports a problem until welcomed [L3]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.socket.events.onOpen();
  const error = { type: "error", re: "hello", message: "Too much at once" } as const;
  page.socket.push({ ...error, code: "rate_limited", retryAfter: 3_000 });
  assertEquals([page.chat.problem?.message, page.chat.session.state.kind], [
    "Too much at once",
    "pending",
  ]);
  page.socket.take();
  page.time.advance(3_000);
  assertEquals(page.socket.take().map(({ type }) => type), ["hello"]);
  page.socket.push(welcome());
  assertEquals(page.chat.problem, undefined);
});

Deno.test("ChatClient neither sends hello nor reconnects while it needs a name [C3]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ben", token: "t".repeat(43) });
  page.socket.events.onOpen();
  page.socket.push({ type: "error", re: "hello", code: "username_taken", message: "Ben is taken" });
  page.socket.events.onClose(4100, "");
  page.time.advance(100_000);
  assertEquals([page.sockets.length, page.time.timers], [1, 0]);
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.socket.events.onOpen();
  assertEquals(page.socket.take().map(({ username }) => username), ["Ada"]);
});

Deno.test("ChatClient stays signed in when a second hello is refused [P6]", () => {
  const page = new Page().signIn();
  page.socket.push({ type: "error", re: "hello", code: "already_greeted", message: "Again" });
  assertEquals(page.chat.session.state, { kind: "done" });
});

Deno.test("ChatClient shows a moderator's tools only while the server names the member one [B1]", () => {
  const page = new Page().signIn();
  page.socket.push({ type: "moderator" });
  assert(page.chat.session.moderation.moderator !== undefined);
  page.socket.events.onClose(1006, "");
  page.chat.connection.retryNow();
  page.accept();
  assertEquals(page.chat.session.moderation.moderator, undefined);
});

Deno.test("ChatClient.signOut() closes with 1000 and does not reconnect [C6]", () => {
  const page = new Page().signIn();
  page.chat.signOut();
  assertEquals([page.socket.closed?.code, page.chat.session.state.kind], [1000, "required"]);
  page.time.advance(100_000);
  assertEquals(page.sockets.length, 1);
  assertEquals(page.time.timers, 0);
});

Deno.test("Connection.connect() reconnects after another page replaced this one [N9]", () => {
  const page = new Page().signIn();
  page.socket.events.onClose(4005, "");
  assertEquals(page.chat.status.kind, "ended");
  page.chat.connection.connect();
  page.accept();
  assertEquals(page.chat.session.isReady, true);
});

Deno.test("ChatClient ignores unknown fields and pushes [P5]", () => {
  const page = new Page().signIn();
  page.socket.events.onFrame('[{"type":"news","x":1},{"type":"you","username":"Ida","y":2}]');
  assertEquals(page.chat.session.username, "Ida");
});

Deno.test("ChatClient drops a connection that breaks the protocol, and reconnects", () => {
  const messages = [
    '[{"type":"message","room":"lobby","offset":1,"nonce":"n"}]',
    JSON.stringify([message(1, { at: 1e300 })]),
    '[{"type":"room","room":"lobby","offset":1}]',
    // It leaves a hole.
    JSON.stringify([room(5, { recovered: true })]),
  ];
  for (const frame of ["x", "{}", "[1]", '[{"a":1}]', ...messages]) {
    const page = new Page().signIn();
    page.socket.events.onFrame(frame);
    assertEquals(page.chat.status.kind, "backoff", frame);
    assert(page.socket.closed !== undefined);
  }
});

Deno.test("ChatClient ignores the rest of a frame that breaks the protocol [M8]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "one");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.socket.events.onOpen();
  page.socket.push(welcome(), message(1, { at: 1e300 }), room(5, { recovered: true }), room(0));
  page.time.advance(30_000);
  page.accept();
  assertEquals(page.socket.take().map(({ text }) => text), ["one"]);
});

Deno.test("ChatClient joins and leaves the rooms opened and closed between hello and welcome", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.socket.events.onOpen();
  page.socket.take();
  page.chat.openRoom("late");
  page.chat.leaveRoom("lobby");
  page.socket.take();
  page.socket.push(welcome());
  assertEquals(page.socket.take(), [{ type: "join", room: "late" }, {
    type: "leave",
    room: "lobby",
  }]);
});

Deno.test("ChatClient opens at most 20 rooms, and the rooms of unsent messages as others are left [L4]", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const before = new Page(shared, own);
  for (let i = 0; i < 22; i++) before.chat.send(`room-${i}`, "kept");
  before.store.release();
  const { chat, socket } = new Page(shared, own).signIn();
  assertEquals([chat.rooms.size, chat.outbox.rooms.size], [20, 22]);
  socket.push(room(0, { room: "room-0" }));
  const nonce = String(socket.take().find(({ type }) => type === "message")?.nonce);
  socket.push({ type: "ack", room: "room-0", nonce, offset: 1 });
  assert(chat.leaveRoom("room-0"));
  assertEquals([chat.rooms.size, chat.rooms.has("room-20")], [20, true]);
  assertEquals(socket.take(), [{ type: "leave", room: "room-0" }, {
    type: "join",
    room: "room-20",
  }]);
});

Deno.test("ChatClient.leaveRoom() keeps a room with unsent messages", () => {
  const { chat, socket } = new Page().signIn();
  chat.send("lobby", "one");
  const nonce = String(socket.take()[0]?.nonce);
  assertEquals([chat.leaveRoom("lobby"), chat.rooms.has("lobby")], [false, true]);
  socket.push(message(1, { member: "me", nonce }));
  assertEquals([chat.leaveRoom("lobby"), chat.rooms.has("lobby")], [true, false]);
});

Deno.test("ChatClient.leaveRoom() cancels a scheduled join, and ignores that the room was not joined", () => {
  const page = new Page().signIn();
  page.chat.openRoom("busy");
  const refused = { type: "error", message: "Too much", room: "busy" } as const;
  page.socket.push({ ...refused, re: "join", code: "rate_limited", retryAfter: 500 });
  page.socket.take();
  page.chat.leaveRoom("busy");
  page.time.advance(1_000);
  assertEquals(page.socket.take().map(({ type }) => type), ["leave"]);
  page.socket.push({ ...refused, re: "leave", code: "not_joined" });
  assertEquals(page.chat.problem, undefined);
});

Deno.test("ChatClient waits before it joins a busy room again, even if a message is written [L3]", () => {
  const page = new Page().signIn();
  page.chat.openRoom("busy");
  const refused = { type: "error", re: "join", message: "Too much", room: "busy" } as const;
  page.socket.push({ ...refused, code: "rate_limited", retryAfter: 500 });
  page.socket.take();
  page.chat.send("busy", "one");
  assertEquals(page.socket.take(), []);
  page.time.advance(500);
  assertEquals(page.socket.take(), [{ type: "join", room: "busy" }]);
});

Deno.test("ChatClient keeps its only room if that is refused", () => {
  const page = new Page().signIn();
  const error = { type: "error", re: "join", code: "rooms_full", message: "No room" } as const;
  page.socket.push({ ...error, room: "lobby" });
  assertEquals([...page.chat.rooms.keys()], ["lobby"]);
});

Deno.test("ChatClient keeps a refused room with unsent messages, and joins it when they are retried", () => {
  const page = new Page().signIn();
  for (const name of ["full", "none"]) page.chat.openRoom(name);
  page.chat.send("full", "one");
  page.socket.take();
  for (const room of ["full", "none"]) {
    const error = { type: "error", re: "join", code: "rooms_full", message: "No room" } as const;
    page.socket.push({ ...error, room });
  }
  assertEquals([...page.chat.rooms.keys()], ["lobby", "full"]);
  const [failed] = page.chat.outbox.messagesIn("full");
  assertEquals([failed?.state, failed?.problem?.message], ["failed", "No room"]);
  if (failed !== undefined) page.chat.retry(failed);
  assertEquals(page.socket.take(), [{ type: "join", room: "full" }]);
});

Deno.test("ChatClient.problem is set while storage is unavailable, until a message is stored [M9]", () => {
  const { chat, socket, time } = new Page().signIn();
  chat.send("lobby", "hello");
  const [message] = chat.outbox.messagesIn("lobby");
  const nonce = message?.nonce ?? "";
  const command = { re: "message", room: "lobby", nonce } as const;
  socket.push({ type: "error", code: "storage_unavailable", message: "Storage fails", ...command });
  assertEquals(chat.problem?.code, "storage_unavailable");
  socket.take();
  time.advance(1_000);
  assertEquals(socket.take().map((sent) => sent.nonce), [nonce]);
  socket.push({ type: "ack", room: "lobby", nonce, offset: 1 });
  assertEquals(chat.problem, undefined);
});

Deno.test("ChatClient.problem lasts until the next command, or until the refused one succeeds", () => {
  const { chat, socket } = new Page().signIn();
  const refuse = () =>
    socket.push({ type: "error", re: "rename", code: "username_taken", message: "Ben is taken" });
  const commands = [
    () => chat.send("lobby", "hello"),
    () => chat.openRoom("design"),
    () => chat.leaveRoom("design"),
    () => chat.rename("Bo"),
    () => socket.push({ type: "you", username: "Bo" }),
  ];
  for (const command of commands) {
    refuse();
    assertEquals(chat.problem?.message, "Ben is taken");
    command();
    assertEquals(chat.problem, undefined);
  }
});

Deno.test("ChatClient neither counts nor reports messages of hidden members", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  const { chat } = page;
  chat.hidden = new Set(["ben"]);
  const mention = { text: "@Ada hello" };
  page.socket.push(message(1, mention), message(2, { member: "cy", from: "Cy" }));
  assertEquals([unread.count, unread.mentions, page.reported], [1, 0, ["2 false"]]);
  page.socket.events.onClose(1006, "");
  page.time.advance(60_000);
  const missed = [message(3, { member: "cy", from: "Cy" }), message(4, mention)];
  page.accept("Ada", room(4, { recovered: true, messages: missed }));
  // Not the newest message, which is a hidden member's.
  assertEquals([unread.count, page.reported], [2, ["2 false", "3 false"]]);
  chat.hidden = new Set();
  chat.recountMentions();
  assertEquals([unread.count, unread.mentions], [4, 2]);
});
