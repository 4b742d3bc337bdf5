// Checks every view of the page with axe-core.

import axe from "axe-core";
import { assertEquals } from "@std/assert";
import { browserTest, noRateLimit } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { tour } from "./page_tour.ts";

/** Returns the problems that axe-core finds on a page, one line each. */
async function violations(page: Page): Promise<string[]> {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe.source);
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

browserTest("has no axe-core violations in any view, in either theme", async (chat, t) => {
  await tour(chat, async (page, name) => {
    const found = await violations(page);
    await t.step(name, () => assertEquals(found, []));
  });
}, noRateLimit);
