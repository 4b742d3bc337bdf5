// Receiving: a room's log, roster and unread counts, through a chat client on a fake socket.

import { assertEquals } from "@std/assert";
import type { RoomPush } from "../../../app/protocol/wire.ts";
import { lobby, message, offsets, Page, room, unsent } from "../../support/page_harness.ts";

Deno.test("Room applies each message once, in the order of offsets [M4]", () => {
  const page = new Page().signIn();
  page.socket.push(message(1), message(2));
  page.socket.push(message(2), message(3));
  assertEquals(offsets(page), [1, 2, 3]);
});

Deno.test("Room is rejoined from its position after a gap [R8]", () => {
  const page = new Page().signIn();
  page.socket.push(message(1, { epoch: "e1" }));
  page.socket.take();
  page.socket.push(message(3), message(4));
  assertEquals(page.socket.take(), [{ type: "join", room: "lobby", epoch: "e1", offset: 1 }]);
  page.socket.push(room(4, { recovered: true }, 2));
  assertEquals(offsets(page), [1, 2, 3, 4]);
});

Deno.test("Room loads pages until it is live [R5]", () => {
  const page = new Page().signIn();
  page.socket.push(room(2, { more: true, recovered: true }, 1));
  assertEquals(page.socket.take(), [{ type: "join", room: "lobby", epoch: "e1", offset: 2 }]);
  page.socket.push(room(4, { recovered: true }, 3), message(5));
  assertEquals(offsets(page), [1, 2, 3, 4, 5]);
  assertEquals(lobby(page).phase, "live");
});

Deno.test("LoadedLog.missingCount is the number of messages skipped by a page that did not recover [R6] [R7]", () => {
  const page = new Page().signIn();
  page.socket.push(room(3, { recovered: true }, 1));
  page.chat.send("lobby", "kept");
  page.socket.push(room(2_000, { missed: 1_897 }, 1_901));
  assertEquals(offsets(page)[0], 1_901);
  assertEquals(lobby(page).log.missingCount, 1_897);
  assertEquals(unsent(page), ["kept"]);
  page.chat.loadOlder("lobby");
  page.socket.push({
    type: "history",
    room: "lobby",
    first: 1,
    head: 2_000,
    messages: Array.from({ length: 100 }, (_, i) => message(1_801 + i)),
  });
  assertEquals(lobby(page).log.missingCount, 1_797);
});

Deno.test("LoadedLog.wasReset is true after a page of another log [R6]", () => {
  const page = new Page().signIn();
  page.socket.push(room(3, { recovered: true }, 1));
  page.socket.push(room(2, { epoch: "e2" }, 1));
  assertEquals([lobby(page).log.wasReset, offsets(page)], [true, [1, 2]]);
});

Deno.test("Room prepends older messages [R9]", () => {
  const page = new Page().signIn();
  page.socket.push(room(200, {}, 101));
  page.socket.take();
  page.chat.loadOlder("lobby");
  page.chat.loadOlder("lobby");
  assertEquals(page.socket.take(), [{ type: "history", room: "lobby", before: 101, limit: 100 }]);
  const messages = Array.from({ length: 100 }, (_, i) => message(1 + i));
  page.socket.push({ type: "history", room: "lobby", messages, first: 1, head: 0 });
  assertEquals([offsets(page).length, offsets(page)[0]], [200, 1]);
  page.chat.loadOlder("lobby");
  assertEquals(page.socket.take(), []);
});

Deno.test("Room prepends only a page that ends where the loaded messages start [R9]", () => {
  const page = new Page().signIn();
  page.socket.push(room(200, {}, 101));
  const history = (from: number, to: number) => {
    page.chat.loadOlder("lobby");
    const { messages } = room(to, {}, from);
    page.socket.push({ type: "history", room: "lobby", messages, first: 1, head: 200 });
  };
  history(1, 50);
  assertEquals(offsets(page)[0], 101);
  history(51, 150);
  assertEquals([offsets(page)[0], offsets(page).length], [51, 150]);
  // Retention has removed the rest.
  history(1, 0);
  page.socket.take();
  page.chat.loadOlder("lobby");
  assertEquals(page.socket.take(), []);
});

Deno.test("Roster applies membership pushes as set operations [N11]", () => {
  const page = new Page().signIn();
  const push = { room: "lobby", member: "ben", username: "Ben" };
  page.socket.push({ type: "joined", ...push });
  page.socket.push({ type: "joined", ...push });
  assertEquals([lobby(page).roster.count, lobby(page).roster.events.length], [2, 1]);
  page.socket.push({ type: "renamed", room: "lobby", member: "ben", from: "Ben", to: "Bo" });
  page.socket.push({ type: "left", ...push, username: "Bo", reason: "quit" });
  page.socket.push({ type: "left", ...push, username: "Bo", reason: "quit" });
  assertEquals(lobby(page).roster.events.map(({ kind }) => kind), ["joined", "renamed", "left"]);
  page.socket.push({ type: "joined", room: "lobby", member: "c", username: "C", quiet: true });
  assertEquals(lobby(page).roster.events.length, 3);
});

Deno.test("Roster counts the members of a crowded room, and lists them again later [N12]", () => {
  const page = new Page().signIn();
  page.socket.push({ type: "count", room: "lobby", count: 600 });
  assertEquals([lobby(page).roster.isCrowded, lobby(page).roster.count], [true, 600]);
  page.socket.push({
    type: "count",
    room: "lobby",
    count: 1,
    members: [{ member: "me", username: "Ada" }],
  });
  assertEquals([lobby(page).roster.isCrowded, lobby(page).roster.members.size], [false, 1]);
});

Deno.test("Roster.typing lists the others until their typing times out [M10]", () => {
  const page = new Page().signIn();
  page.socket.push({ type: "typing", room: "lobby", usernames: ["Ada", "Ben"] });
  assertEquals(lobby(page).roster.typing, ["Ben"]);
  page.time.advance(6_000);
  assertEquals(lobby(page).roster.typing, []);
  page.socket.push({ type: "typing", room: "lobby", usernames: ["Ben"] });
  page.socket.events.onClose(1006, "");
  assertEquals(lobby(page).roster.typing, []);
});

Deno.test("Room counts unread messages and mentions, and tracks where they start", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  page.socket.push(room(2, { recovered: true }, 1));
  unread.markRead();
  page.socket.push(message(3), message(4, { text: "@ada are you there?" }));
  assertEquals([unread.count, unread.mentions, unread.newSince], [2, 1, 2]);
  unread.markRead();
  assertEquals([unread.count, unread.mentions], [0, 0]);
});

Deno.test("Room counts the messages since the last visit as unread, and none on the first visit", () => {
  for (const readOffset of [0, 2]) {
    const page = new Page();
    page.chat.openRoom("lobby");
    lobby(page).unread.readOffset = readOffset;
    page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
    page.accept("Ada", room(3, {}, 1));
    const unread = readOffset === 0 ? 0 : 1;
    assertEquals(lobby(page).unread.count, unread);
    page.socket.push(room(4, { recovered: true }, 4));
    assertEquals(lobby(page).unread.count, unread + 1);
  }
});

Deno.test("ChatClient.markReadUpTo() marks messages read, even ones that haven't arrived", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  page.socket.push(room(2, { recovered: true }, 1), message(3), message(4), message(5));
  unread.readOffset = 2;
  page.chat.markReadUpTo("lobby", 4);
  assertEquals([unread.readOffset, unread.count, unread.newSince], [4, 1, 4]);
  page.chat.markReadUpTo("lobby", 3);
  assertEquals(unread.readOffset, 4);
  // The other tab received it first.
  page.chat.markReadUpTo("lobby", 6);
  assertEquals(unread.count, 0);
  page.socket.push(message(6));
  assertEquals(unread.count, 0);
  page.socket.push(message(7));
  assertEquals(unread.count, 1);
  page.chat.markReadUpTo("nowhere", 9);
});

Deno.test("Room keeps its read offset while pages up to it are still coming [R5]", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  unread.readOffset = 6;
  page.socket.push(room(3, { recovered: true, more: true }, 1));
  page.socket.push(room(6, { recovered: true }, 4));
  assertEquals([unread.readOffset, unread.count], [6, 0]);
});

Deno.test("UnreadMessages start over with another log, which can be shorter [R6]", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  page.socket.push(room(3, { recovered: true }, 1));
  unread.markRead();
  page.socket.push(message(4), message(5));
  unread.markSeen(5, 5);
  assertEquals([unread.count, unread.readOffset], [1, 3]);
  page.socket.push(room(5, { epoch: "e2" }, 1));
  assertEquals([unread.count, unread.readOffset, unread.newSince], [2, 3, 3]);
  page.socket.push(room(2, { epoch: "e3" }, 1));
  assertEquals([unread.count, unread.readOffset, unread.newSince], [0, 2, undefined]);
  page.socket.push(message(3));
  assertEquals(unread.count, 1);
});

Deno.test("Room counts messages that arrived in an empty room during an interruption as unread", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.accept("Ada", room(2, { recovered: true }, 1));
  assertEquals([unread.count, unread.newSince], [2, 0]);
});

Deno.test("Room.trim() drops old messages, which can be loaded again", () => {
  const page = new Page().signIn();
  page.socket.push(room(700, { recovered: true }, 1));
  lobby(page).trim();
  const { hasOlder, missingCount } = lobby(page).log;
  assertEquals([offsets(page)[0], hasOlder, missingCount], [301, true, 0]);
  page.socket.push(room(2_000, { missed: 600 }, 1_301));
  lobby(page).trim();
  assertEquals(lobby(page).log.missingCount, 900);
});

Deno.test("UnreadMessages.markSeen() marks only visible messages, and moves the read offset to the first unread one", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  page.socket.push(room(2, { recovered: true }, 1));
  unread.markRead();
  page.socket.push(message(3), message(4), message(5, { text: "@Ada?" }), message(6));
  const counts = () => [unread.count, unread.mentions, unread.readOffset];
  assertEquals(counts(), [4, 1, 2]);
  // The reader jumped to the end.
  assertEquals(unread.markSeen(6, 6), true);
  assertEquals(counts(), [3, 1, 2]);
  assertEquals(unread.markSeen(6, 6), false);
  assertEquals(unread.markSeen(2, 3), true);
  assertEquals(counts(), [2, 1, 3]);
  // A recount keeps the messages that were seen further down.
  page.chat.recountMentions();
  assertEquals([...counts(), unread.newSince], [2, 1, 3, 2]);
  assertEquals(unread.markSeen(4, 5), true);
  assertEquals(counts(), [0, 0, 6]);
});

Deno.test("Room counts unread messages older than those loaded, and their mentions once they load", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  unread.readOffset = 79;
  page.socket.push(room(200, {}, 101));
  // It is unknown how many of the other 21 are messages.
  const counts = () => [unread.count, unread.hasMore];
  assertEquals([...counts(), unread.first], [100, true, 80]);
  unread.markSeen(150, 200);
  assertEquals([...counts(), unread.readOffset, unread.newSince], [49, true, 79, 79]);
  const messages = Array.from(
    { length: 100 },
    (_, i) => message(1 + i, i === 79 ? { text: "@ada" } : {}),
  );
  page.chat.loadOlder("lobby");
  page.socket.push({ type: "history", room: "lobby", messages, first: 1, head: 0 });
  assertEquals([...counts(), unread.mentions, unread.newSince], [70, false, 1, 79]);
  unread.markSeen(80, 149);
  assertEquals([unread.count, unread.readOffset], [0, 200]);
});

Deno.test("ChatClient reports one of the messages missed while reconnecting, preferably a mention", () => {
  const page = new Page().signIn();
  page.socket.push(message(1));
  assertEquals(page.reported, ["1 false"]);
  const reconnect = (...pages: RoomPush[]) => {
    page.socket.events.onClose(1006, "");
    page.time.advance(30_000);
    page.accept("Ada", ...pages);
    return page.reported.splice(0);
  };
  page.reported.length = 0;
  const missed = room(4, { recovered: true }, 2);
  const messages = missed.messages.map((each) =>
    each.offset === 3 ? { ...each, text: "@Ada" } : each
  );
  assertEquals(reconnect({ ...missed, messages }), ["3 true"]);
  assertEquals(reconnect(room(6, { recovered: true }, 5)), ["6 false"]);
  assertEquals(reconnect(room(6, { recovered: true }, 7)), []);
  // Another tab has read it.
  page.chat.markReadUpTo("lobby", 7);
  assertEquals(reconnect(room(7, { recovered: true }, 7)), []);
});

Deno.test("ChatClient doesn't report messages from before the page was loaded", () => {
  const page = new Page().signIn();
  page.socket.push(room(2, { recovered: true }, 1));
  assertEquals(page.reported, []);
});

Deno.test("Room doesn't count messages that the server no longer has as unread", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  unread.readOffset = 10;
  page.socket.push(room(200, { first: 101 }, 101));
  assertEquals([unread.count, unread.hasMore, unread.first], [100, false, 101]);
  unread.readOffset = 10;
  page.socket.push(room(200, { first: 51 }, 101));
  assertEquals([unread.count, unread.hasMore, unread.first], [100, true, 51]);
});
