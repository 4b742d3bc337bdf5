// Warnings about proxies that don't match TRUST_PROXY.

import { assertEquals } from "@std/assert";
import { peerAddress } from "../../../app/web/peer.ts";
import { ProxyWarnings } from "../../../app/web/proxy_warnings.ts";
import { handshakeLines, rawRequest, startSite } from "../../support/web_harness.ts";

Deno.test("ProxyWarnings logs one warning about untrusted forwarding headers", async () => {
  await using running = await startSite();
  const ask = async () => {
    const headers = { "x-forwarded-for": "192.0.2.1" };
    await (await fetch(`${running.origin}/favicon.ico`, { headers })).body?.cancel();
  };
  await ask();
  await ask();
  assertEquals(running.warnings, ["untrusted_proxy"]);
  assertEquals(running.access.map(({ address }) => address), ["127.0.0.1", "127.0.0.1"]);
});

Deno.test("ProxyWarnings logs one warning about a trusted proxy that reports no client", async () => {
  await using running = await startSite({ trustProxy: 1 });
  const { port } = running.server;
  // A local health check does not come through the proxy.
  await (await fetch(`${running.origin}/healthz`)).body?.cancel();
  await rawRequest(port, handshakeLines({ "X-Forwarded-For": "192.0.2.1" }));
  await rawRequest(port, handshakeLines({ Forwarded: "for=192.0.2.1" }));
  assertEquals(running.warnings, []);
  await rawRequest(port, handshakeLines());
  await rawRequest(port, handshakeLines());
  assertEquals(running.warnings, ["silent_proxy"]);
  await running.hub.until(({ codes }) => codes.length === 4);
});

Deno.test("ProxyWarnings logs one warning if everyone shares one private address", () => {
  const warned: string[] = [];
  const log = { warn: (event: string) => warned.push(event), error() {} };
  const warnings = new ProxyWarnings(0, log);
  const gateway = peerAddress("172.17.0.1");
  warnings.checkSharing(gateway, 32, 32);
  warnings.checkSharing(peerAddress("192.0.2.1"), 33, 32);
  warnings.checkSharing(gateway, 33, 0);
  assertEquals(warned, []);
  warnings.checkSharing(gateway, 33, 32);
  warnings.checkSharing(gateway, 34, 32);
  assertEquals(warned, ["shared_address"]);
});
