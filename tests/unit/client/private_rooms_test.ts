// Private rooms of a page: the commands it sends, and how it handles pushes of a hostile server.

import { assert, assertEquals } from "@std/assert";
import { isSealed } from "../../../app/protocol/sealed.ts";
import type { EntryPush } from "../../../app/protocol/wire.ts";
import { editMessage } from "../../../static/client/state/amending.ts";
import { labelOf } from "../../../static/client/state/open_rooms.ts";
import { PrivateRooms } from "../../../static/client/state/private_rooms.ts";
import type { Room } from "../../../static/client/state/room.ts";
import { memberOf } from "../../../static/client/state/member_id.ts";
import { deriveRoom, open, seal } from "../../../static/client/state/sealing.ts";
import { saveSnapshots } from "../../../static/client/state/snapshot_writer.ts";
import { restoreSnapshot } from "../../../static/client/state/snapshots.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";
import { storeRoom } from "../../../static/client/state/stored_rooms.ts";
import type { KeyValue } from "../../../static/client/state/storage.ts";
import { message, Page, room as roomPush, welcome } from "../../support/page_harness.ts";
import { until } from "../../support/waiting.ts";

const secret = "S".repeat(43);
const derived = await deriveRoom(secret);
assert(derived !== undefined);
const key = derived;
const token = "t".repeat(43);
const [me, ben] = await Promise.all([memberOf(token), memberOf("b".repeat(43))]);

/** A page in the lobby and in a private room, whose pushes are chosen by a hostile server. */
class PrivatePage extends Page {
  readonly rooms: Promise<PrivateRooms>;

  constructor(shared?: KeyValue) {
    super(shared);
    this.rooms = PrivateRooms.load(this.chat, this.shared, token, "Private room", "Incomplete");
  }

  async enter(): Promise<this> {
    await (await this.rooms).add(secret);
    this.chat.openRoom(key.room);
    this.signIn();
    this.socket.push({ ...welcome(), member: me }, roomPush(0));
    await this.push(roomPush(0, { room: key.room }));
    return this;
  }

  get room(): Room {
    const room = this.chat.rooms.get(key.room);
    assert(room !== undefined);
    return room;
  }

  /** Pushes entries, and waits until they are open. */
  async push(...pushes: Parameters<Page["socket"]["push"]>): Promise<void> {
    this.socket.push(...pushes);
    // The lobby's pushes wait for those before them.
    const { roster } = this.chat.rooms.get("lobby") ?? {};
    const typing = [`typist-${Math.random()}`];
    this.socket.push({ type: "typing", room: "lobby", usernames: typing });
    await until(() => roster?.typing[0] === typing[0]);
  }

  /** Returns the next command with a text, and the commands before it. */
  async sent(): Promise<Record<string, unknown>> {
    await until(() => this.socket.sent.some(({ text }) => text !== undefined));
    return this.socket.take().find(({ text }) => text !== undefined) ?? {};
  }

  /** The texts of the room, as the page shows them. */
  get texts(): (string | undefined)[] {
    return this.room.log.messages.map(({ text, isUnverified }) =>
      isUnverified ? "unverified" : text
    );
  }
}

/** Returns a message of Ben's, sealed as his page does. */
async function fromBen(offset: number, text: string, more: Parameters<typeof message>[1] = {}) {
  const nonce = more.nonce ?? `b${offset}`;
  const context = { room: key.room, member: ben, nonce };
  const sealed = await seal(key, context, { revision: 0, answered: "", text });
  return message(offset, { room: key.room, member: ben, nonce, text: sealed, ...more });
}

/** Returns an edit of one of Ben's messages. */
async function editByBen(
  offset: number,
  target: number,
  text: string,
  revision: number,
  answered = "",
) {
  const context = { room: key.room, member: ben, nonce: `b${target}` };
  const sealed = await seal(key, context, { revision, answered, text });
  return {
    ...message(offset, { room: key.room, member: ben }),
    type: "edit",
    target,
    text: sealed,
  } as EntryPush;
}

Deno.test("PrivateRooms seals messages, replies and edits with the member it computed [S4] [S6]", async () => {
  const page = await new PrivatePage().enter();
  page.chat.send(key.room, "Good morning");
  const first = await page.sent();
  assert(isSealed(String(first.text)));
  const context = { room: key.room, member: me, nonce: String(first.nonce) };
  const content = { revision: 0, answered: "", text: "Good morning" };
  assertEquals(await open(key, context, String(first.text)), content);
  const push = { room: key.room, member: me, nonce: context.nonce, text: String(first.text) };
  await page.push(message(1, push));
  assertEquals(page.texts, ["Good morning"]);

  page.chat.send(key.room, "And you?", { reply: 1, answered: context.nonce });
  const second = await page.sent();
  const reply = { ...context, nonce: String(second.nonce) };
  assertEquals((await open(key, reply, String(second.text)))?.answered, context.nonce);
  await page.push({ type: "ack", room: key.room, nonce: reply.nonce, offset: 2 });

  const [sent] = page.room.log.messages;
  assert(sent !== undefined);
  editMessage(page.chat, page.room, sent, "Good evening");
  const edit = await page.sent();
  const revised = { revision: 1, answered: "", text: "Good evening" };
  assertEquals(await open(key, context, String(edit.text)), revised);
  assertEquals([edit.type, edit.offset], ["edit", 1]);
});

Deno.test("PrivateRooms sends nothing in the clear, and nothing to a room without its key [S3]", async () => {
  const page = await new PrivatePage().enter();
  page.chat.openRoom("p-without-key");
  page.chat.openRoom(`p-${"a".repeat(30)}`);
  assertEquals(await (await page.rooms).add("B".repeat(43), `p-${"a".repeat(30)}`), undefined);
  // The server behaves as if the page had joined.
  await page.push(roomPush(0, { room: "p-without-key" }));
  for (const room of ["p-without-key", key.room]) {
    page.chat.send(room, "Good morning");
    page.chat.post(room, { type: "title", text: "Good morning" });
  }
  const sealed = () => page.socket.sent.filter(({ text }) => text !== undefined);
  await until(() => sealed().length === 1);
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.socket.events.onOpen();
  page.socket.push(welcome());
  await page.push(roomPush(0), roomPush(0, { room: key.room }));
  await until(() => sealed().length === 1);
  const nonce = String(sealed()[0]?.nonce);
  await page.push({ type: "ack", room: key.room, nonce, offset: 1 });
  await until(() => sealed().length === 2);
  assertEquals(sealed().map(({ type }) => type), ["message", "title"]);
  const frames = JSON.stringify(page.sockets.map(({ sent }) => sent));
  assert(frames.includes(key.room));
  for (const secretText of ["morning", "p-without-key", "p-aaa", secret]) {
    assert(!frames.includes(secretText), secretText);
  }
});

Deno.test("PrivateRooms shows no title, whatever the server says [S2]", async () => {
  const page = await new PrivatePage().enter();
  const { text: _, ...entry } = message(1, { room: key.room });
  await page.push({ ...entry, type: "title", text: "Free money" });
  assertEquals(page.room.title || "", "");
  await page.push(roomPush(0, { room: key.room, title: "Free money" }));
  assertEquals(page.room.title || "", "");
});

Deno.test("PrivateRooms refuses a text that no sealed text can have", async () => {
  const page = await new PrivatePage().enter();
  page.chat.send(key.room, "ü".repeat(2_000));
  await until(() => page.chat.outbox.messagesIn(key.room)[0]?.state === "failed");
  const [failed] = page.chat.outbox.messagesIn(key.room);
  assertEquals(failed?.problem?.code, "private_too_long");
});

Deno.test("PrivateRooms opens messages, edits and pages of history [S7]", async () => {
  const page = await new PrivatePage().enter();
  await page.push(await fromBen(1, "one"), await fromBen(2, "two"));
  await page.push(await editByBen(3, 1, "one, edited", 1));
  assertEquals(page.texts, ["one, edited", "two"]);
  assertEquals(page.room.log.messages[0]?.amended, 3);
  assertEquals(page.reported, ["1 false", "2 false"]);
});

Deno.test("PrivateRooms counts messages and mentions once they are opened [S7]", async () => {
  const page = await new PrivatePage().enter();
  await page.push(await fromBen(1, "@Ada, good morning"), await fromBen(2, "and to all"));
  assertEquals(page.reported, ["1 true", "2 false"]);
  assertEquals([page.room.unread.count, page.room.unread.mentions], [2, 1]);
});

Deno.test("PrivateRooms counts a mention that was edited while the page was offline [S7]", async () => {
  const page = await new PrivatePage().enter();
  await page.push(await fromBen(1, "@Ada, good mornin"));
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.socket.events.onOpen();
  const edit = await editByBen(2, 1, "@Ada, good morning", 1);
  const missed = roomPush(2, { room: key.room, recovered: true, messages: [edit] });
  await page.push(welcome(), roomPush(0), missed);
  assertEquals([page.texts, page.room.unread.mentions], [["@Ada, good morning"], 1]);
});

Deno.test("PrivateRooms never shows a text that the server altered or misplaced [S5] [S7]", async () => {
  const [one, two] = [await fromBen(1, "one"), await fromBen(2, "two")];
  const swapped = { ...one, text: two.text ?? "" };
  const altered = `${one.text?.slice(0, 40)}${one.text?.[40] === "A" ? "B" : "A"}${
    one.text?.slice(41)
  }`;
  const context = { room: key.room, member: ben, nonce: "b1" };
  const edited = await seal(key, context, { revision: 1, answered: "", text: "edited" });
  const reply = await seal(key, context, { revision: 0, answered: "n1", text: "yes" });
  const unclean = await seal(key, context, { revision: 0, answered: "", text: "a\u0007b" });
  const cases: [what: string, push: EntryPush][] = [
    ["swapped", swapped],
    ["another author", { ...one, member: me }],
    ["another nonce", { ...one, nonce: "b9" }],
    ["altered", { ...one, text: altered }],
    ["truncated", { ...one, text: one.text?.slice(0, 100) ?? "" }],
    ["in the clear", { ...one, text: "one" }],
    ["an edit as a message", { ...one, text: edited }],
    ["a message as an edit", { ...one, editedAt: 5 }],
    ["a sealed reply that is not sent as one", { ...one, text: reply }],
    ["a reply not sealed as one", { ...one, reply: 7 }],
    ["unclean", { ...one, text: unclean }],
  ];
  for (const [what, push] of cases) {
    const page = await new PrivatePage().enter();
    await page.push(push);
    assertEquals(page.texts, ["unverified"], what);
    await page.push({ ...two, offset: 2 });
    assertEquals(page.texts, ["unverified", "two"], what);
  }
});

Deno.test("PrivateRooms drops a connection whose server marks a message as pending [S7]", async () => {
  const page = await new PrivatePage().enter();
  page.socket.push({ ...await fromBen(1, "one"), state: "pending" } as EntryPush);
  await until(() => page.socket.closed !== undefined);
  assertEquals(page.texts, []);
});

Deno.test("PrivateRooms shows only the first of two equal messages [S8]", async () => {
  const page = await new PrivatePage().enter();
  const one = await fromBen(1, "yes");
  await page.push(one, { ...one, offset: 2 });
  assertEquals(page.texts, ["yes", "unverified"]);
});

Deno.test("PrivateRooms shows the first of two equal messages once an older page has it [S8]", async () => {
  const page = await new PrivatePage().enter();
  const late = await fromBen(3, "yes", { nonce: "b1" });
  await page.push(roomPush(3, { room: key.room, messages: [late], recovered: false }));
  assertEquals(page.texts, ["yes"]);
  page.chat.loadOlder(key.room);
  const messages = [await fromBen(1, "yes"), await fromBen(2, "no")];
  await page.push({ type: "history", room: key.room, first: 1, head: 3, messages });
  assertEquals(page.texts, ["yes", "no", "unverified"]);
});

Deno.test("PrivateRooms refuses an earlier revision, and an edit for another message [S8]", async () => {
  const page = await new PrivatePage().enter();
  await page.push(await fromBen(1, "one"), await editByBen(2, 1, "two", 2));
  assertEquals(page.texts, ["two"]);
  await page.push(await editByBen(3, 1, "one again", 1));
  assertEquals(page.texts, ["unverified"]);
  await page.push(await editByBen(4, 1, "three", 3));
  assertEquals(page.texts, ["three"]);
  const late = roomPush(4, { room: key.room });
  const before = {
    ...await editByBen(4, 1, "one again", 1),
    type: "message",
    offset: 1,
    nonce: "b1",
  };
  await page.push({ ...late, messages: [{ ...before, editedAt: 5 } as EntryPush] });
  assertEquals(page.texts, ["unverified"]);
  const again = { ...await editByBen(4, 1, "three", 3), type: "message", offset: 1, nonce: "b1" };
  await page.push({ ...late, messages: [{ ...again, editedAt: 5 } as EntryPush] });
  assertEquals(page.texts, ["three"]);
  const other = await fromBen(5, "Never");
  await page.push(other, { ...await editByBen(6, 1, "four", 4), target: 5 } as EntryPush);
  assertEquals(page.texts, ["three", "unverified"]);
  // The server shows another message at the offset of one that is loaded, and an edit of that.
  const hidden = await fromBen(1, "Pay Eve", { nonce: "b9" });
  const edit = { ...await editByBen(7, 9, "Pay Eve now", 1), target: 1 } as EntryPush;
  await page.push(hidden, edit);
  assertEquals(page.texts, ["unverified", "unverified"]);
});

Deno.test("PrivateRooms refuses an edit with the text of a new message, or of a reply [S7]", async () => {
  for (const [revision, answered] of [[0, ""], [1, "b0"]] as const) {
    const page = await new PrivatePage().enter();
    await page.push(await fromBen(1, "one"), await editByBen(2, 1, "two", revision, answered));
    assertEquals(page.texts, ["unverified"]);
  }
});

Deno.test("PrivateRooms passes nothing from a lost connection on to the next one [M8]", async () => {
  const page = await new PrivatePage().enter();
  const one = await fromBen(1, "one");
  const { subtle } = crypto;
  const encrypt = subtle.encrypt;
  const reconnected = Promise.withResolvers<void>();
  let sealing: Promise<ArrayBuffer> | undefined;
  subtle.encrypt = (...parameters) =>
    sealing = reconnected.promise.then(() => encrypt.apply(subtle, parameters));
  try {
    page.chat.send(key.room, "Good morning");
    await until(() => sealing !== undefined);
  } finally {
    subtle.encrypt = encrypt;
  }
  page.socket.push(roomPush(1, { room: key.room, messages: [one] }));
  page.socket.events.onClose(1006, "");
  page.time.advance(30_000);
  page.socket.events.onOpen();
  reconnected.resolve();
  await sealing;
  await page.push({ type: "typing", room: key.room, usernames: [] });
  assertEquals(page.socket.take().map(({ type }) => type), ["hello"]);
  await page.push(welcome(), roomPush(0), roomPush(0, { room: key.room, recovered: true }));
  assertEquals(page.texts, []);
  assertEquals((await page.sent()).type, "message");
});

Deno.test("stored messages of a private room stay sealed, and are readable on the next visit [S8]", async () => {
  const shared = memoryStorage();
  const page = await new PrivatePage(shared).enter();
  await page.push(await fromBen(1, "one"), await fromBen(2, "two"));
  await page.push(await editByBen(3, 1, "one, edited", 2), { ...await fromBen(4, "gone") });
  await page.push(
    { ...message(5, { room: key.room, member: ben }), type: "delete", targets: [4] } as EntryPush,
  );
  saveSnapshots(shared, page.chat.rooms.values());
  const stored = shared.getItem(`parley.last.${key.room}`) ?? "";
  // Sealed texts are random: without the quote, they contain a short word by chance.
  assert(!/"(one|two|gone)/.test(stored));
  const rooms = await new PrivatePage(shared).rooms;
  const next = new PrivatePage(shared);
  await next.rooms;
  next.chat.openRoom(key.room);
  restoreSnapshot(shared, next.room);
  assertEquals(next.texts, []);
  (await next.rooms).prepare(next.room);
  assertEquals(next.texts, ["one, edited", "two", undefined]);
  assertEquals(rooms.hasKey(key.room), true);
  next.signIn();
  await next.push(roomPush(5, { room: key.room, recovered: true, messages: [] }, 6));
  await next.push(await editByBen(6, 1, "one", 1));
  assertEquals(next.texts[0], "unverified");
});

Deno.test("PrivateRooms keeps nothing of a deleted message that could not be verified [E7]", async () => {
  const page = await new PrivatePage().enter();
  const sealed = (await fromBen(9, "one")).text ?? "";
  await page.push(await fromBen(1, "", { text: sealed }));
  assertEquals(page.texts, ["unverified"]);
  // As the page does after each deletion.
  page.onDelete = () => saveSnapshots(page.shared, page.chat.rooms.values());
  const deletion = { ...message(2, { room: key.room }), type: "delete", targets: [1] };
  await page.push(deletion as EntryPush);
  assertEquals(page.texts, [undefined]);
  const stored = page.shared.getItem(`parley.last.${key.room}`) ?? "";
  assertEquals([stored.includes(sealed), stored.includes('"deletedBy"')], [false, true]);
});

Deno.test("PrivateRooms opens the rooms of messages that an earlier visit left unsent [M8]", async () => {
  const page = await new PrivatePage().enter();
  page.socket.events.onClose(1006, "");
  page.chat.send(key.room, "Good morning");
  page.store.release();
  const next = new PrivatePage(page.shared);
  await next.rooms;
  assertEquals([...next.chat.rooms.keys()], [key.room]);
});

Deno.test("PrivateRooms loads the message of an edit that an earlier visit left unsent [S8]", async () => {
  const page = await new PrivatePage().enter();
  const context = { room: key.room, member: me, nonce: "n1" };
  const sealed = await seal(key, context, { revision: 0, answered: "", text: "Good morning" });
  const own = message(1, { ...context, text: sealed });
  await page.push(own);
  const [stored] = page.room.log.messages;
  assert(stored !== undefined);
  page.socket.events.onClose(1006, "");
  editMessage(page.chat, page.room, stored, "Good evening");
  page.store.release();

  const next = new PrivatePage(page.shared);
  await (await next.rooms).add(secret);
  next.signIn();
  next.socket.push({ ...welcome(), member: me }, roomPush(0));
  const late = await fromBen(200, "Late");
  await next.push(roomPush(200, { room: key.room, messages: [late] }));
  await until(() => next.socket.sent.some(({ type }) => type === "history"));
  const [request] = next.socket.take().filter(({ type }) => type === "history");
  assertEquals([request?.room, request?.before], [key.room, 2]);
  await next.push({ type: "history", room: key.room, first: 1, head: 200, messages: [own] });
  const edit = await next.sent();
  const revised = { revision: 1, answered: "", text: "Good evening" };
  assertEquals([edit.type, edit.offset], ["edit", 1]);
  assertEquals(await open(key, context, String(edit.text)), revised);
});

Deno.test("PrivateRooms reports an edit whose message can't be loaded", async () => {
  const page = await new PrivatePage().enter();
  page.chat.send(key.room, "Good evening", { type: "edit", offset: 1, target: "n1" });
  await until(() => page.socket.sent.some(({ type }) => type === "history"));
  const about = { type: "error", re: "history", room: key.room } as const;
  await page.push({ ...about, code: "storage_unavailable", message: "" });
  await page.push({ type: "history", room: key.room, first: 2, head: 2, messages: [] });
  await until(() => page.chat.outbox.messagesIn(key.room)[0]?.state === "failed");
  assertEquals(page.chat.outbox.messagesIn(key.room)[0]?.problem?.code, "edit_not_loaded");
});

Deno.test("PrivateRooms labels a room without its key differently", async () => {
  const page = new PrivatePage();
  const rooms = await page.rooms;
  page.chat.openRoom(key.room);
  const room = page.chat.rooms.get(key.room);
  assert(room !== undefined);
  rooms.prepare(room);
  assertEquals(labelOf(key.room), "Incomplete");
  await rooms.add(secret);
  assertEquals(labelOf(key.room), "Private room");
});

Deno.test("PrivateRooms keeps keys and labels, and numbers the default label", async () => {
  const page = await new PrivatePage().enter();
  const rooms = await page.rooms;
  const other = await rooms.add("A".repeat(43));
  assertEquals([...rooms.stored.values()].map(({ label }) => label), [
    "Private room",
    "Private room 2",
  ]);
  rooms.rename(other ?? "", "Family");
  const again = await new PrivatePage(page.shared).rooms;
  assertEquals(again.stored.get(other ?? "")?.label, "Family");
  assertEquals(await rooms.add("short"), undefined);
});

Deno.test("PrivateRooms replaces a wrong key with the right one, under the same label [S3]", async () => {
  const shared = memoryStorage();
  storeRoom(shared, key.room, { secret: "A".repeat(43), label: "Family" });
  const rooms = await new PrivatePage(shared).rooms;
  assertEquals(rooms.hasKey(key.room), false);
  assertEquals(await rooms.add(secret, key.room), key.room);
  assertEquals(rooms.stored.get(key.room), { secret, label: "Family" });
});

Deno.test("ChatClient opens no private room without PrivateRooms [S3]", () => {
  const page = new Page().signIn();
  assertEquals(page.chat.openRoom(key.room), false);
});
