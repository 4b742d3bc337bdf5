// Checks that apply to every container setup.

import { assert, assertEquals } from "@std/assert";

/** Asserts that the page and its scripts are served. */
export async function assertPage(url: string): Promise<void> {
  const page = await (await fetch(url)).text();
  let length = 0;
  for (const [, path] of page.matchAll(/(?:src|"modulepreload" href)="([^"]*\.js)"/g)) {
    const response = await fetch(new URL(path ?? "", url));
    assertEquals(response.status, 200);
    length += (await response.text()).length;
  }
  assert(length > 10_000, page);
}
