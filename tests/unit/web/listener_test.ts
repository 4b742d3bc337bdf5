// A listener that no longer accepts connections.

import { assertEquals } from "@std/assert";
import { AcceptFailures } from "../../../app/web/listener.ts";

Deno.test("AcceptFailures.add() returns true after 30 s of failures without a request", () => {
  let now = 0;
  const failures = new AcceptFailures(() => now);
  assertEquals(failures.add(), false);
  now = 29_999;
  assertEquals(failures.add(), false);
  failures.clear();
  now = 59_000;
  assertEquals(failures.add(), false);
  now = 89_000;
  assertEquals(failures.add(), true);
});
