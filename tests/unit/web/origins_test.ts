// Pages of other origins, on every kind of response.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { originProblem } from "../../../app/web/origins.ts";
import { request, startRoomSite, storeMessages } from "../../support/room_site.ts";
import { rawRequest } from "../../support/web_harness.ts";

const ok = "https://ok.example";
const web = { allowedOrigins: [ok] };
const authorization = `Basic ${btoa(`ci:${"c".repeat(43)}`)}`;

Deno.test("originProblem() accepts the server's own origin, as its proxy names it [L8]", () => {
  const isOwn = (origin: string, trustProxy = 0, forwarded = "evil.example, public.example") => {
    const headers = { origin, host: "chat.example", "x-forwarded-host": forwarded };
    const request = new Request("http://chat.example/ws", { headers });
    return originProblem(request, { allowedOrigins: [], trustProxy }) === undefined;
  };
  assert(isOwn("http://chat.example") && isOwn("https://chat.example"));
  assert(isOwn("https://public.example", 1));
  // The client may have sent the first entry.
  assert(!isOwn("https://evil.example", 1) && !isOwn("https://public.example"));
  assert(!isOwn("https://chat.example:8443") && !isOwn("app://chat.example") && !isOwn("null"));
});

Deno.test("pages of allowed origins can read every response [H7]", async () => {
  await using site = await startRoomSite({ web });
  await storeMessages(site, "tea", "one");
  const { headers } = await request(site, "/r/tea");
  const etag = headers.get("etag") ?? "";
  const cases: [string, string, number, Record<string, string>][] = [
    ["GET", "/r/tea", 200, {}],
    ["GET", "/r/tea", 200, { accept: "text/plain" }],
    ["GET", "/r/tea", 200, { accept: "text/html" }],
    ["GET", "/r/tea", 304, { "if-none-match": etag }],
    ["GET", "/r/tea", 406, { accept: "image/png" }],
    ["GET", "/r/tea?limit=0", 422, {}],
    ["HEAD", "/r/tea/1", 200, {}],
    ["GET", "/r/tea/9", 404, {}],
    ["GET", "/r/Tea", 308, {}],
    ["PUT", "/r/tea", 405, {}],
    ["POST", "/r/tea", 401, {}],
    ["PATCH", "/r/tea/1", 422, { authorization, "sec-fetch-site": "cross-site" }],
    ["DELETE", "/r/tea/1", 403, { authorization }],
    ["GET", "/rooms", 200, {}],
    ["GET", "/search?q=one", 200, {}],
    ["GET", "/search", 422, {}],
    ["POST", "/search", 405, {}],
    ["GET", "/here/tea", 200, {}],
    ["GET", "/openapi.json", 404, {}],
    ["GET", "/ws", 426, {}],
    ["GET", "/nothing", 404, {}],
  ];
  for (const [method, path, status, fields] of cases) {
    const lines = Object.entries({ ...fields, origin: ok }).map(([name, value]) =>
      `${name}: ${value}`
    );
    const response = await rawRequest(site.server.port, [
      `${method} ${path} HTTP/1.1`,
      "Host: localhost",
      "Connection: close",
      ...lines,
    ]);
    const name = `${method} ${path}`;
    assertEquals(response.status, status, name);
    assertEquals(response.headers.get("access-control-allow-origin"), ok, name);
    assertEquals(response.headers.get("access-control-allow-credentials"), null, name);
    const exposed = response.headers.get("access-control-expose-headers") ?? "";
    for (const header of ["Allow", "ETag", "Link", "Location", "Retry-After"]) {
      assertStringIncludes(exposed, header);
    }
    assertStringIncludes(response.headers.get("vary") ?? "", "Origin", name);
  }
  for (const [host, status] of [["evil.example", 421], ["no host", 400]] as const) {
    const lines = ["GET /r/tea HTTP/1.1", `Host: ${host}`, `Origin: ${ok}`, "Connection: close"];
    const response = await rawRequest(site.server.port, lines);
    assertEquals(response.status, status);
    assertEquals(response.headers.get("access-control-allow-origin"), ok, host);
  }
});

Deno.test("a preflight from an allowed origin gets the methods and headers it may use [H7]", async () => {
  await using site = await startRoomSite({ web });
  for (
    const [path, methods] of [
      ["/r/tea", "GET, HEAD, POST, OPTIONS"],
      ["/r/tea/1", "GET, HEAD, PATCH, DELETE, OPTIONS"],
      ["/r/Tea/", "GET, HEAD, POST, PATCH, DELETE, OPTIONS"],
      ["/rooms", "GET, HEAD, OPTIONS"],
      ["/search?q=x", "GET, HEAD, OPTIONS"],
    ] as const
  ) {
    const headers = { origin: ok, "access-control-request-method": "PATCH" };
    const { status, headers: received } = await request(site, path, { method: "OPTIONS", headers });
    assertEquals([status, received.get("access-control-allow-origin")], [204, ok], path);
    assertEquals(received.get("access-control-allow-methods"), methods);
    const allowed = received.get("access-control-allow-headers") ?? "";
    for (const name of ["Authorization", "Idempotency-Key", "Last-Event-ID", "Content-Type"]) {
      assertStringIncludes(allowed, name);
    }
    assert(Number(received.get("access-control-max-age")) > 0);
    const put = await request(site, path, { method: "PUT", headers: { origin: ok } });
    assertEquals([put.status, put.headers.get("allow")], [405, methods]);
  }
});

Deno.test("pages of other origins are refused, and can read nothing [H7]", async () => {
  await using site = await startRoomSite({ web });
  await storeMessages(site, "tea", "one");
  for (
    const origin of ["https://evil.example", "null", `${ok}.evil.example`, "http://ok.example"]
  ) {
    for (const path of ["/r/tea", "/r/tea/1", "/rooms", "/search?q=one", "/here/tea"]) {
      const { status, json, headers } = await request(site, path, { headers: { origin } });
      assertEquals([status, json.code], [403, "origin_denied"], `${origin} ${path}`);
      assertEquals(headers.has("access-control-allow-origin"), false);
    }
    const preflight = await request(site, "/r/tea", { method: "OPTIONS", headers: { origin } });
    assertEquals(preflight.headers.has("access-control-allow-methods"), false);
  }
  await using closed = await startRoomSite();
  const { headers } = await request(closed, "/rooms");
  assertEquals(headers.get("vary"), null);
});
