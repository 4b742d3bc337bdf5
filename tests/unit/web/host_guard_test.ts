// Refusal of foreign host names.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { HostGuard } from "../../../app/web/host_guard.ts";
import { firstCertificate } from "../../support/certificates.ts";
import { rawRequest, startSite } from "../../support/web_harness.ts";

function statusOf(guard: HostGuard, host: string, peer: string): number | undefined {
  return guard.problem(host, peer)?.status;
}

Deno.test("HostGuard refuses foreign host names from this machine and from private networks [L9]", () => {
  const guard = new HostGuard({ allowedHosts: ["chat.example"], trustProxy: 0 });
  for (const peer of ["127.0.0.1", "::1", "::ffff:10.0.0.7", "192.168.1.7", "fe80::1"]) {
    for (const host of ["evil.example", "a.b.c", "localhost.evil.example", "127.0.0.1.nip.io"]) {
      assertEquals(statusOf(guard, host, peer), 421, `${host} ${peer}`);
    }
    for (
      const host of [
        "127.0.0.1",
        "192.168.1.2",
        "[::1]",
        "localhost",
        "parley",
        "parley.local",
        "PARLEY.Internal",
        "chat.example",
        "chat.example.",
      ]
    ) assertEquals(statusOf(guard, host, peer), undefined, `${host} ${peer}`);
  }
  assertEquals(statusOf(guard, "evil.example", "192.0.2.1"), undefined);
});

Deno.test("HostGuard checks no hosts behind a trusted proxy", () => {
  const guard = new HostGuard({ allowedHosts: [], trustProxy: 1 });
  assertEquals(statusOf(guard, "chat.example", "127.0.0.1"), undefined);
});

Deno.test("HostGuard allows the names of the certificate", () => {
  const certificate = firstCertificate;
  const guard = new HostGuard({ allowedHosts: [], trustProxy: 0, certificate });
  assertEquals(statusOf(guard, "localhost", "127.0.0.1"), undefined);
  assertEquals(statusOf(guard, "evil.example", "127.0.0.1"), 421);
});

Deno.test("serveWeb() refuses a foreign host name with 421, and names the setting", async () => {
  await using running = await startSite();
  const { port } = running.server;
  for (const path of ["/", "/here/lobby", "/ws"]) {
    const response = await rawRequest(port, [
      `GET ${path} HTTP/1.1`,
      "Host: evil.example:8000",
      "Origin: http://evil.example:8000",
      "Connection: close",
    ]);
    assertEquals(response.status, 421, path);
    assertStringIncludes(response.body, "ALLOWED_HOSTS", path);
  }
});
