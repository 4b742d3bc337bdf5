// A short run of the simulation with random seeds; `deno task simulate` is the long one.

import { simulateMany } from "./simulate.ts";

Deno.test("Parley keeps its promises in simulated worlds [M3] [M5] [R2] [R4] [R8] [N8]", async () => {
  await simulateMany(Math.floor(Math.random() * 2 ** 31), 40);
});
