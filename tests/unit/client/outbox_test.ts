// Sending: the outbox, through a chat client on a fake socket.

import { assert, assertEquals } from "@std/assert";
import { keysWithPrefix, memoryStorage } from "../../../static/client/state/storage.ts";
import type { KeyValue } from "../../../static/client/state/storage.ts";
import { message, Page, room, unsent, welcome } from "../../support/page_harness.ts";

Deno.test("Outbox has at most one message of a room in flight [M8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.chat.send("lobby", "two");
  const [first] = page.socket.take();
  assertEquals(first?.text, "one");
  page.socket.push(message(1, { member: "me", nonce: String(first?.nonce) }));
  assertEquals(page.socket.take().map(({ text }) => text), ["two"]);
});

Deno.test("Outbox keeps its message in flight when another tab's message arrives [M8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.chat.send("lobby", "two");
  page.socket.take();
  page.socket.push(message(1, { member: "me", nonce: "another-tab" }));
  assertEquals(page.socket.take(), []);
});

Deno.test("Outbox.discard() keeps a message in flight, which may be in the log already", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const [inFlight] = page.chat.outbox.messagesIn("lobby");
  assertEquals(inFlight && page.chat.discard(inFlight), undefined);
  assertEquals(unsent(page), ["one"]);
});

Deno.test("Outbox sends nothing before the last page of a join [M8]", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "early");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.socket.events.onOpen();
  page.socket.take();
  page.socket.push(welcome());
  assertEquals(page.socket.take(), []);
  page.socket.push(room(1, { more: true }, 1));
  page.chat.send("lobby", "later");
  assertEquals(page.socket.take().map(({ type }) => type), ["join"]);
  page.socket.push(room(2, { recovered: true }, 2));
  assertEquals(page.socket.take().map(({ text }) => text), ["early"]);
});

Deno.test("Outbox removes a message by its push, its ack, or its place in a page [M5]", () => {
  for (const how of ["push", "ack", "page", "history"] as const) {
    const page = new Page().signIn();
    page.chat.send("lobby", "one");
    const nonce = String(page.socket.take()[0]?.nonce);
    const mine = message(1, { member: "me", nonce });
    if (how === "push") page.socket.push(mine);
    if (how === "ack") page.socket.push({ type: "ack", room: "lobby", nonce, offset: 1 });
    if (how === "page") page.socket.push(room(1, { messages: [mine], recovered: true }));
    if (how === "history") {
      page.socket.push({ type: "history", room: "lobby", messages: [mine], first: 1, head: 1 });
    }
    assertEquals(unsent(page), [], how);
  }
});

Deno.test("Outbox resends a message with its nonce after the connection was lost in flight [M8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const [first] = page.socket.take();
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.accept();
  const [again] = page.socket.take();
  assertEquals([again?.nonce, again?.text], [first?.nonce, "one"]);
});

Deno.test("Outbox retries after a temporary refusal, with the same nonce and after retryAfter [M8] [L2]", () => {
  for (const code of ["rate_limited", "storage_unavailable", "draining"] as const) {
    const page = new Page().signIn();
    page.chat.send("lobby", "one");
    const [first] = page.socket.take();
    const nonce = String(first?.nonce);
    const retryAfter = 1_500;
    page.socket.push({
      type: "error",
      re: "message",
      code,
      message: "",
      nonce,
      room: "lobby",
      retryAfter,
    });
    page.chat.send("lobby", "two");
    page.time.advance(1_400);
    assertEquals(page.socket.take(), [], code);
    page.time.advance(100);
    assertEquals(page.socket.take().map((sent) => sent.nonce), [nonce], code);
  }
});

Deno.test("Outbox retries a title while storage is unavailable, before later messages [M8] [E1]", () => {
  const page = new Page().signIn();
  page.chat.post("lobby", { type: "title", text: "Tea" });
  page.chat.send("lobby", "one");
  const [{ nonce } = {}] = page.socket.take();
  const about = { re: "title", nonce: String(nonce), room: "lobby" } as const;
  page.socket.push({ type: "error", ...about, code: "storage_unavailable", message: "" });
  assertEquals(page.chat.problem?.code, "storage_unavailable");
  page.time.advance(1_000);
  assertEquals(page.socket.take().map((sent) => [sent.type, sent.nonce]), [["title", nonce]]);
  page.socket.push({ type: "error", ...about, code: "rate_limited", message: "" });
  assertEquals(page.socket.take().map(({ text }) => text), ["one"]);
});

Deno.test("Outbox sends a message that had to wait when the connection was lost [M8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const nonce = String(page.socket.take()[0]?.nonce);
  const error = { type: "error", re: "message", code: "rate_limited", message: "" } as const;
  page.socket.push({ ...error, nonce, room: "lobby", retryAfter: 60_000 });
  page.socket.events.onClose(1006, "");
  page.chat.connection.retryNow();
  page.accept();
  assertEquals(page.socket.take().map((sent) => sent.nonce), [nonce]);
});

Deno.test("Outbox resends a message once its room has been joined again [M7]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  const nonce = String(page.socket.take()[0]?.nonce);
  const error = { type: "error", re: "message", code: "not_joined", message: "", nonce } as const;
  page.socket.push({ ...error, room: "lobby" });
  page.chat.send("lobby", "two");
  assertEquals(page.socket.take().map(({ type }) => type), ["join"]);
  page.socket.push(room(0));
  assertEquals(page.socket.take().map((sent) => sent.nonce), [nonce]);
});

Deno.test("Outbox keeps a refused message with its problem, and retries it with another nonce", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.chat.send("lobby", "two");
  const nonce = String(page.socket.take()[0]?.nonce);
  const error = { type: "error", re: "message", code: "rooms_full", message: "No room" } as const;
  page.socket.push({ ...error, nonce, room: "lobby" });
  const [next] = page.socket.take();
  assertEquals(next?.text, "two");
  page.socket.push({ type: "ack", room: "lobby", nonce: String(next?.nonce), offset: 1 });
  const [failed] = page.chat.outbox.messagesIn("lobby");
  assertEquals([failed?.state, failed?.problem?.message], ["failed", "No room"]);
  if (failed !== undefined) page.chat.retry(failed);
  const [resent] = page.socket.take();
  assertEquals(resent?.text, "one");
  assert(resent?.nonce !== nonce);
});

Deno.test("Outbox gives up a message that broke two connections in a row [C8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "poison");
  for (const code of [1009, 1011]) {
    page.socket.events.onClose(code, "");
    page.time.advance(30_000);
    page.accept();
  }
  assertEquals(page.chat.outbox.messagesIn("lobby").map(({ state }) => state), ["failed"]);
});

Deno.test("Outbox keeps a message that broke connections, but not two in a row [C8]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "fine");
  for (const code of [1011, 1006, 1011, 1012]) {
    page.socket.events.onClose(code, "");
    page.chat.connection.retryNow();
    page.accept();
  }
  assertEquals(page.chat.outbox.messagesIn("lobby").map(({ state }) => state), ["pending"]);
});

Deno.test("ChatClient.send() refuses an invalid message without sending it [M1]", () => {
  const page = new Page().signIn();
  assert(page.chat.send("lobby", "  ") !== undefined);
  assert(page.chat.send("lobby", "x".repeat(4_001)) !== undefined);
  assertEquals(unsent(page), []);
});

Deno.test("TabOutbox keeps messages across a reload, in order", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const page = new Page(shared, own);
  page.chat.openRoom("lobby");
  for (const text of ["one", "two", "three"]) page.chat.send("lobby", text);
  page.store.release();
  // Browsers keep no order of keys.
  const unordered: KeyValue = {
    ...shared,
    key: (index) => shared.key(shared.length - 1 - index),
    get length() {
      return shared.length;
    },
  };
  assertEquals(unsent(new Page(unordered, own)), ["one", "two", "three"]);
});

Deno.test("TabOutbox adopts messages in the order in which all tabs wrote them", () => {
  const shared = memoryStorage();
  const closed = new Page(shared);
  closed.chat.send("lobby", "first");
  const page = new Page(shared, memoryStorage(), closed.wall + 1);
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "second");
  closed.store.release();
  page.chat.adopt(page.wall);
  assertEquals(unsent(page), ["first", "second"]);
});

Deno.test("TabOutbox adopts the messages of a crashed tab after the clock was set back", () => {
  const shared = memoryStorage();
  const crashed = new Page(shared, memoryStorage(), 9_000_000);
  crashed.chat.send("lobby", "kept");
  assertEquals(unsent(new Page(shared, memoryStorage(), 1_000_000)), ["kept"]);
});

Deno.test("TabOutbox adopts the messages of a tab that is gone, but not of an open one", () => {
  const shared = memoryStorage();
  const page = new Page(shared);
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "one");
  assertEquals(unsent(new Page(shared)), []);
  page.store.release();
  assertEquals(unsent(new Page(shared)), ["one"]);
  const crashed = new Page(memoryStorage());
  crashed.chat.openRoom("lobby");
  crashed.chat.send("lobby", "two");
  assertEquals(unsent(new Page(crashed.shared, memoryStorage(), crashed.wall + 200_000)), ["two"]);
});

Deno.test("TabOutbox gives a duplicated tab a separate outbox", () => {
  const shared = memoryStorage();
  const original = new Page(shared);
  const copied = memoryStorage();
  copied.setItem("parley.owner", original.own.getItem("parley.owner") ?? "");
  const duplicate = new Page(shared, copied);
  for (const page of [original, duplicate]) page.chat.openRoom("lobby");
  original.chat.send("lobby", "one");
  duplicate.chat.send("lobby", "two");
  assertEquals([original, duplicate].map(unsent), [["one"], ["two"]]);
  original.store.release();
  const third = new Page(shared);
  assertEquals([duplicate, third].map(unsent), [["two"], ["one"]]);
});

Deno.test("TabOutbox adopts a crashed tab's messages after it polls the tabs, and sends them", () => {
  const shared = memoryStorage();
  const crashed = new Page(shared);
  const open = new Page(shared);
  const page = new Page(shared);
  for (const { chat } of [crashed, open]) chat.openRoom("lobby");
  assertEquals(page.store.pollTabs(), undefined);
  crashed.chat.send("lobby", "one");
  open.chat.send("lobby", "two");
  page.signIn();
  page.wall = open.wall += 1;
  const polledAt = page.store.pollTabs() ?? NaN;
  assert(!open.store.onStorageEvent("parley.poll", String(polledAt)));
  page.wall += 4_000;
  page.chat.adopt(polledAt);
  assertEquals(unsent(page), ["one"]);
  assertEquals(page.socket.take().map(({ text }) => text), ["one"]);
  assertEquals(unsent(new Page(shared, memoryStorage(), page.wall)), []);
});

Deno.test("TabOutbox adopts the messages of a closed duplicate with the same owner", () => {
  const shared = memoryStorage();
  const original = new Page(shared);
  // As another tab does if the clock was set ahead, or this machine slept.
  original.store.release();
  const copied = memoryStorage();
  copied.setItem("parley.owner", original.own.getItem("parley.owner") ?? "");
  const duplicate = new Page(shared, copied);
  original.chat.openRoom("lobby");
  original.chat.send("lobby", "one");
  // The original crashes.
  const polledAt = duplicate.store.pollTabs();
  assert(polledAt !== undefined);
  duplicate.chat.adopt(polledAt);
  assertEquals(unsent(duplicate), ["one"]);
  assertEquals(duplicate.store.pollTabs(), undefined);
});

Deno.test("TabOutbox.onStorageEvent() returns true if another tab has closed", () => {
  const page = new Page();
  assert(page.store.onStorageEvent("parley.tab.x", null));
  assert(!page.store.onStorageEvent("parley.tab.x", "7"));
});

/** Returns a storage that is full after some characters. */
function smallStorage(charactersMax: number): KeyValue {
  const storage = memoryStorage();
  const used = () => keysWithPrefix(storage, "").map((key) => storage.getItem(key)).join().length;
  return {
    ...storage,
    setItem(key, value) {
      const before = storage.getItem(key)?.length ?? 0;
      if (used() - before + value.length > charactersMax) throw new Error("QuotaExceededError");
      storage.setItem(key, value);
    },
    get length() {
      return storage.length;
    },
  };
}

Deno.test("TabOutbox stores a message in place of snapshots if the storage is full", () => {
  const shared = smallStorage(1_000);
  const page = new Page(shared);
  page.chat.openRoom("lobby");
  shared.setItem("parley.last.lobby", "x".repeat(800));
  page.chat.send("lobby", "y".repeat(300));
  assertEquals(shared.getItem("parley.last.lobby"), null);
  page.store.release();
  assertEquals(unsent(new Page(shared)), ["y".repeat(300)]);
});

Deno.test("TabOutbox.put() uses the tab's own storage if the shared one is full, and returns false", () => {
  const shared = smallStorage(1_000);
  const page = new Page(shared);
  page.chat.openRoom("lobby");
  shared.setItem("other", "x".repeat(800));
  page.chat.send("lobby", "y".repeat(300));
  page.store.release();
  assertEquals(unsent(new Page(shared)), []);
  const reloaded = new Page(shared, page.own);
  const [message] = reloaded.chat.outbox.messagesIn("lobby");
  assertEquals(message?.text, "y".repeat(300));
  assert(message !== undefined && reloaded.chat.outbox.isUnsaved(message));
  reloaded.store.release();
  shared.removeItem("other");
  const again = new Page(shared, page.own);
  assert(!again.chat.outbox.isUnsaved(message));
  again.store.release();
  assertEquals(unsent(new Page(shared)), ["y".repeat(300)]);
});

Deno.test("TabOutbox.remove() removes a message from the tab's own storage too", () => {
  const shared = smallStorage(1_000);
  shared.setItem("other", "x".repeat(800));
  const page = new Page(shared);
  page.chat.send("lobby", "y".repeat(300));
  for (const message of page.chat.outbox.messagesIn("lobby")) page.chat.discard(message);
  page.store.release();
  assertEquals(unsent(new Page(shared, page.own)), []);
});

Deno.test("Outbox sends a message older than a day only after it is confirmed", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const page = new Page(shared, own);
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "old");
  page.store.release();
  const later = new Page(shared, own, page.wall + 25 * 3_600_000).signIn();
  assertEquals(later.socket.take(), []);
  const [old] = later.chat.outbox.messagesIn("lobby");
  assertEquals(old?.state, "stale");
  if (old !== undefined) later.chat.retry(old);
  assertEquals(later.socket.take().map(({ nonce }) => nonce), [old?.nonce]);
});

Deno.test("Outbox sends no message, nor its edit, if the page was offline for a day", () => {
  const page = new Page();
  page.chat.openRoom("lobby");
  page.chat.send("lobby", "old");
  page.wall += 25 * 3_600_000;
  const [old] = page.chat.outbox.messagesIn("lobby");
  page.chat.send("lobby", "edited", { type: "edit", target: old?.nonce });
  page.signIn();
  assertEquals(page.socket.take(), []);
});
