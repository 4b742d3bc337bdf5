// Navigation: names, rooms, the directory, drawers and focus.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  browserTest,
  joinRoom,
  noRateLimit,
  openSettings,
  send,
  sharedServerOnly,
  signIn,
  waitForMessage,
  waitForRoom,
  waitUntil,
} from "./browser_harness.ts";
import type { Page, WebSocketRoute } from "./browser_harness.ts";
import { signInScripted } from "./scripted_server.ts";

const phone = { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true };

/** Returns the id of the focused element, or its tag if it has none. */
async function focused(page: Page): Promise<string> {
  return await page.evaluate(() =>
    document.activeElement?.id || document.activeElement?.localName || ""
  );
}

browserTest("suggests a valid room name for invalid input", async (chat) => {
  const ada = await chat.signIn("Ada");
  for (const [typed, room] of [["My Room", "my-room"], ["café", "cafe"], ["room_1", "room-1"]]) {
    await ada.fill("#room-name", typed ?? "");
    await ada.press("#room-name", "Enter");
    await ada.click(`#room-hint >> text=Open #${room}`);
    await waitForRoom(ada, room ?? "");
    assertEquals(await ada.inputValue("#room-name"), "");
  }
  await ada.fill("#room-name", "# dev");
  await ada.press("#room-name", "Enter");
  await waitForRoom(ada, "dev");
  await ada.fill("#room-name", "комната");
  await ada.press("#room-name", "Enter");
  await ada.locator("#room-hint", { hasText: "Room names use a–z" }).waitFor();
  assertEquals(await ada.locator("#room-hint button").count(), 0);
});

browserTest("lists the rooms of the chat, and finds and creates them there", async (chat) => {
  const ben = await chat.signIn("Ben");
  await joinRoom(ben, "design");
  await send(ben, "blue or green?");
  await waitForMessage(ben, "blue");
  const ada = await chat.signIn("Ada");
  await ada.click("#all-rooms");
  const lines = ada.locator("#dialog .directory li");
  await ada.locator("#dialog .directory", { hasText: "# design" }).waitFor();
  assertStringIncludes(
    await lines.filter({ hasText: "# design" }).textContent() ?? "",
    "1 here · ",
  );
  await ada.fill("#dialog input", "DES");
  await waitUntil("the list is filtered", async () => await lines.count() === 2);
  await ada.press("#dialog input", "Enter");
  await waitForRoom(ada, "design");
  assertEquals(await ada.locator("#dialog[open]").count(), 0);
  await ada.click("#all-rooms");
  await ada.fill("#dialog input", "My garden");
  await lines.filter({ hasText: "new room" }).locator("button").click();
  await waitForRoom(ada, "my-garden");
}, noRateLimit);

browserTest("says so if the chat doesn't list its rooms", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.click("#all-rooms");
  await ada.locator("#dialog", { hasText: "doesn't list its rooms" }).waitFor();
  // The browser reports the 404.
  assertEquals(chat.consoleErrors.splice(0).length, 1);
}, { env: { ROOM_DIRECTORY: "0" } });

browserTest("closes rooms from the list, and keeps focus there", async (chat) => {
  const ada = await chat.signIn("Ada");
  assertEquals(await ada.locator("#room-list .leave").count(), 0);
  await joinRoom(ada, "design");
  await joinRoom(ada, "a-room-with-a-very-long-name");
  const long = ada.locator("#room-list button", { hasText: "# a-room" });
  assertEquals(await long.getAttribute("title"), "a-room-with-a-very-long-name");
  await ada.getByRole("button", { name: "Leave #design" }).focus();
  await ada.keyboard.press("Enter");
  await ada.locator("#room-list", { hasText: "# design" }).waitFor({ state: "detached" });
  assert(await focused(ada) !== "body");
  await waitForRoom(ada, "a-room-with-a-very-long-name");
  await ada.getByRole("button", { name: "Leave #a-room" }).click();
  await waitForRoom(ada, "lobby");
  // Choosing a room draws its row again.
  await joinRoom(ada, "design");
  await ada.locator("#room-list button", { hasText: "# lobby" }).focus();
  await ada.keyboard.press("Enter");
  await waitForRoom(ada, "lobby");
  assert(await focused(ada) !== "body");
});

browserTest("closes an open drawer before navigating back", async (chat) => {
  const ada = await chat.signIn("Ada", phone);
  await ada.fill("#text", "/join design");
  await ada.click("#send");
  await waitForRoom(ada, "design");
  for (const [toggle, drawer] of [["#people-toggle", "#people"], ["#room-title", "#rooms"]]) {
    await ada.click(toggle ?? "");
    await ada.locator(`${drawer}.open`).waitFor();
    await ada.goBack();
    await ada.locator(`${drawer}.open`).waitFor({ state: "detached" });
    await waitForRoom(ada, "design");
    assertEquals(`#${await focused(ada)}`, toggle);
  }
  // A room chosen in the drawer takes the drawer's place in the history.
  await ada.click("#room-title");
  await ada.click("#room-list >> text=# lobby");
  await waitForRoom(ada, "lobby");
  await ada.goBack();
  await waitForRoom(ada, "design");
  await ada.click("#people-toggle");
  await ada.locator("#people.open").waitFor();
  await ada.keyboard.press("Escape");
  await ada.goBack();
  await waitForRoom(ada, "lobby");
});

browserTest("keeps focus in the page when a dialog closes", async (chat) => {
  for (const options of [phone, { viewport: { width: 1000, height: 700 } }, {}]) {
    const page = await chat.visit(options);
    await signIn(page, `Ada ${Object.keys(options).length}`);
    if (options === phone) await page.click("#room-title");
    await openSettings(page);
    await page.keyboard.press("Escape");
    await page.locator("#dialog:not([open])").waitFor({ state: "attached" });
    await waitUntil("something has the focus", async () => await focused(page) !== "body");
  }
});

browserTest("moves to the Send button on Tab after completing a name", async (chat) => {
  const ada = await chat.signIn("Ada");
  await chat.signIn("Ben");
  await ada.locator("#people-list", { hasText: "Ben" }).waitFor();
  await ada.type("#text", "@B");
  await ada.keyboard.press("Tab");
  assertEquals(await ada.inputValue("#text"), "@Ben ");
  await ada.type("#text", "hi ");
  await ada.keyboard.press("Tab");
  assertEquals(await focused(ada), "send");
  await ada.keyboard.press("Enter");
  await waitForMessage(ada, "@Ben hi");
});

browserTest("suggests a device link when the name is taken", async (chat) => {
  const ada = await chat.signIn("Ada");
  await openSettings(ada);
  await ada.click("text=Use this name on another device");
  const link = await ada.inputValue("#dialog input[readonly]");
  const other = await chat.visit();
  await other.fill("#prompt-name", "Ada");
  await other.click("#prompt-go");
  await other.click("text=That's me: use a device link");
  await other.getByLabel("Device link").fill(link);
  await other.click("text=Continue as Ada");
  await other.locator("#me-name", { hasText: "Ada" }).waitFor();
});

browserTest("keeps the dialog open, with the input, when a new name is taken", async (chat) => {
  await chat.signIn("Ben");
  const ada = await chat.signIn("Ada");
  await openSettings(ada);
  await ada.fill("#new-name", "Ben");
  await ada.press("#new-name", "Enter");
  await ada.locator("#dialog .hint", { hasText: "That name is taken" }).waitFor();
  assertEquals(await ada.inputValue("#new-name"), "Ben");
  await ada.fill("#new-name", "Adele");
  await ada.press("#new-name", "Enter");
  await ada.locator("#dialog:not([open])").waitFor({ state: "attached" });
  assertEquals(await ada.textContent("#me-name"), "Adele");
});

browserTest(
  "keeps the name, and says that messages won't outlive the tab, if its storage is full",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    let isOnline = true;
    const sockets: WebSocketRoute[] = [];
    await ada.routeWebSocket("**/ws", (socket) => {
      if (!isOnline) return void socket.close();
      sockets.push(socket);
      socket.connectToServer();
    });
    await ada.addInitScript(() => {
      for (let size = 2 ** 20, i = 0; size >= 1;) {
        try {
          localStorage.setItem(`other${i++}`, "x".repeat(size));
        } catch {
          size /= 2;
        }
      }
    });
    await ada.reload();
    await ada.locator("#me-name", { hasText: "Ada" }).waitFor();
    isOnline = false;
    await Promise.all(sockets.map((socket) => socket.close()));
    await send(ada, "on the train");
    const row = ada.locator("#rows article", { hasText: "on the train" });
    await row.getByText("This browser's storage is full. Keep this tab open").waitFor();
  },
  noRateLimit,
);

browserTest("warns once that a name won't survive a reload without storage", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.addInitScript(() => {
    for (const name of ["localStorage", "sessionStorage"]) {
      Object.defineProperty(globalThis, name, {
        get() {
          throw new DOMException("forbidden", "SecurityError");
        },
      });
    }
  });
  await ada.goto(chat.url);
  await ada.locator("#prompt-hint", { hasText: "won't survive a reload" }).waitFor();
  await signIn(ada, "Ada");
  await send(ada, "works anyway");
  await waitForMessage(ada, "works anyway");
});

browserTest(
  "paints the chosen dark theme first on a light system",
  async (chat) => {
    const ada = await chat.visit({ colorScheme: "light" });
    await ada.evaluate(() => localStorage.setItem("parley.settings", '{"theme":"dark"}'));
    // The first paint comes long before a slow device has run the page's script.
    await ada.route(/main\.\w+\.js/, () => {});
    await ada.reload({ waitUntil: "commit" });
    await ada.locator("#prompt").waitFor();
    const background = await ada.evaluate(() =>
      getComputedStyle(document.documentElement).backgroundColor
    );
    assert(Number(/oklch\(([\d.]+)/.exec(background)?.[1] ?? 1) < 0.3, background);
    assertEquals(await ada.locator("meta[media=all]").getAttribute("content"), "#101318");
  },
);

browserTest(
  "follows the browser's font size, and keeps clear of notches on both sides",
  async (chat) => {
    const landscape = { viewport: { width: 680, height: 360 }, hasTouch: true, isMobile: true };
    const ada = await chat.signIn("Ada", landscape);
    const sizeOf = (selector: string) =>
      ada.locator(selector).first().evaluate((node) => parseFloat(getComputedStyle(node).fontSize));
    const sizes = () => Promise.all(["#me-name", "#text", "#room-title"].map(sizeOf));
    assertEquals(await sizes(), [15, 16, 17]);
    const devtools = await ada.context().newCDPSession(ada);
    await devtools.send("Page.setFontSizes", { fontSizes: { standard: 24 } });
    assertEquals(await sizes(), [22.5, 24, 25.5]);
    await devtools.send("Emulation.setSafeAreaInsetsOverride", {
      insets: { left: 40, right: 44, top: 0, bottom: 0 },
    });
    const { left, right } = await ada.locator("#composer").evaluate((node) => {
      const { left, right } = node.getBoundingClientRect();
      return { left, right: innerWidth - right };
    });
    assert(left >= 40 && right >= 44, `${left} ${right}`);
  },
);

browserTest("closes a dialog before the drawer below it", async (chat) => {
  const ada = await chat.signIn("Ada", { viewport: { width: 360, height: 720 } });
  await ada.click("#room-title");
  await openSettings(ada);
  // The focus is on nothing then, so the dialog doesn't see the key.
  await ada.evaluate(() =>
    document.activeElement instanceof HTMLElement && document.activeElement.blur()
  );
  for (const count of [1, 0]) {
    await ada.keyboard.press("Escape");
    await ada.locator("#dialog").waitFor({ state: "hidden" });
    assertEquals(await ada.locator("#rooms.open").count(), count);
  }
});

browserTest("has fields that Safari on phones doesn't zoom into", async (chat) => {
  const ada = await chat.signIn("Ada", phone);
  await ada.tap("#room-title");
  await openSettings(ada);
  const sizes = await ada.locator("input, select, textarea").evaluateAll((nodes) =>
    nodes.map((node) => parseFloat(getComputedStyle(node).fontSize))
  );
  assert(sizes.length > 8 && Math.min(...sizes) >= 16, `${sizes}`);
});

browserTest("keeps badges on one line beside long names in large type", async (chat) => {
  const { ada, server } = await signInScripted(chat, { viewport: { width: 320, height: 568 } });
  const devtools = await ada.context().newCDPSession(ada);
  await devtools.send("Page.setFontSizes", { fontSizes: { standard: 24 } });
  const name = "a-room-with-a-rather-long-name";
  await joinRoom(ada, name);
  await joinRoom(ada, "lobby");
  server.publish(name, ...Array.from({ length: 120 }, () => ({ text: "@Ada?" })));
  const lineCount = (selector: string) =>
    ada.locator(selector, { hasText: "@ 120" }).evaluate((badge) => {
      const range = document.createRange();
      range.selectNodeContents(badge);
      return range.getClientRects().length;
    });
  assertEquals(await lineCount("#room-title .badge"), 1);
  await ada.click("#room-title");
  assertEquals(await lineCount("#room-list .badge"), 1);
}, sharedServerOnly);
