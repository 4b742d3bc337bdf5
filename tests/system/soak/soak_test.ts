import { assertEquals, assertLess } from "@std/assert";
import { soak, summary } from "./soak.ts";

// The full length is `deno task soak --minutes 30`; in this one memory is still warming up, so its bound is a generous one.
Deno.test(
  "A server that clients come to and go from keeps nothing of them, and loses nothing [C6] [M4] [N10]",
  {
    ignore: Deno.build.os !== "linux",
  },
  async () => {
    const plan = { seconds: 8, clients: 100, messagesPerSecond: 50, seed: 1, graceSeconds: 1 };
    const report = await soak(plan);
    const said = summary(plan, report);
    assertEquals(report.violations, [], said);
    assertLess(report.after.resident, report.before.resident + 200, said);
  },
);
