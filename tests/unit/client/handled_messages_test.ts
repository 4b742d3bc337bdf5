// The messages that a tab of a browser has handled.

import { assertEquals } from "@std/assert";
import { markHandled } from "../../../static/client/state/handled_messages.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";

Deno.test("markHandled() returns true for the first tab that handles a message", () => {
  const storage = memoryStorage();
  assertEquals(["m1", "m1", "m2", "m1"].map((id) => markHandled(storage, id)), [
    true,
    false,
    true,
    false,
  ]);
});

Deno.test("markHandled() remembers a bounded number of messages", () => {
  const storage = memoryStorage();
  for (let i = 0; i < 1_000; i++) markHandled(storage, `m${i}`);
  assertEquals(markHandled(storage, "m999"), false);
  assertEquals(JSON.parse(storage.getItem("parley.notified") ?? "").length, 50);
});

Deno.test("markHandled() ignores damaged data", () => {
  const storage = memoryStorage();
  storage.setItem("parley.notified", "7");
  assertEquals([markHandled(storage, "m1"), markHandled(storage, "m1")], [true, false]);
});
