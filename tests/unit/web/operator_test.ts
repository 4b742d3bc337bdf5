// Metrics and status, for the operator only.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { noMetrics, rawRequest, startSite } from "../../support/web_harness.ts";
import type { RunningSite } from "../../support/web_harness.ts";

const secret = "a-secret-of-the-operator";
const withToken = { isToken: (text: string) => text === secret };
const operatorPages = ["/metrics", "/status"];

async function ask({ server }: RunningSite, path: string, host: string, ...headers: string[]) {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...headers];
  return await rawRequest(server.port, head);
}

Deno.test("serveWeb() shows metrics and status to clients on localhost", async () => {
  await using running = await startSite();
  for (const host of ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"]) {
    const metrics = await ask(running, "/metrics", host);
    assertEquals([metrics.status, metrics.body], [200, noMetrics.text()], host);
    assertEquals(metrics.headers.get("cache-control"), "no-store");
    const status = await ask(running, "/status", host);
    assertEquals([status.status, status.headers.get("refresh")], [200, "5"]);
    assertStringIncludes(status.body, "</html>");
  }
});

Deno.test("serveWeb() sends metrics as Prometheus text, and as OpenMetrics if asked", async () => {
  await using running = await startSite();
  const prometheus = await ask(running, "/metrics", "localhost", "Accept: */*");
  assertEquals(prometheus.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2";
  const open = await ask(running, "/metrics", "localhost", accept);
  const type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
  assertEquals([open.headers.get("content-type"), open.body], [type, noMetrics.text(true)]);
  assertEquals(open.headers.get("vary"), "Accept");
});

Deno.test("serveWeb() hides metrics and status from proxied requests and foreign hosts", async () => {
  for (const trustProxy of [0, 1, 2]) {
    // These pages must not depend on the host check alone.
    const allowedHosts = ["chat.example.org", "localhost.example.org", "127.0.0.1.example.org"];
    await using running = await startSite({ trustProxy, allowedHosts });
    for (const path of operatorPages) {
      for (
        const [host, ...headers] of [
          ["chat.example.org"],
          ["localhost.example.org"],
          ["127.0.0.1.example.org"],
          ["localhost", "X-Forwarded-For: 127.0.0.1"],
          ["localhost", "X-Forwarded-For: 127.0.0.1, 192.0.2.1"],
          ["localhost", "Forwarded: for=127.0.0.1"],
          ["localhost", "X-Real-IP: 127.0.0.1"],
          ["localhost", "X-Forwarded-Proto: https"],
          ["localhost", "X-Forwarded-Port: 443"],
          ["localhost", "X-Original-Host: chat.example.org"],
          ["localhost", "CF-Connecting-IP: 192.0.2.1"],
          ["localhost", "X-Cluster-Client-IP: 192.0.2.1"],
          ["localhost", "Via: 1.1 proxy"],
          ["localhost", `Authorization: Bearer ${secret}`, "X-Forwarded-For: ::1"],
        ] as const
      ) {
        const { status, body } = await ask(running, path, host, ...headers);
        assertEquals(status, 403, `${path} ${host} ${headers}`);
        assertStringIncludes(body, "METRICS_TOKEN");
      }
    }
  }
});

Deno.test("serveWeb() requires the token behind a proxy, even one that adds no headers", async () => {
  await using open = await startSite({ trustProxy: 1 });
  await using guarded = await startSite({ ...withToken, trustProxy: 1 });
  for (const path of operatorPages) {
    // The request nginx sends if only proxy_pass is configured.
    const { status, body } = await ask(open, path, `127.0.0.1:${open.server.port}`);
    assertEquals(status, 403);
    assertStringIncludes(body, "while TRUST_PROXY is set");
    assertStringIncludes(body, "METRICS_TOKEN");
    const token = `Authorization: Bearer ${secret}`;
    assertEquals((await ask(guarded, path, "localhost")).status, 401);
    assertEquals((await ask(guarded, path, "localhost", token)).status, 200);
  }
});

Deno.test("serveWeb() requires the token if one is set, on localhost too", async () => {
  await using running = await startSite(withToken);
  for (const path of operatorPages) {
    for (
      const [authorization, expected] of [
        [undefined, 401],
        ["Bearer wrong", 401],
        ["Bearer", 401],
        [secret, 401],
        [`Digest ${secret}`, 401],
        ["Basic !!!", 401],
        [`Basic ${btoa("operator:wrong")}`, 401],
        [`Bearer ${secret}`, 200],
        [`bearer  ${secret}`, 200],
        [`Basic ${btoa(`operator:${secret}`)}`, 200],
        [`Basic ${btoa(`:${secret}`)}`, 200],
      ] as const
    ) {
      for (const host of ["localhost", "chat.example.org"]) {
        const headers = authorization === undefined ? [] : [`Authorization: ${authorization}`];
        const { status, headers: received } = await ask(running, path, host, ...headers);
        assertEquals(status, expected, `${path} ${authorization}`);
        assertEquals(received.has("www-authenticate"), expected === 401);
      }
    }
  }
  assert(!JSON.stringify(running.access).includes(secret));
});

Deno.test("serveWeb() only allows GET and HEAD on the operator's pages", async () => {
  await using running = await startSite();
  for (const path of operatorPages) {
    const response = await fetch(running.origin + path, { method: "HEAD" });
    assertEquals([response.status, await response.text()], [200, ""]);
    const posted = await fetch(running.origin + path, { method: "POST" });
    await posted.body?.cancel();
    assertEquals(posted.status, 405);
  }
});
