// Short runs of the crash test, on one node and on three. `deno task crash-test` is the long one.

import { assertEquals } from "@std/assert";
import { hasRedis } from "../../support/redis_process.ts";
import { runCrashTest, summary } from "./crash.ts";
import type { Plan } from "./plan.ts";

const plan: Plan = {
  rounds: 5,
  seed: 1,
  signal: "mixed",
  durability: "normal",
  nodes: 1,
  appendfsync: "always",
  clients: 10,
  framesMax: 60,
};

Deno.test("a killed server loses and duplicates nothing, and every member keeps its name [M3] [M4] [M5] [M8] [R4] [R5] [N8] [C7]", async () => {
  const report = await runCrashTest(plan);
  assertEquals(report.violations, [], summary(plan, report));
});

Deno.test({
  name:
    "three nodes that fail with their Redis lose and duplicate nothing [M3] [M4] [M5] [M8] [R4] [N8] [N10]",
  ignore: !hasRedis,
  fn: async () => {
    const clusterPlan = { ...plan, nodes: 3, seed: 7 };
    const report = await runCrashTest(clusterPlan);
    assertEquals(report.violations, [], summary(clusterPlan, report));
  },
});
