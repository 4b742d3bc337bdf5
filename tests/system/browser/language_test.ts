// The page's language: the reader's first supported one, else English.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  choose,
  send,
  sharedServerOnly,
  signIn,
  waitForMessage,
  waitUntil,
} from "./browser_harness.ts";
import { signInScripted } from "./scripted_server.ts";

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
  await send(page, "Bonjour");
  await waitForMessage(page, "Bonjour");
  await choose(page, "Bonjour", "Reply");
  await send(page, "Ça va ?");
  await page.locator("#rows .quote").waitFor();
  // Spell checkers and screen readers must not take what people write for English.
  for (const selector of ["#text", "#rows .text", "#rows .quote"]) {
    assertEquals(await page.locator(selector).first().getAttribute("lang"), "");
  }
});

browserTest("keeps the translation by the browser of texts that do not change", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish("lobby", { text: "one" });
  await waitForMessage(ada, "one");
  await ada.locator("#people-title", { hasText: "Here now: 1" }).waitFor();
  // Chrome wraps texts in elements. Other browsers replace them.
  for (const isWrapped of [true, false]) {
    await ada.evaluate((isWrapped) => {
      const texts = document.evaluate(
        "//main//text()[not(ancestor::*[@translate='no'])] | //h2/text()",
        document,
        null,
        XPathResult.ORDERED_NODE_SNAPSHOT_TYPE,
      );
      for (let i = 0; i < texts.snapshotLength; i++) {
        const text = texts.snapshotItem(i) as Text;
        if (text.data.trim() === "") continue;
        const translated = `${text.data}, traduit`;
        const wrapper = document.createElement("font");
        wrapper.append(translated);
        if (isWrapped) text.replaceWith(wrapper);
        else text.data = translated;
      }
    }, isWrapped);
    const labels = ["#room-here", "#room-kept", "#people-title", "#people-toggle"];
    const shown = () => Promise.all(labels.map((it) => ada.locator(it).textContent()));
    const translated = await shown();
    server.publish("lobby", { text: `two ${isWrapped}` });
    await waitForMessage(ada, `two ${isWrapped}`);
    assertEquals(await shown(), translated);
    // A text that changes is in the page's language again.
    server.push({ type: "count", room: "lobby", count: isWrapped ? 2 : 3, members: [] });
    await ada.locator("#people-title", { hasText: /^Here now: \d$/ }).waitFor();
  }
}, sharedServerOnly);
