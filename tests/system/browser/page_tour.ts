// A tour of every view of the page, in both themes, on a desktop and a phone: for screenshots and
// accessibility checks.

import { send, TestChat, waitForMessage, waitForSent, waitUntil } from "./browser_harness.ts";
import type { BrowserContextOptions, Page } from "./browser_harness.ts";

/** A view of the page. */
interface View {
  readonly name: string;
  readonly isPhoneOnly?: true;
  /** Opens it from the conversation. */
  show(page: Page, device: Device, others: Others): Promise<void>;
}

type Device = "desktop" | "phone";

/** Other people in the room: Ben types, Zoe changes her name. */
interface Others {
  readonly ben: Page;
  readonly zoe: Page;
}

const devices: Readonly<Record<Device, BrowserContextOptions>> = {
  desktop: { viewport: { width: 1080, height: 720 } },
  phone: { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true },
};

type Line = readonly [name: string, text: string];

const readLines: readonly Line[] = [
  ["Ada", "Good morning. Did the backup run?"],
  ["Ben", "It did, at four. 2.1 GB, and the restore took eleven minutes."],
  ["Ben", "For everyone who asked:\n```\nparley backup /srv/backup/parley.db\nsync\n```"],
];
const newLines: readonly Line[] = [
  ["Ada", "Then we can move on *Thursday*. The list is at https://example.org/move"],
  ["Imran", "I am there all day, call me on `ext 40`"],
  ["Ben", "@Mara can you look at the door? It is _still_ stuck"],
  ["Imran", "The spare key is with me, ten minutes"],
  ["Imran", "/me takes the stairs"],
  ["Ada", "☕"],
];

const views: readonly View[] = [
  {
    name: "room",
    async show(page, _device, { ben, zoe }) {
      const isLong = (await zoe.textContent("#me-name")) === "Zoe B";
      await send(zoe, isLong ? "/nick Zoe" : "/nick Zoe B");
      await page.locator("#rows .presence", { hasText: "Zoe" }).waitFor();
      await ben.fill("#text", "");
      await ben.type("#text", "Tea");
      await page.locator("#typing", { hasText: "Ben is typing" }).waitFor();
    },
  },
  {
    name: "empty",
    async show(page) {
      await submit(page, "/join garden");
      await page.locator("#rows .empty a").evaluate((link: HTMLAnchorElement) => {
        link.textContent = "https://chat.example.org/r/garden";
      });
    },
  },
  {
    name: "commands",
    async show(page) {
      await page.fill("#text", "/");
      await page.locator("#suggestions:not([hidden])").waitFor();
    },
  },
  {
    name: "help",
    async show(page) {
      await submit(page, "/help");
      await page.locator("#dialog[open]").waitFor();
    },
  },
  {
    name: "directory",
    async show(page, device) {
      if (device === "phone") await page.click("#room-title");
      await page.click("#all-rooms");
      await page.locator("#dialog .directory", { hasText: "# deploys" }).waitFor();
    },
  },
  {
    name: "search",
    async show(page) {
      await submit(page, "/search restore");
      await page.locator("#dialog .results mark").first().waitFor();
    },
  },
  { name: "settings", show: openSettings },
  {
    name: "device",
    async show(page, device) {
      await openSettings(page, device);
      await page.click("text=Use this name on another device");
      // A fixed token keeps the picture stable and reveals none.
      await page.locator("#dialog input[readonly]").evaluate((input: HTMLInputElement) => {
        input.value = "https://chat.example.org/#token=3p0mRr9vTt&name=Mara";
      });
      await page.click("text=Forget this device");
    },
  },
  {
    name: "compact",
    async show(page, device) {
      await openSettings(page, device);
      await page.getByLabel("Density").selectOption({ label: "Compact" });
      await page.reload();
      await waitForMessage(page, "Good morning");
      await page.locator("#room-kept:not(:empty)").waitFor();
      await page.evaluate(() => localStorage.removeItem("parley.settings"));
    },
  },
  {
    name: "unsent",
    async show(page) {
      // A message that a tab left unsent when it was closed a day ago.
      await page.evaluate(() => {
        const message = {
          nonce: "old",
          room: "lobby",
          text: "I have the key of the door",
          at: Date.now() - 25 * 3_600_000,
          state: "pending",
          owner: "gone",
        };
        localStorage.setItem("parley.message.old", JSON.stringify(message));
      });
      await page.reload();
      await page.locator("#rows .state button").first().waitFor();
      await page.locator("#room-kept:not(:empty)").waitFor();
      await page.evaluate(() => localStorage.removeItem("parley.message.old"));
    },
  },
  {
    name: "scrolled-up",
    async show(page) {
      await page.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
      await page.locator("#to-end:not([hidden])").waitFor();
    },
  },
  {
    name: "actions",
    async show(page, device) {
      await openActions(page, device, "It did, at four");
    },
  },
  {
    name: "deletion",
    async show(page, device) {
      await submit(page, "Never mind");
      await waitForSent(page);
      await openActions(page, device, "Never mind");
      await page.locator(".menu").getByText("Delete").click();
      await page.locator(".menu .primary").waitFor();
    },
  },
  {
    name: "deleted",
    async show(page, device) {
      await openActions(page, device, "Never mind");
      await page.locator(".menu").getByText("Delete").click();
      await page.locator(".menu .primary").click();
      await waitForMessage(page, "Message deleted");
    },
  },
  {
    name: "editing",
    async show(page, device) {
      await submit(page, "The keey is back");
      await waitForSent(page);
      await openActions(page, device, "The keey is back");
      await page.locator(".menu").getByText("Edit").click();
      await page.locator(".writing", { hasText: "Editing" }).waitFor();
      await submit(page, "The key is back");
      await waitForMessage(page, "The key is back edited");
      await openActions(page, device, "The key is back");
      await page.locator(".menu").getByText("Edit").click();
    },
  },
  {
    name: "replying",
    async show(page, device) {
      await openActions(page, device, "It did, at four");
      await page.locator(".menu").getByText("Reply").click();
      await submit(page, "Eleven is fine");
      await page.locator(".quote", { hasText: "Ben: It did" }).last().waitFor();
      await waitForSent(page);
      await openActions(page, device, "Eleven is fine");
      await page.locator(".menu").getByText("Reply").click();
      await page.locator(".writing", { hasText: "Replying" }).waitFor();
    },
  },
  {
    name: "permalink",
    async show(page) {
      await page.goto(new URL("r/lobby/2", page.url()).href);
      await page.locator("article.target").waitFor();
      await page.locator("#room-kept:not(:empty)").waitFor();
    },
  },
  {
    name: "rooms",
    isPhoneOnly: true,
    async show(page) {
      await page.click("#room-title");
      await page.locator("#rooms.open").waitFor();
    },
  },
  {
    name: "people",
    isPhoneOnly: true,
    async show(page) {
      await page.click("#people-toggle");
      await page.locator("#people.open").waitFor();
    },
  },
];

type Theme = "light" | "dark";

/**
 * Shows each view in turn, most of them in both themes, and passes it to `visit` with its name and
 * theme. Kills the server before the last views.
 */
export async function tour(
  chat: TestChat,
  visit: (page: Page, name: string, theme: Theme) => Promise<void>,
): Promise<void> {
  const pages = new Map<string, Page>();
  const talk = async (lines: readonly Line[]) => {
    for (const [name, text] of lines) {
      const page = pages.get(name) ?? await chat.signIn(name);
      pages.set(name, page);
      await send(page, text);
      await waitForSent(page);
    }
  };
  const visitInBothThemes = async (page: Page, name: string) => {
    for (const theme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: theme });
      await visit(page, `${name}-${theme}`, theme);
    }
  };
  // Mara reads the first lines and leaves; the others are new to her.
  await talk(readLines);
  const mara = await chat.signIn("Mara");
  for (const room of ["design", "deploys"]) {
    await submit(mara, `/join ${room}`);
    await send(mara, `This is for ${room}`);
    await waitForMessage(mara, `This is for ${room}`);
  }
  await mara.click("#room-list >> text=# lobby");
  await waitForMessage(mara, "For everyone who asked");
  const storageState = await mara.context().storageState();
  await mara.goto("about:blank");
  await talk(newLines);
  const ada = pages.get("Ada");
  const ben = pages.get("Ben");
  if (ada === undefined || ben === undefined) {
    throw new Error("Cannot continue without Ada and Ben");
  }
  for (const [room, text] of [["design", "@Mara blue or green?"], ["deploys", "Done"]] as const) {
    await submit(ada, `/join ${room}`);
    await send(ada, text);
    await waitForMessage(ada, text);
  }
  await submit(ada, "/leave");
  await submit(ada, "/leave");
  const zoe = await chat.signIn("Zoe");

  const withCode = await TestChat.open({
    env: { ACCESS_CODE: "open-sesame", RETENTION_DAYS: "30" },
    locale: "en-GB",
  });
  const returning: (readonly [Page, string])[] = [];
  const strangers: (readonly [Page, string])[] = [];
  try {
    for (const device of ["desktop", "phone"] as const) {
      const options = { ...devices[device], reducedMotion: "reduce" as const };
      const stranger = await chat.visit(options);
      await stranger.locator("#prompt-here", { hasText: "Ada" }).waitFor();
      await visitInBothThemes(stranger, `prompt-${device}`);
      strangers.push([stranger, `unreachable-${device}`]);

      const guest = await withCode.visit(options);
      await guest.fill("#prompt-name", "Mara");
      await guest.click("#prompt-go");
      await guest.fill("#prompt-access input", "sesame");
      await guest.click("#prompt-go");
      await guest.locator("#prompt-hint", { hasText: "Wrong access code" }).waitFor();
      await visitInBothThemes(guest, `access-${device}`);
      await guest.context().close();

      const page = await chat.visit({ ...options, storageState });
      for (const view of views) {
        if (view.isPhoneOnly && device !== "phone") continue;
        await page.goto(chat.server.url);
        await waitForMessage(page, "Good morning");
        await page.locator("#room-kept:not(:empty)").waitFor();
        await view.show(page, device, { ben, zoe });
        await visitInBothThemes(page, `${view.name}-${device}`);
      }
      await page.goto(chat.server.url);
      returning.push([page, `offline-${device}`]);
      for (const locale of ["en-US", "de-DE"]) {
        const reader = await chat.visit({ ...devices[device], locale, storageState });
        await waitForMessage(reader, "Good morning");
        await reader.locator("#room-kept:not(:empty)").waitFor();
        await visit(reader, `room-${device}-${locale}`, "light");
        await openSettings(reader, device);
        await visit(reader, `settings-${device}-${locale}`, "light");
        await reader.context().close();
      }
    }
  } finally {
    await withCode.close();
  }
  await chat.killServer();
  for (const [page, name] of strangers) {
    await page.bringToFront();
    await page.fill("#prompt-name", "Mia");
    await page.click("#prompt-go");
    await page.locator("#prompt-hint", { hasText: "Can't reach" }).waitFor();
    await visitInBothThemes(page, name);
  }
  for (const [page, name] of returning) {
    await page.bringToFront();
    await submit(page, "Written without a connection");
    await page.locator("#status", { hasText: /Reconnecting in/ }).waitFor();
    await visitInBothThemes(page, name);
  }
}

/** Opens the actions of a message: by a long press on a phone, otherwise by keys. */
async function openActions(page: Page, device: Device, text: string): Promise<void> {
  const message = page.locator("#rows article", { hasText: text }).last();
  // Playwright's own scrolling waits for a stable row, which a redraw may replace meanwhile.
  await message.evaluate((node) => node.scrollIntoView());
  if (device === "phone") {
    const options = { pointerType: "touch", bubbles: true };
    // A redraw may replace the row before the press is long enough.
    await waitUntil("the actions are open", async () => {
      await message.locator(".text").dispatchEvent("pointerdown", options);
      const opened = page.locator(".menu[open]").waitFor({ timeout: 2_000 });
      return await opened.then(() => true, () => false);
    });
  } else {
    await message.evaluate((node: HTMLElement) => {
      node.tabIndex = -1;
      node.focus();
    });
    await page.keyboard.press("Enter");
  }
  await page.locator(".menu[open]").waitFor();
}

async function openSettings(page: Page, device: Device): Promise<void> {
  if (device === "phone") await page.click("#room-title");
  await page.click("#me");
  await page.locator("#dialog[open]").waitFor();
}

/** Submits the composer, on a desktop and a phone alike. */
async function submit(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.locator("#composer").evaluate((form: HTMLFormElement) => form.requestSubmit());
}
