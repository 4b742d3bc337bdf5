// A short run of the soak test. `deno task soak` is the long one.

import { assertEquals, assertLess } from "@std/assert";
import { runSoakTest, summary } from "./soak.ts";

// In this short run memory is still warming up, so its bound is generous.
Deno.test(
  "a server loses no message, and keeps no state of clients that have left [C6] [M4] [N10]",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    const plan = { seconds: 8, clients: 100, messagesPerSecond: 50, seed: 1, graceSeconds: 1 };
    const report = await runSoakTest(plan);
    const text = summary(plan, report);
    assertEquals(report.violations, [], text);
    assertLess(report.after.resident, report.before.resident + 200, text);
  },
);
