// The flags of tasks.

import { assertEquals, assertThrows } from "@std/assert";
import { parseTaskFlags } from "../../support/task_flags.ts";

const defaults = { seeds: 2_000, signal: "KILL", quick: false };

Deno.test("parseTaskFlags() returns the values of flags, and defaults", () => {
  assertEquals(parseTaskFlags(defaults, []), defaults);
  assertEquals(parseTaskFlags(defaults, ["--seeds", "5", "--signal=TERM", "--quick"]), {
    seeds: 5,
    signal: "TERM",
    quick: true,
  });
});

Deno.test("parseTaskFlags() refuses unknown flags and invalid values, and lists the flags", () => {
  for (const args of [["--seed", "5"], ["--seeds", "five"], ["--seeds"], ["5"], ["--quick=1"]]) {
    assertThrows(
      () => parseTaskFlags(defaults, args),
      Error,
      `Cannot use ${args.join(" ")}: the flags are --seeds NUMBER, --signal TEXT, --quick`,
    );
  }
});
