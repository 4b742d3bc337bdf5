// Messages as lines of text.

import { assert, assertEquals } from "@std/assert";
import { messageLine } from "../../../app/core/message_line.ts";
import { parseUsername } from "../../../app/protocol/usernames.ts";

Deno.test("messageLine() marks an edited message in a way that no name can imitate", () => {
  const line = messageLine({ at: 0, from: "Ada", text: "b", editedAt: 1 });
  const [, mark = ""] = /Ada(.*): b\n$/.exec(line) ?? [];
  assertEquals([mark, parseUsername(`Ada${mark}`).ok], [" [edited]", false]);
  assert(parseUsername("Ada (edited)").ok);
});
