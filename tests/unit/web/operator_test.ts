import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Sample } from "../../../app/core/metrics.ts";
import { linePoints, statusPage } from "../../../app/web/status.ts";
import { noMetrics, raw, site } from "../../support/web_harness.ts";
import type { RunningSite } from "../../support/web_harness.ts";

const secret = "a-secret-of-the-operator";
const withToken = { isToken: (text: string) => text === secret };
const operatorPages = ["/metrics", "/status"];

async function ask({ server }: RunningSite, path: string, host: string, ...headers: string[]) {
  const head = [`GET ${path} HTTP/1.1`, `Host: ${host}`, "Connection: close", ...headers];
  return await raw(server.port, head);
}

Deno.test("serveWeb() shows metrics and status to the machine's own user", async () => {
  await using running = await site();
  for (const host of ["localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"]) {
    const metrics = await ask(running, "/metrics", host);
    assertEquals([metrics.status, metrics.body], [200, "# EOF\n"], host);
    assertEquals(metrics.headers.get("content-type"), noMetrics.contentType);
    assertEquals(metrics.headers.get("cache-control"), "no-store");
    const status = await ask(running, "/status", host);
    assertEquals([status.status, status.headers.get("refresh")], [200, "5"]);
    assertStringIncludes(status.body, "</html>");
  }
});

Deno.test("serveWeb() shows metrics and status to nobody who comes through a proxy or by another name", async () => {
  for (const trustProxy of [0, 1, 2]) {
    await using running = await site({ trustProxy });
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

Deno.test("serveWeb() shows metrics and status behind a proxy to who has the token only, since a bare one hides itself", async () => {
  await using open = await site({ trustProxy: 1 });
  await using guarded = await site({ ...withToken, trustProxy: 1 });
  for (const path of operatorPages) {
    // What nginx sends that was told proxy_pass and nothing else.
    const { status, body } = await ask(open, path, `127.0.0.1:${open.server.port}`);
    assertEquals(status, 403);
    assertStringIncludes(body, "With TRUST_PROXY set");
    assertStringIncludes(body, "METRICS_TOKEN");
    const token = `Authorization: Bearer ${secret}`;
    assertEquals((await ask(guarded, path, "localhost")).status, 401);
    assertEquals((await ask(guarded, path, "localhost", token)).status, 200);
  }
});

Deno.test("serveWeb() asks for the token where there is one, on the machine itself too", async () => {
  await using running = await site(withToken);
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
        const { status, headers: told } = await ask(running, path, host, ...headers);
        assertEquals(status, expected, `${path} ${authorization}`);
        assertEquals(told.has("www-authenticate"), expected === 401);
      }
    }
  }
  assert(!JSON.stringify(running.access).includes(secret));
});

Deno.test("serveWeb() answers HEAD for the operator's pages, and no other method but GET", async () => {
  await using running = await site();
  for (const path of operatorPages) {
    const response = await fetch(running.origin + path, { method: "HEAD" });
    assertEquals([response.status, await response.text()], [200, ""]);
    const posted = await fetch(running.origin + path, { method: "POST" });
    await posted.body?.cancel();
    assertEquals(posted.status, 405);
  }
});

Deno.test("serveWeb() says at /readyz whether a message could be stored, and looks once a second", async () => {
  let time = 0;
  let isReady = true;
  let looks = 0;
  const ready = () => {
    looks++;
    return isReady;
  };
  await using running = await site({ ready, now: () => time });
  const status = async () => {
    const response = await fetch(`${running.origin}/readyz`);
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await status(), await status(), looks], [200, 200, 1]);
  isReady = false;
  time += 1_000;
  assertEquals([await status(), await status(), looks], [503, 503, 2]);
  const health = await fetch(`${running.origin}/healthz`);
  assertEquals(await health.text(), "ok");
  isReady = true;
  time += 1_000;
  assertEquals(await status(), 200);
  running.hub.draining = true;
  assertEquals(await status(), 503);
});

function sample(change: Partial<Sample>): Sample {
  return {
    at: 0,
    connections: 0,
    messages: 0,
    deliveries: 0,
    frames: 0,
    refusals: 0,
    tickMs: 0,
    appendMs: 0,
    delayMs: 0,
    memoryMib: 0,
    ...change,
  };
}

Deno.test("statusPage() shows the newest figures and the most, with nothing inline that the policy forbids", () => {
  const samples = [sample({ messages: 1234.5, memoryMib: 70.26 }), sample({ messages: 0.25 })];
  const totals = { ...noMetrics.totals(), upMs: 26 * 3_600_000, recovered: 7 };
  const page = statusPage(totals, samples, "/talk");
  assertStringIncludes(page, "Messages <b>0.25/s</b> <span>most 1,235</span>");
  assertStringIncludes(page, "most 70.3");
  assertStringIncludes(page, "<dt>Running for</dt><dd>1 d 2 h</dd>");
  assertStringIncludes(page, "<dt>Returns recovered</dt><dd>7</dd>");
  assertStringIncludes(page, `href="/talk/assets/status.css"`);
  assertEquals(page.match(/<script|<style|style=| on\w+=|javascript:/), null);
  assertEquals(page.match(/NaN|Infinity|undefined/), null);
  assertEquals(statusPage(totals, [], "").match(/NaN|Infinity|undefined/), null);
});

Deno.test("linePoints() ends at the right edge, and has the most at the top and nothing at the bottom", () => {
  assertEquals(linePoints([], 0), "");
  assertEquals(linePoints([0], 0), "240,47");
  assertEquals(linePoints([0, 5, 10], 10), "237.3,47 238.7,24 240,1");
  assert(linePoints(Array(180).fill(1), 1).startsWith("0,1 "));
});
