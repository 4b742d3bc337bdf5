// Moderation over HTTP: `POST /moderate` with a moderator's credentials.

import { assert, assertEquals } from "@std/assert";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { matcherOf, memberOf } from "../../../app/core/identity.ts";
import { request, startRoomSite } from "../../support/room_site.ts";
import type { RoomSite, RoomSiteOptions } from "../../support/room_site.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";

const token = (name: string) => name.padEnd(43, "-");
const credentials = (name: string) => ({
  authorization: `Basic ${btoa(`${name}:${token(name)}`)}`,
});
const code = "keep-the-peace";

/** Starts a server on a broker that keeps sanctions. */
async function startModeratedSite(options: RoomSiteOptions = {}) {
  const broker = new SqliteBroker({ ...optionsFor(":memory:"), moderatorMac: (id) => id });
  const site = await startRoomSite({
    ...options,
    ports: { broker, moderatorAccess: matcherOf(code), ...options.ports },
  });
  const dispose = async () => {
    await site[Symbol.asyncDispose]();
    broker.close();
  };
  return { ...site, [Symbol.asyncDispose]: dispose };
}

function moderate(
  site: RoomSite,
  command: unknown,
  name = "Mona",
  headers: Record<string, string> = {},
) {
  const body = typeof command === "string" ? command : JSON.stringify(command);
  const init = { method: "POST", body, headers: { ...credentials(name), ...headers } };
  return request(site, "/moderate", init);
}

function post(site: RoomSite, name: string, body: string) {
  const init = { method: "POST", body, headers: credentials(name) };
  return request(site, "/r/lobby", init);
}

Deno.test("POST /moderate lets a moderator mute, ban, list, lift and sweep [H16] [B2] [B8]", async () => {
  await using site = await startModeratedSite();
  const troll = memberOf(token("Troll"));
  await post(site, "Troll", "spam");
  assertEquals((await moderate(site, { type: "moderate", code })).status, 204);
  const muted = await moderate(site, { type: "mute", member: troll, seconds: 60 });
  assertEquals(muted.status, 200);
  const [{ id, kind, username, by }] = muted.json.sanctions;
  assertEquals([kind, username, by], ["mute", "Troll", "Mona"]);
  assertEquals((await post(site, "Troll", "more")).json.code, "muted");
  const listed = await moderate(site, { type: "sanctions" });
  assertEquals(listed.json, muted.json);
  assertEquals((await moderate(site, { type: "lift", id })).json, { sanctions: [] });
  assertEquals((await moderate(site, { type: "lift", id })).status, 404);
  assertEquals((await post(site, "Troll", "again")).status, 201);
  const neighbors = await moderate(site, { type: "neighbors", member: troll });
  assertEquals(neighbors.json, { member: troll });
  const ban = { type: "ban", member: troll, seconds: 60, deleteMessages: true };
  assertEquals((await moderate(site, ban)).json.sanctions[0].kind, "ban");
  assertEquals((await post(site, "Troll", "back")).json.code, "banned");
  assertEquals((await moderate(site, { type: "sweep", member: troll, seconds: 9 })).status, 200);
  assertEquals(
    site.events.filter((event) => /^(member|sanction|sweep|moderator)_/.test(event)),
    ["moderator_appointed", "member_muted", "sanction_lifted", "member_banned", "sweep_started"],
  );
  assertEquals([site.errors, site.hub.size.sessions], [[], 0]);
});

Deno.test("POST /moderate refuses other members, and wrong codes [H16] [B1] [B2]", async () => {
  await using site = await startModeratedSite();
  const member = memberOf(token("Ada"));
  for (
    const command of [
      { type: "sanctions" },
      { type: "mute", member, seconds: 60 },
      { type: "ban", member, seconds: 60 },
      { type: "lift", id: 1 },
    ]
  ) {
    const { status, json } = await moderate(site, command, "Eve");
    assertEquals([status, json.code], [403, "forbidden"]);
  }
  const wrong = await moderate(site, { type: "moderate", code: "guess" }, "Eve");
  assertEquals([wrong.status, wrong.json.code], [401, "moderator_denied"]);
  const headers = { "content-type": "application/json" };
  const anonymous = { method: "POST", body: '{"type":"sanctions"}', headers };
  const { status, json } = await request(site, "/moderate", anonymous);
  assertEquals([status, json.code], [401, "credentials_required"]);
  const foreign = { origin: "https://evil.example" };
  assertEquals((await moderate(site, { type: "sanctions" }, "Mona", foreign)).status, 403);
  const crossSite = { "sec-fetch-site": "cross-site" };
  assertEquals((await moderate(site, { type: "sanctions" }, "Mona", crossSite)).status, 403);
});

Deno.test("POST /moderate limits wrong codes [H16] [B1]", async () => {
  await using site = await startModeratedSite();
  const codes: string[] = [];
  for (let i = 0; i < 200 && codes.at(-1) !== "moderator_locked"; i++) {
    codes.push((await moderate(site, { type: "moderate", code: `guess${i}` })).json.code);
  }
  assertEquals(codes.at(-1), "moderator_locked");
  const locked = await moderate(site, { type: "moderate", code });
  assertEquals(locked.status, 429);
  assert(Number(locked.headers.get("retry-after")) > 0);
});

Deno.test("POST /moderate refuses other commands with a problem [H16] [H5]", async () => {
  await using site = await startModeratedSite();
  await moderate(site, { type: "moderate", code });
  const member = memberOf(token("Ada"));
  const cases: readonly (readonly [unknown, string])[] = [
    ["not JSON", "body"],
    ["[]", "body"],
    ["[".repeat(30_000), "body"],
    [{ type: 7 }, "body"],
    [{ type: "dance" }, "body"],
    [{ type: "pong" }, "body"],
    [{ type: "hello", rooms: [] }, "body"],
    [{ type: "message", room: "lobby", text: "x", nonce: "n" }, "body"],
    [{ type: "mute", member, seconds: 0 }, "seconds"],
    [{ type: "mute", member: "not an id", seconds: 1 }, "member"],
    [{ type: "lift", id: "1" }, "id"],
    [{ status: 200, type: "lift" }, "id"],
  ];
  for (const [command, field] of cases) {
    const { status, json } = await moderate(site, command);
    assertEquals([status, json.code, json.field], [422, "field_invalid", field], `${command}`);
  }
  const network = { type: "ban", member, seconds: 1, network: true };
  assertEquals((await moderate(site, network)).json.code, "network_protected");
  const own = { type: "ban", member: memberOf(token("Mona")), seconds: 1 };
  assertEquals((await moderate(site, own)).json.code, "forbidden");
});

Deno.test("POST /moderate is refused while the server drains [H16] [H12]", async () => {
  await using site = await startModeratedSite();
  await moderate(site, { type: "moderate", code });
  const drained = site.hub.drain();
  const { status, json } = await moderate(site, { type: "sanctions" });
  assertEquals([status, json.code], [503, "draining"]);
  await drained;
});

Deno.test("a network ban refuses newcomers' posts from that network, but no reads [H16] [B6]", async () => {
  await using site = await startModeratedSite({ web: { trustProxy: 1 } });
  const at = (address: string, name: string, path: string, body?: string) => {
    const headers = { ...credentials(name), "x-forwarded-for": address };
    const init = body === undefined ? { headers } : { method: "POST", body, headers };
    return request(site, path, init);
  };
  const [trollAddress, otherAddress] = ["203.0.113.66", "198.51.100.9"];
  await at(trollAddress, "Troll", "/r/lobby", "spam");
  const command = (fields: object) => at(otherAddress, "Mona", "/moderate", JSON.stringify(fields));
  await command({ type: "moderate", code });
  const member = memberOf(token("Troll"));
  const order = { type: "ban", member, seconds: 60, network: true };
  assertEquals((await command(order)).json.sanctions[0].others, 0);
  for (const name of ["Troll", "Newcomer"]) {
    assertEquals((await at(trollAddress, name, "/r/lobby", "x")).json.code, "banned", name);
  }
  assertEquals((await at(otherAddress, "Newcomer", "/r/lobby", "y")).status, 201);
  assertEquals((await at(trollAddress, "Troll", "/r/lobby")).json.messages.length, 2);
});

Deno.test("a foreign page cannot moderate, even with cached credentials [H7] [H16]", async () => {
  await using site = await startModeratedSite();
  assertEquals((await moderate(site, { type: "moderate", code })).status, 204);
  for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }]) {
    const typed = await moderate(site, { type: "sanctions" }, "Mona", headers);
    assertEquals([typed.status, typed.json.code], [403, "origin_denied"]);
    const path = `/moderate?command=${encodeURIComponent('{"type":"sanctions"}')}`;
    const authorization = `Bearer ${code}`;
    const init = { method: "POST", headers: { authorization, ...headers } };
    assertEquals((await request(site, path, init)).status, 403);
  }
});
