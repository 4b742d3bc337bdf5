// The benchmark's peers are up to date.

import { assert } from "@std/assert";
import peers from "../../../bench/peers/package.json" with { type: "json" };

Deno.test("bench/peers/package.json was checked against the newest versions within a year", () => {
  const days = (Date.now() - Date.parse(peers.checkedOn)) / 86_400_000;
  assert(
    days < 365,
    `The benchmark compares with versions from ${peers.checkedOn}. Update them, measure again and ` +
      "set checkedOn",
  );
});
