// The members that a person hides in one browser.

import { assertEquals } from "@std/assert";
import { HiddenMembers } from "../../../static/client/state/hidden_members.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";

Deno.test("HiddenMembers keeps the last 200 members, for all tabs", () => {
  const storage = memoryStorage();
  const hidden = new HiddenMembers(storage);
  const other = new HiddenMembers(storage);
  for (let i = 1; i <= 201; i++) hidden.hide(`m${i}`, `Name ${i}`);
  hidden.show("m201");
  assertEquals(hidden.names.size, 199);
  assertEquals([hidden.names.has("m1"), hidden.names.get("m2")], [false, "Name 2"]);
  assertEquals(other.names.size, 0);
  other.load();
  assertEquals(other.names, hidden.names);
});

Deno.test("HiddenMembers hides nobody if the storage is damaged", () => {
  const storage = memoryStorage();
  storage.setItem("parley.hidden", "[");
  assertEquals(new HiddenMembers(storage).names.size, 0);
});

Deno.test("HiddenMembers reports changes of this tab and others", () => {
  const storage = memoryStorage();
  const hidden = new HiddenMembers(storage);
  let changes = 0;
  hidden.onChange = () => changes++;
  hidden.hide("ben", "Ben");
  assertEquals([hidden.has("ben"), hidden.has("ada"), changes], [true, false, 1]);
  new HiddenMembers(storage).show("ben");
  hidden.load();
  assertEquals([hidden.has("ben"), changes], [false, 2]);
});
