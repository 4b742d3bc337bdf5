// docs/scaling.md has the table that scripts/scaling_model.ts computes.

import { assertEquals } from "@std/assert";
import { scalingTable } from "../../../scripts/scaling_model.ts";

const page = new URL("../../../docs/scaling.md", import.meta.url);

Deno.test("docs/scaling.md has the table that its model computes", async () => {
  const text = await Deno.readTextFile(page);
  const [, table = ""] = /<!-- table -->\n([^]*)<!-- end -->/.exec(text) ?? [];
  assertEquals(cellsOf(table), cellsOf(scalingTable()));
});

/** Returns the text of each cell, without the padding that the formatter adds. */
function cellsOf(table: string): string[][] {
  const rows = table.split("\n").filter((line) => line.startsWith("|") && !/^[| -]+$/.test(line));
  return rows.map((row) => row.split("|").map((cell) => cell.trim()));
}
