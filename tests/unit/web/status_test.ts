// The status page.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { linePoints, statusPage } from "../../../app/web/status.ts";
import { noMetrics } from "../../support/web_harness.ts";

Deno.test("statusPage() shows current and max values, without inline script or style", () => {
  const charts = [
    { title: "Messages", unit: "/s", values: [1234.5, 0.25], next: () => 0 },
    { title: "Memory", unit: " MiB", values: [70.26, 0], next: () => 0 },
  ];
  const totals = { ...noMetrics.totals(), upMs: 26 * 3_600_000, recovered: 7 };
  const page = statusPage(totals, charts, { title: "Parley", basePath: "/talk" });
  assertStringIncludes(page, "Messages <b>0.25/s</b> <span>max 1,235/s</span>");
  assertStringIncludes(page, "max 70.3 MiB");
  assertStringIncludes(page, "<dt>Uptime</dt><dd>1 d 2 h</dd>");
  assertStringIncludes(page, "<dt>Resumes recovered</dt><dd>7</dd>");
  assertStringIncludes(page, `href="/talk/assets/status.css"`);
  assertEquals(page.match(/<script|<style|style=| on\w+=|javascript:/), null);
  assertEquals(page.match(/NaN|Infinity|undefined/), null);
  assertEquals(
    statusPage(totals, [], { title: "Parley", basePath: "" }).match(/NaN|Infinity|undefined/),
    null,
  );
});

Deno.test("linePoints() puts the newest value at the right edge and the max at the top", () => {
  assertEquals(linePoints([], 0), "");
  assertEquals(linePoints([0], 0), "240,47");
  assertEquals(linePoints([0, 5, 10], 10), "237.3,47 238.7,24 240,1");
  assert(linePoints(Array(180).fill(1), 1).startsWith("0,1 "));
});
