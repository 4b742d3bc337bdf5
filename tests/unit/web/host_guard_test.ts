// Refusal of foreign host names.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { HostGuard } from "../../../app/web/host_guard.ts";
import type { LogFields } from "../../../app/chat/ports.ts";
import { firstCertificate } from "../../support/certificates.ts";
import { rawRequest, startSite } from "../../support/web_harness.ts";

const quiet = { log: { access() {}, warn() {}, error() {} }, now: () => 0 };

function statusOf(guard: HostGuard, host: string, peer: string): number | undefined {
  return guard.problem(host, peer)?.status;
}

Deno.test("HostGuard refuses foreign host names from this machine and from private networks [L9]", () => {
  const guard = new HostGuard({ allowedHosts: ["chat.example"], trustProxy: 0, ...quiet });
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
  const guard = new HostGuard({ allowedHosts: [], trustProxy: 1, ...quiet });
  assertEquals(statusOf(guard, "chat.example", "127.0.0.1"), undefined);
});

Deno.test("HostGuard allows the names of the certificate", () => {
  const certificate = firstCertificate;
  const guard = new HostGuard({ allowedHosts: [], trustProxy: 0, certificate, ...quiet });
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

Deno.test("HostGuard logs a refused host, at most once a second, with a hint", () => {
  let now = 0;
  const hosts: unknown[] = [];
  const log = {
    ...quiet.log,
    warn(event: string, { host, hint }: LogFields, network?: string) {
      assertEquals(network, "10.0.0.7");
      assertStringIncludes(String(hint), "Add it to ALLOWED_HOSTS");
      hosts.push(event, host);
    },
  };
  const guard = new HostGuard({ allowedHosts: [], trustProxy: 0, log, now: () => now });
  const refuse = (host: string) => assertEquals(statusOf(guard, host, "10.0.0.7"), 421);
  refuse("one.example");
  refuse("two.example");
  now = 1_000;
  refuse("three.example");
  assertEquals(hosts, ["host_denied", "one.example", "host_denied", "three.example"]);
});
