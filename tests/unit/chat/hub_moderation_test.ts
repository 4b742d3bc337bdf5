// Moderators, and what their commands do to sessions. The broker is SQLite's, in memory.

import { assert, assertEquals } from "@std/assert";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { Sanction } from "../../../app/protocol/wire.ts";
import { codesOf, FakeSocket, only, TestChat, tokenOf } from "../../support/hub_harness.ts";
import type { TestClient } from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";

const code = "keep-the-peace";
const start = Date.UTC(2026, 0, 1);

/** Returns a chat with moderators, whose broker has its own clock. */
function moderatedChat() {
  const wall = { ms: start };
  const broker = new SqliteBroker({ ...optionsFor(":memory:", wall), moderatorMac: (id) => id });
  const moderatorAccess = (given: string) => given === code;
  const chat = new TestChat({}, new MemoryBroker(), { broker, moderatorAccess });
  const mona = chat.enter("Mona");
  return { chat, wall, broker, mona };
}

function sanctionsOf(client: TestClient, command: object): readonly Sanction[] {
  return only(client.send(command), "sanctions").sanctions;
}

const mute = { type: "mute", member: "id-Ada", seconds: 60 };
const ban = { type: "ban", member: "id-Ada", seconds: 3_600 };

Deno.test("ChatHub.moderate() makes a member with the code a moderator, in every session [B1]", () => {
  const { chat, mona } = moderatedChat();
  assertEquals(mona.send({ type: "moderate", code }), [{ type: "moderator" }]);
  const again = chat.connect().hello("Mona");
  assertEquals(again.map(({ type }) => type), ["welcome", "moderator", "room"]);
  assert(!chat.connect().hello("Ada").some(({ type }) => type === "moderator"));
  const log = JSON.stringify(chat.lines);
  assert(log.includes("moderator_appointed") && !log.includes(code), log);
});

Deno.test("ChatHub.moderate() limits wrong codes by network, across members [B1]", () => {
  const { chat } = moderatedChat();
  const eve = chat.enter("Eve");
  for (let i = 0; i < 10; i++) {
    assertEquals(codesOf(eve.send({ type: "moderate", code: `wrong${i}` })), ["moderator_denied"]);
  }
  const other = chat.enter("Other");
  const locked = only(other.send({ type: "moderate", code }), "error");
  assertEquals([locked.code, locked.retryAfter], ["moderator_locked", 60_000]);
  assert(chat.lines.some(({ event }) => event === "moderator_denied"));
});

Deno.test("ChatHub.moderate() makes nobody a moderator without a code, or if the broker has no moderation [B1] [B2]", () => {
  const chat = new TestChat();
  const eve = chat.enter("Eve");
  assertEquals(codesOf(eve.send({ type: "moderate", code: "" })), ["moderator_denied"]);
  assertEquals(codesOf(eve.send(ban)), ["forbidden"]);
});

Deno.test("ChatHub.moderate() refuses commands of other members [B2]", () => {
  const { chat, mona } = moderatedChat();
  chat.enter("Ada");
  for (const type of ["mute", "ban", "lift", "sanctions", "neighbors", "sweep"]) {
    assertEquals(codesOf(mona.send({ ...ban, type, id: 1 })), ["forbidden"], type);
  }
  for (
    const wrong of [{ ...ban, seconds: 0 }, { ...ban, member: "?" }, { ...mute, seconds: 1e9 }]
  ) {
    assertEquals(codesOf(mona.send(wrong)), ["field_invalid"]);
  }
});

Deno.test("ChatHub.delete() deletes any member's message for a moderator [B2] [E4]", () => {
  const { chat, mona } = moderatedChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("spam");
  mona.frames();
  const command = { type: "delete", room: "lobby", offset: 1, nonce: "d1" };
  assertEquals(codesOf(mona.send(command)), ["forbidden"]);
  mona.send({ type: "moderate", code });
  const deletion = only(mona.send(command), "delete");
  assertEquals([deletion.targets, deletion.member], [[1], "id-Mona"]);
  assertEquals(only(ada.pushes(), "delete").targets, [1]);
});

Deno.test("ChatHub.mute() refuses a muted member's entries until the mute ends [B3] [B5]", () => {
  const { chat, wall, mona } = moderatedChat();
  const ada = chat.enter("Ada");
  ada.sendMessage("one");
  mona.send({ type: "moderate", code });
  const [sanction] = sanctionsOf(mona, mute);
  assertEquals([sanction?.kind, sanction?.username, sanction?.by], ["mute", "Ada", "Mona"]);
  assertEquals(sanction?.until, start + 60_000);
  const refused = only(ada.sendMessage("two"), "error");
  assertEquals([refused.code, refused.retryAfter, refused.re], ["muted", 60_000, "message"]);
  const edit = { type: "edit", room: "lobby", offset: 1, text: "x", nonce: "e1" };
  assertEquals(codesOf(ada.send(edit)), ["muted"]);
  assertEquals(codesOf(ada.send({ type: "title", room: "lobby", text: "x", nonce: "t1" })), [
    "muted",
  ]);
  assertEquals(codesOf(ada.send({ type: "rename", username: "Ida" })), ["muted"]);
  assertEquals(codesOf(ada.send({ type: "typing", room: "lobby" })), ["muted"]);
  const remove = { type: "delete", room: "lobby", offset: 1, nonce: "d1" };
  assertEquals(only(ada.send(remove), "delete").targets, [1]);
  wall.ms += 60_000;
  assertEquals(codesOf(ada.sendMessage("three")), []);
});

Deno.test("ChatHub.ban() closes all sessions with 4001, and the member leaves at once [B4]", () => {
  const { chat, wall, mona } = moderatedChat();
  const tabs = ["a", "b"].map((tab) => chat.enter("Ada", ["lobby"], { tab }));
  mona.send({ type: "moderate", code });
  mona.frames();
  tabs[0]?.put({ type: "message", room: "lobby", text: "last words", nonce: "n1" });
  const pushes = mona.send(ban);
  for (const { socket } of tabs) {
    assertEquals(socket.closed, { code: 4001, reason: String(start + 3_600_000) });
  }
  assertEquals(only(pushes, "left").member, "id-Ada");
  assert(!pushes.some(({ type }) => type === "message"));
  const refused = only(chat.connect().hello("Ada"), "error");
  assertEquals([refused.code, refused.retryAfter], ["banned", 3_600_000]);
  const thief = chat.connect().hello("Ada", ["lobby"], { token: tokenOf("Eve") });
  assertEquals(codesOf(thief), ["username_taken"]);
  wall.ms += 3_600_000;
  assertEquals(chat.connect().hello("Ada")[0]?.type, "welcome");
});

Deno.test("ChatHub.ban() ends the grace of a member at once [B4]", () => {
  const { chat, mona } = moderatedChat();
  chat.enter("Ada").drop();
  mona.send({ type: "moderate", code });
  mona.frames();
  assertEquals(only(mona.send(ban), "left").member, "id-Ada");
  assertEquals(chat.hub.size, { ...chat.hub.size, members: 1, graces: 0 });
});

Deno.test("ChatHub.ban() deletes the member's messages of the last hour [B7]", () => {
  const { chat, mona } = moderatedChat();
  const ada = chat.enter("Ada", ["lobby", "other"]);
  ada.sendMessage("spam");
  ada.sendMessage("spam", "other");
  mona.sendMessage("ham");
  mona.send({ type: "moderate", code });
  mona.send({ ...ban, deleteMessages: true });
  chat.time.advance(1_000);
  assertEquals(only(mona.pushes(), "delete").targets, [1]);
  const { messages } = only(chat.connect().hello("Zoe", ["other"]), "room");
  assertEquals(messages.map((entry) => [entry.type, "text" in entry && entry.text]), [
    ["message", false],
    ["delete", false],
  ]);
  const swept = chat.lines.find(({ event }) => event === "messages_swept");
  assertEquals(swept?.fields, { messages: 2 });
});

Deno.test("ChatHub.drain() leaves the rest of a sweep to the next server [B7] [C7]", async () => {
  const { chat, mona, broker } = moderatedChat();
  chat.enter("Ada").sendMessage("spam");
  mona.send({ type: "moderate", code });
  mona.send({ ...ban, deleteMessages: true });
  await chat.hub.drain();
  chat.time.advance(10_000);
  assertEquals(chat.time.timers, 0);
  assertEquals(broker.moderation.sweep(), { deleted: 1, hasMore: true });
});

Deno.test("ChatHub logs a failing sweep once, and its recovery [B7]", () => {
  const { chat, mona, broker } = moderatedChat();
  chat.enter("Ada").sendMessage("spam");
  mona.send({ type: "moderate", code });
  const { sweep } = broker.moderation;
  let isFailing = true;
  Object.assign(broker.moderation, {
    sweep: () => {
      if (isFailing) throw new Error("unreachable");
      return sweep();
    },
  });
  mona.send({ ...ban, deleteMessages: true });
  chat.time.advance(10_000);
  isFailing = false;
  chat.time.advance(2_000);
  assertEquals(
    chat.lines.map(({ event }) => event).filter((event) => /^(sweep|messages)_/.test(event)),
    ["sweep_failed", "sweep_recovered", "messages_swept"],
  );
});

Deno.test("ChatHub.ban() bans a network, and returns how many members share it [B6]", () => {
  const { chat, mona } = moderatedChat();
  mona.send({ type: "moderate", code });
  const enter = (name: string, address = "192.0.2.66") => {
    const client = chat.connect(address);
    return { client, reply: client.hello(name) };
  };
  const trolls = ["Ada", "Bob", "Cid"].map((name) => enter(name).client);
  enter("Local", "127.0.0.1");
  mona.frames();
  const neighbors = (member: string) => only(mona.send({ type: "neighbors", member }), "neighbors");
  assertEquals(neighbors("id-Ada"), { type: "neighbors", member: "id-Ada", others: 2 });
  assertEquals(neighbors("id-Local"), { type: "neighbors", member: "id-Local" });
  const local = { ...ban, member: "id-Local", network: true };
  assertEquals(codesOf(mona.send(local)), ["network_protected"]);
  assertEquals(sanctionsOf(mona, { ...ban, network: true })[0]?.others, 2);
  assertEquals(trolls.map(({ socket }) => socket.closed?.code), [4001, 4001, 4001]);
  assertEquals(codesOf(enter("Dan").reply), ["banned"]);
  assertEquals(codesOf(enter("Eve", "192.0.2.67").reply), []);
});

Deno.test("ChatHub.post() refuses posts from a banned network by a member that is present elsewhere [B6]", () => {
  const { chat, mona } = moderatedChat();
  chat.connect("198.51.100.1").hello("Ada");
  mona.send({ type: "moderate", code });
  mona.send({ ...ban, network: true });
  const zoe = chat.connect("203.0.113.1");
  zoe.hello("Zoe");
  const socket = new FakeSocket();
  chat.hub.post(
    socket,
    { ...zoe.session.peer, address: "198.51.100.1", network: "198.51.100.1" },
    { type: "hello", username: "Zoe", token: tokenOf("Zoe"), rooms: [] },
    { type: "message", room: "lobby", text: "hi", nonce: "n1" },
  );
  chat.time.settle();
  assertEquals(codesOf(socket.frames.flatMap((frame) => JSON.parse(frame))), ["banned"]);
});

Deno.test("ChatHub.lift() ends a sanction, and every action is logged [B8]", () => {
  const { chat, mona } = moderatedChat();
  const ada = chat.enter("Ada");
  mona.send({ type: "moderate", code });
  const [sanction] = sanctionsOf(mona, mute);
  assertEquals(sanctionsOf(mona, { type: "lift", id: sanction?.id }), []);
  assertEquals(codesOf(ada.sendMessage("free")), []);
  assertEquals(codesOf(mona.send({ type: "lift", id: sanction?.id })), ["not_found"]);
  const logged = (event: string) => chat.lines.find((line) => line.event === event)?.fields;
  const action = { by: "id-Mona", moderator: "Mona", member: "id-Ada", name: "Ada" };
  const until = new Date(start + 60_000).toISOString();
  const fieldsOf = (event: string) => JSON.parse(JSON.stringify(logged(event)));
  assertEquals(fieldsOf("member_muted"), { ...action, until });
  assertEquals(fieldsOf("sanction_lifted"), { ...action, until, kind: "mute" });
});

Deno.test("ChatHub.operate() runs the operator's commands if the code is right [B2] [B7]", async () => {
  const { chat, mona } = moderatedChat();
  const peer = mona.session.peer;
  const operate = (command: object, given = code) =>
    chat.hub.operate(peer, given, command as Parameters<typeof chat.hub.operate>[2]);
  for (const text of ["one", "two", "three"]) mona.sendMessage(text);
  const denied = await operate({ type: "sanctions" }, "wrong-code");
  assertEquals(denied.type === "error" && denied.code, "moderator_denied");
  const remove = { type: "delete", room: "lobby", offset: 2, nonce: "d1" };
  assertEquals((await operate(remove)).type, "ack");
  assertEquals(only(mona.pushes(), "delete").member, "operator");
  const gone = await operate({ ...remove, nonce: "d2" });
  assertEquals(gone.type === "error" && gone.code, "not_found");
  await operate({ type: "sweep", member: "id-Mona", seconds: 60 });
  chat.time.advance(1_000);
  assertEquals(only(mona.pushes(), "delete").targets, [1, 3]);
  const rename = await operate({ type: "rename", username: "Eve" });
  assertEquals(rename.type === "error" && rename.code, "forbidden");
});

Deno.test("ChatHub.title() lets moderators remove and lock a title [E5]", () => {
  const { chat, mona } = moderatedChat();
  mona.send({ type: "moderate", code });
  const ada = chat.enter("Ada");
  ada.sendMessage("Hello");
  let nonces = 0;
  const set = (client: TestClient, fields: object) =>
    client.send({ type: "title", room: "lobby", nonce: `t${++nonces}`, ...fields });
  assertEquals(codesOf(set(ada, { text: "" })), ["forbidden"]);
  assertEquals(codesOf(set(ada, { text: "x", locked: true })), ["forbidden"]);
  const push = only(set(mona, { text: "Rules", locked: true }), "title");
  assertEquals([push.text, push.locked], ["Rules", true]);
  assertEquals(codesOf(set(ada, { text: "x" })), ["title_locked"]);
  assertEquals(only(set(mona, { text: "" }), "delete").targets, [push.offset]);
  assertEquals("title" in only(chat.connect().hello("Cy"), "room"), false);
  ada.pushes();
  assertEquals(only(set(ada, { text: "Ours" }), "title").text, "Ours");
});

Deno.test("ChatHub.delete() removes a title from the room and from the pages sent later [E4] [E6]", () => {
  const { chat, mona } = moderatedChat();
  mona.send({ type: "moderate", code });
  const ada = chat.enter("Ada");
  ada.sendMessage("Hello");
  ada.send({ type: "title", room: "lobby", text: "Rude", nonce: "t" });
  assertEquals(only(chat.connect().hello("Ben"), "room").title, "Rude");
  const push = only(mona.send({ type: "delete", room: "lobby", offset: 2, nonce: "d" }), "delete");
  assertEquals([push.targets, push.untitled], [[2], true]);
  const { title, messages } = only(chat.connect().hello("Cy"), "room");
  assertEquals(title, undefined);
  const entry = messages[1];
  const { text, amended, deletedBy } = entry?.type === "title" ? entry : {};
  assertEquals([text, amended, deletedBy], [undefined, 3, "id-Mona"]);
  assertEquals(JSON.stringify(messages).includes("Rude"), false);
});

Deno.test("ChatHub.moderate() gives a reason when it refuses [B2]", () => {
  const { mona } = moderatedChat();
  mona.send({ type: "moderate", code });
  const reason = (command: object) => only(mona.send(command), "error").message;
  assertEquals(reason({ ...ban, member: "id-Mona" }), "You cannot ban yourself");
  assertEquals(reason({ type: "lift", id: 9 }), "No mute or ban with this ID is in force");
});
