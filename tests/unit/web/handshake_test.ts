// WebSocket handshakes.

import { once } from "node:events";
import { connect } from "node:http2";
import { assertEquals, assertStringIncludes } from "@std/assert";
import { handshakeLines, rawRequest, startSite, withClose } from "../../support/web_harness.ts";

Deno.test("WebSockets.upgrade() accepts the handshake of RFC 6455 [P1]", async () => {
  await using running = await startSite();
  const lines = handshakeLines({ "Sec-WebSocket-Protocol": "parley.v1" });
  const { status, headers } = await rawRequest(running.server.port, lines);
  assertEquals(status, 101);
  assertEquals(headers.get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assertEquals(headers.get("sec-websocket-protocol"), "parley.v1");
  await running.hub.until(({ connected, codes }) => connected.length === codes.length);
});

Deno.test("WebSockets.upgrade() selects parley.v1 if it is offered, and accepts handshakes without an offer [P1]", async () => {
  await using running = await startSite();
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
    const lines = handshakeLines({ "Sec-WebSocket-Protocol": offer });
    const response = await rawRequest(port, status === 400 ? withClose(lines) : lines);
    assertEquals(response.status, status, offer);
    assertEquals(response.headers.get("sec-websocket-protocol"), chosen, offer);
  }
});

Deno.test("WebSockets.upgrade() refuses an invalid handshake with the reason [P1]", async () => {
  await using running = await startSite();
  const upgrade = { upgrade: "websocket" };
  for (
    const [change, status, code, detail, expected] of [
      [
        { Upgrade: undefined, "Sec-WebSocket-Key": undefined },
        426,
        "upgrade_required",
        "only serves WebSockets",
        upgrade,
      ],
      [
        { Upgrade: "h2c", "Sec-WebSocket-Key": undefined },
        426,
        "upgrade_required",
        "only serves WebSockets",
        upgrade,
      ],
      [{ Upgrade: undefined }, 426, "upgrade_dropped", "A proxy", upgrade],
      // A proxy could pass the header on to a client that speaks HTTP/2.
      [
        { Upgrade: undefined, "X-Forwarded-For": "192.0.2.1" },
        426,
        "upgrade_dropped",
        "A proxy",
        { upgrade: null },
      ],
      [
        { Upgrade: undefined, "Sec-WebSocket-Key": undefined, Via: "2 proxy" },
        426,
        "upgrade_required",
        "only serves WebSockets",
        { upgrade: null },
      ],
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
    const response = await rawRequest(running.server.port, withClose(handshakeLines(change)));
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

Deno.test("WebSockets.upgrade() ignores the case of header values, as proxies change it [P1]", async () => {
  await using running = await startSite();
  const lines = handshakeLines({ Upgrade: "WebSocket", Connection: "keep-alive, UPGRADE" });
  assertEquals((await rawRequest(running.server.port, lines)).status, 101);
});

Deno.test("WebSockets.upgrade() accepts its own origin, allowed origins, and programs [L8]", async () => {
  await using running = await startSite({ allowedOrigins: ["https://friend.example"] });
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
      ["chat.example.org", "ftp://chat.example.org", 403],
      ["chat.example.org", "chrome-extension://chat.example.org", 403],
    ] as const
  ) {
    const lines = handshakeLines({ Host: host, Origin: origin });
    const response = await rawRequest(
      running.server.port,
      status === 101 ? lines : withClose(lines),
    );
    assertEquals(response.status, status, `${host} ${origin}`);
    if (status === 403) assertStringIncludes(JSON.parse(response.body).detail, "ALLOWED_ORIGINS");
  }
});

Deno.test("WebSockets.upgrade() recognizes its own origin over HTTP/2, which sends no Host [L8] [H7]", async () => {
  await using running = await startSite();
  const client = connect(`http://localhost:${running.server.port}`);
  try {
    for (const [host, status] of [["localhost", 204], ["evil.example", 403]] as const) {
      const origin = `http://${host}:${running.server.port}`;
      const stream = client.request({ ":path": "/ws", ":method": "POST", origin });
      stream.end();
      const [headers] = await once(stream, "response");
      assertEquals(headers[":status"], status, host);
      stream.close();
    }
  } finally {
    client.close();
  }
});

Deno.test("WebSockets.upgrade() trusts X-Forwarded-Host only behind trusted proxies [L8]", async () => {
  const lines = handshakeLines({
    Host: "10.0.0.9:8000",
    Origin: "https://chat.example.org",
    "X-Forwarded-Host": "chat.example.org",
  });
  await using trusting = await startSite({ trustProxy: 1 });
  assertEquals((await rawRequest(trusting.server.port, lines)).status, 101);
  await using careful = await startSite();
  assertEquals((await rawRequest(careful.server.port, withClose(lines))).status, 403);
});
