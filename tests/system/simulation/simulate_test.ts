// A short run of the simulation with random seeds; `deno task simulate` is the long one.

import { assertEquals } from "@std/assert";
import { simulateMany } from "./simulate.ts";

const randomSeed = () => Math.floor(Math.random() * 2 ** 31);

Deno.test("Parley keeps its promises in simulated worlds [M3] [M5] [R2] [R4] [R8] [N8]", async () => {
  await simulateMany(randomSeed(), 40);
});

Deno.test("simulateMany() gives the same worlds for the same seeds", async () => {
  const seed = randomSeed();
  assertEquals(await simulateMany(seed, 4), await simulateMany(seed, 4));
});
