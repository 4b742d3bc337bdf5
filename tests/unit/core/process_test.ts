import { assert, assertEquals } from "@std/assert";
import { countDescriptors } from "../../../app/core/process.ts";

Deno.test("countDescriptors() rises with each open file", () => {
  const path = new URL(import.meta.url).pathname;
  const before = countDescriptors(path);
  assert(before > 0);
  // Files may fill holes below the highest descriptor first.
  const files = Array.from({ length: 200 }, () => Deno.openSync(path));
  const during = countDescriptors(path);
  for (const file of files) file.close();
  assert(during >= before + 100, `${before} ${during}`);
  assertEquals(countDescriptors(`${path}.missing`), 0);
});
