// Rooms over HTTP: pages, JSON and text.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { ReadQuery } from "../../../app/chat/broker.ts";
import { matcherOf } from "../../../app/core/identity.ts";
import { request, startRoomSite, storeMessages } from "../../support/room_site.ts";

const text = { headers: { accept: "text/plain" } };

Deno.test("a room is a page, JSON or text, whichever the client prefers [H1]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "Hello");
  for (const path of ["/r/tea", "/r/tea/1"]) {
    for (
      const [accept, type] of [
        ["*/*", "application/json"],
        ["application/json", "application/json"],
        ["", "application/json"],
        ["text/plain", "text/plain; charset=utf-8"],
        ['text/plain;charset="UTF-8"', "text/plain; charset=utf-8"],
        ["application/json; charset=utf-8; q=0.9, text/plain;q=0.1", "application/json"],
        ["text/html", "text/html; charset=utf-8"],
        [
          "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
          "text/html; charset=utf-8",
        ],
        ["text/html;q=0.5, application/json", "application/json"],
        ["application/json;q=0, */*", "text/plain; charset=utf-8"],
        ["text/*;q=0.1, text/html;q=0", "text/plain; charset=utf-8"],
        ["APPLICATION/JSON", "application/json"],
        ["image/png, application/*;q=0.1", "application/json"],
        [`text/html, ${"a/b, ".repeat(300)}c/d`, "application/json"],
      ] as const
    ) {
      const { status, headers } = await request(site, path, { headers: { accept } });
      assertEquals([status, headers.get("content-type")], [200, type], `${path} ${accept}`);
      assertStringIncludes(headers.get("vary") ?? "", "Accept", accept);
    }
    for (
      const accept of ["image/png", "*/*;q=0", "application/json;q=0", ";;;,,,", "text", "a/b/c"]
    ) {
      const { status, json } = await request(site, path, { headers: { accept } });
      assertEquals([status, json.code, json.field], [406, "not_acceptable", "Accept"], accept);
    }
  }
});

Deno.test("a page has the newest entries, and links to older ones [H2]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one", "two", "three");
  const { json, headers } = await request(site, "/r/tea?limit=2");
  const { messages, ...page } = json;
  assertEquals(page, { room: "tea", first: 1, head: 3, position: "epoch1:3" });
  assertEquals(messages.map(({ text }: { text: string }) => text), ["two", "three"]);
  assertEquals(messages[0].epoch, "epoch1");
  assertEquals(headers.get("link"), '<?before=2&limit=2>; rel="next"');
  assertEquals(headers.get("cache-control"), "no-store");
  const older = await request(site, "/r/tea?before=2&limit=2");
  assertEquals(older.json.messages.length, 1);
  assertEquals(older.json.position, "epoch1:1");
  assertEquals(older.headers.get("link"), null);
  const none = await request(site, "/r/empty");
  assertEquals(none.json, { room: "empty", first: 1, head: 0, position: "epoch1:0", messages: [] });
});

Deno.test("a page after a position has the entries that follow, and reports missing ones [H3]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one", "two", "three");
  const first = await request(site, "/r/tea?after=epoch1:0&limit=2");
  assertEquals([first.json.recovered, first.json.position], [true, "epoch1:2"]);
  assertEquals(first.headers.get("link"), '<?after=epoch1:2&limit=2>; rel="next"');
  const last = await request(site, "/r/tea?after=epoch1:2&limit=2");
  assertEquals([last.json.messages.length, last.headers.get("link")], [1, null]);
  const end = await request(site, "/r/tea?after=epoch1:3");
  assertEquals([end.json.messages, end.json.position], [[], "epoch1:3"]);
  const unknown = await request(site, "/r/tea?after=other:2");
  assertEquals([unknown.json.recovered, unknown.json.messages.length], [false, 3]);
  site.broker.pruneBefore("tea", 3);
  const pruned = await request(site, "/r/tea?after=epoch1:1");
  assertEquals([pruned.json.recovered, pruned.json.missed], [false, 1]);
  assertEquals(pruned.json.messages.map(({ offset }: { offset: number }) => offset), [3]);
});

Deno.test("a page's ETag changes with the room, and an unchanged page gets 304 [H4]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one");
  for (const path of ["/r/tea", "/r/tea/1"]) {
    const { headers } = await request(site, path);
    const etag = headers.get("etag") ?? "";
    const init = { headers: { "if-none-match": `"other", ${etag}` } };
    const same = await request(site, path, init);
    assertEquals([same.status, same.text, same.headers.get("etag")], [304, "", etag]);
    assert((await request(site, path, text)).headers.get("etag") !== etag);
    await site.broker.append([{
      type: "edit",
      room: "tea",
      member: "ada",
      from: "Ada",
      target: 1,
      text: `edited at ${path}`,
      nonce: path.replaceAll("/", ""),
    }]);
    assertEquals((await request(site, path, init)).status, 200);
  }
});

Deno.test("HEAD has the headers of GET and no body [H4]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one");
  for (const path of ["/r/tea", "/r/tea/1"]) {
    const get = await request(site, path);
    const head = await request(site, path, { method: "HEAD" });
    assertEquals([head.status, head.text], [200, ""]);
    for (const name of ["content-type", "content-length", "etag", "vary", "cache-control"]) {
      assertEquals(head.headers.get(name), get.headers.get(name), name);
    }
  }
});

Deno.test("text pages are lines that no message can imitate [H2]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one\n1970-01-01 00:00:01 Ben: two", "three");
  await site.broker.append([{
    type: "delete",
    room: "tea",
    member: "ada",
    from: "Ada",
    targets: [2],
    nonce: "d",
  }]);
  const { text: lines } = await request(site, "/r/tea", text);
  assertEquals(
    lines,
    "1970-01-01 00:00:01 Ada: one\n    1970-01-01 00:00:01 Ben: two\n" +
      "1970-01-01 00:00:01 Ada deleted this message\n",
  );
});

Deno.test("an entry has an address [H1]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one", "two");
  const { json } = await request(site, "/r/tea/2");
  assertEquals([json.type, json.offset, json.text], ["message", 2, "two"]);
  assertMatch((await request(site, "/r/tea/2", text)).text, /^1970-\S+ \S+ Ada: two\n$/);
  for (
    const path of ["/r/tea/3", "/r/tea/0", "/r/tea/01", "/r/tea/x", `/r/tea/${"9".repeat(16)}`]
  ) {
    assertEquals((await request(site, path)).status, 404, path);
  }
});

Deno.test("an invalid parameter gets 422 with its name and its rule [H5]", async () => {
  await using site = await startRoomSite();
  for (
    const [query, field] of [
      ["limit=0", "limit"],
      ["limit=101", "limit"],
      ["limit=x", "limit"],
      ["before=0", "before"],
      ["before=1.5", "before"],
      ["before=99999999999999999", "before"],
      ["after=epoch1", "after"],
      ["after=epoch1:x", "after"],
      ["after=e+1:1", "after"],
      ["after=epoch1:1&before=2", "after"],
      ["after=epoch1:1&after=epoch1:1", "after"],
      ["limit=", "limit"],
      ["limit=-1", "limit"],
      ["limit=%2B1", "limit"],
      ["limit=1&limit=1", "limit"],
      ["before=3&before=x", "before"],
      ["after=", "after"],
      ["after=epoch1:-1", "after"],
      [`after=${"e".repeat(37)}:1`, "after"],
      ["after=epoch1:9999999999999999", "after"],
    ]
  ) {
    const { status, json, headers } = await request(site, `/r/tea?${query}`);
    assertEquals([status, json.code, json.field], [422, "field_invalid", field], query);
    assertStringIncludes(json.detail, `${field} must be`);
    assertEquals(headers.get("content-type"), "application/problem+json");
  }
});

Deno.test("reading needs the access code, counts guesses, and is charged to the address [H6]", async () => {
  const ports = { access: matcherOf("sesame") };
  await using site = await startRoomSite({ ports });
  await storeMessages(site, "tea", "one");
  const read = (code?: string, path = "/r/tea") =>
    request(site, path, { headers: code === undefined ? {} : { "parley-access-code": code } });
  for (const path of ["/r/tea", "/r/tea/1"]) {
    const missing = await read(undefined, path);
    assertEquals([missing.status, missing.json.code], [401, "access_required"]);
    assertEquals(missing.headers.get("www-authenticate"), "Parley-Access-Code");
    assertEquals(missing.json.field, "Parley-Access-Code");
    assertEquals((await read("wrong", path)).json.code, "access_denied");
    assertEquals((await read("sesame", path)).status, 200);
  }
  let status = 0;
  for (let i = 0; i < 200 && status !== 429; i++) status = (await read("wrong")).status;
  const locked = await read("sesame");
  assertEquals([locked.status, locked.json.code], [429, "access_locked"]);
  assert(Number(locked.headers.get("retry-after")) > 0);
});

Deno.test("a reader that uses up its quota gets 429 with Retry-After [H6]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", ..."x".repeat(60).split("").map((x) => x.repeat(4_000)));
  let last = await request(site, "/r/tea");
  for (let i = 0; i < 200 && last.status === 200; i++) last = await request(site, "/r/tea");
  assertEquals([last.status, last.json.code], [429, "rate_limited"]);
  assert(Number(last.headers.get("retry-after")) > 0);
});

Deno.test("a room that cannot be read gets 503 with Retry-After [H6]", async () => {
  await using site = await startRoomSite();
  site.broker.isFailing = true;
  for (const path of ["/r/tea", "/r/tea/1"]) {
    const { status, json, headers } = await request(site, path);
    assertEquals([status, json.code, headers.get("retry-after")], [
      503,
      "storage_unavailable",
      "5",
    ]);
  }
});

Deno.test("an ETag changes with retention, a lost position, and the text of an edit [H4]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one", "two", "three");
  const author = { room: "tea", member: "someone", from: "Someone" };
  const edit = (text: string) =>
    site.broker.append([{ type: "edit", ...author, target: 4, text, nonce: text }]);
  const tagOf = async (path: string) => (await request(site, path)).headers.get("etag");
  site.broker.append([{ type: "message", ...author, text: "four", nonce: "n4" }]);
  edit("first");
  const first = await tagOf("/r/tea/5");
  edit("second");
  assert(await tagOf("/r/tea/5") !== first);
  const page = await tagOf("/r/tea");
  assert(await tagOf("/r/tea?after=unknown:1") !== page);
  site.broker.pruneBefore("tea", 3);
  assert(await tagOf("/r/tea") !== page);
});

Deno.test("reading a room over HTTP keeps none of it in memory [H3]", async () => {
  await using site = await startRoomSite();
  await storeMessages(site, "tea", "one");
  const read = site.broker.read.bind(site.broker);
  const queries: ReadQuery[] = [];
  site.broker.read = (room, query) => {
    queries.push(query);
    return read(room, query);
  };
  for (const path of ["/r/tea", "/r/tea?after=unknown:1", "/r/tea/1"]) await request(site, path);
  // A broker reports all later entries of a room once its end was read with Infinity.
  assert(
    queries.length === 4 &&
      queries.every((query) => !("before" in query) || query.before < Infinity),
  );
});
