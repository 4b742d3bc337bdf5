// Entries of all types, through a chat client on a fake socket: their effect on messages, and their
// way out of the outbox.

import { assertEquals } from "@std/assert";
import type { DeletePush, EditPush, EntryPush, ErrorCode } from "../../../app/protocol/wire.ts";
import { messagesOf } from "../../../static/client/state/message.ts";
import { keysWithPrefix, memoryStorage } from "../../../static/client/state/storage.ts";
import { lobby, message, offsets, Page, room, unsent } from "../../support/page_harness.ts";

const ben = { room: "lobby", member: "ben", from: "Ben" } as const;

function edit(offset: number, target: number, text?: string): EditPush {
  const parts = { offset, target, at: 1_000 + offset, nonce: `b${offset}` };
  return { type: "edit", ...ben, ...parts, ...(text !== undefined && { text }) };
}

function deletion(offset: number, ...targets: number[]): DeletePush {
  return { type: "delete", ...ben, offset, targets, at: 1_000 + offset, nonce: `b${offset}` };
}

function texts(page: Page): (string | undefined)[] {
  return lobby(page).log.messages.map(({ text }) => text);
}

/** Returns the commands that a page sent, without the room. */
function sent(page: Page): Record<string, unknown>[] {
  return page.socket.take().map(({ room: _, ...command }) => command);
}

Deno.test("Room applies edits and deletions in the order of their offsets [E7]", () => {
  const page = new Page().signIn();
  page.socket.push(message(1), message(2), edit(3, 1, "new"), deletion(4, 2));
  assertEquals(texts(page), ["new", undefined]);
  assertEquals(lobby(page).log.messages.map(({ amended }) => amended), [3, 4]);
  assertEquals(lobby(page).log.messages[0]?.editedAt, 1_003);
  assertEquals([lobby(page).log.head, offsets(page)], [4, [1, 2]]);
  // A repeat changes nothing, nor does an edit of a message that isn't loaded.
  page.socket.push(edit(3, 1, "older"), edit(5, 99, "nowhere"), message(6));
  assertEquals(texts(page), ["new", undefined, "m6"]);
});

Deno.test("Room ignores an edit older than the state in which a page shows its message [E6] [E7]", () => {
  const page = new Page().signIn();
  const entries: EntryPush[] = [
    message(1, { text: "latest", amended: 4, editedAt: 5 }),
    edit(2, 1),
    edit(3, 1, "in between"),
    edit(4, 1),
  ];
  page.socket.push(room(4, { messages: entries }));
  assertEquals([texts(page), lobby(page).log.head, lobby(page).log.oldest], [["latest"], 4, 1]);
  page.socket.push(edit(5, 1, "newest"));
  assertEquals(texts(page), ["newest"]);
});

Deno.test("Room prepends a page of history that has entries of all types [R9]", () => {
  const page = new Page().signIn();
  page.socket.push(room(4, { messages: [message(4)] }));
  page.chat.loadOlder("lobby");
  const title = { type: "title", ...ben, offset: 1, at: 1, nonce: "t", text: "Old" } as const;
  const messages = [title, message(2, { text: "new", amended: 3 }), edit(3, 2, "new")];
  page.socket.push({ type: "history", room: "lobby", messages, first: 1, head: 4 });
  assertEquals([texts(page), lobby(page).log.oldest], [["new", "m4"], 1]);
  assertEquals([lobby(page).title, lobby(page).log.hasOlder], [undefined, false]);
});

Deno.test("Room advances on an entry of an unknown type, and shows nothing [E9]", () => {
  const page = new Page().signIn();
  const poll = { ...message(1), type: "poll", text: 7 };
  const other = { type: "receipt", room: "lobby", nonce: "n" };
  page.socket.events.onFrame(JSON.stringify([poll, other, message(2)]));
  assertEquals([offsets(page), lobby(page).log.head], [[2], 2]);
});

Deno.test("Room.title is the current title, even after a page [E5]", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  const title = { type: "title", ...ben, at: 1, nonce: "t" } as const;
  page.socket.push(message(1), { ...title, offset: 2, text: "Tea" });
  assertEquals([lobby(page).title, unread.count], ["Tea", 1]);
  page.socket.push(room(3, { recovered: true, title: "Coffee" }, 3));
  assertEquals(lobby(page).title, "Coffee");
});

Deno.test("Room.title ends with a deletion of the entry that set it [E4] [E5]", () => {
  const page = new Page().signIn();
  const title = { type: "title", ...ben, at: 1 } as const;
  page.socket.push(message(1), { ...title, offset: 2, nonce: "t", text: "Tea" }, deletion(3, 1));
  assertEquals(lobby(page).title, "Tea");
  page.socket.push({ ...deletion(4, 2), untitled: true });
  assertEquals([lobby(page).title, lobby(page).log.head], [undefined, 4]);
});

Deno.test("ChatClient reports no edit, and a deletion lowers the unread counts", () => {
  const page = new Page().signIn();
  const { unread } = lobby(page);
  page.socket.push(message(1), message(2, { text: "@ada" }));
  assertEquals([unread.count, unread.mentions], [2, 1]);
  page.reported.length = 0;
  page.socket.push(edit(3, 1, "@ada"), deletion(4, 2));
  assertEquals([page.reported, page.deleted], [[], [2]]);
  assertEquals([unread.count, unread.mentions], [1, 0]);
  page.chat.recountMentions();
  assertEquals(unread.count, 1);
});

Deno.test("ChatClient reports the deletions that a page brings after a lost connection [E4]", () => {
  const page = new Page().signIn();
  page.socket.push(room(2, { recovered: true, messages: [message(1), deletion(2, 1)] }));
  assertEquals(page.deleted, [1]);
});

Deno.test("Outbox sends an edit and a deletion of a message in the log [E3] [E4]", () => {
  const page = new Page().signIn();
  page.socket.push(message(1, { member: "me" }));
  page.chat.send("lobby", "better ", { type: "edit", offset: 1 });
  page.chat.post("lobby", { type: "delete", offset: 1, text: "" });
  const [first] = sent(page);
  const nonce = String(first?.nonce);
  assertEquals(first, { type: "edit", offset: 1, text: "better", nonce });
  page.socket.push({ ...edit(2, 1, "better"), member: "me", nonce });
  assertEquals(sent(page).map(({ type, offset, text }) => [type, offset, text]), [
    ["delete", 1, undefined],
  ]);
});

Deno.test("Outbox keeps an edit behind its message until the message has an offset, even across a reload", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const page = new Page(shared, own).signIn();
  page.chat.send("lobby", "one");
  const [first] = sent(page);
  const target = String(first?.nonce);
  page.chat.send("lobby", "two", { type: "edit", target });
  page.store.release();
  const again = new Page(shared, own).signIn();
  assertEquals(sent(again).map(({ type, nonce }) => [type, nonce]), [["message", target]]);
  again.socket.push({ type: "ack", room: "lobby", nonce: target, offset: 7 });
  assertEquals(sent(again).map(({ type, offset, text }) => [type, offset, text]), [
    ["edit", 7, "two"],
  ]);
});

Deno.test("Outbox stores that an entry was sent before it sends it", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "one");
  assertEquals(page.chat.outbox.messagesIn("lobby").map(({ isSent }) => isSent), [undefined]);
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.accept();
  assertEquals(page.store.load().map(({ isSent }) => isSent), [true]);
});

Deno.test("Outbox drops the amendments of a message that is refused for good", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const nonce = String(sent(page)[0]?.nonce);
  page.chat.send("lobby", "two", { type: "edit", target: nonce });
  const code = "text_too_long";
  page.socket.push({ type: "error", re: "message", code, message: "", nonce, room: "lobby" });
  assertEquals([unsent(page), sent(page)], [["one"], []]);
});

Deno.test("Outbox drops refused deletions and titles, and edits without a target, and says why", () => {
  const cases: readonly (readonly ["edit" | "delete" | "title", ErrorCode, boolean])[] = [
    ["edit", "not_found", false],
    ["edit", "forbidden", false],
    ["edit", "edits_exhausted", true],
    ["delete", "not_found", false],
    ["delete", "banned", false],
    ["title", "rate_limited", false],
    ["title", "title_invalid", false],
    ["title", "draining", true],
    ["delete", "rate_limited", true],
  ];
  for (const [type, code, isKept] of cases) {
    const page = new Page().signIn();
    page.chat.post("lobby", { type, text: "x", offset: 1 });
    const nonce = String(sent(page)[0]?.nonce);
    page.socket.push({ type: "error", re: type, code, message: "", nonce, room: "lobby" });
    const name = `${type} ${code}`;
    assertEquals(unsent(page).length, isKept ? 1 : 0, name);
    assertEquals(page.chat.problem?.code, isKept ? undefined : code, name);
  }
});

Deno.test("Outbox drops the edits and deletions of a message that is deleted", () => {
  const page = new Page().signIn();
  page.socket.push(message(1, { member: "me" }), message(2, { member: "me" }));
  page.chat.send("lobby", "in flight");
  page.chat.send("lobby", "one", { type: "edit", offset: 1 });
  page.chat.send("lobby", "two", { type: "edit", offset: 2 });
  page.chat.post("lobby", { type: "delete", text: "", offset: 1 });
  page.socket.push(deletion(3, 1));
  assertEquals(unsent(page), ["in flight", "two"]);
});

Deno.test("Outbox retries a failed edit as an edit, with a new nonce", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one", { type: "edit", offset: 1 });
  const nonce = String(sent(page)[0]?.nonce);
  const code = "storage_full";
  page.socket.push({ type: "error", re: "edit", code, message: "", nonce, room: "lobby" });
  const [failed] = page.chat.outbox.messagesIn("lobby");
  if (failed !== undefined) page.chat.retry(failed);
  const [again] = sent(page);
  assertEquals([again?.type, again?.offset, again?.nonce === nonce], ["edit", 1, false]);
});

Deno.test("Room applies entries to its window too, and forgets it after a page that did not recover", () => {
  const page = new Page().signIn();
  page.socket.push(room(200, {}, 101));
  const { text: _, ...gone } = message(52);
  const messages = [message(51), { ...gone, deletedBy: "ben" }];
  page.chat.loadHistory(lobby(page), 53, (push) => {
    lobby(page).log.window = { messages: messagesOf(push.messages), oldest: 51, newest: 52 };
  });
  page.socket.push({ type: "history", room: "lobby", messages, first: 1, head: 200 });
  page.socket.push(edit(201, 51, "new"), message(202));
  const shown = () => lobby(page).log.window?.messages.map(({ text }) => text);
  assertEquals([shown(), lobby(page).isLoadingOlder], [["new", undefined], false]);
  assertEquals([lobby(page).log.oldest, offsets(page).at(-1)], [101, 202]);
  page.socket.push(room(2_000, { missed: 1_700 }, 1_901));
  assertEquals(shown(), undefined);
});

Deno.test("ChatClient.loadHistory() has one page in flight, and asks again after a lost connection", () => {
  const page = new Page().signIn();
  page.socket.push(room(200, {}, 101));
  page.socket.take();
  const pages: string[] = [];
  const load = (name: string) => page.chat.loadHistory(lobby(page), 50, () => pages.push(name));
  load("first");
  load("second");
  assertEquals(sent(page).length, 1);
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.accept("Ada", room(200, { recovered: true }, 201));
  load("third");
  const reply = { type: "history", room: "lobby", messages: [], first: 1, head: 200 } as const;
  page.socket.push(reply);
  assertEquals(pages, ["third"]);
});

Deno.test("TabOutbox removes a stored entry of an unknown type", () => {
  const shared = memoryStorage();
  const page = new Page(shared);
  page.chat.openRoom("lobby");
  page.chat.post("lobby", { type: "delete", text: "", offset: 1 });
  const [key = ""] = keysWithPrefix(shared, "parley.message.");
  page.store.release();
  shared.setItem(key, (shared.getItem(key) ?? "").replace('"delete"', '"burn"'));
  assertEquals(unsent(new Page(shared)), []);
  assertEquals(shared.getItem(key), null);
});
