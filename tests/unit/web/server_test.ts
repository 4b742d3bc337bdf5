// The web server: headers, errors, listening and shutdown.

import { once } from "node:events";
import { connect } from "node:http2";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  dialSocket,
  fetchPath,
  handshakeLines,
  rawRequest,
  requestPath,
  startSite,
  testAssets,
} from "../../support/web_harness.ts";
import { startRoomSite } from "../../support/room_site.ts";
import { until } from "../../support/waiting.ts";

const securityHeaders = [
  "content-security-policy",
  "cross-origin-resource-policy",
  "permissions-policy",
  "referrer-policy",
  "x-content-type-options",
  "x-frame-options",
];

Deno.test("serveWeb() sets the opener policy where browsers support it", async () => {
  await using running = await startSite();
  const policy = async (headers: HeadersInit) =>
    (await fetchPath(running, "/", { headers })).headers.get("cross-origin-opener-policy");
  assertEquals(await policy({ "sec-fetch-dest": "document" }), "same-origin");
  assertEquals(await policy({}), null);
});

Deno.test("serveWeb() sets the security headers on every response", async () => {
  await using running = await startSite({ dev: true, assets: await testAssets() });
  const { origin } = running;
  const { headers } = await fetchPath(running, "/");
  const tag = headers.get("etag") ?? "";
  const requests: [string, RequestInit, number][] = [
    ["/", {}, 200],
    ["/", { headers: { "if-none-match": tag } }, 304],
    // The header is too long to match.
    ["/", { headers: { "if-none-match": `${'"x", '.repeat(300)}${tag}` } }, 200],
    ["/", { method: "POST" }, 405],
    ["/assets/style.css", {}, 200],
    ["/healthz", {}, 200],
    ["/ws", {}, 426],
    ["/ws", { method: "POST" }, 204],
    ["/ws", { method: "POST", headers: { origin: "http://evil.example" } }, 403],
    ["/nothing", {}, 404],
    ["/nothing", { headers: { accept: "text/html" } }, 404],
    ["/dev/start", { method: "HEAD" }, 200],
  ];
  for (const [path, init, status] of requests) {
    const response = await fetch(origin + path, init);
    await response.body?.cancel();
    assertEquals(response.status, status, path);
    for (const name of securityHeaders) assert(response.headers.has(name), `${path} ${name}`);
  }
  const bad = await rawRequest(running.server.port, [
    "GET / HTTP/1.1",
    "Host: no host",
    "Connection: close",
  ]);
  assertEquals(bad.status, 400);
  for (const name of securityHeaders) assert(bad.headers.has(name), name);
});

Deno.test("serveWeb() allows no foreign origin and nothing unsafe in its content security policy", async () => {
  await using running = await startSite();
  const policy = (await fetchPath(running, "/")).headers.get("content-security-policy") ?? "";
  const sources = policy.split("; ").flatMap((directive) => directive.split(" ").slice(1));
  assertEquals(new Set(sources), new Set(["'none'", "'self'", "data:", "'script'", "parley"]));
  assertStringIncludes(policy, "default-src 'none'");
  assertStringIncludes(policy, "frame-ancestors 'none'");
  assertStringIncludes(policy, "require-trusted-types-for 'script'; trusted-types parley");
});

Deno.test("serveWeb() returns 400 for an invalid Host, and keeps serving", async () => {
  await using running = await startSite();
  for (const host of ["no host", "a b:99999999", "x:99999999", "<script>"]) {
    const { status, body } = await rawRequest(running.server.port, [
      "GET / HTTP/1.1",
      `Host: ${host}`,
      "Connection: close",
    ]);
    assertEquals(status, 400, host);
    assertStringIncludes(body, "Host header");
  }
  assertEquals(running.access.map(({ path }) => path), ["/", "/", "/", "/"]);
  assertEquals((await fetchPath(running, "/")).response.status, 200);
});

Deno.test("serveWeb() takes no path from the Host header, and logs the path it serves", async () => {
  await using running = await startSite();
  const statusOf = async (target: string, host: string) => {
    const lines = [`GET ${target} HTTP/1.1`, `Host: ${host}`, "Connection: close"];
    return (await rawRequest(running.server.port, lines)).status;
  };
  for (const host of ["a/rooms?", "a\\rooms?", "a?", "a#", "localhost/healthz#", "b@a"]) {
    assertEquals(await statusOf("/healthz", host), 400, host);
  }
  assertEquals(running.access.length, 6);
  // The root, not the health check, which is not logged.
  assertEquals(await statusOf("http://127.0.0.1?/healthz", "a"), 200);
  assertEquals(running.access.at(-1)?.path, "?/healthz");
});

Deno.test("serveWeb() serves no path that a proxy may understand differently", async () => {
  await using running = await startSite();
  for (const path of ["/x/../rooms", "/x/%2e%2E/rooms", "/./rooms", "/x\\..\\rooms", "/rooms/."]) {
    const lines = [`GET ${path} HTTP/1.1`, "Host: localhost", "Connection: close"];
    assertEquals((await rawRequest(running.server.port, lines)).status, 404, path);
    assertEquals(running.access.at(-1)?.path, path);
  }
  assertEquals((await fetchPath(running, "/rooms?x=/../y\\.")).response.status, 200);
});

Deno.test("serveWeb() serves no address of more than 8 KiB [H5]", async () => {
  await using running = await startSite();
  const statusOf = async (length: number) =>
    (await fetchPath(running, `/rooms?${"a&".repeat(length / 2)}`)).response.status;
  assertEquals([await statusOf(8_000), await statusOf(8_200)], [200, 414]);
});

/** Sends each request over a separate connection, and resets it at once. */
const resetting = `
  import { connect } from "node:net";
  const [port, ...requests] = Deno.args;
  for (const request of requests) {
    await new Promise((resolve) => {
      const socket = connect(Number(port), "127.0.0.1", () => {
        socket.write(request, () => {
          socket.resetAndDestroy();
          resolve();
        });
      });
    });
  }`;

Deno.test("serveWeb() refuses a request whose connection was reset, and thus has no address", async () => {
  await using site = await startRoomSite();
  const { server, access, broker } = site;
  const authorization = `Basic ${btoa(`ci:${"c".repeat(43)}`)}`;
  const post = [
    "POST /r/tea HTTP/1.1",
    "Host: localhost",
    `Authorization: ${authorization}`,
    "Content-Length: 5",
    "",
    "hello",
  ].join("\r\n");
  const handshake = [...handshakeLines(), "", ""].join("\r\n");
  // Blocks this thread, so that the server accepts the connections after they were reset.
  const { success } = new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", resetting, String(server.port), post, handshake, post, handshake],
  }).outputSync();
  assert(success);
  await until(() => access.length === 4, "the server has handled the requests");
  for (const { address, status } of access) assertEquals([address, status], ["0.0.0.0", 400]);
  assertEquals([broker.appends, site.hub.size.sessions, server.limits.count], [[], 0, 0]);
});

Deno.test("serveWeb() returns 500 and logs the error if a handler throws", async () => {
  const assets = {
    ...await testAssets(),
    get: () => {
      throw new Error("secret path");
    },
  };
  await using running = await startSite({ assets });
  const { response, body } = await fetchPath(running, "/");
  assertEquals(response.status, 500);
  assertEquals(body.includes("secret"), false);
  assertEquals(running.errors, ["internal"]);
  assertEquals(running.access.at(0)?.status, 500);
});

Deno.test("serveWeb() logs every request, including upgrades", async () => {
  let time = 0;
  await using running = await startSite({ now: () => time += 5 });
  const headers = {
    accept: "text/html",
    "accept-encoding": "identity",
    "user-agent": "test/1",
    referer: "http://a.example/",
  };
  await fetchPath(running, "/r/lobby?x=1", { headers });
  await requestPath(running, "GET /nothing");
  await requestPath(running, "HEAD /");
  await rawRequest(running.server.port, handshakeLines());
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

Deno.test("serveWeb() logs the protocol of requests over HTTP/2", async () => {
  await using running = await startSite();
  const client = connect(`http://127.0.0.1:${running.server.port}`);
  try {
    const stream = client.request({ ":path": "/healthz", ":method": "POST" });
    stream.end();
    await once(stream, "response");
    stream.close();
    assertEquals(running.access.map(({ protocol }) => protocol), ["HTTP/2.0"]);
  } finally {
    client.close();
  }
});

Deno.test("serveWeb() throws with the reason if it cannot listen", async () => {
  await using running = await startSite();
  const { port } = running.server;
  await assertRejects(
    () => startSite({ port }),
    Error,
    `Cannot listen on 127.0.0.1:${port}: the port is in use`,
  );
  for (
    const [host, reason] of [
      ["2001:db8::1", "[2001:db8::1]:0: HOST is not an address of this machine"],
      ["nowhere.invalid", "nowhere.invalid:0: the name in HOST has no address"],
    ] as const
  ) await assertRejects(() => startSite({ host }), Error, `Cannot listen on ${reason}`);
});

Deno.test("WebServer.url works in a browser on this machine", async () => {
  for (
    const [host, shown] of [
      ["0.0.0.0", "localhost"],
      ["127.0.0.1", "127.0.0.1"],
    ] as const
  ) {
    await using running = await startSite({ host });
    assertEquals(running.server.url, `http://${shown}:${running.server.port}/`);
  }
});

Deno.test("WebServer.shutdown() delivers the hub's close frames first [C7]", async () => {
  const { hub, server } = await startSite();
  const peers = Array.from({ length: 50 }, () => dialSocket(server));
  await hub.until(({ connected }) => connected.length === peers.length);
  for (const { socket } of hub.connected) {
    socket.send(`["the last word"]`);
    socket.close(1012, "2000");
  }
  const heard = peers.map(({ socket }) =>
    new Promise((resolve) => socket.addEventListener("message", ({ data }) => resolve(data)))
  );
  await server.shutdown(60_000);
  for (const { closed } of peers) assertEquals(await closed, { code: 1012, reason: "2000" });
  assertEquals(new Set(await Promise.all(heard)), new Set([`["the last word"]`]));
  await server.finished;
});

Deno.test("WebServer.shutdown() does not wait for a peer that stopped reading", async () => {
  const { hub, server } = await startSite();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode(handshakeLines().join("\r\n") + "\r\n\r\n"));
  await hub.until(({ connected }) => connected.length === 1);
  const megabyte = "x".repeat(1_000_000);
  // More than the socket buffers hold.
  for (let sent = 0; sent < 20; sent++) hub.connected[0]?.socket.send(megabyte);
  await server.shutdown(0);
  assertEquals(hub.codes, []);
  connection.close();
  await server.finished;
  assertEquals(hub.codes.length, 1);
});

Deno.test("serveWeb() lets only FRAME_ANCESTORS embed the page", async () => {
  await using closed = await startSite();
  const { headers } = await fetchPath(closed, "/");
  assertStringIncludes(headers.get("content-security-policy") ?? "", "frame-ancestors 'none';");
  assertEquals(headers.get("x-frame-options"), "DENY");
  const frameAncestors = ["https://intranet.example.org", "https://b.example"];
  await using open = await startSite({ frameAncestors });
  const embeddable = await fetchPath(open, "/");
  assertStringIncludes(
    embeddable.headers.get("content-security-policy") ?? "",
    "frame-ancestors https://intranet.example.org https://b.example;",
  );
  assertEquals(embeddable.headers.has("x-frame-options"), false);
});

Deno.test("serveWeb() on [::] logs IPv4 clients with their IPv4 address", async () => {
  await using running = await startSite({ host: "::" });
  const { body } = await fetchPath(running, "/metrics");
  assertEquals(body, "");
  assertEquals(running.access[0]?.address, "127.0.0.1");
});
