// The page's language: the reader's first supported one, else English.

import { assert, assertEquals } from "@std/assert";
import { browserTest, send, signIn, waitUntil } from "./browser_harness.ts";

browserTest("speaks the reader's first supported language, and loads no other", async (chat) => {
  const page = await chat.newVisitor({ locale: "de-AT" });
  const scripts: string[] = [];
  page.on("response", (response) => {
    const { pathname } = new URL(response.url());
    // The service worker caches all languages, later.
    const isPage = response.request().serviceWorker() === null;
    if (isPage && pathname.endsWith(".js")) scripts.push(pathname);
  });
  await page.goto(chat.url);
  await page.locator("#prompt-label", { hasText: "Dein Name" }).waitFor();
  assertEquals(await page.getAttribute("html", "lang"), "de");
  // The words for problems load after the page.
  await waitUntil("problems are in German", async () => {
    await page.fill("#prompt-name", "a!");
    return (await page.textContent("#prompt-hint"))?.includes("Buchstaben, Ziffern") ?? false;
  });
  await signIn(page, "Ada");
  await page.locator("#room-about", { hasText: "1 hier · der Verlauf bleibt erhalten" }).waitFor();
  assertEquals(await page.getAttribute("#people", "aria-label"), "Leute");
  assertEquals(await page.getAttribute("#text", "placeholder"), "Nachricht an #lobby");
  await send(page, "Grüß Gott");
  await page.locator("#rows .rule", { hasText: "Heute" }).waitFor();
  const names = scripts.map((path) => path.replace(/^.*\/([a-z_]+)[.-].*$/, "$1"));
  const words = names.filter((name) => /words/.test(name));
  assert(words.includes("words_de") && words.every((name) => name.endsWith("_de")), `${words}`);
});

browserTest("speaks English to readers of other languages", async (chat) => {
  const page = await chat.signIn("Ada", { locale: "fr-FR" });
  await page.locator("#room-about", { hasText: "1 here · history is kept" }).waitFor();
  assertEquals(await page.getAttribute("html", "lang"), "en");
});
