// A short run of every attack. `deno task torture` runs them for longer.

import { assertEquals } from "@std/assert";
import { AttackedServer, attackGroups } from "./attacked_server.ts";

Deno.test("the server under attack delivers every honest message to everyone, once and in order [M4]", async (t) => {
  const plan = { seed: 1, isPatient: false, minMs: 0, keptMib: 0, restMs: 0 };
  for (const { env, attacks } of attackGroups) {
    // Short attacks leave honest clients little time between messages.
    await using server = await AttackedServer.start(plan, 500, { RATE_BURST: "200", ...env });
    for (const attack of attacks) {
      await t.step(attack.name, async () => {
        const { problems, report } = await server.run(attack);
        assertEquals(problems, []);
        assertEquals(report.reconnects, 0);
      });
    }
    assertEquals(server.loggedErrors(), []);
  }
});
