// Room titles.

import { assertEquals } from "@std/assert";
import { cleanTitle } from "../../../app/protocol/titles.ts";

Deno.test("cleanTitle() returns one line, single-spaced and in NFC [E5]", () => {
  const titles = [
    [" The\tnew\r\n\u0007 lobby\u0085", "The new lobby"],
    ["Cafe\u0301", "Caf\u00e9"],
    ["\u5f85\u5408\u5ba4", "\u5f85\u5408\u5ba4"],
    [
      "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
      "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    ],
    [
      "\u2764\ufe0f \u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
      "\u2764\ufe0f \u{1f468}\u200d\u{1f469}\u200d\u{1f467}",
    ],
    ["\u{1f600}".repeat(60), "\u{1f600}".repeat(60)],
  ] as const;
  for (const [typed, value] of titles) assertEquals(cleanTitle(typed), { ok: true, value });
});

Deno.test("cleanTitle() refuses titles that are empty, too long or partly invisible [E5]", () => {
  const refused = [
    "",
    " \n ",
    "x".repeat(61),
    "\u200b",
    "a\u200db",
    "\u202eolleh",
    "\u2800",
    "\u3164",
    "x\u0301\u0302\u0303\u0304",
  ];
  for (const typed of refused) {
    const result = cleanTitle(typed);
    assertEquals(!result.ok && result.code, "title_invalid", JSON.stringify(typed));
  }
});

Deno.test("cleanTitle() refuses invisible annotation marks [E5]", () => {
  assertEquals(cleanTitle("a\ufff9b\ufffac\ufffb").ok, false);
});

Deno.test("cleanTitle() refuses private-use characters [E5]", () => {
  for (const typed of ["\ue000", "a\uf8ff", "\u{f0000}", "b\u{10fffd}"]) {
    assertEquals(cleanTitle(typed).ok, false, JSON.stringify(typed));
  }
});
