import { assert, assertEquals } from "@std/assert";
import { hears, say, signIn, test, texts, until } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

async function isSettled(page: Page): Promise<boolean> {
  return await page.locator("#rows .text.pending").count() === 0;
}

test("lets two people join, talk both ways, and see who is there", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await say(ada, "Good morning");
  await hears(ben, "Good morning");
  await say(ben, "Hello Ada");
  for (const page of [ada, ben]) await hears(page, "Hello Ada");
  assertEquals(await texts(ada), await texts(ben));
  for (const page of [ada, ben]) {
    await page.locator("#people-list li", { hasText: "Ada" }).waitFor();
    await page.locator("#people-list li", { hasText: "Ben" }).waitFor();
  }
  await ada.locator("#room-about", { hasText: "2 here" }).waitFor();
});

test("refuses a taken name in a sentence, and takes another on the spot [N4]", async (scene) => {
  await scene.enter("Ada");
  const other = await scene.person();
  await other.fill("#prompt-name", "ADA");
  await other.click("#prompt-go");
  await other.locator("#prompt-hint", { hasText: "taken" }).waitFor();
  await signIn(other, "Ada B");
});

test("tells the rules of names while one is typed [N1]", async (scene) => {
  const page = await scene.person();
  await page.fill("#prompt-name", "a!");
  await page.locator("#prompt-hint", { hasText: "Use letters, digits" }).waitFor();
  await page.click("#prompt-go");
  assert(await page.isVisible("#prompt"));
  await page.fill("#prompt-name", "a");
  await page.locator("#prompt-hint", { hasText: "others will see" }).waitFor();
});

test("keeps the name across a reload, and the goodbye ends it [N7]", async (scene) => {
  const ada = await scene.enter("Ada");
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  assertEquals(await ada.textContent("#me-name"), "Ada");
  await ada.click("#me");
  await ada.click("text=Sign out");
  await ada.waitForSelector("#prompt:not([hidden])");
});

test(
  "survives kill -9 in mid-conversation: every message once, in one order [M4]",
  async (scene) => {
    const ada = await scene.enter("Ada");
    const ben = await scene.enter("Ben");
    const said: string[] = [];
    const talk = async (rounds: number) => {
      for (let i = 0; i < rounds; i++) {
        for (const [page, name] of [[ada, "Ada"], [ben, "Ben"]] as const) {
          const text = `${name} ${said.length}`;
          said.push(text);
          await say(page, text);
        }
      }
    };
    await talk(3);
    const restarted = scene.restart("SIGKILL");
    await talk(4);
    await restarted;
    await talk(3);
    await until("all messages on both pages", async () => {
      for (const page of [ada, ben]) {
        if (!await isSettled(page) || (await texts(page)).length < said.length) return false;
      }
      return true;
    });
    const [onAda, onBen] = [await texts(ada), await texts(ben)];
    assertEquals(onAda, onBen);
    assertEquals(onAda.toSorted(), said.toSorted());
    for (const name of ["Ada", "Ben"]) {
      const own = onAda.filter((text) => text.startsWith(name));
      assertEquals(own, said.filter((text) => text.startsWith(name)));
    }
  },
  { RATE_PER_SECOND: "0" },
);

test("keeps what was written offline across a reload, and sends it once", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await say(ada, "before");
  await hears(ben, "before");
  const { port } = scene.server;
  await scene.server.end("SIGKILL");
  await ada.locator("#status", { hasText: /Connecting|Reconnecting/ }).waitFor();
  await say(ada, "written offline");
  await ada.locator("#rows .text.pending", { hasText: "written offline" }).waitFor();
  scene.server = await (await import("../../support/server_process.ts")).ServerProcess.start(scene.dir, {
    port,
  });
  await ada.reload();
  await hears(ada, "written offline");
  await hears(ben, "written offline");
  assertEquals((await texts(ben)).filter((text) => text === "written offline").length, 1);
  await ada.locator("#status:empty").waitFor({ state: "attached" });
});

test("says that it tries again, and tries at once when asked", async (scene) => {
  const ada = await scene.enter("Ada");
  const { port } = scene.server;
  await scene.server.end("SIGKILL");
  await ada.locator("#status", { hasText: /Reconnecting in \d+ s/ }).waitFor();
  scene.server = await (await import("../../support/server_process.ts")).ServerProcess.start(scene.dir, {
    port,
  });
  await ada.click("#status >> text=Try now");
  await ada.locator("#status:empty").waitFor({ state: "attached" });
  await say(ada, "back");
  await hears(ada, "back");
});

test("tells who is in the room before one enters", async (scene) => {
  await scene.enter("Ada");
  const ben = await scene.person();
  await ben.locator("#prompt-here", { hasText: "1 here: Ada" }).waitFor();
});

test("shows who writes, who came and who went [M10] [N10]", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await ben.type("#text", "hm");
  await ada.locator("#typing", { hasText: "Ben is typing" }).waitFor();
  await ben.click("#me");
  await ben.click("text=Sign out");
  await ada.locator("#people-list li", { hasText: "Ben" }).waitFor({ state: "detached" });
});

test("loads older pages while one scrolls up, and keeps the place [R9]", async (scene) => {
  const ada = await scene.enter("Ada");
  for (let i = 1; i <= 130; i++) await say(ada, `line ${i}`);
  await until("all are sent", () => isSettled(ada));
  const ben = await scene.enter("Ben");
  await hears(ben, "line 130");
  assertEquals(await ben.locator("#rows .text", { hasText: /^line 1$/ }).count(), 0);
  await ben.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
  await ben.locator("#rows .text", { hasText: /^line 1$/ }).waitFor({ state: "attached" });
  const numbers = (await texts(ben)).map((text) => Number(text.slice(5)));
  assertEquals(numbers, Array.from({ length: 130 }, (_, i) => i + 1));
  assert(await ben.evaluate(() => (document.querySelector("#log")?.scrollTop ?? 0) > 0));
  await say(ada, "news");
  await ben.locator("#to-end", { hasText: "1 new message" }).click();
  await ben.locator("#to-end").waitFor({ state: "hidden" });
}, { RATE_PER_SECOND: "0" });

test("has rooms, their unread counts, and their addresses", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  for (const page of [ada, ben]) {
    await page.fill("#room-name", "design");
    await page.press("#room-name", "Enter");
    await page.locator("#room-title", { hasText: "# design" }).waitFor();
  }
  assert(ada.url().endsWith("/r/design"));
  await ada.click("#room-list >> text=# lobby");
  await say(ben, "@Ada look here");
  await ada.locator("#room-list .badge", { hasText: "@ 1" }).waitFor();
  await ada.goBack();
  await hears(ada, "look here");
  await ada.locator("#room-list .badge").waitFor({ state: "detached" });
  await ada.fill("#text", "/leave");
  await ada.press("#text", "Enter");
  await ada.press("#text", "Enter");
  await ada.locator("#room-title", { hasText: "# lobby" }).waitFor();
  const direct = await scene.tab(ben.context(), "r/design");
  await hears(direct, "look here");
});

test("changes one's name [N7]", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await say(ada, "/nick Ida");
  await ben.locator("#people-list li", { hasText: "Ida" }).waitFor();
  await say(ada, "/nick Ben");
  await ada.locator("#status", { hasText: "That name is taken" }).waitFor();
});

test("lets two tabs of one person talk side by side [N9]", async (scene) => {
  const one = await scene.enter("Ada");
  const two = await scene.tab(one.context());
  await two.waitForSelector("#app:not([hidden])");
  await say(one, "from one");
  await hears(two, "from one");
  await say(two, "from two");
  await hears(one, "from two");
  await one.locator("#room-about", { hasText: "1 here" }).waitFor();
});

test("shows text as text, whatever is in it", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  const nasty = '<img src=x onerror="document.title=1"><script>document.title=2</script>&lt;b&gt;';
  await say(ada, nasty);
  await hears(ben, "<img src=x");
  assertEquals((await texts(ben)).at(-1), nasty);
  assertEquals(await ben.locator("#rows img, #rows script").count(), 0);
});

test("sends messages over the rate limit by itself, and says so [L2]", async (scene) => {
  const ada = await scene.enter("Ada");
  for (let i = 0; i < 5; i++) await say(ada, `quick ${i}`);
  await ada.locator("#rows .state", { hasText: "Queued" }).first().waitFor();
  await until("all are sent", () => isSettled(ada));
  assertEquals(await texts(ada), ["quick 0", "quick 1", "quick 2", "quick 3", "quick 4"]);
}, { RATE_BURST: "2" });
