// Usernames, room names and message text.

import { assert, assertEquals } from "@std/assert";
import { suggestRoomName } from "../../../app/protocol/room_suggestion.ts";
import { cleanText, codePointLength, isRoomName, utf8Length } from "../../../app/protocol/text.ts";
import { parseUsername } from "../../../app/protocol/usernames.ts";

Deno.test("parseUsername() accepts real names, trimmed and in NFC [N1] [N2]", () => {
  const names = [
    "A",
    "7",
    "Ada",
    "Ada L. Byron",
    "jean-luc",
    "x_y",
    "Žižek",
    "李小龍",
    "محمد",
    "नमस्ते",
    "Ωμέγα",
    "O'Brien",
    "O’Brien",
    "Bob (work)",
    "Ada (b. 1815.)",
    "Mr. T.",
    "علی\u200cرضا",
    "क्\u200dष",
  ];
  for (const name of names) {
    assertEquals(parseUsername(name), { ok: true, value: name.normalize("NFC") });
  }
  assertEquals(parseUsername("  Ada\t"), { ok: true, value: "Ada" });
  assertEquals(parseUsername("A\u030a"), { ok: true, value: "Å" });
  assert(parseUsername("x".repeat(24)).ok);
  assert(parseUsername("𝒳".repeat(24)).ok);
});

Deno.test("parseUsername() refuses invalid names with a code and a sentence [N1] [N2] [N3]", () => {
  const cases: [string, string, string][] = [
    ["", "username_empty", "Choose a name"],
    ["   ", "username_empty", "Choose a name"],
    ["x".repeat(25), "username_too_long", "24 characters"],
    ["a".repeat(100_000), "username_too_long", "24 characters"],
    ["a!", "username_characters", "Use letters"],
    ["<b>", "username_characters", "Use letters"],
    ["a\nb", "username_characters", "Use letters"],
    ["a\u200cb", "username_characters", "Use letters"],
    ["علی\u200c", "username_characters", "Use letters"],
    ["علی\u200c\u200cرضا", "username_characters", "Use letters"],
    ["Bob(work", "username_characters", "Use letters"],
    ["Bob (a) (b)", "username_characters", "Use letters"],
    ["(Bob)", "username_characters", "Use letters"],
    ["Bob ()", "username_characters", "Use letters"],
    ["a\u200bb", "username_characters", "Use letters"],
    ["a\u202eb", "username_characters", "Use letters"],
    ["a\u3164", "username_characters", "Use letters"],
    ["\ud800a", "username_characters", "Use letters"],
    ["😀", "username_characters", "Use letters"],
    ["-a", "username_ends", "Start and end"],
    ["a..", "username_ends", "Start and end"],
    ["a.)", "username_characters", "Use letters"],
    ["a'", "username_ends", "Start and end"],
    ["'a", "username_ends", "Start and end"],
    ["a ( b)", "username_spaces", "single spaces"],
    ["_", "username_ends", "Start and end"],
    ["\u0301a", "username_ends", "Start and end"],
    ["a  b", "username_spaces", "single spaces"],
    ["a" + "\u0316".repeat(4), "username_marks", "Too many accents"],
  ];
  for (const [name, code, sentence] of cases) {
    const parsed = parseUsername(name);
    assert(!parsed.ok && parsed.code === code, JSON.stringify(name));
    assert(parsed.message.includes(sentence), `${name.slice(0, 20)}: ${parsed.message}`);
  }
});

Deno.test("isRoomName() accepts 1 to 32 of a-z, 0-9 and -, not starting with - [L5]", () => {
  for (const name of ["a", "0", "lobby", "a-b", "a-", "x".repeat(32)]) {
    assert(isRoomName(name), name);
  }
  for (const name of ["", "-a", "A", "a_b", "ä", "a b", "x".repeat(33), "a\n", "../x"]) {
    assert(!isRoomName(name), name);
  }
});

Deno.test("cleanText() normalizes line ends, removes controls, keeps indentation and counts code points [M1] [M2]", () => {
  assertEquals(cleanText("a\r\nb\rc\t\u0000\u009f \n"), { ok: true, value: "a\nb\nc" });
  assertEquals(cleanText(" \n\t\r\n  if x:\n    y\n\n"), { ok: true, value: "  if x:\n    y" });
  assertEquals(cleanText("a\ud800"), { ok: true, value: "a\ufffd" });
  assert(cleanText("😀".repeat(4_000)).ok);
  assert(!cleanText("😀".repeat(4_001)).ok);
  assert(!cleanText("\u0007 \n").ok);
});

Deno.test("codePointLength() and utf8Length() count lone surrogates like the platform does", () => {
  for (const text of ["", "abc", "é", "€", "😀", "a😀b", "\ud800", "\udc00\ud800"]) {
    assertEquals(codePointLength(text), [...text].length, text);
    assertEquals(utf8Length(text), new TextEncoder().encode(text).length, text);
  }
});

Deno.test("suggestRoomName() returns a valid name that resembles the typed text [D2]", () => {
  for (
    const [typed, expected] of [
      ["My Room", "my-room"],
      ["café", "cafe"],
      ["Größe", "grosse"],
      ["room_1", "room-1"],
      ["# dev", "dev"],
      [" --a--b-- ", "a-b"],
      ["ＦＵＬＬ", "full"],
      ["東京", ""],
      ["x".repeat(40), "x".repeat(32)],
      [`${"x".repeat(31)} y`, "x".repeat(31)],
      // Normalizing all of it would take too long.
      [`a${"\u0316\u0301".repeat(128)}b`, "a"],
    ] as const
  ) {
    const suggested = suggestRoomName(typed);
    assertEquals(suggested, expected);
    assert(suggested === "" || isRoomName(suggested), typed);
  }
});
