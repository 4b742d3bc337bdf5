// The timing of pruning.

import { assertEquals } from "@std/assert";
import { startPruning } from "../../../app/broker/pruning.ts";
import { ManualTime } from "../../support/manual_time.ts";

Deno.test("startPruning() prunes every minute, again at once while there is more, and also after errors", async () => {
  const time = new ManualTime();
  const results: (() => boolean | Promise<boolean>)[] = [
    () => true,
    () => false,
    () => Promise.reject(new Error("unreachable")),
    () => false,
  ];
  let runs = 0;
  const stop = startPruning({
    broker: { prune: () => results[runs++]?.() ?? false },
    clock: { check: () => true },
    report: () => {},
    later: (ms, task) => time.later(ms, task),
  });
  const pass = async (ms: number) => {
    time.advance(ms);
    // Lets the pending run finish and schedule the next one.
    await new Promise((resolve) => setImmediate(resolve));
    return runs;
  };
  assertEquals([await pass(59_999), await pass(1)], [0, 1]);
  assertEquals([await pass(20), await pass(59_999), await pass(1)], [2, 2, 3]);
  assertEquals(await pass(60_000), 4);
  stop();
  assertEquals([await pass(120_000), time.timers], [4, 0]);
});
