// Messages sent, edited and deleted over HTTP.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { matcherOf, memberOf } from "../../../app/core/identity.ts";
import { request, startRoomSite, storeMessages } from "../../support/room_site.ts";
import type { RoomSite } from "../../support/room_site.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";
import { rawRequest, testAssets } from "../../support/web_harness.ts";
import { withDeadline } from "../../support/waiting.ts";

const token = (name: string) => name.padEnd(43, "-");

/** Returns the header of Basic credentials. */
function basic(name: string, secret = token(name)): Record<string, string> {
  const bytes = new TextEncoder().encode(`${name}:${secret}`);
  return { authorization: `Basic ${bytes.toBase64()}` };
}

function post(
  site: RoomSite,
  body: BodyInit | null,
  headers: Record<string, string> = {},
  path = "/r/builds",
) {
  const method = "POST";
  return request(site, path, { method, body, headers: { ...basic("ci"), ...headers } });
}

Deno.test("POST stores a message, whatever type curl gives its body [H8]", async () => {
  await using site = await startRoomSite();
  const type = "application/x-www-form-urlencoded";
  const first = await post(site, "Build 42 is green & 100 %", { "content-type": type });
  assertEquals(first.status, 201);
  assertEquals(first.headers.get("location"), "/r/builds/1");
  const { at, nonce, ...entry } = first.json;
  assertMatch(nonce, /^[a-f0-9-]{36}$/);
  assertEquals(at, 1_000);
  assertEquals(entry, {
    type: "message",
    room: "builds",
    offset: 1,
    epoch: "epoch1",
    member: memberOf(token("ci")),
    from: "ci",
    text: "Build 42 is green & 100 %",
  });
  const json = JSON.stringify({ text: "An answer", reply: 1 });
  const second = await post(site, json, { "content-type": "application/json; charset=utf-8" });
  assertEquals([second.status, second.json.reply, second.json.text], [201, 1, "An answer"]);
  const third = await post(site, json, { "content-type": "application/json-seq" });
  assertEquals(third.json.text, json);
  assertEquals((await request(site, third.headers.get("location") ?? "")).json, third.json);
});

Deno.test("a private room accepts and returns sealed texts unchanged [S1] [S2] [H11]", async () => {
  await using site = await startRoomSite();
  const sealed = `AQ${"s".repeat(166)}`;
  assertEquals((await post(site, sealed, {}, "/r/p-family")).status, 201);
  const plain = await post(site, "Good morning", {}, "/r/p-family");
  const { code, field } = plain.json;
  assertEquals([plain.status, code, field], [422, "not_sealed", "text"]);
  const method = "PATCH";
  const init = { method, body: "Good morning", headers: basic("ci") };
  assertEquals((await request(site, "/r/p-family/1", init)).json.code, "not_sealed");
  const page = await request(site, "/r/p-family");
  assertEquals([page.json.messages.length, page.json.messages[0].text], [1, sealed]);
  const lines = await request(site, "/r/p-family", { headers: { accept: "text/plain" } });
  assert(lines.text.trimEnd().endsWith(sealed));
});

Deno.test("a repeated Idempotency-Key gets the first result [H9]", async () => {
  await using site = await startRoomSite();
  for (const key of ["build-42", '"build-42"']) {
    const { status, headers, json } = await post(site, "Build 42\r\n", { "idempotency-key": key });
    assertEquals([status, headers.get("location")], [201, "/r/builds/1"]);
    assertEquals([json.text, json.nonce], ["Build 42", "build-42"]);
  }
  const invalid = await post(site, "x", { "idempotency-key": "not a nonce" });
  assertEquals([invalid.status, invalid.json.field], [422, "Idempotency-Key"]);
  assertEquals((await request(site, "/r/builds")).json.head, 1);
});

Deno.test("an Idempotency-Key of another request is refused, and nothing changes [H9]", async () => {
  await using site = await startRoomSite({ settings: { ratePerSecond: 0 } });
  const send = async (method: string, path: string, body: string | null, key: string) => {
    const headers = { ...basic("ci"), "idempotency-key": key };
    const { status, json } = await request(site, path, { method, body, headers });
    return status < 400 ? status : [status, json.code, json.field];
  };
  const reused = [422, "nonce_reused", "Idempotency-Key"];
  await post(site, "first", { "idempotency-key": "message" });
  await post(site, "second");
  assertEquals(await send("PATCH", "/r/builds/1", "edited", "edit"), 200);
  for (
    const [method, path, body, key] of [
      ["PATCH", "/r/builds/1", "again", "edit"],
      ["PATCH", "/r/builds/2", "edited", "edit"],
      ["PATCH", "/r/builds/1", "edited", "message"],
      ["DELETE", "/r/builds/1", null, "message"],
      ["DELETE", "/r/builds/1", null, "edit"],
      ["POST", "/r/builds", "edited", "edit"],
    ] as const
  ) assertEquals(await send(method, path, body, key), reused, `${method} ${path} ${key}`);
  // A repeat of an edit that another one has replaced since.
  assertEquals(await send("PATCH", "/r/builds/1", "newer", "edit-2"), 200);
  assertEquals(await send("PATCH", "/r/builds/1", "edited", "edit"), 200);
  const other = JSON.stringify({ text: "second", reply: 1 });
  assertEquals((await post(site, "second", { "idempotency-key": "n" })).status, 201);
  assertEquals((await post(site, "another", { "idempotency-key": "n" })).json.code, "nonce_reused");
  const json = { "content-type": "application/json", "idempotency-key": "n" };
  assertEquals((await post(site, other, json)).json.code, "nonce_reused");
  // Keys are separate for each room, and a repeat succeeds even if the message was edited since.
  assertEquals(await send("POST", "/r/other", "another", "n"), 201);
  assertEquals(await send("POST", "/r/builds", "first", "message"), 201);
  assertEquals(await send("DELETE", "/r/builds/2", null, "delete"), 204);
  assertEquals(await send("DELETE", "/r/builds/2", null, "delete"), 204);
  assertEquals(await send("DELETE", "/r/builds/1", null, "delete"), reused);
  assertEquals((await request(site, "/r/builds")).json.head, 6);
});

Deno.test("POST responds after the commit [H8] [M5]", async () => {
  await using site = await startRoomSite();
  const gate = Promise.withResolvers<void>();
  const { broker } = site;
  const append = broker.append.bind(broker);
  broker.append = async (drafts) => {
    await gate.promise;
    return append(drafts);
  };
  let isDone = false;
  const response = post(site, "Hello").finally(() => isDone = true);
  // Later requests on other connections are served meanwhile.
  for (let i = 0; i < 3; i++) await request(site, "/healthz");
  assertEquals(isDone, false);
  gate.resolve();
  assertEquals((await withDeadline("the response", response)).status, 201);
});

Deno.test("PATCH edits and DELETE deletes a message of the author [H8]", async () => {
  await using site = await startRoomSite();
  await post(site, "Bild 42");
  const send = (method: string, body: string | null, name = "ci", path = "/r/builds/1") =>
    request(site, path, { method, body, headers: { ...basic(name), "idempotency-key": method } });
  const edited = await send("PATCH", "Build 42");
  assertEquals([edited.status, edited.json.text, edited.json.offset], [200, "Build 42", 1]);
  assertEquals(edited.json.amended, 2);
  const foreign = await send("DELETE", null, "eve");
  assertEquals([foreign.status, foreign.json.code], [403, "forbidden"]);
  const missing = await send("PATCH", "x", "eve", "/r/builds/9");
  assertEquals([missing.status, missing.json.code], [404, "not_found"]);
  for (let i = 0; i < 2; i++) assertEquals((await send("DELETE", null)).status, 204);
  const deleted = await request(site, "/r/builds/1");
  assertEquals([deleted.json.text, deleted.json.deletedBy], [undefined, memberOf(token("ci"))]);
});

Deno.test("Bearer writes as the holder of a name, and only then [H10]", async () => {
  await using site = await startRoomSite();
  const bearer = { authorization: `Bearer ${token("ci")}` };
  const early = await post(site, "x", bearer);
  assertEquals([early.status, early.json.code, early.json.field], [
    401,
    "username_empty",
    "Authorization",
  ]);
  assertEquals((await post(site, "x")).status, 201);
  const { status, json } = await post(site, "y", bearer);
  assertEquals([status, json.from], [201, "ci"]);
  const renamed = await post(site, "z", basic("other", token("ci")));
  assertEquals(renamed.json.from, "ci");
});

Deno.test("credentials that are missing or malformed get 401 with a challenge [H10]", async () => {
  await using site = await startRoomSite();
  for (
    const authorization of [
      "",
      "Basic",
      "Basic !!!",
      `Basic ${btoa("noColon")}`,
      `Basic ${btoa(`Zo\xeb:${token("ci")}`)}`,
      `${basic("ci").authorization} x`,
      `Bearer ${token("ci")}, ${basic("ci").authorization}`,
      "Bearer",
      "Digest a=b",
      "x",
    ]
  ) {
    for (
      const [method, path] of [
        ["POST", "/r/builds"],
        ["PATCH", "/r/builds/1"],
        ["DELETE", "/r/builds/1"],
      ] as const
    ) {
      const body = method === "DELETE" ? null : "x";
      const headers = { authorization };
      const { status, headers: received, json } = await request(site, path, {
        method,
        body,
        headers,
      });
      assertEquals([status, json.code], [401, "credentials_required"], authorization);
      assertStringIncludes(received.get("www-authenticate") ?? "", "Basic realm=");
    }
  }
  for (const secret of ["short", `a:${token("ci")}`, `${token("ci")}=`, ""]) {
    const { status, json, headers } = await post(site, "x", basic("ci", secret));
    assertEquals([status, json.code, json.field], [401, "token_invalid", "Authorization"], secret);
    assertStringIncludes(headers.get("www-authenticate") ?? "", "Basic realm=");
  }
  assertEquals(site.broker.appends, []);
});

Deno.test("credentials may have any case, padding and script; an empty name counts as none [H10]", async () => {
  await using site = await startRoomSite();
  const { authorization = "" } = basic("ci");
  for (
    const [header, from] of [
      [authorization, "ci"],
      [authorization.replace("Basic ", "BASIC   "), "ci"],
      [authorization.replace("Basic", "basic").replace(/=+$/, ""), "ci"],
      [basic("", token("ci")).authorization ?? "", "ci"],
      [`bearer ${token("ci")}`, "ci"],
      [basic("Zoë", token("zoe")).authorization ?? "", "Zoë"],
    ] as const
  ) {
    const { status, json } = await post(site, "x", { authorization: header });
    assertEquals([status, json.from], [201, from], header);
  }
});

Deno.test("a name that is taken gets 409, an invalid one 422 [H10]", async () => {
  await using site = await startRoomSite();
  await post(site, "x");
  const taken = await post(site, "x", basic("CI", token("eve")));
  assertEquals([taken.status, taken.json.code, taken.json.field], [
    409,
    "username_taken",
    "Authorization",
  ]);
  assertEquals(
    taken.json.detail,
    "CI is taken. Choose another name, or use the token that holds it",
  );
  const invalid = await post(site, "x", basic("<b>", token("eve")));
  assertEquals([invalid.status, invalid.json.code], [422, "username_characters"]);
});

Deno.test("a body that is too large, encoded, not UTF-8 or incomplete is refused [H11]", async () => {
  await using site = await startRoomSite();
  const json = { "content-type": "application/json" };
  const chunked = () =>
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new Uint8Array(8_192).fill(97));
        controller.close();
      },
    });
  const cases: [BodyInit, Record<string, string>, number, string, string | undefined][] = [
    ["a".repeat(65_537), {}, 413, "body_too_large", "body"],
    [chunked(), {}, 413, "body_too_large", "body"],
    ["a".repeat(4_001), {}, 422, "text_too_long", "text"],
    [" \n ", {}, 422, "text_empty", "text"],
    ["x", { "content-encoding": "gzip" }, 415, "media_type_unsupported", "Content-Encoding"],
    [
      "x",
      { "content-type": "text/plain; charset=latin1" },
      415,
      "media_type_unsupported",
      "Content-Type",
    ],
    [
      "--x\n\nhi\n--x--",
      { "content-type": "multipart/form-data; boundary=x" },
      415,
      "media_type_unsupported",
      "Content-Type",
    ],
    [new Uint8Array([0xff, 0x80]), {}, 422, "field_invalid", "body"],
    ["{", json, 422, "field_invalid", "body"],
    ["[]", json, 422, "field_invalid", "body"],
    ["null", json, 422, "field_invalid", "body"],
    ["{}", json, 422, "field_invalid", "text"],
    ['{"text":1}', json, 422, "field_invalid", "text"],
    ['{"text":"x","reply":0}', json, 422, "field_invalid", "reply"],
    [`{"text":${"[".repeat(30_000)}${"]".repeat(30_000)}}`, json, 422, "field_invalid", "body"],
    [`{"text":"x","more":[${"0,".repeat(9_000)}0]}`, json, 422, "field_invalid", "body"],
    [
      `{"text":"x","reply":${'{"a":'.repeat(9_000)}1${"}".repeat(9_000)}}`,
      json,
      422,
      "field_invalid",
      "body",
    ],
    ['"'.repeat(65_536), {}, 422, "text_too_long", "text"],
    [`${"[".repeat(30_000)}`, json, 422, "field_invalid", "body"],
  ];
  for (const [body, headers, status, code, field] of cases) {
    const { json } = await post(site, body, headers);
    assertEquals([json.status, json.code, json.field], [status, code, field]);
    assert(json.detail.length > 10);
  }
  assertEquals(site.broker.appends, []);
});

Deno.test("a conditional write is refused, since tags are weak [H4]", async () => {
  await using site = await startRoomSite();
  await post(site, "one");
  const { headers } = await request(site, "/r/builds/1");
  const tag = headers.get("etag") ?? "";
  assertEquals(tag.slice(0, 2), "W/");
  const writes = [
    ["POST", "/r/builds", "two"],
    ["PATCH", "/r/builds/1", "two"],
    ["DELETE", "/r/builds/1", null],
  ] as const;
  for (
    const [name, value] of [
      ["If-Match", tag],
      ["If-Match", '"other", "*"'],
      ["If-None-Match", "*"],
      ["If-None-Match", '"other"'],
    ] as const
  ) {
    for (const [method, path, body] of writes) {
      const init = { method, body, headers: { ...basic("ci"), [name]: value } };
      const { status, json } = await request(site, path, init);
      const result = [status, json.code, json.field];
      assertEquals(result, [412, "precondition_failed", name], `${method} ${name}: ${value}`);
    }
  }
  for (const [method, path, body] of writes) {
    const init = { method, body, headers: { ...basic("ci"), "if-match": "*" } };
    assert((await request(site, path, init)).status < 300, method);
  }
});

Deno.test("a foreign page cannot write, even with cached credentials [H7]", async () => {
  const web = { allowedOrigins: ["https://ok.example"] };
  await using site = await startRoomSite({ web });
  const attempts: [Record<string, string>, number][] = [
    [{ Origin: "https://evil.example" }, 403],
    [{ Origin: "null" }, 403],
    [{ "Sec-Fetch-Site": "cross-site" }, 403],
    [{ Origin: "https://ok.example", "Sec-Fetch-Site": "cross-site" }, 201],
    [{ "Sec-Fetch-Site": "same-origin" }, 201],
  ];
  for (const [fields, status] of attempts) {
    const lines = Object.entries({ ...basic("ci"), ...fields }).map(([name, value]) =>
      `${name}: ${value}`
    );
    const response = await rawRequest(site.server.port, [
      "POST /r/builds HTTP/1.1",
      "Host: 127.0.0.1",
      "Connection: close",
      "Content-Length: 0",
      ...lines,
    ]);
    // An empty text is refused after the origin has been accepted.
    assertEquals(response.status, status === 201 ? 422 : status, JSON.stringify(fields));
  }
  const { status, headers } = await post(site, "x", { origin: "https://ok.example" });
  assertEquals([status, headers.get("access-control-allow-origin")], [201, "https://ok.example"]);
  assertStringIncludes(headers.get("access-control-expose-headers") ?? "", "Location");
});

Deno.test("posts share the quota of the member, and get 429 with Retry-After [H12] [L2]", async () => {
  await using site = await startRoomSite();
  let last = await post(site, "x");
  for (let i = 0; i < 20 && last.status === 201; i++) last = await post(site, `${i}`);
  assertEquals([last.status, last.json.code, last.headers.get("retry-after")], [
    429,
    "rate_limited",
    "1",
  ]);
});

Deno.test("posts share the quota for new rooms, but only if they create one [H12] [L10]", async () => {
  const settings = { rateBurst: 1_000, ratePerSecond: 1_000, maxRooms: 1 };
  await using site = await startRoomSite({ settings });
  await storeMessages(site, "old", "x");
  const rooms = Array.from({ length: 40 }, (_, i) => `/r/room-${i}`);
  for (const _ of rooms) assertEquals((await post(site, "x", {}, "/r/old")).status, 201);
  const statuses = [];
  for (const room of rooms) statuses.push((await post(site, "x", {}, room)).status);
  assertEquals([statuses[0], statuses.at(-1)], [201, 429]);
});

Deno.test("a post needs the access code, and a wrong one counts [H12] [N13]", async () => {
  const ports = { access: matcherOf("sesame") };
  await using site = await startRoomSite({ ports });
  const missing = await post(site, "x");
  assertEquals([missing.status, missing.json.code], [401, "access_required"]);
  assertEquals(missing.headers.get("www-authenticate"), "Parley-Access-Code");
  const wrong = await post(site, "x", { "parley-access-code": "open" });
  assertEquals([wrong.status, wrong.json.code], [401, "access_denied"]);
  assertEquals((await post(site, "x", { "parley-access-code": "sesame" })).status, 201);
});

Deno.test("failing storage and draining give 503 with Retry-After, and nothing is stored [H12]", async () => {
  await using site = await startRoomSite();
  site.broker.isFailing = true;
  const failed = await post(site, "x");
  assertEquals([failed.status, failed.json.code, failed.headers.get("retry-after")], [
    503,
    "storage_unavailable",
    "1",
  ]);
  site.broker.isFailing = false;
  await site.hub.drain();
  const draining = await post(site, "x");
  assertEquals([draining.status, draining.json.code, draining.headers.get("retry-after")], [
    503,
    "draining",
    "1",
  ]);
  assertEquals(site.broker.appends, []);
});

Deno.test("posts count as connections, and end with their response [H12] [L7]", async () => {
  await using site = await startRoomSite({ web: { maxConnections: 1 } });
  for (let i = 0; i < 3; i++) assertEquals((await post(site, `${i}`)).status, 201);
  assertEquals([site.server.limits.count, site.hub.size.sessions], [0, 0]);
  const gate = Promise.withResolvers<void>();
  const { broker } = site;
  const append = broker.append.bind(broker);
  const isAppending = Promise.withResolvers<void>();
  broker.append = async (drafts) => {
    isAppending.resolve();
    await gate.promise;
    return append(drafts);
  };
  const first = post(site, "waits");
  await withDeadline("the first post is appended", isAppending.promise);
  const second = await post(site, "too many");
  assertEquals([second.status, second.json.code, second.headers.get("retry-after")], [
    503,
    "server_full",
    "5",
  ]);
  gate.resolve();
  assertEquals((await first).status, 201);
});

Deno.test("a member that only posts is not listed, and nobody sees it come or go [H12] [N10]", async () => {
  await using site = await startRoomSite();
  const pushes: { type: string }[] = [];
  const socket = {
    buffered: 0,
    send: (frame: string) => void pushes.push(...JSON.parse(frame)),
    close() {},
  };
  const watcher = site.hub.connect(socket, {
    address: "127.0.0.1",
    network: "127.0.0.1",
    scope: "loopback",
  });
  const hello = { type: "hello", username: "Ada", rooms: [{ room: "builds" }] };
  site.hub.receive(watcher, JSON.stringify(hello));
  await post(site, "x");
  await post(site, "y");
  assertEquals(site.hub.membersOf("builds", 5), { count: 1, usernames: ["Ada"] });
  assertEquals(pushes.map(({ type }) => type), ["welcome", "room", "message", "message"]);
});

Deno.test("muted and banned members get 403, with the end time [H11] [B3] [B4]", async () => {
  const wall = { ms: Date.now() };
  const broker = new SqliteBroker({ ...optionsFor(":memory:", wall), moderatorMac: (id) => id });
  const moderatorAccess = (code: string) => code === "keep-the-peace";
  await using site = await startRoomSite({ ports: { broker, moderatorAccess } });
  assertEquals((await post(site, "x")).status, 201);
  const socket = { buffered: 0, send() {}, close() {} };
  const peer = { address: "127.0.0.1", network: "127.0.0.1", scope: "loopback" } as const;
  const mona = site.hub.connect(socket, peer);
  const member = memberOf(token("ci"));
  for (
    const command of [
      { type: "hello", username: "Mona", rooms: [] },
      { type: "moderate", code: "keep-the-peace" },
      { type: "mute", member, seconds: 60 },
    ]
  ) site.hub.receive(mona, JSON.stringify(command));
  const muted = await post(site, "y");
  assertEquals([muted.status, muted.json.code], [403, "muted"]);
  assert(Number(muted.headers.get("retry-after")) > 50);
  site.hub.receive(mona, JSON.stringify({ type: "ban", member, seconds: 60 }));
  const banned = await post(site, "z");
  assertEquals([banned.status, banned.json.code], [403, "banned"]);
  assertEquals((await request(site, "/r/builds")).json.head, 1);
});

Deno.test("a post works with an asynchronous broker, and below BASE_PATH [H8]", async () => {
  const web = { assets: { ...await testAssets(), basePath: "/chat" } };
  await using site = await startRoomSite({ web });
  site.broker.isAsync = true;
  const { status, headers, json } = await post(site, "x", {}, "/chat/r/builds");
  assertEquals([status, headers.get("location"), json.text], [201, "/chat/r/builds/1", "x"]);
});

Deno.test("posts of a member that is still present neither claim the name again nor read the log [H10] [N7]", async () => {
  await using site = await startRoomSite();
  const calls: string[] = [];
  const { broker } = site;
  for (const name of ["claim", "read"] as const) {
    const call = broker[name].bind(broker) as (...args: unknown[]) => never;
    broker[name] = (...args: unknown[]) => {
      calls.push(name);
      return call(...args);
    };
  }
  await post(site, "x");
  assertEquals(calls.splice(0), ["claim", "read"]);
  const { json } = await post(site, "y", basic("other", token("ci")));
  assertEquals([json.from, json.offset], ["ci", 2]);
  assertEquals(calls.splice(0), []);
  await post(site, "z", {}, "/r/elsewhere");
  // Whether the room is new.
  assertEquals(calls, ["read"]);
});
