// A troll with 20 connections from one address, against a moderator and a server that is killed.

import { assert, assertEquals } from "@std/assert";
import type { Push } from "../../app/protocol/wire.ts";
import { ChatClient } from "../support/chat_client.ts";
import { ServerProcess } from "../support/server_process.ts";

const root = new URL("../../", import.meta.url).pathname;
const env = { MODERATOR_CODE: "keep-the-peace", TRUST_PROXY: "1" };
const trollAddress = "203.0.113.66";
const connections = 20;
const messagesEach = 5;
/** Max time until the moderator's command takes effect. */
const maxMs = 5_000;

/** Connects as a client that a trusted proxy reports at an address. */
function from(address: string) {
  return (url: URL) => new WebSocket(url, { headers: { "x-forwarded-for": address } });
}

function isType<T extends Push["type"]>(type: T) {
  return (push: Push) => push.type === type;
}

/** Runs `parley moderate` with a server's settings. */
async function shell(port: number, ...words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "-A", `${root}main.ts`, "moderate", ...words],
    env: { ...env, HOST: "127.0.0.1", PORT: String(port) },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

let readers = 0;

/** Returns the texts of a room as a newcomer sees it. */
async function textsIn(url: string, room: string): Promise<readonly (string | undefined)[]> {
  const username = `Reader${++readers}x`;
  const reader = new ChatClient(url, username, { room, dial: from("198.51.100.9") });
  await reader.joined();
  const texts = reader.messages.map(({ text }) => text);
  await reader.close();
  return texts;
}

Deno.test("main.ts bans a troll with 20 connections, deletes its messages, and resumes after kill -9 [B6] [B7]", async () => {
  const dir = await Deno.makeTempDir();
  let server = await ServerProcess.start(dir, { env });
  const rooms = ["lobby", "garden"];
  const regular = new ChatClient(server.url, "Regular", { dial: from("198.51.100.2") });
  await regular.joined();
  await regular.sendMessage("Good morning");
  const trolls = Array.from({ length: connections }, (_, i) => {
    const room = rooms[i % rooms.length] ?? "";
    return new ChatClient(server.url, `Troll${i}x`, { room, dial: from(trollAddress) });
  });
  await Promise.all(trolls.map((troll) => troll.joined()));
  for (let i = 0; i < messagesEach; i++) {
    await Promise.all(trolls.map((troll) => troll.sendMessage("spam spam spam")));
  }
  const mona = new ChatClient(server.url, "Mona", { dial: from("198.51.100.1") });
  await mona.joined();
  mona.send({ type: "moderate", code: env.MODERATOR_CODE });
  await mona.waitFor(isType("moderator"));
  const troll = mona.messages.find(({ text }) => text?.startsWith("spam"))?.member ?? "";
  mona.send({ type: "neighbors", member: troll });
  const neighbors = await mona.waitFor(isType("neighbors"));
  assertEquals(neighbors, { type: "neighbors", member: troll, others: connections - 1 });

  const startedAt = performance.now();
  mona.send({ type: "ban", member: troll, seconds: 3_600, deleteMessages: true, network: true });
  const codes = await Promise.all(trolls.map(({ closed }) => closed));
  const closedMs = performance.now() - startedAt;
  assertEquals(new Set(codes), new Set([4001]));
  const expected = connections * messagesEach / rooms.length;
  let deleted = 0;
  for (let since = 0; deleted < expected;) {
    const push = await regular.waitFor(isType("delete"), since);
    since = regular.pushes.indexOf(push) + 1;
    if (push.type === "delete") deleted += push.targets.length;
  }
  const deletedMs = performance.now() - startedAt;
  assert(deletedMs < maxMs, `closed after ${closedMs} ms, deleted after ${deletedMs} ms`);
  const back = new ChatClient(server.url, "Newcomer", { dial: from(trollAddress) });
  const refusal = await back.waitFor(isType("error"));
  assertEquals(refusal.type === "error" && refusal.code, "banned");
  await back.close();

  // A member whose sweep is pending when the server is killed.
  const spammer = new ChatClient(server.url, "Spammer", { dial: from("198.51.100.3") });
  await spammer.joined();
  await spammer.sendMessage("buy now");
  const member = spammer.messages.at(-1)?.member ?? "";
  mona.send({ type: "ban", member, seconds: 3_600, deleteMessages: true });
  assertEquals(await spammer.closed, 4001);
  await server.end("SIGKILL");
  await Promise.all([regular.closed, mona.closed]);
  server = await ServerProcess.start(dir, { env });
  const again = new ChatClient(server.url, "Spammer", { token: spammer.token });
  const banned = await again.waitFor(isType("error"));
  assertEquals(banned.type === "error" && banned.code, "banned");
  await again.close();
  while ((await textsIn(server.url, "lobby")).includes("buy now"));
  assertEquals(new Set(await textsIn(server.url, "garden")), new Set([undefined]));

  const list = await shell(server.port, "list");
  const [, id = ""] = /^(\d+) {2}ban .*19 more/m.exec(list) ?? [];
  assert(/^\d+ {2}ban {2}Spammer /m.test(list), list);
  assertEquals(await shell(server.port, "delete", "lobby", "1"), "Done\n");
  assertEquals(new Set(await textsIn(server.url, "lobby")), new Set([undefined]));
  assert(!(await shell(server.port, "lift", id)).includes("more"));
  const lifted = new ChatClient(server.url, "Newcomer", { dial: from(trollAddress) });
  await lifted.joined();
  await lifted.close();
  await server.end();
  const log = await Deno.readTextFile(`${dir}/logs/websocket.log`);
  for (const event of ["moderator_appointed", "member_banned", "sanction_lifted"]) {
    assert(log.includes(`event=${event}`), event);
  }
  assert(!log.includes(env.MODERATOR_CODE));
  await Deno.remove(dir, { recursive: true });
});
