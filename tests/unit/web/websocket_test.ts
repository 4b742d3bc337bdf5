import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dial, handshake, raw, site } from "../../support/web_harness.ts";
import type { RunningSite } from "../../support/web_harness.ts";

/** Asks why a handshake of the same page is refused. */
async function diagnose({ origin }: RunningSite, headers: Record<string, string> = {}) {
  const response = await fetch(`${origin}/ws`, { method: "POST", headers });
  const text = await response.text();
  const { code = "", detail = "" } = text === "" ? {} : JSON.parse(text);
  return { status: response.status, code: String(code), detail: String(detail) };
}

Deno.test("Gate.upgrade() takes a handshake as the standard has it [P1]", async () => {
  await using running = await site();
  const lines = handshake({ "Sec-WebSocket-Protocol": "parley.v1" });
  const { status, headers } = await raw(running.server.port, lines);
  assertEquals(status, 101);
  assertEquals(headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assertEquals(headers.get("sec-websocket-protocol"), "parley.v1");
  await running.hub.until(({ connected, codes }) => connected.length === codes.length);
});

Deno.test("Gate.upgrade() chooses parley.v1 when it is offered, and minds no offer at all [P1]", async () => {
  await using running = await site();
  const { port } = running.server;
  for (
    const [offer, status, chosen] of [
      [undefined, 101, null],
      ["", 101, null],
      ["parley.v1", 101, "parley.v1"],
      ["parley.v2,parley.v1", 101, "parley.v1"],
      ["chat ,  parley.v1 , x", 101, "parley.v1"],
      ["parley.v2", 400, null],
      ["PARLEY.V1", 400, null],
      ["parley.v2, chat", 400, null],
    ] as const
  ) {
    const lines = handshake({ "Sec-WebSocket-Protocol": offer });
    const response = await raw(port, status === 400 ? closing(lines) : lines);
    assertEquals(response.status, status, offer);
    assertEquals(response.headers.get("sec-websocket-protocol"), chosen, offer);
  }
});

/** A refused handshake leaves the connection open; this one ends it by asking for more, and saying that it is the last. */
function closing(lines: readonly string[]): string[] {
  return lines.map((line) => line.startsWith("Connection:") ? `${line}, close` : line);
}

Deno.test("Gate.upgrade() refuses what is no handshake of version 13, and says why [P1]", async () => {
  await using running = await site();
  const upgrade = { upgrade: "websocket" };
  for (
    const [change, status, code, detail, expected] of [
      [
        { Upgrade: undefined, "Sec-WebSocket-Key": undefined },
        426,
        "upgrade_required",
        "Only WebSockets",
        upgrade,
      ],
      [
        { Upgrade: "h2c", "Sec-WebSocket-Key": undefined },
        426,
        "upgrade_required",
        "Only WebSockets",
        upgrade,
      ],
      [{ Upgrade: undefined }, 426, "upgrade_dropped", "A proxy", upgrade],
      [{ "Sec-WebSocket-Version": "8" }, 426, "version_unsupported", "13", {
        "sec-websocket-version": "13",
      }],
      [{ "Sec-WebSocket-Version": "13, 8" }, 426, "version_unsupported", "13", {
        "sec-websocket-version": "13",
      }],
      [{ "Sec-WebSocket-Version": undefined }, 426, "version_unsupported", "13", {
        "sec-websocket-version": "13",
      }],
      [{ Connection: "keep-alive" }, 400, "handshake_invalid", "Connection", {}],
      [{ "Sec-WebSocket-Key": undefined }, 400, "handshake_invalid", "Key", {}],
      [{ "Sec-WebSocket-Key": "" }, 400, "handshake_invalid", "Key", {}],
      [{ "Sec-WebSocket-Key": "c2hvcnQ=" }, 400, "handshake_invalid", "Key", {}],
      [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ" }, 400, "handshake_invalid", "Key", {}],
      [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }, 400, "handshake_invalid", "Key", {}],
      [{ "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==, a" }, 400, "handshake_invalid", "Key", {}],
    ] as const
  ) {
    const about = JSON.stringify(change);
    const response = await raw(running.server.port, closing(handshake(change)));
    assertEquals(response.status, status, about);
    const problem = JSON.parse(response.body);
    assertEquals(problem.code, code, about);
    assertStringIncludes(problem.detail, detail, about);
    for (const [name, value] of Object.entries(expected)) {
      assertEquals(response.headers.get(name), value, about);
    }
  }
  assertEquals(running.hub.connected, []);
});

Deno.test("Gate.upgrade() takes names and tokens in any case, as proxies write them [P1]", async () => {
  await using running = await site();
  const lines = handshake({ Upgrade: "WebSocket", Connection: "keep-alive, UPGRADE" });
  assertEquals((await raw(running.server.port, lines)).status, 101);
});

Deno.test("Gate.upgrade() lets in pages of the own origin, of allowed ones, and programs [L8]", async () => {
  await using running = await site({ allowedOrigins: ["https://friend.example"] });
  for (
    const [host, origin, status] of [
      ["chat.example.org", undefined, 101],
      ["chat.example.org", "http://chat.example.org", 101],
      ["chat.example.org", "https://chat.example.org", 101],
      ["chat.example.org:443", "https://chat.example.org", 101],
      ["CHAT.example.org", "https://chat.example.org", 101],
      ["localhost:8000", "http://localhost:8000", 101],
      ["[::1]:8000", "http://[::1]:8000", 101],
      ["chat.example.org", "https://friend.example", 101],
      ["chat.example.org", "http://friend.example", 403],
      ["chat.example.org", "https://evil.example", 403],
      ["chat.example.org", "https://chat.example.org.evil.example", 403],
      ["chat.example.org", "https://chat.example.org:8443", 403],
      ["localhost:8000", "http://localhost:8001", 403],
      ["localhost:8000", "http://localhost", 403],
      ["chat.example.org", "null", 403],
      ["chat.example.org", "file://", 403],
      ["chat.example.org", "", 403],
    ] as const
  ) {
    const lines = handshake({ Host: host, Origin: origin });
    const response = await raw(running.server.port, status === 101 ? lines : closing(lines));
    assertEquals(response.status, status, `${host} ${origin}`);
    if (status === 403) assertStringIncludes(JSON.parse(response.body).detail, "ALLOWED_ORIGINS");
  }
});

Deno.test("Gate.upgrade() believes a trusted proxy which host was asked for, and nobody else [L8]", async () => {
  const lines = handshake({
    Host: "10.0.0.9:8000",
    Origin: "https://chat.example.org",
    "X-Forwarded-Host": "chat.example.org",
  });
  await using trusting = await site({ trustProxy: 1 });
  assertEquals((await raw(trusting.server.port, lines)).status, 101);
  await using careful = await site();
  assertEquals((await raw(careful.server.port, closing(lines))).status, 403);
});

Deno.test("Gate brings frames to the hub and back", async () => {
  await using running = await site();
  const { hub } = running;
  hub.onReceive = ({ socket }) => socket.send(`["ok"]`);
  const { socket, opened, closed } = dial(running.server, { protocol: "parley.v1" });
  await opened;
  const answer = new Promise((resolve) =>
    socket.addEventListener("message", ({ data }) => resolve(data), { once: true })
  );
  socket.send("first");
  assertEquals(await answer, `["ok"]`);
  socket.send(new Uint8Array([1, 2]));
  await hub.until(({ frames }) => frames.length === 2);
  assertEquals(hub.frames, ["first", new Uint8Array([1, 2]).buffer]);
  assertEquals(hub.connected[0]?.address, "127.0.0.1");
  socket.close(1000);
  await closed;
  await hub.until(({ codes }) => codes.length > 0);
  assertEquals(hub.codes, [1000]);
});

Deno.test("Gate tells the hub once how a connection ended", async () => {
  await using running = await site();
  const { hub, server } = running;
  const { opened, closed } = dial(server);
  await opened;
  await hub.until(({ connected }) => connected.length === 1);
  hub.connected[0]?.socket.close(4103, "nothing heard");
  assertEquals(await closed, { code: 4103, reason: "nothing heard" });
  await hub.until(({ codes }) => codes.length === 1);
  // Gone without a goodbye.
  await raw(server.port, handshake());
  await hub.until(({ codes }) => codes.length === 2);
  assertEquals(hub.codes, [4103, 1006]);
});

Deno.test("Gate gives the hub a socket that never throws", async () => {
  await using running = await site();
  const { hub, server } = running;
  const { opened, closed } = dial(server);
  await opened;
  await hub.until(({ connected }) => connected.length === 1);
  const socket = hub.connected[0]?.socket;
  assert(socket !== undefined);
  assertEquals(socket.buffered, 0);
  socket.close(4102, "é".repeat(200));
  socket.close(4102, "again");
  socket.send("too late");
  assertEquals((await closed).code, 1011);
  await hub.until(({ codes }) => codes.length === 1);
  socket.send("far too late");
  socket.close(1000, "");
  assertEquals(hub.codes, [1011]);
});

Deno.test("Gate survives a hub that throws, and closes with 1011", async () => {
  await using running = await site();
  const { hub, server, errors } = running;
  hub.onReceive = () => {
    throw new Error("a mistake");
  };
  const { socket, opened, closed } = dial(server);
  await opened;
  socket.send("x");
  assertEquals((await closed).code, 1011);
  assertEquals(errors, ["internal"]);
  await hub.until(({ codes }) => codes.length === 1);
});

Deno.test("Gate closes with 1013 who comes when the server is full, until somebody goes [L7]", async () => {
  await using running = await site({ maxConnections: 2 });
  const { hub, server } = running;
  const inside = [dial(server), dial(server)];
  await hub.until(({ connected }) => connected.length === 2);
  assertEquals(await dial(server).closed, { code: 1013, reason: "the server is full" });
  assertEquals(await diagnose(running), {
    status: 503,
    code: "server_full",
    detail: "The server is full: try again later",
  });
  inside[0]?.socket.close();
  await hub.until(({ codes }) => codes.length === 1);
  assertEquals((await diagnose(running)).status, 204);
  const next = dial(server);
  await hub.until(({ connected }) => connected.length === 3);
  next.socket.close();
  inside[1]?.socket.close();
  await hub.until(({ codes }) => codes.length === 3);
});

Deno.test("Gate refuses before the upgrade when many that it closed do not go, and lets others in [L7]", async () => {
  await using running = await site({ trustProxy: 1, maxConnectionsPerAddress: 1 });
  const { hub, server } = running;
  const greedy = { "X-Forwarded-For": "192.0.2.1" };
  const inside = dial(server, { headers: greedy });
  await hub.until(({ connected }) => connected.length === 1);
  // The server's close frame is never answered.
  const silent = await Promise.all(Array.from({ length: 100 }, async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const lines = handshake(greedy).join("\r\n");
    await connection.write(new TextEncoder().encode(`${lines}\r\n\r\n`));
    await readUntil(connection, "too many connections from your address");
    return connection;
  }));
  const refused = await raw(server.port, closing(handshake(greedy)));
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  const other = dial(server, { headers: { "X-Forwarded-For": "192.0.2.2" } });
  await other.opened;
  for (const connection of silent) connection.close();
  inside.socket.close();
  other.socket.close();
  await hub.until(({ codes }) => codes.length === 2);
});

/** Reads until `text` has come. */
async function readUntil(connection: Deno.Conn, text: string): Promise<void> {
  const buffer = new Uint8Array(4_096);
  let read = "";
  while (!read.includes(text)) {
    const count = await connection.read(buffer);
    assert(count !== null, "the connection ended");
    read += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

Deno.test("Gate counts connections by address, and not those of the machine itself [L7]", async () => {
  await using running = await site({ trustProxy: 1, maxConnectionsPerAddress: 1 });
  const { hub, server } = running;
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
  const sockets = [];
  for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1", "127.0.0.1"]) {
    sockets.push(dial(server, from(address)).socket);
    await hub.until(({ connected }) => connected.length === sockets.length);
  }
  for (const address of ["192.0.2.1", "::ffff:192.0.2.2", "2001:db8::2"]) {
    assertEquals(await dial(server, from(address)).closed, {
      code: 1013,
      reason: "too many connections from your address",
    }, address);
  }
  const greedy = await diagnose(running, { "x-forwarded-for": "192.0.2.1" });
  assertEquals([greedy.status, greedy.code], [503, "address_full"]);
  assertEquals((await diagnose(running, { "x-forwarded-for": "192.0.2.9" })).status, 204);
  assertEquals(hub.connected.length, 5);
  for (const socket of sockets) socket.close();
  await hub.until(({ codes }) => codes.length === 5);
  const again = dial(server, from("192.0.2.1"));
  await hub.until(({ connected }) => connected.length === 6);
  again.socket.close();
  await hub.until(({ codes }) => codes.length === 6);
});

Deno.test("Gate.diagnose() answers 204 when nothing is wrong, and else why [C9]", async () => {
  await using running = await site();
  const host = running.origin;
  assertEquals((await diagnose(running)).status, 204);
  assertEquals((await diagnose(running, { origin: host })).status, 204);
  const foreign = await diagnose(running, { origin: "https://evil.example" });
  assertEquals([foreign.status, foreign.code], [403, "origin_denied"]);
  assertStringIncludes(foreign.detail, "another origin");
  running.hub.draining = true;
  assertEquals(await diagnose(running), {
    status: 503,
    code: "draining",
    detail: "The server is about to restart: try again later",
  });
});

Deno.test("Gate.diagnose() tells that a proxy drops upgrades, until one gets through [C9]", async () => {
  await using running = await site();
  await raw(running.server.port, closing(handshake({ Upgrade: undefined })));
  await raw(running.server.port, closing(handshake({ Upgrade: undefined })));
  assertEquals(running.warnings, ["proxy_without_upgrade"]);
  const refused = await diagnose(running);
  assertEquals([refused.status, refused.code], [426, "upgrade_dropped"]);
  assertStringIncludes(refused.detail, "proxy");
  await raw(running.server.port, handshake());
  assertEquals((await diagnose(running)).status, 204);
});

Deno.test("Gate lets the hub answer who comes while it drains [C7]", async () => {
  await using running = await site();
  const { hub, server } = running;
  hub.draining = true;
  const { closed } = dial(server);
  await hub.until(({ connected }) => connected.length === 1);
  hub.connected[0]?.socket.close(1012, "0");
  assertEquals(await closed, { code: 1012, reason: "0" });
  await hub.until(({ codes }) => codes.length === 1);
});

Deno.test("Gate.address() warns once of forwarding headers that nobody said to trust", async () => {
  await using running = await site();
  const ask = async () => {
    const headers = { "x-forwarded-for": "192.0.2.1" };
    await (await fetch(`${running.origin}/healthz`, { headers })).body?.cancel();
  };
  await ask();
  await ask();
  assertEquals(running.warnings, ["untrusted_proxy"]);
  assertEquals(running.access.map(({ address }) => address), ["127.0.0.1", "127.0.0.1"]);
});

Deno.test("Gate.upgrade() warns once of a trusted proxy that does not say for whom it asks", async () => {
  await using running = await site({ trustProxy: 1 });
  const { port } = running.server;
  // The machine's own look at its health comes through no proxy.
  await (await fetch(`${running.origin}/healthz`)).body?.cancel();
  await raw(port, handshake({ "X-Forwarded-For": "192.0.2.1" }));
  await raw(port, handshake({ Forwarded: "for=192.0.2.1" }));
  assertEquals(running.warnings, []);
  await raw(port, handshake());
  await raw(port, handshake());
  assertEquals(running.warnings, ["silent_proxy"]);
  await running.hub.until(({ codes }) => codes.length === 4);
});

Deno.test("WebServer.shutdown() lets the hub's close frames reach their peers first [C7]", async () => {
  const { hub, server } = await site();
  const peers = Array.from({ length: 50 }, () => dial(server));
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

Deno.test("WebServer.shutdown() does not wait for a peer that does not read", async () => {
  const { hub, server } = await site();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode(handshake().join("\r\n") + "\r\n\r\n"));
  await hub.until(({ connected }) => connected.length === 1);
  const megabyte = "x".repeat(1_000_000);
  // More than the two kernels between them take.
  for (let sent = 0; sent < 20; sent++) hub.connected[0]?.socket.send(megabyte);
  await server.shutdown(0);
  assertEquals(hub.codes, []);
  connection.close();
  await server.finished;
  assertEquals(hub.codes.length, 1);
});
