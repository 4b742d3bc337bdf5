// Tokens, member ids and secrets.

import { assertEquals, assertNotEquals } from "@std/assert";
import { matcherOf, memberOf, newToken, randomName } from "../../../app/core/identity.ts";

Deno.test("newToken() returns 43 random base64url characters [N5]", () => {
  assertEquals(/^[A-Za-z0-9_-]{43}$/.test(newToken()), true);
  assertNotEquals(newToken(), newToken());
  assertNotEquals(randomName(), randomName());
});

Deno.test("memberOf() returns the same id for a token forever [N6]", () => {
  assertEquals(memberOf("a".repeat(43)), "vkCI5Waq565yw11Z");
  assertNotEquals(memberOf("a".repeat(43)), memberOf("b".repeat(43)));
});

Deno.test("matcherOf() matches only the exact secret", () => {
  const matches = matcherOf("open-sesame");
  assertEquals(matches("open-sesame"), true);
  for (const wrong of ["", "open", "open-sesame ", "Open-sesame", "open-sesame\0", "é"]) {
    assertEquals(matches(wrong), false, wrong);
  }
});
