import { assertEquals, assertNotEquals } from "@std/assert";
import { matcherOf, memberOf, newToken, randomName } from "../../../app/core/identity.ts";

Deno.test("newToken() has 43 characters of base64url, others each time [N5]", () => {
  assertEquals(/^[A-Za-z0-9_-]{43}$/.test(newToken()), true);
  assertNotEquals(newToken(), newToken());
  assertNotEquals(randomName(), randomName());
});

Deno.test("memberOf() stands for a token, the same for ever [N6]", () => {
  assertEquals(memberOf("a".repeat(43)), "vkCI5Waq565yw11Z");
  assertNotEquals(memberOf("a".repeat(43)), memberOf("b".repeat(43)));
});

Deno.test("matcherOf() knows the secret and nothing near it", () => {
  const isRight = matcherOf("open-sesame");
  assertEquals(isRight("open-sesame"), true);
  for (const wrong of ["", "open", "open-sesame ", "Open-sesame", "open-sesame\0", "é"]) {
    assertEquals(isRight(wrong), false, wrong);
  }
});
