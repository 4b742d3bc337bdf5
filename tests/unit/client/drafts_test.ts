// Drafts in the storage.

import { assertEquals } from "@std/assert";
import { loadDraft, saveDraft } from "../../../static/client/state/drafts.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";

Deno.test("saveDraft() stores one room's draft and leaves the others alone", () => {
  const storage = memoryStorage();
  saveDraft([storage], "lobby", "half a");
  saveDraft([storage], "design", " two\nlines ");
  assertEquals(["lobby", "design", "none"].map((room) => loadDraft([storage], room)), [
    "half a",
    " two\nlines ",
    "",
  ]);
});

Deno.test("saveDraft() removes a blank draft, and truncates a long one", () => {
  const storage = memoryStorage();
  saveDraft([storage], "lobby", "x".repeat(50_000));
  assertEquals(loadDraft([storage], "lobby").length, 40_000);
  saveDraft([storage], "lobby", "x" + "😀".repeat(20_000));
  assertEquals(loadDraft([storage], "lobby"), "x" + "😀".repeat(19_999));
  saveDraft([storage], "lobby", " \n");
  assertEquals(storage.length, 0);
});

Deno.test("loadDraft() prefers the tab's own draft to that of another tab", () => {
  const [shared, one, two] = [memoryStorage(), memoryStorage(), memoryStorage()];
  saveDraft([shared, one], "lobby", "first");
  assertEquals(loadDraft([shared, two], "lobby"), "first");
  // The other tab shows it, which stores nothing.
  saveDraft([shared, two], "lobby", "first");
  assertEquals(two.length, 0);
  saveDraft([shared, two], "lobby", "second");
  assertEquals([one, two].map((own) => loadDraft([shared, own], "lobby")), ["first", "second"]);
  saveDraft([shared, one], "lobby", "");
  assertEquals([one, two].map((own) => loadDraft([shared, own], "lobby")), ["", "second"]);
});

Deno.test("saveDraft() uses the tab's own storage while that of all tabs is full", () => {
  const shared = memoryStorage();
  const own = memoryStorage();
  const full = {
    ...shared,
    setItem() {
      throw new DOMException("full", "QuotaExceededError");
    },
  };
  saveDraft([shared, own], "lobby", "half");
  saveDraft([full, own], "lobby", "half a sentence");
  assertEquals(loadDraft([full, own], "lobby"), "half a sentence");
  saveDraft([shared, own], "lobby", "a sentence");
  assertEquals([shared, own].map((it) => loadDraft([it], "lobby")), ["a sentence", "a sentence"]);
});

Deno.test("loadDraft() ignores an invalid draft", () => {
  const storage = memoryStorage();
  for (const value of ["{", "7", "null"]) {
    storage.setItem("parley.draft.lobby", value);
    assertEquals(loadDraft([storage], "lobby"), "");
  }
});
