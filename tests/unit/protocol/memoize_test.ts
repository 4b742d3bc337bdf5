// Memoized functions.

import { assertEquals } from "@std/assert";
import { memoize } from "../../../app/protocol/memoize.ts";

Deno.test("memoize() computes the result of a key once, and keeps no more than 1,000", () => {
  const computed: string[] = [];
  const length = memoize((key) => {
    computed.push(key);
    return key.length;
  });
  assertEquals([length("tea"), length("tea"), computed.length], [3, 3, 1]);
  for (let i = 0; i < 1_000; i++) length(`key ${i}`);
  length("tea");
  assertEquals(computed.filter((key) => key === "tea").length, 2);
});

Deno.test("memoize() does not cache results of long keys", () => {
  let calls = 0;
  const count = memoize(() => ++calls);
  for (const key of ["x".repeat(256), "x".repeat(257)]) for (let i = 0; i < 2; i++) count(key);
  assertEquals(calls, 3);
});
