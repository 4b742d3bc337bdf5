// Token buckets.

import { assertEquals } from "@std/assert";
import { NetworkLimiter, RateLimiter } from "../../../app/chat/rate_limiter.ts";
import { range } from "../../support/hub_harness.ts";

Deno.test("RateLimiter allows a burst, then a steady rate", () => {
  const limiter = new RateLimiter(3, 2);
  assertEquals(range(1, 4).map(() => limiter.take("a", 0)), [0, 0, 0, 500]);
  assertEquals(limiter.take("b", 0), 0);
  assertEquals([limiter.take("a", 500), limiter.take("a", 500)], [0, 500]);
});

Deno.test("RateLimiter refuses a key until its debt is paid in full", () => {
  const limiter = new RateLimiter(10, 10);
  assertEquals(limiter.take("a", 0, 1_000), 0);
  assertEquals(limiter.wait("a", 0), 99_100);
  limiter.sweep(99_099);
  assertEquals(limiter.wait("a", 99_099), 1);
  assertEquals(limiter.wait("a", 99_100), 0);
});

Deno.test("RateLimiter refunds up to a burst", () => {
  const limiter = new RateLimiter(2, 1);
  limiter.charge("a", 0, 2);
  limiter.charge("a", 0, -1);
  assertEquals(limiter.wait("a", 0), 0);
  limiter.charge("a", 0, -100);
  assertEquals(range(1, 3).map(() => limiter.take("a", 0)), [0, 0, 1_000]);
});

Deno.test("RateLimiter keeps a bounded number of buckets; further keys replace the oldest", () => {
  const limiter = new RateLimiter(1, 1);
  for (let i = 0; i < 100_000; i++) limiter.take(`${i}`, 0);
  assertEquals([limiter.take("new", 0), limiter.take("newer", 0)], [0, 0]);
  assertEquals(["new", "newer", "2", "99999"].map((key) => limiter.wait(key, 0)), [
    1_000,
    1_000,
    1_000,
    1_000,
  ]);
  assertEquals(["0", "1", "newest"].map((key) => limiter.wait(key, 0)), [0, 0, 0]);
  assertEquals(limiter.size, 100_000);
});

Deno.test("RateLimiter sweeps many buckets in steps, and again from the start", () => {
  const limiter = new RateLimiter(1, 1);
  for (let i = 0; i < 12_000; i++) limiter.take(`${i}`, 0);
  const sizes = (now: number) =>
    range(1, 4).map(() => {
      limiter.sweep(now);
      return limiter.size;
    });
  assertEquals(sizes(999), [12_000, 12_000, 12_000, 12_000]);
  assertEquals(sizes(1_000), [7_000, 5_000, 0, 0]);
});

Deno.test("NetworkLimiter limits the networks of an IPv6 /48 together", () => {
  const limiter = new NetworkLimiter(2, 1, 3);
  const takeAll = (prefix: string, now: number) =>
    range(1, 5).map((i) => {
      const network = `${prefix}:${i}::/64`;
      return range(1, 3).filter(() => limiter.take(network, now) === 0).length;
    });
  assertEquals(takeAll("2001:db8:1", 0), [2, 2, 2, 0, 0]);
  assertEquals(takeAll("2001:db8:2", 0), [2, 2, 2, 0, 0]);
  assertEquals(takeAll("2001:db8:1", 1_000), [1, 1, 1, 0, 0]);
  assertEquals(range(1, 9).filter((i) => limiter.take(`192.0.2.${i}`, 0) === 0).length, 9);
});
