// WebSockets between the server and the hub.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { LogFields } from "../../../app/chat/ports.ts";
import {
  dialSocket,
  fetchPath,
  handshakeLines,
  rawRequest,
  readUntil,
  startSite,
  withClose,
} from "../../support/web_harness.ts";
import type { RunningSite } from "../../support/web_harness.ts";

/** Asks why a handshake would be refused. */
async function diagnose({ origin }: RunningSite, headers: Record<string, string> = {}) {
  const response = await fetch(`${origin}/ws`, { method: "POST", headers });
  const text = await response.text();
  const { code = "", detail = "" } = text === "" ? {} : JSON.parse(text);
  return { status: response.status, code: String(code), detail: String(detail) };
}

Deno.test("WebSockets passes frames to the hub and back", async () => {
  await using running = await startSite();
  const { hub } = running;
  hub.onReceive = ({ socket }) => socket.send(`["ok"]`);
  const { socket, opened, closed } = dialSocket(running.server, { protocol: "parley.v1" });
  await opened;
  const reply = new Promise((resolve) =>
    socket.addEventListener("message", ({ data }) => resolve(data), { once: true })
  );
  socket.send("first");
  assertEquals(await reply, `["ok"]`);
  socket.send(new Uint8Array([1, 2]));
  await hub.until(({ frames }) => frames.length === 2);
  assertEquals(hub.frames, ["first", new Uint8Array([1, 2]).buffer]);
  assertEquals(hub.connected[0]?.address, "127.0.0.1");
  socket.close(1000);
  await closed;
  await hub.until(({ codes }) => codes.length > 0);
  assertEquals(hub.codes, [1000]);
});

Deno.test("WebSockets reports a close to the hub once, with its code", async () => {
  await using running = await startSite();
  const { hub, server } = running;
  const { opened, closed } = dialSocket(server);
  await opened;
  await hub.until(({ connected }) => connected.length === 1);
  hub.connected[0]?.socket.close(4103, "silence");
  assertEquals(await closed, { code: 4103, reason: "silence" });
  await hub.until(({ codes }) => codes.length === 1);
  // Disconnects without a close frame.
  await rawRequest(server.port, handshakeLines());
  await hub.until(({ codes }) => codes.length === 2);
  assertEquals(hub.codes, [4103, 1006]);
});

Deno.test("WebSockets gives the hub a socket that never throws", async () => {
  await using running = await startSite();
  const { hub, server } = running;
  const { opened, closed } = dialSocket(server);
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

Deno.test("WebSockets closes with 1011 if the hub throws", async () => {
  await using running = await startSite();
  const { hub, server, errors } = running;
  hub.onReceive = () => {
    throw new Error("a mistake");
  };
  const { socket, opened, closed } = dialSocket(server);
  await opened;
  socket.send("x");
  assertEquals((await closed).code, 1011);
  assertEquals(errors, ["internal"]);
  await hub.until(({ codes }) => codes.length === 1);
});

Deno.test("WebSockets closes with 1013 while the server is full [L7]", async () => {
  await using running = await startSite({ maxConnections: 2 });
  const { hub, server } = running;
  const open = [dialSocket(server), dialSocket(server)];
  await hub.until(({ connected }) => connected.length === 2);
  assertEquals(await dialSocket(server).closed, { code: 1013, reason: "the server is full" });
  assertEquals(await diagnose(running), {
    status: 503,
    code: "server_full",
    detail: "The server is full. Try again later",
  });
  open[0]?.socket.close();
  await hub.until(({ codes }) => codes.length === 1);
  assertEquals((await diagnose(running)).status, 204);
  const next = dialSocket(server);
  await hub.until(({ connected }) => connected.length === 3);
  next.socket.close();
  open[1]?.socket.close();
  await hub.until(({ codes }) => codes.length === 3);
});

Deno.test("WebSockets refuses before the upgrade if too many rejected sockets stay open [L7]", async () => {
  await using running = await startSite({ trustProxy: 1, maxConnectionsPerIp: 1 });
  const { hub, server } = running;
  const address = { "X-Forwarded-For": "192.0.2.1" };
  const open = dialSocket(server, { headers: address });
  await hub.until(({ connected }) => connected.length === 1);
  // These peers never reply to the server's close frame. They connect one at a time, because a
  // handshake is refused while another is being upgraded.
  const silent: Deno.TcpConn[] = [];
  for (let i = 0; i < 100; i++) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    const lines = handshakeLines(address).join("\r\n");
    await connection.write(new TextEncoder().encode(`${lines}\r\n\r\n`));
    await readUntil(connection, "too many connections from your address");
    silent.push(connection);
  }
  const refused = await rawRequest(server.port, withClose(handshakeLines(address)));
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  const other = dialSocket(server, { headers: { "X-Forwarded-For": "192.0.2.2" } });
  await other.opened;
  for (const connection of silent) connection.close();
  open.socket.close();
  other.socket.close();
  await hub.until(({ codes }) => codes.length === 2);
});

Deno.test("WebSockets limits connections per network, except from loopback [L7]", async () => {
  await using running = await startSite({ trustProxy: 1, maxConnectionsPerIp: 1 });
  const { hub, server } = running;
  const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
  const sockets = [];
  for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1", "127.0.0.1"]) {
    sockets.push(dialSocket(server, from(address)).socket);
    await hub.until(({ connected }) => connected.length === sockets.length);
  }
  for (const address of ["192.0.2.1", "::ffff:192.0.2.2", "2001:db8::2"]) {
    assertEquals(await dialSocket(server, from(address)).closed, {
      code: 1013,
      reason: "too many connections from your address",
    }, address);
  }
  const refused = await diagnose(running, { "x-forwarded-for": "192.0.2.1" });
  assertEquals([refused.status, refused.code], [503, "address_full"]);
  assertEquals((await diagnose(running, { "x-forwarded-for": "192.0.2.9" })).status, 204);
  assertEquals(hub.connected.length, 5);
  for (const socket of sockets) socket.close();
  await hub.until(({ codes }) => codes.length === 5);
  const again = dialSocket(server, from("192.0.2.1"));
  await hub.until(({ connected }) => connected.length === 6);
  again.socket.close();
  await hub.until(({ codes }) => codes.length === 6);
});

Deno.test("WebSockets.diagnose() returns 204, or why a handshake fails [C9]", async () => {
  await using running = await startSite();
  const host = running.origin;
  assertEquals((await diagnose(running)).status, 204);
  assertEquals((await diagnose(running, { origin: host })).status, 204);
  const foreign = await diagnose(running, { origin: "https://evil.example" });
  assertEquals([foreign.status, foreign.code], [403, "origin_denied"]);
  assertStringIncludes(foreign.detail, "a different origin");
  running.hub.isDraining = true;
  assertEquals(await diagnose(running), {
    status: 503,
    code: "draining",
    detail: "The server is about to restart. Try again later",
  });
});

Deno.test("WebSockets.diagnose() reports a proxy that drops upgrades until one succeeds [C9]", async () => {
  await using running = await startSite();
  await rawRequest(running.server.port, withClose(handshakeLines({ Upgrade: undefined })));
  await rawRequest(running.server.port, withClose(handshakeLines({ Upgrade: undefined })));
  assertEquals(running.warnings, ["proxy_without_upgrade"]);
  const refused = await diagnose(running);
  assertEquals([refused.status, refused.code], [426, "upgrade_dropped"]);
  assertStringIncludes(refused.detail, "proxy");
  await rawRequest(running.server.port, handshakeLines());
  assertEquals((await diagnose(running)).status, 204);
});

Deno.test("WebSockets lets the hub close connections made while it drains [C7]", async () => {
  await using running = await startSite();
  const { hub, server } = running;
  hub.isDraining = true;
  const { closed } = dialSocket(server);
  await hub.until(({ connected }) => connected.length === 1);
  hub.connected[0]?.socket.close(1012, "0");
  assertEquals(await closed, { code: 1012, reason: "0" });
  await hub.until(({ codes }) => codes.length === 1);
});

Deno.test("WebSockets.diagnose() reports a handshake without any of its headers [C9]", async () => {
  await using running = await startSite();
  // The handshake as passed on by a proxy that speaks HTTP/2 to the server.
  const stripped = [
    "GET /ws HTTP/1.1",
    `Host: ${new URL(running.origin).host}`,
    "Connection: close",
  ];
  await rawRequest(running.server.port, stripped);
  const post = async () => (await fetchPath(running, "/ws", { method: "POST" })).response.status;
  assertEquals(await post(), 204);
  await rawRequest(running.server.port, [...stripped, `Origin: ${running.origin}`]);
  assertEquals(await post(), 426);
  // A proxy could pass the header on to a client that speaks HTTP/2.
  const { response } = await fetchPath(running, "/ws", { method: "POST" });
  assertEquals(response.headers.get("upgrade"), null);
  assertEquals(running.warnings, ["proxy_without_upgrade"]);
});

Deno.test("WebSockets logs refused origins, at most once a second, with a hint if proxied", async () => {
  let now = 0;
  const fields: LogFields[] = [];
  const log = {
    access() {},
    error() {},
    warn: (event: string, about: LogFields, network?: string) => {
      if (event !== "origin_denied") return;
      assertEquals(network, "127.0.0.1");
      fields.push(about);
    },
  };
  await using running = await startSite({ now: () => now, log });
  const connect = (...headers: string[]) => {
    const lines = [...handshakeLines({ Origin: "https://chat.example" }), ...headers];
    return rawRequest(running.server.port, withClose(lines));
  };
  assertEquals((await connect()).status, 403);
  await connect("X-Forwarded-For: 192.0.2.1");
  assertEquals(fields.map(({ origin, hint }) => [origin, hint]), [[
    "https://chat.example",
    undefined,
  ]]);
  now = 1_000;
  await connect("X-Forwarded-For: 192.0.2.1");
  assertStringIncludes(String(fields[1]?.hint), "pass on the Host header, with its port");
  // Many proxies pass on nothing by default.
  await using proxied = await startSite({ log, trustProxy: 1 });
  const lines = withClose(handshakeLines({ Origin: "https://chat.example:8443" }));
  await rawRequest(proxied.server.port, lines);
  assertStringIncludes(String(fields[2]?.hint), "pass on the Host header, with its port");
});
