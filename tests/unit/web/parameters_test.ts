// The query parameters of every address: an unreadable value is refused, never ignored.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { request, startRoomSite, storeMessages } from "../../support/room_site.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";

const integers = ["", "0", "-1", "x", "1.5", "1e2", "0x1", " 1", "1 ", "1,2", "9".repeat(17)];
const positions = ["", "x", "1", "e:", ":1", "e:-1", "e:1:2", "e:x", "é:1", `e:${"9".repeat(16)}`];
const cursors = ["", "0", "-1", "x", "1.5", "1_2", "1e2", "9".repeat(16), "?", "1 OR 1=1"];
const rooms = ["", "B", "a b", "-a", "ä", "a".repeat(60)];
const queries = ["", " ", "***", "x".repeat(201), "in:Ä x", '""'];

/** Unreadable values by method, address and parameter. */
const invalid: readonly (readonly [string, string, string, readonly string[]])[] = [
  ["GET", "/r/tea?", "limit", [...integers, "101"]],
  ["GET", "/r/tea?after=e:1&", "limit", [...integers, "101"]],
  ["GET", "/r/tea?", "before", integers],
  ["GET", "/r/tea?", "after", positions],
  ["GET", "/search?q=word&", "before", cursors],
  ["GET", "/search?q=word&room=tea&", "before", cursors],
  ["GET", "/search?q=word&", "room", rooms],
  ["GET", "/search?", "q", queries],
  ["POST", "/moderate?", "command", ["", "x", "[]", "{}", '{"type":1}']],
];

Deno.test("serveWeb() refuses unreadable parameters, and names each with its rule [H5]", async () => {
  const broker = new SqliteBroker({ ...optionsFor(":memory:"), search: true });
  await using site = await startRoomSite({ ports: { broker } });
  const check = async (path: string, field: string, init: RequestInit, rule: string) => {
    const { status, headers, json } = await request(site, path, init);
    assertEquals([status, json?.field], [422, field], path);
    assertEquals(headers.get("content-type"), "application/problem+json", path);
    assertStringIncludes(json.detail, field);
    assertStringIncludes(json.detail, rule);
  };
  for (const [method, path, name, values] of invalid) {
    for (const value of values) {
      await check(`${path}${name}=${encodeURIComponent(value)}`, name, { method }, "must");
    }
    const twice = `${path.replace(/\b(\w+)=[^&]*&/, "")}${name}=1&${name}=1`;
    await check(twice, name, { method }, "only once");
  }
  await check("/r/tea?after=e:1&before=1", "after", {}, "without before");
  const stream = { accept: "text/event-stream" };
  for (const value of positions) {
    const query = encodeURIComponent(value);
    await check(`/r/tea?after=${query}`, "after", { headers: stream }, "must");
    if (!/^[\x20-\x7e]+$/.test(value)) continue;
    const headers = { ...stream, "last-event-id": value };
    await check("/r/tea", "Last-Event-ID", { headers }, "must");
  }
});

Deno.test("serveWeb() refuses to continue a scan where an index search ended [F4] [F9]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "word");
  const { status, json } = await request(site, "/search?q=word&before=9");
  assertEquals([status, json.code, json.field], [422, "field_invalid", "before"]);
  assertEquals((await request(site, "/search?q=word&before=9999999999999_9")).status, 200);
});
