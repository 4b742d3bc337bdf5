// The process's memory and file descriptors.

import { assert, assertEquals } from "@std/assert";
import { defaultMaxRssMb, watchMemory } from "../../../app/core/process.ts";
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
  time.advance(60_000);
  assertEquals(exceeded, []);
  mib = 513;
  time.advance(5_000);
  time.advance(60_000);
  assertEquals(exceeded, [513]);
  assertEquals(time.timers, 0);
});

Deno.test("defaultMaxRssMb() fits into the memory of the machine", () => {
  const mib = defaultMaxRssMb();
  assert(mib > 0 && mib <= 2_048 && mib * 1024 * 1024 < Deno.systemMemoryInfo().total);
});

Deno.test("countDescriptors() rises with the open files", async () => {
  // In a separate process, since tests that run in parallel share this one.
  const module = import.meta.resolve("../../../app/core/process.ts");
  const path = new URL(import.meta.url).pathname;
  const code = `const { countDescriptors } = await import(${JSON.stringify(module)});
    const path = ${JSON.stringify(path)};
    const before = countDescriptors(path);
    const files = Array.from({ length: 200 }, () => Deno.openSync(path));
    console.log(JSON.stringify([before, countDescriptors(path), countDescriptors("/missing") ?? -1]));
    for (const file of files) file.close();`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", code],
    stderr: "inherit",
  }).output();
  const [before, during, missing] = JSON.parse(new TextDecoder().decode(stdout));
  assert(before > 0 && during >= before + 100, `${before} ${during}`);
  assertEquals(missing, -1);
});
