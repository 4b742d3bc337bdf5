// Types of @std/assert 1.0, written for the code on npm, which has none.
// Every function throws an `AssertionError`, which has `msg` in its message, if what it asserts is not so.

// deno-lint-ignore no-explicit-any -- nothing narrower takes in constructors of every kind
export type AnyConstructor = new (...args: any[]) => any;
/** What the instances of a constructor are. */
export type GetConstructorType<T extends AnyConstructor> = InstanceType<T>;
/** A value that counts as false. */
export type Falsy = false | 0 | 0n | "" | null | undefined;
/** What has items by number. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** What is thrown if an assertion does not hold. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions);
}

/** `expr` is true, or counts as true. */
export function assert(expr: unknown, msg?: string): asserts expr;
/** Both numbers are as near as `tolerance`, by default a ten-millionth of `expected`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void;
/** `actual` has every item of `expected`, in whatever order. */
export function assertArrayIncludes<T>(
  actual: ArrayLikeArg<T>,
  expected: ArrayLikeArg<T>,
  msg?: string,
): void;
/** Both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void;
/** `actual` is neither null nor undefined. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T>;
/** `expr` is false, or counts as false. */
export function assertFalse(expr: unknown, msg?: string): asserts expr is Falsy;
/** `actual` is greater than `expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void;
/** `actual` is greater than `expected` or the same. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void;
/** `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg?: string,
): asserts actual is GetConstructorType<T>;
/** `error` is an `ErrorClass` whose message has, or matches, `msgMatches`. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  // deno-lint-ignore no-explicit-any -- errors are constructed in many ways
  ErrorClass?: abstract new (...args: any[]) => E,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E;
/** `actual` is less than `expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void;
/** `actual` is less than `expected` or the same. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void;
/** `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void;
/** The two are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void;
/** `actual` is no instance of `unexpectedType`. */
export function assertNotInstanceOf<A, T>(
  actual: A,
  // deno-lint-ignore no-explicit-any -- nothing narrower takes in constructors of every kind
  unexpectedType: abstract new (...args: any[]) => T,
  msg?: string,
): asserts actual is Exclude<A, T>;
/** `actual` does not match `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void;
/** The two are not the same by `Object.is()`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void;
/** `actual` has every property of `expected`, deeply. */
export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any -- an interface is no record of unknown values
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void;
/** What `fn` promises is refused; the answer is the reason. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** The same; the reason is an `ErrorClass` whose message has `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any -- errors are constructed in many ways
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
/** Both are the same by `Object.is()`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T;
/** `actual` has `expected` in it. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void;
/** `fn` throws; the answer is what it throws. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** The same; it throws an `ErrorClass` whose message has `msgIncludes`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any -- errors are constructed in many ways
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
/** Whether two values are deeply equal; it throws nothing. */
export function equal(a: unknown, b: unknown): boolean;
/** Throws. */
export function fail(msg?: string): never;
/** Throws: what is called here is yet to be written. */
export function unimplemented(msg?: string): never;
/** Throws: this place cannot be reached. */
export function unreachable(msg?: string): never;
