import { assertEquals } from "@std/assert";
import { hasRedis } from "../../support/redis_process.ts";
import { crash, summary } from "./crash.ts";
import type { Plan } from "./crash.ts";

const plan: Plan = {
  rounds: 5,
  seed: 1,
  signal: "mixed",
  durability: "normal",
  nodes: 1,
  appendfsync: "always",
  clients: 10,
  framesMost: 60,
};

Deno.test("A killed server loses and doubles nothing, and takes no name away [M3] [M4] [M5] [M8] [R4] [R5] [N8] [C7]", async () => {
  const report = await crash(plan);
  assertEquals(report.violations, [], summary(plan, report));
});

Deno.test({
  name:
    "Three nodes that fail with their Redis lose and double nothing [M3] [M4] [M5] [M8] [R4] [N8] [N10]",
  ignore: !hasRedis,
  fn: async () => {
    const many = { ...plan, nodes: 3, seed: 7 };
    const report = await crash(many);
    assertEquals(report.violations, [], summary(many, report));
  },
});
