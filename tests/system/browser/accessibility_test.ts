import axe from "axe-core";
import { assertEquals } from "@std/assert";
import { Scene } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { tour } from "./views.ts";

/** What axe-core says of a page, as lines that a person can act on. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    const results = await axe.run(document, { resultTypes: ["violations"] });
    return results.violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary = "" }) =>
        `${id} ${target.join(" ")}: ${help}; ${failureSummary.replace(/\s+/g, " ")}`
      )
    );
  });
}

Deno.test({
  name: "axe-core finds nothing on any view, in both themes",
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    const scene = await Scene.open({ RATE_PER_SECOND: "0" });
    try {
      await tour(scene, async (page, name) => {
        const found = await violations(page);
        await t.step(name, () => assertEquals(found, []));
      });
      assertEquals(scene.errors, []);
    } finally {
      await scene.close();
    }
  },
});
