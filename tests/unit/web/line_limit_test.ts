// Limits on log lines per network.

import { assert, assertEquals } from "@std/assert";
import type { HubLog } from "../../../app/chat/ports.ts";
import type { Logs } from "../../../app/core/logging.ts";
import { limitLines, LineLimit, truncate } from "../../../app/web/line_limit.ts";
import { addressNetwork } from "../../../app/web/peer.ts";

function createLog() {
  const lines: string[] = [];
  const log: HubLog & Pick<Logs, "access"> = {
    access: ({ address }) => void lines.push(address),
    event: (event) => void lines.push(event),
    entries: () => void lines.push("entries"),
    warn: (event) => void lines.push(event),
    error: (event) => void lines.push(event),
  };
  return { lines, log };
}

Deno.test("limitLines() bounds the lines that one network causes, and no others", () => {
  const { lines, log } = createLog();
  const limited = limitLines(log, () => 0);
  for (let i = 0; i < 10_000; i++) {
    limited.event("connect", {}, "192.0.2.1");
    limited.warn("close", {}, "192.0.2.1");
  }
  const count = (event: string) => lines.filter((line) => line === event).length;
  assertEquals([count("connect"), count("close"), count("log_limited")], [2_000, 100, 2]);
  lines.length = 0;
  limited.event("connect", {}, "192.0.2.2");
  limited.warn("close", {}, "192.0.2.2");
  limited.event("member_banned", {});
  limited.warn("reset", {});
  limited.entries([]);
  limited.error("internal", new Error());
  assertEquals(lines, ["connect", "close", "member_banned", "reset", "entries", "internal"]);
});

Deno.test("limitLines() bounds the lines of an IPv6 /48, however many networks it has", () => {
  const { lines, log } = createLog();
  const limited = limitLines(log, () => 0);
  for (let i = 0; i < 1_000; i++) limited.warn("close", {}, `2001:db8:1:${i}::/64`);
  const count = (event: string) => lines.filter((line) => line === event).length;
  assertEquals([count("close"), count("log_limited")], [400, 1]);
});

Deno.test("limitLines() allows more events for a private network", () => {
  for (const address of ["127.0.0.1", "::1", "192.168.0.2", "fe80::1", "2001:db8::1"]) {
    const { lines, log } = createLog();
    const limited = limitLines(log, () => 0);
    const network = addressNetwork(address);
    for (let i = 0; i < 70_000; i++) limited.event("connect", {}, network);
    const count = lines.filter((line) => line === "connect").length;
    assertEquals(count, address === "2001:db8::1" ? 2_000 : 64_000);
  }
});

Deno.test("limitLines() logs a flood of requests as a burst and then a line per second", () => {
  const { lines, log } = createLog();
  let now = 0;
  const limited = limitLines(log, () => now);
  const request = (address: string) => {
    const record = { address, method: "HEAD", path: "/", protocol: "HTTP/1.1", status: 200 };
    limited.access({ ...record, bytes: 0, ms: 0 }, `${address}/24`);
  };
  for (let i = 0; i < 23_850; i++) request("192.0.2.1");
  assertEquals([lines.length, lines.at(-1)], [101, "log_limited"]);
  for (now = 0; now < 3_000; now++) request("192.0.2.1");
  assertEquals(lines.length, 103);
  request("192.0.2.2");
  assertEquals(lines.at(-1), "192.0.2.2");
});

Deno.test("limitLines() lets no network fill a log within a day, not even with long requests", () => {
  const day = 86_400;
  let [bytes, eventBytes, warningBytes, events, now] = [0, 0, 0, 0, 0];
  const log: HubLog & Pick<Logs, "access"> = {
    ...createLog().log,
    access: ({ referrer = "", userAgent = "" }) =>
      void (bytes += 6 * `${referrer}${userAgent}`.length),
    event: (_event, { rooms = "" }) => {
      if (rooms === "") events++;
      eventBytes += String(rooms).length;
    },
    warn: (_event, { origin = "" }) => void (warningBytes += 6 * String(origin).length),
  };
  const limited = limitLines(log, () => now);
  const record = { address: "", method: "GET", path: "/", protocol: "", status: 404, ms: 0 };
  const value = truncate("\x80".repeat(1_000)) ?? "";
  for (let second = 0; second < day; second++) {
    now = 1_000 * second;
    limited.access({ ...record, bytes: 0, referrer: value, userAgent: value }, "192.0.2.1");
    for (let i = 0; i < 3; i++) limited.event("hello", {}, "192.0.2.1");
    limited.event("hello", { rooms: `${"x".repeat(32)},`.repeat(20) }, "192.0.2.2");
    limited.warn("origin_denied", { origin: value }, "192.0.2.2");
  }
  const maxBytes = 24 * 1024 * 1024;
  assert(bytes < maxBytes && eventBytes < maxBytes && warningBytes < maxBytes);
  assertEquals(events, 2_000 + day - 1);
});

Deno.test("LineLimit.admit() logs at most a hundred networks a minute", () => {
  const { lines, log } = createLog();
  let now = 0;
  const limit = new LineLimit("access", 1, 0.001, log, () => now);
  for (let i = 0; i < 150; i++) {
    for (let line = 0; line < 3; line++) limit.admit(`a${i}`);
  }
  assertEquals(lines.length, 100);
  now = 60_000;
  limit.admit("a0");
  assertEquals(lines.length, 101);
});

Deno.test("truncate() bounds the values that a client can put into a line", () => {
  assertEquals(truncate("x".repeat(256))?.length, 256);
  assertEquals(truncate("x".repeat(8_000))?.length, 259);
  assertEquals(truncate(null), undefined);
});
