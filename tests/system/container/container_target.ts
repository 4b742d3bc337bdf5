// Checks that apply to every container setup.

import { assertEquals } from "@std/assert";

/** Asserts that the page and its script are served. */
export async function assertPage(url: string): Promise<void> {
  const page = await (await fetch(url)).text();
  const [, script = ""] = /src="([^"]*main[^"]*)"/.exec(page) ?? [];
  const response = await fetch(new URL(script, url));
  assertEquals([response.status, (await response.text()).length > 10_000], [200, true]);
}
