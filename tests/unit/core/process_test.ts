import { assert, assertEquals } from "@std/assert";
import { countDescriptors, defaultMaxRssMb, watchMemory } from "../../../app/core/process.ts";
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

Deno.test("defaultMaxRssMb() fits into the memory of the machine", () => {
  const mib = defaultMaxRssMb();
  assert(mib > 0 && mib <= 2_048 && mib * 1024 * 1024 < Deno.systemMemoryInfo().total);
});

Deno.test("countDescriptors() rises with the open files", () => {
  const path = new URL(import.meta.url).pathname;
  const before = countDescriptors(path);
  assert(before > 0);
  // Files may fill holes below the highest descriptor first.
  const files = Array.from({ length: 200 }, () => Deno.openSync(path));
  const during = countDescriptors(path);
  for (const file of files) file.close();
  assert(during >= before + 100, `${before} ${during}`);
  assertEquals(countDescriptors(`${path}.missing`), 0);
});
