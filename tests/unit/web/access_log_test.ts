// The access log under load.

import { assertEquals } from "@std/assert";
import { AccessLog, truncate } from "../../../app/web/access_log.ts";

function createLog() {
  const clock = { now: 0 };
  const lines: string[] = [];
  const warnings: string[] = [];
  const log = new AccessLog({
    access: ({ address }) => lines.push(address),
    warn: (event, { log, address }) => warnings.push(`${event} ${log} ${address}`),
  }, () => clock.now);
  const request = (address: string, path = "/", status = 200) => {
    const record = { address, method: "HEAD", path, protocol: "HTTP/1.1", status, bytes: 0, ms: 0 };
    log.write(record, `${address}/24`);
  };
  return { clock, lines, warnings, request };
}

Deno.test("AccessLog.write() logs a flood as a burst and then a line per second", () => {
  const { clock, lines, warnings, request } = createLog();
  for (let i = 0; i < 23_850; i++) request("192.0.2.1");
  assertEquals(lines.length, 100);
  assertEquals(warnings, ["log_limited access 192.0.2.1/24"]);
  for (clock.now = 0; clock.now < 3_000; clock.now++) request("192.0.2.1");
  assertEquals(lines.length, 102);
  request("192.0.2.2");
  assertEquals(lines.at(-1), "192.0.2.2");
});

Deno.test("AccessLog.write() leaves out health checks unless they fail", () => {
  const { lines, request } = createLog();
  request("192.0.2.1", "/healthz");
  request("192.0.2.1", "/readyz");
  assertEquals(lines, []);
  request("192.0.2.1", "/readyz", 503);
  assertEquals(lines.length, 1);
});

Deno.test("truncate() bounds the values that a client can put into a line", () => {
  assertEquals(truncate("x".repeat(256))?.length, 256);
  assertEquals(truncate("x".repeat(8_000))?.length, 259);
  assertEquals(truncate(null), undefined);
});
