// The site's addresses, from the page to the room directory.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { codeLocked, rateLimited, refusal } from "../../../app/chat/refusals.ts";
import { loadAssets } from "../../../app/web/assets.ts";
import type { RunningSite } from "../../support/web_harness.ts";
import {
  fetchPath,
  handshakeLines,
  rawRequest,
  requestPath,
  startSite,
  staticFolder,
  testAssets,
} from "../../support/web_harness.ts";

async function scriptPath(running: RunningSite): Promise<string> {
  const { body } = await fetchPath(running, "/");
  const path = body.match(/src="([^"]*)"/)?.[1];
  assert(path !== undefined);
  return path;
}

Deno.test("serveWeb() serves the page for the lobby and for every room", async () => {
  await using running = await startSite();
  const lobby = await fetchPath(running, "/");
  assertEquals(lobby.response.status, 200);
  assertStringIncludes(lobby.body, "<title>Parley</title>");
  assertEquals(lobby.headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(lobby.headers.get("cache-control"), "no-cache");
  const headers = { accept: "text/html,*/*;q=0.8" };
  for (
    const path of ["/r/lobby", "/r/a", `/r/${"a".repeat(32)}`, "/r/tea-4-two?x=1", "/r/tea/42"]
  ) {
    const { body } = await fetchPath(running, path, { headers });
    assertEquals(body, lobby.body, path);
  }
});

Deno.test("serveWeb() returns 404 for an invalid room name [L5]", async () => {
  await using running = await startSite();
  for (
    const path of ["/r/", "/r/-a", `/r/${"a".repeat(33)}`, "/r/a/b", "/r/a%2Fb"]
  ) assertEquals((await fetchPath(running, path)).response.status, 404, path);
});

Deno.test("serveWeb() makes hashed files immutable and lets others be revalidated", async () => {
  await using running = await startSite();
  const hashed = await fetchPath(running, await scriptPath(running));
  assertEquals(hashed.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assertEquals(hashed.headers.get("content-type"), "text/javascript; charset=utf-8");
  for (const path of ["/assets/style.css", "/manifest.webmanifest", "/favicon.ico"]) {
    const { response, headers } = await fetchPath(running, path);
    assertEquals(response.status, 200, path);
    assertEquals(headers.get("cache-control"), "no-cache", path);
  }
});

Deno.test("serveWeb() returns 304 without a body if the ETag matches", async () => {
  await using running = await startSite();
  const { headers } = await fetchPath(running, "/");
  const etag = headers.get("etag") ?? "";
  for (const tags of [etag, etag.replace("W/", ""), `"other", ${etag}`, "*"]) {
    const again = await requestPath(running, "GET /", `If-None-Match: ${tags}`);
    assertEquals([again.status, again.body], [304, ""], tags);
    assertEquals(again.headers.get("etag"), etag);
    assertEquals(again.headers.get("vary"), "Accept-Encoding");
  }
  const other = await requestPath(running, "GET /", `If-None-Match: "other"`);
  assertEquals(other.status, 200);
});

Deno.test("serveWeb() responds to HEAD as to GET, without the body", async () => {
  await using running = await startSite();
  for (const path of ["/", "/assets/style.css", "/healthz", "/nothing", "/r/NO"]) {
    const full = await requestPath(running, `GET ${path}`);
    const head = await requestPath(running, `HEAD ${path}`);
    assertEquals(head.body, "", path);
    assertEquals(head.status, full.status, path);
    for (const headers of [full.headers, head.headers]) headers.delete("date");
    assertEquals([...head.headers], [...full.headers], path);
    assertEquals(Number(head.headers.get("content-length")), full.body.length, path);
  }
});

Deno.test("serveWeb() sends the best encoding the client accepts", async () => {
  const assets = await testAssets();
  await using running = await startSite({ assets });
  const ask = (accept?: string) =>
    fetch(`${running.origin}/assets/main.js`, {
      method: "HEAD",
      headers: { "accept-encoding": accept ?? "identity" },
    });
  for (
    const [accept, expected] of [
      ["gzip, deflate, br, zstd", "br"],
      ["gzip", "gzip"],
      ["br;q=0, gzip", "gzip"],
      ["br;q=0.5, gzip;q=1", "br"],
      ["*", "br"],
      ["zstd", null],
      ["identity", null],
      ["gzip;q=0", null],
    ] as const
  ) {
    const { headers } = await ask(accept);
    assertEquals(headers.get("content-encoding"), expected, accept);
    assertEquals(headers.get("vary"), "Accept-Encoding");
    const asset = assets.get("/assets/main.js");
    const bytes = expected === null ? asset?.bytes : await asset?.encode(expected);
    assertEquals(headers.get("content-length"), String(bytes?.length), accept);
  }
  const bare = await requestPath(running, "HEAD /assets/main.js");
  assertEquals(bare.headers.get("content-encoding"), null);
});

Deno.test("serveWeb() sends bodies that decode to the asset", async () => {
  const assets = await testAssets();
  await using running = await startSite({ assets });
  for (const accept of ["br", "gzip", "identity"]) {
    const response = await fetch(`${running.origin}/assets/main.js`, {
      headers: { "accept-encoding": accept },
    });
    assertEquals(await response.bytes(), assets.get("/assets/main.js")?.bytes, accept);
  }
});

Deno.test("serveWeb() sends errors as problem+json to programs and as a page to browsers", async () => {
  await using running = await startSite();
  for (
    const accept of ["*/*", "application/json", "application/problem+json, text/html;q=0.5", ""]
  ) {
    const { response, body, headers } = await fetchPath(running, "/nothing", {
      headers: { accept },
    });
    assertEquals(response.status, 404);
    assertEquals(headers.get("content-type"), "application/problem+json", accept);
    assertEquals(headers.get("cache-control"), "no-store");
    assertEquals(JSON.parse(body), {
      type: "about:blank",
      title: "Not Found",
      status: 404,
      code: "not_found",
      detail: "There is nothing at this address",
    });
  }
  const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
  const { body, headers } = await fetchPath(running, "/<b>x", { headers: { accept: browser } });
  assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(headers.get("vary"), "Accept, Accept-Language");
  assertStringIncludes(body, "<h1>Not Found</h1>");
  assertStringIncludes(body, `href="/assets/style.css"`);
  assertEquals(body.match(/style=|<style|<script|<b>/), null);
});

Deno.test("serveWeb() returns 405 with Allow for other methods", async () => {
  await using running = await startSite();
  for (
    const [path, method, allow] of [
      ["/", "POST", "GET, HEAD, OPTIONS"],
      ["/r/lobby", "DELETE", "GET, HEAD, POST, OPTIONS"],
      ["/assets/style.css", "PUT", "GET, HEAD, OPTIONS"],
      ["/ws", "HEAD", "GET, POST, OPTIONS"],
      ["/ws", "PUT", "GET, POST, OPTIONS"],
    ] as const
  ) {
    const { response, headers } = await fetchPath(running, path, { method });
    assertEquals([response.status, headers.get("allow")], [405, allow], `${method} ${path}`);
  }
});

Deno.test("serveWeb() responds to OPTIONS * with all methods [H7]", async () => {
  await using running = await startSite();
  const head = ["OPTIONS * HTTP/1.1", "Host: localhost", "Connection: close"];
  const { status, headers, body } = await rawRequest(running.server.port, head);
  const allow = "GET, HEAD, POST, PATCH, DELETE, OPTIONS";
  assertEquals([status, headers.get("allow"), body], [204, allow, ""]);
});

Deno.test("serveWeb() serves nothing outside its files", async () => {
  await using running = await startSite();
  for (
    const path of [
      "/..%2f..%2fetc/passwd",
      "/assets/../../etc/passwd",
      "/assets/..%2findex.html",
      "/assets/%00",
      "/assets/style.css%00.js",
      "/assets/",
      "/assets",
      "/index.html",
      "/client/main.ts",
      "//evil.example/",
      "/r/..%2f",
      "/constructor",
      "/__proto__",
      "/dev/start",
      `/${"a".repeat(8_000)}`,
    ]
  ) assertEquals((await requestPath(running, `GET ${path}`)).status, 404, path.slice(0, 40));
  assertEquals(running.errors, []);
});

Deno.test("serveWeb() reports at /healthz whether it serves or drains", async () => {
  await using running = await startSite();
  const healthy = await fetchPath(running, "/healthz");
  assertEquals([healthy.response.status, healthy.body], [200, "ok"]);
  running.hub.isDraining = true;
  const draining = await fetchPath(running, "/healthz");
  assertEquals(draining.response.status, 503);
  assertEquals(draining.headers.get("content-type"), "application/problem+json");
  assertEquals(draining.headers.get("cache-control"), "no-store");
  // Health checks are logged only if they fail.
  assertEquals(running.access.map(({ path, status }) => [path, status]), [["/healthz", 503]]);
});

Deno.test("serveWeb() reports at /readyz whether messages can be stored, and checks once a second", async () => {
  let time = 0;
  let isReady = true;
  let checks = 0;
  const notReadyReason = () => {
    checks++;
    return isReady ? undefined : "The disk is gone";
  };
  await using running = await startSite({ notReadyReason, now: () => time });
  const status = async () => {
    const response = await fetch(`${running.origin}/readyz`);
    const text = await response.text();
    if (!isReady) assertStringIncludes(text, "The disk is gone");
    return response.status;
  };
  assertEquals([await status(), await status(), checks], [200, 200, 1]);
  isReady = false;
  time += 1_000;
  assertEquals([await status(), await status(), checks], [503, 503, 2]);
  const health = await fetch(`${running.origin}/healthz`);
  assertEquals(await health.text(), "ok");
  isReady = true;
  time += 1_000;
  assertEquals(await status(), 200);
  running.hub.isDraining = true;
  assertEquals(await status(), 503);
});

Deno.test("serveWeb() sends an id per start at /dev/start in development", async () => {
  const readId = async ({ origin }: RunningSite) =>
    await (await fetch(`${origin}/dev/start`)).text();
  await using first = await startSite({ dev: true });
  const id = await readId(first);
  assertEquals(await readId(first), id);
  await using second = await startSite({ dev: true });
  assert(await readId(second) !== id);
});

Deno.test("serveWeb() serves below BASE_PATH, whether or not a proxy removes it", async () => {
  await using dir = await staticFolder();
  const assets = await loadAssets({
    staticDir: dir.path,
    dev: false,
    basePath: "/our/chat",
    bundled: true,
  });
  await using running = await startSite({ assets });
  const page = await fetchPath(running, "/our/chat/");
  assertStringIncludes(page.body, "<title>Parley</title>");
  const headers = { accept: "text/html" };
  for (const path of ["/our/chat/r/tea", "/", "/r/tea"]) {
    assertEquals((await fetchPath(running, path, { headers })).body, page.body, path);
  }
  const links = [...page.body.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link = ""]) => link);
  assertEquals(links.length, 4);
  for (const link of links) {
    assert(link.startsWith("/our/chat/"), link);
    assertEquals((await fetchPath(running, link)).response.status, 200, link);
    const stripped = link.replace("/our/chat", "");
    assertEquals((await fetchPath(running, stripped)).response.status, 200, stripped);
  }
  for (const path of ["/our/chat/healthz", "/our/chat/metrics"]) {
    assertEquals((await fetchPath(running, path)).response.status, 200, path);
  }
  const bare = await fetchPath(running, "/our/chat");
  assertEquals([bare.response.status, bare.headers.get("location")], [308, "/our/chat/"]);
  for (const path of ["/our/chatter/", "/our/", "/our/chat/our/chat/"]) {
    assertEquals((await fetchPath(running, path)).response.status, 404, path);
  }
  const lines = handshakeLines().map((line) => line.replace("/ws", "/our/chat/ws"));
  assertEquals((await rawRequest(running.server.port, lines)).status, 101);
  assertEquals(running.server.url, `${running.origin}/our/chat/`);
});

Deno.test("serveWeb() lists the rooms at /rooms, for the access code [D1]", async () => {
  await using running = await startSite();
  running.hub.rooms = [{ room: "lobby", members: 2, at: 1 }];
  const ask = async (code?: string) => {
    const headers: Record<string, string> = code === undefined
      ? {}
      : { "parley-access-code": code };
    return await fetchPath(running, "/rooms", { headers });
  };
  const { response, body } = await ask("open-sesame");
  assertEquals(JSON.parse(body), { rooms: [{ room: "lobby", members: 2, at: 1 }] });
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(running.hub.accessCodes, ["open-sesame"]);
  for (
    const [rooms, status, code] of [
      [refusal({ re: "GET" }, "access_required"), 401, "access_required"],
      [refusal({ re: "GET" }, "access_denied"), 401, "access_denied"],
      [codeLocked("hello", 59_001), 429, "access_locked"],
      [new Error("no storage"), 503, "storage_unavailable"],
    ] as const
  ) {
    running.hub.rooms = rooms;
    const { response, body } = await ask();
    assertEquals([response.status, JSON.parse(body).code], [status, code]);
    assertEquals(
      response.headers.get("retry-after"),
      status === 429 ? "60" : status === 503 ? "5" : null,
    );
    assertEquals(response.headers.has("www-authenticate"), status === 401);
  }
});

Deno.test("serveWeb() serves the results of a search, or the reason for refusing it [F9]", async () => {
  await using running = await startSite();
  const ask = (path: string) =>
    fetchPath(running, path, { headers: { "parley-access-code": "open-sesame" } });
  running.hub.results = { type: "results", results: [], next: "7" };
  const { response, body } = await ask("/search?q=green+in%3Abuilds&before=9");
  assertEquals([response.status, JSON.parse(body)], [200, { results: [], next: "7" }]);
  const link = response.headers.get("link");
  assertEquals(link, '<?q=green+in%3Abuilds&before=7>; rel="next"');
  const query = { phrases: [{ words: ["green"], isPrefix: false }], room: "builds" };
  assertEquals(running.hub.searches, [{ type: "search", query, before: "9" }]);
  assertEquals(running.hub.accessCodes, ["open-sesame"]);
  for (
    const path of ["/search", "/search?q=", "/search?q=a&room=B", "/search?q=" + "a".repeat(201)]
  ) {
    const { response, body } = await ask(path);
    const field = path.includes("room") ? "room" : "q";
    assertEquals([response.status, JSON.parse(body).field], [422, field], path);
  }
  running.hub.results = refusal({ re: "search" }, "search_off");
  const off = await ask("/search?q=a");
  assertEquals([off.response.status, JSON.parse(off.body).code], [404, "search_off"]);
});

Deno.test("serveWeb() says in German why a search is refused", async () => {
  await using running = await startSite();
  const headers = { accept: "text/html", "accept-language": "de" };
  const about = { type: "error", re: "search" } as const;
  const results = [
    ["/search", undefined, 422, "Gib hinter q="],
    ["/search?q=a&q=b", undefined, 422, "Eine Angabe in dieser Adresse ist ungültig."],
    ["/search?q=a", refusal(about, "search_off"), 404, "Die Suche ist in diesem Chat aus"],
    ["/search?q=a", refusal(about, "access_required"), 401, "brauchst du einen Zugangscode."],
    ["/search?q=a", rateLimited(about, "bytes", 1), 429, "kamen zu viele Anfragen."],
  ] as const;
  for (const [path, result, status, words] of results) {
    if (result !== undefined) running.hub.results = result;
    const { response, body } = await fetchPath(running, path, { headers });
    assertEquals(response.status, status);
    assertStringIncludes(body, '<html lang="de">');
    assertStringIncludes(body, words);
  }
});

Deno.test("serveWeb() has no /rooms without the room directory [D1]", async () => {
  await using running = await startSite({ roomDirectory: false });
  assertEquals((await fetchPath(running, "/rooms")).response.status, 404);
  assertEquals(running.hub.accessCodes, []);
});

Deno.test("serveWeb() redirects a room's address that differs only in case or a slash [D2]", async () => {
  await using dir = await staticFolder();
  const assets = await loadAssets({
    staticDir: dir.path,
    dev: false,
    basePath: "/chat",
    bundled: true,
  });
  await using running = await startSite({ assets });
  for (
    const [path, location] of [
      ["/r/Design", "/chat/r/design"],
      ["/r/design/", "/chat/r/design"],
      ["/r/D%45sign/", "/chat/r/design"],
      ["/chat/r/DESIGN", "/chat/r/design"],
      ["/r/Design?limit=2&before=9", "/chat/r/design?limit=2&before=9"],
      ["/r/design/42/", "/chat/r/design/42"],
      ["/r/Design/42", "/chat/r/design/42"],
      ["/r/DESIGN/42/?x", "/chat/r/design/42?x"],
    ] as const
  ) {
    for (const method of ["GET", "HEAD", "POST", "PATCH", "DELETE"]) {
      const { response, body } = await fetchPath(running, path, { method });
      const result = [response.status, response.headers.get("location")];
      assertEquals(result, [308, location], `${method} ${path}`);
      if (method !== "HEAD") assertEquals(body, `This address has moved to ${location}\n`);
    }
  }
  for (const path of ["/r/design/0/", "/r/design/42//", "/r/design//42", "/r//42/"]) {
    assertEquals((await fetchPath(running, path)).response.status, 404, path);
  }
});

Deno.test("serveWeb() offers a room whose name resembles the address [D2]", async () => {
  await using running = await startSite();
  for (
    const [path, room] of [
      ["/r/My%20Room", "my-room"],
      ["/r/caf%C3%A9", "cafe"],
      ["/r/room_1/", "room-1"],
      ["/r/%E6%9D%B1%E4%BA%AC", undefined],
      ["/r/%FF", "ff"],
      ["/r/%3Cscript%3E", "script"],
    ] as const
  ) {
    const { response, body } = await fetchPath(running, path);
    const problem = JSON.parse(body);
    assertEquals([response.status, problem.code, problem.room], [404, "room_invalid", room], path);
  }
  const page = await fetchPath(running, "/r/My%20Room", { headers: { accept: "text/html" } });
  assertStringIncludes(page.body, '<a class="link" href="/r/my-room">Go to #my-room</a>');
});

Deno.test("serveWeb() lists a room's members at /here unless the chat has an access code", async () => {
  await using open = await startSite();
  const { body } = await fetchPath(open, "/here/lobby");
  assertEquals(JSON.parse(body), { count: 7, usernames: ["in lobby", "up to 5"] });
  assertEquals((await fetchPath(open, "/here/No%20Room")).response.status, 404);
  await using closed = await startSite({ isOpen: false });
  assertEquals((await fetchPath(closed, "/here/lobby")).response.status, 204);
});
