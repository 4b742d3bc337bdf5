import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { loadAssets } from "../../../app/web/assets.ts";
import type { RunningSite } from "../../support/web_harness.ts";
import { folder, handshake, raw, site, someAssets } from "../../support/web_harness.ts";

const securityHeaders = [
  "content-security-policy",
  "cross-origin-resource-policy",
  "permissions-policy",
  "referrer-policy",
  "x-content-type-options",
  "x-frame-options",
];

async function get({ origin }: RunningSite, path: string, init?: RequestInit) {
  const response = await fetch(origin + path, { redirect: "manual", ...init });
  return { response, body: await response.text(), headers: response.headers };
}

/** Speaks to the server without the decoding that `fetch` does. */
async function lookup({ server }: RunningSite, path: string, ...headers: string[]) {
  return await raw(server.port, [`${path} HTTP/1.1`, "Host: x", "Connection: close", ...headers]);
}

async function scriptPath(running: RunningSite): Promise<string> {
  const { body } = await get(running, "/");
  const path = body.match(/src="([^"]*)"/)?.[1];
  assert(path !== undefined);
  return path;
}

Deno.test("serveWeb() serves the page for the lobby and for every room", async () => {
  await using running = await site();
  const lobby = await get(running, "/");
  assertEquals(lobby.response.status, 200);
  assertStringIncludes(lobby.body, "<title>Parley</title>");
  assertEquals(lobby.headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(lobby.headers.get("cache-control"), "no-cache");
  for (const path of ["/r/lobby", "/r/a", `/r/${"a".repeat(32)}`, "/r/tea-4-two?x=1"]) {
    assertEquals((await get(running, path)).body, lobby.body, path);
  }
});

Deno.test("serveWeb() has no page for what is no room name [L5]", async () => {
  await using running = await site();
  for (
    const path of ["/r/", "/r/Big", "/r/-a", `/r/${"a".repeat(33)}`, "/r/a/b", "/r/%61", "/r/a/"]
  ) assertEquals((await get(running, path)).response.status, 404, path);
});

Deno.test("serveWeb() lets hashed files be kept for ever and others be asked for again", async () => {
  await using running = await site();
  const hashed = await get(running, await scriptPath(running));
  assertEquals(hashed.headers.get("cache-control"), "public, max-age=31536000, immutable");
  assertEquals(hashed.headers.get("content-type"), "text/javascript; charset=utf-8");
  for (const path of ["/assets/style.css", "/manifest.webmanifest", "/favicon.ico"]) {
    const { response, headers } = await get(running, path);
    assertEquals(response.status, 200, path);
    assertEquals(headers.get("cache-control"), "no-cache", path);
  }
});

Deno.test("serveWeb() answers 304 without a body to who has the content already", async () => {
  await using running = await site();
  const { headers } = await get(running, "/");
  const etag = headers.get("etag") ?? "";
  for (const tags of [etag, etag.replace("W/", ""), `"other", ${etag}`, "*"]) {
    const again = await lookup(running, "GET /", `If-None-Match: ${tags}`);
    assertEquals([again.status, again.body], [304, ""], tags);
    assertEquals(again.headers.get("etag"), etag);
    assertEquals(again.headers.get("vary"), "Accept-Encoding");
  }
  const other = await lookup(running, "GET /", `If-None-Match: "other"`);
  assertEquals(other.status, 200);
});

Deno.test("serveWeb() answers HEAD like GET, without the body", async () => {
  await using running = await site();
  for (const path of ["/", "/assets/style.css", "/healthz", "/nothing", "/r/NO"]) {
    const full = await lookup(running, `GET ${path}`);
    const head = await lookup(running, `HEAD ${path}`);
    assertEquals(head.body, "", path);
    assertEquals(head.status, full.status, path);
    for (const headers of [full.headers, head.headers]) headers.delete("date");
    assertEquals([...head.headers], [...full.headers], path);
    assertEquals(Number(head.headers.get("content-length")), full.body.length, path);
  }
});

Deno.test("serveWeb() sends the smallest form that the client takes, once it is made", async () => {
  const assets = await someAssets();
  await using running = await site({ assets });
  const ask = (accept?: string) =>
    fetch(`${running.origin}/assets/main.js`, {
      method: "HEAD",
      headers: { "accept-encoding": accept ?? "identity" },
    });
  assertEquals((await ask("br")).headers.get("content-encoding"), null);
  await assets.compress();
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
    const bytes = expected === null ? asset?.bytes : asset?.encoded[expected];
    assertEquals(headers.get("content-length"), String(bytes?.length), accept);
  }
  const bare = await lookup(running, "HEAD /assets/main.js");
  assertEquals(bare.headers.get("content-encoding"), null);
});

Deno.test("serveWeb() sends what it says it sends", async () => {
  const assets = await someAssets();
  await assets.compress();
  await using running = await site({ assets });
  const { bytes, encoded } = assets.get("/assets/main.js") ?? {};
  assert(bytes !== undefined && encoded?.br !== undefined && encoded.gzip !== undefined);
  for (const accept of ["br", "gzip", "identity"]) {
    const response = await fetch(`${running.origin}/assets/main.js`, {
      headers: { "accept-encoding": accept },
    });
    assertEquals(await response.bytes(), bytes, accept);
  }
  assertEquals(brotliDecompressSync(encoded.br).length, gunzipSync(encoded.gzip).length);
});

Deno.test("serveWeb() keeps other windows away from the page, where a browser takes that from it", async () => {
  await using running = await site();
  const policy = async (headers: HeadersInit) =>
    (await get(running, "/", { headers })).headers.get("cross-origin-opener-policy");
  assertEquals(await policy({ "sec-fetch-dest": "document" }), "same-origin");
  assertEquals(await policy({}), null);
});

Deno.test("serveWeb() puts the security headers on every answer", async () => {
  await using running = await site({ dev: true, assets: await someAssets() });
  const { origin } = running;
  const { headers } = await get(running, "/");
  const tag = headers.get("etag") ?? "";
  const requests: [string, RequestInit, number][] = [
    ["/", {}, 200],
    ["/", { headers: { "if-none-match": tag } }, 304],
    // So long that matching it would cost more than the answer.
    ["/", { headers: { "if-none-match": `${'"x", '.repeat(300)}${tag}` } }, 200],
    ["/", { method: "POST" }, 405],
    ["/assets/style.css", {}, 200],
    ["/healthz", {}, 200],
    ["/ws", {}, 426],
    ["/ws", { method: "POST" }, 204],
    ["/ws", { method: "POST", headers: { origin: "http://evil.example" } }, 403],
    ["/nothing", {}, 404],
    ["/nothing", { headers: { accept: "text/html" } }, 404],
    ["/dev/reload", { method: "HEAD" }, 200],
  ];
  for (const [path, init, status] of requests) {
    const response = await fetch(origin + path, init);
    await response.body?.cancel();
    assertEquals(response.status, status, path);
    for (const name of securityHeaders) assert(response.headers.has(name), `${path} ${name}`);
  }
  const bad = await raw(running.server.port, [
    "GET / HTTP/1.1",
    "Host: no host",
    "Connection: close",
  ]);
  assertEquals(bad.status, 400);
  for (const name of securityHeaders) assert(bad.headers.has(name), name);
});

Deno.test("serveWeb() allows no foreign origin and nothing unsafe in its policy", async () => {
  await using running = await site();
  const policy = (await get(running, "/")).headers.get("content-security-policy") ?? "";
  const sources = policy.split("; ").flatMap((directive) => directive.split(" ").slice(1));
  assertEquals(new Set(sources), new Set(["'none'", "'self'", "data:"]));
  assertStringIncludes(policy, "default-src 'none'");
  assertStringIncludes(policy, "frame-ancestors 'none'");
});

Deno.test("serveWeb() explains a refusal as problem+json to programs and as a page to browsers", async () => {
  await using running = await site();
  for (
    const accept of ["*/*", "application/json", "application/problem+json, text/html;q=0.5", ""]
  ) {
    const { response, body, headers } = await get(running, "/nothing", { headers: { accept } });
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
  const { body, headers } = await get(running, "/<b>x", { headers: { accept: browser } });
  assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(headers.get("vary"), "Accept");
  assertStringIncludes(body, "<h1>Not Found</h1>");
  assertStringIncludes(body, `href="/assets/style.css"`);
  assertEquals(body.match(/style=|<style|<script|<b>/), null);
});

Deno.test("serveWeb() says which methods there are", async () => {
  await using running = await site();
  for (
    const [path, method, allow] of [
      ["/", "POST", "GET, HEAD"],
      ["/r/lobby", "DELETE", "GET, HEAD"],
      ["/assets/style.css", "PUT", "GET, HEAD"],
      ["/healthz", "OPTIONS", "GET, HEAD"],
      ["/ws", "HEAD", "GET, POST"],
      ["/ws", "PUT", "GET, POST"],
    ] as const
  ) {
    const { response, headers } = await get(running, path, { method });
    assertEquals([response.status, headers.get("allow")], [405, allow], `${method} ${path}`);
  }
});

Deno.test("serveWeb() finds nothing outside its files", async () => {
  await using running = await site();
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
      "/dev/reload",
      `/${"a".repeat(8_000)}`,
    ]
  ) assertEquals((await lookup(running, `GET ${path}`)).status, 404, path.slice(0, 40));
  assertEquals(running.errors, []);
});

Deno.test("serveWeb() refuses a Host that is none, and lives on", async () => {
  await using running = await site();
  for (const host of ["no host", "a b:99999999", "x:99999999", "<script>"]) {
    const { status, body } = await raw(running.server.port, [
      "GET / HTTP/1.1",
      `Host: ${host}`,
      "Connection: close",
    ]);
    assertEquals(status, 400, host);
    assertStringIncludes(body, "Host header");
  }
  assertEquals(running.access.map(({ path }) => path), ["/", "/", "/", "/"]);
  assertEquals((await get(running, "/")).response.status, 200);
});

Deno.test("serveWeb() says at /healthz whether it serves or drains", async () => {
  await using running = await site();
  const healthy = await get(running, "/healthz");
  assertEquals([healthy.response.status, healthy.body], [200, "ok"]);
  running.hub.draining = true;
  const draining = await get(running, "/healthz");
  assertEquals(draining.response.status, 503);
  assertEquals(draining.headers.get("content-type"), "application/problem+json");
  assertEquals(draining.headers.get("cache-control"), "no-store");
});

Deno.test("serveWeb() answers 500 and logs when something breaks inside", async () => {
  const assets = {
    ...await someAssets(),
    get: () => {
      throw new Error("secret path");
    },
  };
  await using running = await site({ assets });
  const { response, body } = await get(running, "/");
  assertEquals(response.status, 500);
  assertEquals(body.includes("secret"), false);
  assertEquals(running.errors, ["internal"]);
  assertEquals(running.access.at(0)?.status, 500);
});

Deno.test("serveWeb() logs every request, upgrades too", async () => {
  let time = 0;
  await using running = await site({ now: () => time += 5 });
  const headers = { "user-agent": "test/1", referer: "http://a.example/" };
  await get(running, "/r/lobby?x=1", { headers });
  await lookup(running, "GET /nothing");
  await lookup(running, "HEAD /");
  await raw(running.server.port, handshake());
  await running.hub.until(({ connected, codes }) => connected.length === codes.length);
  const [page, missing, head, upgrade] = running.access;
  assertEquals(page, {
    address: "127.0.0.1",
    method: "GET",
    path: "/r/lobby?x=1",
    protocol: "HTTP/1.1",
    status: 200,
    bytes: page?.bytes ?? 0,
    referrer: "http://a.example/",
    userAgent: "test/1",
    ms: 5,
  });
  assert((page?.bytes ?? 0) > 1_000);
  assertEquals([missing?.status, missing?.userAgent], [404, undefined]);
  assertEquals([head?.status, head?.bytes], [200, 0]);
  assertEquals([upgrade?.status, upgrade?.path, upgrade?.bytes], [101, "/ws", 0]);
  assertEquals(running.access.length, 4);
});

Deno.test("serveWeb() tells a page in development which start of the server it speaks to", async () => {
  const readId = async (running: RunningSite) => {
    const response = await fetch(`${running.origin}/dev/reload`);
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    const { value } = await reader?.read() ?? {};
    return { id: value?.match(/^data: (.+)$/m)?.[1], reader };
  };
  const first = await site({ dev: true });
  const before = await readId(first);
  const again = await readId(first);
  assertEquals(again.id, before.id);
  await again.reader?.cancel();
  await first[Symbol.asyncDispose]();
  assertEquals((await before.reader?.read())?.done, true);
  await using second = await site({ dev: true });
  const after = await readId(second);
  assert(after.id !== undefined && after.id !== before.id);
  await after.reader?.cancel();
});

Deno.test("serveWeb() says why it cannot listen", async () => {
  await using running = await site();
  const { port } = running.server;
  await assertRejects(
    () => site({ port }),
    Error,
    `Cannot listen on 127.0.0.1:${port}: another program has this port`,
  );
});

Deno.test("WebServer.url is what a browser on this machine opens", async () => {
  for (
    const [hostname, host] of [
      ["0.0.0.0", "localhost"],
      ["127.0.0.1", "127.0.0.1"],
    ] as const
  ) {
    await using running = await site({ hostname });
    assertEquals(running.server.url, `http://${host}:${running.server.port}/`);
  }
});

Deno.test("serveWeb() serves below BASE_PATH, whether a proxy takes the path away or not", async () => {
  await using dir = await folder();
  const assets = await loadAssets({
    staticDir: dir.path,
    dev: false,
    basePath: "/our/chat",
    bundled: true,
  });
  await using running = await site({ assets });
  const page = await get(running, "/our/chat/");
  assertStringIncludes(page.body, "<title>Parley</title>");
  for (const path of ["/our/chat/r/tea", "/", "/r/tea"]) {
    assertEquals((await get(running, path)).body, page.body, path);
  }
  const links = [...page.body.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link = ""]) => link);
  assertEquals(links.length, 4);
  for (const link of links) {
    assert(link.startsWith("/our/chat/"), link);
    assertEquals((await get(running, link)).response.status, 200, link);
    const stripped = link.replace("/our/chat", "");
    assertEquals((await get(running, stripped)).response.status, 200, stripped);
  }
  for (const path of ["/our/chat/healthz", "/our/chat/metrics"]) {
    assertEquals((await get(running, path)).response.status, 200, path);
  }
  const bare = await get(running, "/our/chat");
  assertEquals([bare.response.status, bare.headers.get("location")], [308, "/our/chat/"]);
  for (const path of ["/our/chatter/", "/our/", "/our/chat/our/chat/"]) {
    assertEquals((await get(running, path)).response.status, 404, path);
  }
  const lines = handshake().map((line) => line.replace("/ws", "/our/chat/ws"));
  assertEquals((await raw(running.server.port, lines)).status, 101);
  assertEquals(running.server.url, `${running.origin}/our/chat/`);
});

Deno.test("serveWeb() tells who is in a room, unless the chat asks for a code", async () => {
  await using open = await site();
  const { body } = await get(open, "/here/lobby");
  assertEquals(JSON.parse(body), { count: 7, usernames: ["in lobby", "5 at most"] });
  assertEquals((await get(open, "/here/No%20Room")).response.status, 404);
  await using closed = await site({ isOpen: false });
  assertEquals((await get(closed, "/here/lobby")).response.status, 204);
});
