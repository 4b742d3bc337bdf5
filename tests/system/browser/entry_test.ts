import { assert, assertEquals } from "@std/assert";
import { hears, say, signIn, test } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

const code = { ACCESS_CODE: "open-sesame" };

async function tryCode(page: Page, code: string): Promise<void> {
  await page.fill("#prompt-access input", code);
  await page.click("#prompt-go");
}

test("asks for an access code once, and keeps the right one over a reload [N13]", async (scene) => {
  const ada = await scene.person();
  assert(!await ada.isVisible("#prompt-access"));
  await ada.fill("#prompt-name", "Ada");
  await ada.click("#prompt-go");
  await ada.locator("#prompt-hint", { hasText: "needs an access code" }).waitFor();
  assertEquals(await ada.evaluate(() => document.activeElement?.getAttribute("name")), "access");
  await tryCode(ada, "sesame");
  await ada.locator("#prompt-hint", { hasText: "Wrong access code" }).waitFor();
  assertEquals(await ada.getAttribute("#prompt-access input", "aria-invalid"), "true");
  assertEquals(await ada.getAttribute("#prompt-name", "aria-invalid"), "false");
  await tryCode(ada, "open-sesame");
  await ada.waitForSelector("#app:not([hidden])");
  await say(ada, "inside");
  await hears(ada, "inside");
  await ada.reload();
  await hears(ada, "inside");
  await ada.locator("#room-about", { hasText: "1 here" }).waitFor();
  assert(!await ada.isVisible("#prompt"));
}, code);

test(
  "asks again when the code was changed, and tells it in the reader's language",
  async (scene) => {
    const ada = await scene.person({ locale: "de" });
    await signInWith(ada, "open-sesame");
    await scene.server.end();
    const { ServerProcess } = await import("../../support/server_process.ts");
    const port = Number(new URL(scene.server.url).port);
    scene.server = await ServerProcess.start(scene.dir, {
      port,
      env: { ACCESS_CODE: "open-barley" },
    });
    await ada.locator("#prompt-hint", { hasText: "Falscher Zugangscode" }).waitFor();
    await ada.locator("#prompt-access", { hasText: "Zugangscode" }).waitFor();
    assertEquals(await ada.inputValue("#prompt-name"), "Ada");
    await tryCode(ada, "open-barley");
    await ada.waitForSelector("#app:not([hidden])");
  },
  code,
);

async function signInWith(page: Page, code: string): Promise<void> {
  await page.fill("#prompt-name", "Ada");
  await page.click("#prompt-go");
  await tryCode(page, code);
  await page.waitForSelector("#app:not([hidden])");
}

test(
  "says how long messages are kept, and in a new room that none is private [R11]",
  async (scene) => {
    const ada = await scene.enter("Ada");
    await ada.locator("#room-about", { hasText: "messages kept for 30 days" }).waitFor();
    await ada.locator("#rows .empty", { hasText: "Rooms aren't private" }).waitFor();
    await ada.setViewportSize({ width: 320, height: 600 });
    await ada.locator("#people-toggle", { hasText: "1 here" }).waitFor();
    const kept = ada.locator("#room-kept");
    assertEquals(
      await kept.evaluate((node) => node.parentElement?.scrollWidth),
      await kept.evaluate((node) => node.parentElement?.clientWidth),
    );
    await say(ada, "somebody is here");
    await hears(ada, "somebody is here");
    assertEquals(await ada.locator("#rows .empty").count(), 0);
  },
  { RETENTION_DAYS: "30" },
);

test("gives the address of a room in which nobody has said anything, to be shared", async (scene) => {
  const ada = await scene.enter("Ada", { permissions: ["clipboard-read", "clipboard-write"] });
  await say(ada, "/join garden");
  const address = `${scene.url}r/garden`;
  assertEquals(await ada.locator("#rows .empty a").getAttribute("href"), address);
  await ada.click("#rows .empty button");
  await ada.locator("#rows .empty button", { hasText: "Copied" }).waitFor();
  assertEquals(await ada.evaluate(() => navigator.clipboard.readText()), address);
});

test("goes from the first key to the first message without a mouse", async (scene) => {
  const ada = await scene.person();
  await ada.locator("#prompt-name:focus").waitFor();
  await ada.keyboard.type("Ada");
  await ada.keyboard.press("Enter");
  await ada.waitForSelector("#app:not([hidden])");
  await ada.keyboard.type("by keys alone");
  await ada.keyboard.press("Enter");
  await hears(ada, "by keys alone");
  // From the composer back to the rooms, over everything that can be reached.
  const reached = new Set<string>();
  for (let i = 0; i < 12; i++) {
    await ada.keyboard.press("Shift+Tab");
    reached.add(await ada.evaluate(() => document.activeElement?.id ?? ""));
  }
  for (const id of ["log", "room-title", "me", "room-name"]) assert(reached.has(id), id);
});

test("tells a stranger nothing of who is in a chat that asks for a code [N13]", async (scene) => {
  const ada = await scene.person();
  await signInWith(ada, "open-sesame");
  const ben = await scene.person();
  await ben.fill("#prompt-name", "Ben");
  await ben.click("#prompt-go");
  await ben.locator("#prompt-hint", { hasText: "needs an access code" }).waitFor();
  assertEquals(await ben.textContent("#prompt-here"), "");
}, code);

test("takes a name that a storage made of nonsense had, as none", async (scene) => {
  const ada = await scene.enter("Ada");
  await ada.evaluate(() => {
    localStorage.setItem("parley.profile", '{"username":"<b>","token":7,"access":[1]}');
  });
  await ada.reload();
  await ada.waitForSelector("#prompt:not([hidden])");
  assertEquals(await ada.inputValue("#prompt-name"), "");
  await signIn(ada, "Ida");
});
