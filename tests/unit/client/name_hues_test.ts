// The colors of names.

import { assert, assertEquals } from "@std/assert";
import { NameHues } from "../../../static/client/state/name_hues.ts";

const names = Array.from({ length: 40 }, (_, i) => `Person ${i}`);

Deno.test("NameHues.hueOf() gives a name the same hue each time, even on another page", () => {
  const hues = new NameHues();
  const first = names.map((name) => hues.hueOf(name));
  assertEquals(names.map((name) => hues.hueOf(name)), first);
  assertEquals(new NameHues().hueOf("Ada"), new NameHues().hueOf("Ada"));
});

Deno.test("NameHues.hueOf() gives any twelve names in a row hues at least 30 degrees apart", () => {
  const hues = new NameHues();
  const all = names.map((name) => hues.hueOf(name));
  for (let i = 0; i + 12 <= all.length; i++) {
    assertEquals(new Set(all.slice(i, i + 12)).size, 12, `from ${i}`);
  }
  assert(all.every((hue) => hue % 30 === 0 && hue >= 0 && hue < 360));
});
