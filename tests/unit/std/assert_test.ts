// The public API of @std/assert. Every test passes on upstream's package too.

import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotInstanceOf,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unimplemented,
  unreachable,
} from "@std/assert";
import { assertEquals as assertEqualsAlone } from "@std/assert/equals";

/** For every assertion, a call that passes and one that fails. */
const cases: Record<string, [passes: () => void, fails: () => void]> = {
  assert: [() => assert(1), () => assert("")],
  assertAlmostEquals: [
    () => assertAlmostEquals(0.1 + 0.2, 0.3),
    () => assertAlmostEquals(1, 2, 0.5),
  ],
  assertArrayIncludes: [
    () => assertArrayIncludes([1, 2], [2]),
    () => assertArrayIncludes([1], [2]),
  ],
  assertEquals: [() => assertEquals({ a: [1] }, { a: [1] }), () => assertEquals([1], [2])],
  assertExists: [() => assertExists(0), () => assertExists(null)],
  assertFalse: [() => assertFalse(0), () => assertFalse(1)],
  assertGreater: [() => assertGreater(2, 1), () => assertGreater(1, 1)],
  assertGreaterOrEqual: [() => assertGreaterOrEqual(1, 1), () => assertGreaterOrEqual(0, 1)],
  assertInstanceOf: [() => assertInstanceOf([], Array), () => assertInstanceOf({}, Array)],
  assertIsError: [
    () => assertIsError(new TypeError("no"), TypeError, /n/),
    () => assertIsError(new Error("no"), TypeError),
  ],
  assertLess: [() => assertLess(1, 2), () => assertLess(1, 1)],
  assertLessOrEqual: [() => assertLessOrEqual(1, 1), () => assertLessOrEqual(2, 1)],
  assertMatch: [() => assertMatch("a", /a/), () => assertMatch("a", /b/)],
  assertNotEquals: [() => assertNotEquals([1], [2]), () => assertNotEquals([1], [1])],
  assertNotInstanceOf: [() => assertNotInstanceOf({}, Array), () => assertNotInstanceOf([], Array)],
  assertNotMatch: [() => assertNotMatch("a", /b/), () => assertNotMatch("a", /a/)],
  assertNotStrictEquals: [() => assertNotStrictEquals([], []), () => assertNotStrictEquals(1, 1)],
  assertObjectMatch: [
    () => assertObjectMatch({ a: { b: 1 }, c: 2 }, { a: { b: 1 } }),
    () => assertObjectMatch({ a: 1 }, { a: 2 }),
  ],
  assertStrictEquals: [() => assertStrictEquals(1, 1), () => assertStrictEquals([], [])],
  assertStringIncludes: [
    () => assertStringIncludes("ab", "b"),
    () => assertStringIncludes("a", "b"),
  ],
  assertThrows: [() => assertThrows(() => fail()), () => assertThrows(() => {})],
};

for (const [name, [passes, fails]] of Object.entries(cases)) {
  Deno.test(`${name}() passes if it holds and throws if not`, () => {
    passes();
    let thrown: unknown;
    try {
      fails();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof AssertionError)) throw new Error("no AssertionError");
  });
}

Deno.test("assertThrows() and assertRejects() return the error, typed", async () => {
  const thrown: RangeError = assertThrows(
    () => {
      throw new RangeError("too far");
    },
    RangeError,
    "far",
  );
  assertEquals(thrown.message, "too far");
  const rejected: RangeError = await assertRejects(() => Promise.reject(thrown), RangeError, "far");
  assert(rejected === thrown);
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError);
});

Deno.test("fail(), unimplemented() and unreachable() throw; equal() returns a boolean", () => {
  for (const end of [fail, unimplemented, unreachable]) {
    assertThrows(() => end("why"), AssertionError, "why");
  }
  assert(equal(new Set([1]), new Set([1])) && !equal([1], ["1"]));
  assert(assertEqualsAlone === assertEquals);
});

Deno.test("assertions narrow types", () => {
  const maybe = (value: string | undefined): string | undefined => value;
  const text = maybe("a");
  assertExists(text);
  const length: number = text.length;
  const other: unknown = new Date(0);
  assertInstanceOf(other, Date);
  assertEquals([length, other.getTime()], [1, 0]);
});
