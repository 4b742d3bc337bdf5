// Checks every view of the page with axe-core.

// @ts-types="axe-core"
import axe from "axe-core/axe.min.js";
import { assertEquals } from "@std/assert";
import { browserTest, noRateLimit } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { tour } from "./page_tour.ts";

/** The default rules about colors, which alone can differ between the themes. */
const colorRules: axe.RunOptions = {
  runOnly: { type: "tag", values: ["cat.color"] },
  // The stricter level AAA, which is off by default.
  rules: { "color-contrast-enhanced": { enabled: false } },
};

/** Returns the problems that axe-core finds on a page, one line each. */
async function violations(page: Page, rules: axe.RunOptions): Promise<string[]> {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe.source);
  return await page.evaluate(async (rules) => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    const results = await axe.run(document, { ...rules, resultTypes: ["violations"] });
    return results.violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary = "" }) =>
        `${id} ${target.join(" ")}: ${help}; ${failureSummary.replace(/\s+/g, " ")}`
      )
    );
  }, rules);
}

browserTest("has no axe-core violations in any view, in either theme", async (chat, t) => {
  await tour(chat, async (page, name, theme) => {
    const found = await violations(page, theme === "light" ? {} : colorRules);
    await t.step(name, () => assertEquals(found, []));
  });
}, { ...noRateLimit, needsProcess: true });
