// Settings, profile and open rooms in the storage.

import { assertEquals } from "@std/assert";
import { loadOpenRooms, loadReadOffsets } from "../../../static/client/state/open_rooms.ts";
import { loadProfile } from "../../../static/client/state/profile.ts";
import { loadSettings, saveSettings } from "../../../static/client/state/settings.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";

/** Invalid values that another program may have stored. */
const invalid = [
  "",
  "{",
  "7",
  "null",
  "[7,null]",
  '"x"',
  '{"theme":"red","notify":7,"sound":"yes"}',
];

Deno.test("loadSettings() returns what saveSettings() stored, and defaults for invalid values", () => {
  const storage = memoryStorage();
  const defaults = {
    theme: "system",
    density: "comfortable",
    hours: "system",
    sound: false,
    notify: new Map(),
  };
  for (const value of invalid) {
    storage.setItem("parley.settings", value);
    assertEquals(loadSettings(storage), { ...defaults } as unknown);
  }
  const settings = {
    theme: "dark",
    density: "compact",
    hours: "h23",
    sound: true,
    notify: new Map([["constructor", "never"], ["lobby", "always"]] as const),
  } as const;
  saveSettings(storage, { ...settings, notify: new Map([...settings.notify, ["x", "mention"]]) });
  assertEquals(loadSettings(storage), settings);
});

Deno.test("loadProfile() replaces an invalid name, token or access code", () => {
  const storage = memoryStorage();
  const token = "t".repeat(43);
  const stored = [...invalid, '{"username":7,"token":7,"access":[1]}', '{"token":"short"}'];
  for (const value of stored) {
    storage.setItem("parley.profile", value);
    assertEquals(loadProfile(storage, () => token), { username: "", token });
  }
  const profile = { username: "Ada", token: "a".repeat(43), access: "sesame" };
  storage.setItem("parley.profile", JSON.stringify(profile));
  assertEquals(loadProfile(storage, () => token), profile);
});

Deno.test("loadOpenRooms() and loadReadOffsets() skip invalid values", () => {
  const storage = memoryStorage();
  storage.setItem("parley.rooms", '["lobby","No Room",7,null]');
  storage.setItem("parley.read", '{"lobby":3,"design":"4","other":1e300}');
  assertEquals(loadOpenRooms(storage), ["lobby"]);
  assertEquals(loadReadOffsets(storage), new Map([["lobby", 3]]));
  for (const value of ["{", "7", "null"]) {
    storage.setItem("parley.rooms", value);
    storage.setItem("parley.read", value);
    assertEquals([loadOpenRooms(storage), loadReadOffsets(storage).size], [[], 0]);
  }
});
