import { assertEquals } from "@std/assert";
import { watchMemory } from "../../../app/core/process.ts";
import { ManualTime } from "../../support/manual_time.ts";

Deno.test("watchMemory() reports once when memory exceeds the limit", () => {
  const time = new ManualTime();
  const exceeded: number[] = [];
  let mib = 512;
  watchMemory({
    maxMib: 512,
    readBytes: () => mib * 1024 * 1024,
    later: (ms, task) => time.later(ms, task),
    onExceeded: (mib) => exceeded.push(mib),
  });
  time.pass(60_000);
  assertEquals(exceeded, []);
  mib = 513;
  time.pass(5_000);
  time.pass(60_000);
  assertEquals(exceeded, [513]);
  assertEquals(time.timers, 0);
});
