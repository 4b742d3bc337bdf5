// Hostile clients against the real server, while honest ones chat: a little of everything. `deno task torture` has the rest.

import { assertEquals } from "@std/assert";
import { attacks, Siege } from "./siege.ts";

Deno.test("The server brings every honest message to everybody once and in order, whatever others do [M4]", async (t) => {
  const plan = { seed: 1, isPatient: false, leastMs: 0, restMs: 0 };
  // So that the people may say something after each attack.
  await using siege = await Siege.start(plan, 500, { RATE_BURST: "200" });
  for (const attack of attacks) {
    await t.step(attack.name, async () => {
      const { wrongs, findings } = await siege.stand(attack);
      assertEquals(wrongs, []);
      assertEquals(findings.returns, 0);
    });
  }
  assertEquals(siege.faults(), []);
});
