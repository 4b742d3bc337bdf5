import { assertEquals } from "@std/assert";
import { crash, summary } from "./crash.ts";

Deno.test("A killed server loses and doubles nothing, and takes no name away [M3] [M4] [M5] [M8] [R4] [R5] [N8] [C7]", async () => {
  const plan = {
    rounds: 5,
    seed: 1,
    signal: "mixed",
    durability: "normal",
    clients: 10,
    framesMost: 60,
  } as const;
  const report = await crash(plan);
  assertEquals(report.violations, [], summary(plan, report));
});
