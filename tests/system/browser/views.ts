// Everything that the page can show, in both themes, on a desktop and on a phone: for the pictures and for the checks of
// accessibility.

import { hears, say, Scene, until } from "./browser_harness.ts";
import type { BrowserContextOptions, Page } from "./browser_harness.ts";

/** One thing that the page can show. */
interface View {
  readonly name: string;
  /** Whether it is only there where the sides are panels. */
  readonly phone?: true;
  /** Goes there from the conversation. */
  show(page: Page, device: Device, others: Others): Promise<void>;
}

type Device = "desktop" | "phone";

/** Who else is in the room: somebody who writes, and somebody who changes their name. */
interface Others {
  readonly ben: Page;
  readonly zoe: Page;
}

const devices: Readonly<Record<Device, BrowserContextOptions>> = {
  desktop: { viewport: { width: 1080, height: 720 } },
  phone: { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true },
};

type Line = readonly [name: string, text: string];

const before: readonly Line[] = [
  ["Ada", "Good morning. Did the backup run?"],
  ["Ben", "It did, at four. 2.1 GB, and the restore took eleven minutes."],
  ["Ben", "For those who asked:\n```\nparley backup /srv/backup/parley.db\nsync\n```"],
];
const since: readonly Line[] = [
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
      await say(zoe, isLong ? "/nick Zoe" : "/nick Zoe B");
      await page.locator("#rows .note", { hasText: "Zoe" }).waitFor();
      await ben.fill("#text", "");
      await ben.type("#text", "Tea");
      await page.locator("#typing", { hasText: "Ben is typing" }).waitFor();
    },
  },
  {
    name: "empty",
    async show(page) {
      await command(page, "/join garden");
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
      await command(page, "/help");
      await page.locator("#dialog[open]").waitFor();
    },
  },
  { name: "settings", show: openSettings },
  {
    name: "device",
    async show(page, device) {
      await openSettings(page, device);
      await page.click("text=Use this name on another device");
      // Each picture would have another token, and none is to be shown.
      await page.locator("#dialog input[readonly]").evaluate((input: HTMLInputElement) => {
        input.value = "https://chat.example.org/#token=3p0mRr9vTt&name=Mara";
      });
      await page.click("text=Forget this device");
    },
  },
  {
    name: "dense",
    async show(page) {
      await page.evaluate(() => {
        const settings = JSON.parse(localStorage.getItem("parley.settings") ?? "{}");
        localStorage.setItem("parley.settings", JSON.stringify({ ...settings, density: "compact" }));
      });
      await page.reload();
      await hears(page, "Good morning");
      await page.locator("#room-kept:not(:empty)").waitFor();
      await page.evaluate(() => localStorage.removeItem("parley.settings"));
    },
  },
  {
    name: "unsent",
    async show(page) {
      // As a tab leaves them that was closed a day ago.
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
    name: "above",
    async show(page) {
      await page.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
      await page.locator("#to-end:not([hidden])").waitFor();
    },
  },
  {
    name: "rooms",
    phone: true,
    async show(page) {
      await page.click("#room-title");
      await page.locator("#rooms.open").waitFor();
    },
  },
  {
    name: "people",
    phone: true,
    async show(page) {
      await page.click("#people-toggle");
      await page.locator("#people.open").waitFor();
    },
  },
];

/** Shows everything, one after the other; `look` is called when it stands still, with a name for each. */
export async function tour(
  scene: Scene,
  look: (page: Page, name: string) => Promise<void>,
): Promise<void> {
  const pages = new Map<string, Page>();
  const tell = async (lines: readonly Line[]) => {
    for (const [name, text] of lines) {
      const page = pages.get(name) ?? await scene.enter(name);
      pages.set(name, page);
      await say(page, text);
      await until("it is sent", async () => await page.locator("#rows .pending").count() === 0);
    }
  };
  // Mara reads the beginning and goes; what comes then is new to her.
  await tell(before);
  const mara = await scene.enter("Mara");
  for (const room of ["design", "deploys"]) {
    await command(mara, `/join ${room}`);
    await say(mara, `This is for ${room}`);
    await hears(mara, `This is for ${room}`);
  }
  await mara.click("#room-list >> text=# lobby");
  await hears(mara, "For those who asked");
  const storageState = await mara.context().storageState();
  await mara.goto("about:blank");
  await tell(since);
  const ada = pages.get("Ada");
  const ben = pages.get("Ben");
  if (ada === undefined || ben === undefined) throw new Error("Cannot go on without Ada and Ben");
  for (const [room, text] of [["design", "@Mara blue or green?"], ["deploys", "Done"]] as const) {
    await command(ada, `/join ${room}`);
    await say(ada, text);
    await hears(ada, text);
  }
  await command(ada, "/leave");
  await command(ada, "/leave");
  const zoe = await scene.enter("Zoe");

  const closed = await Scene.open({ ACCESS_CODE: "open-sesame", RETENTION_DAYS: "30" });
  const kept: (readonly [Page, string])[] = [];
  const strangers: (readonly [Page, string])[] = [];
  try {
    for (const device of ["desktop", "phone"] as const) {
      for (const colorScheme of ["light", "dark"] as const) {
        const options = { ...devices[device], colorScheme, reducedMotion: "reduce" as const };
        const suffix = `${device}-${colorScheme}`;
        const stranger = await scene.person(options);
        await stranger.locator("#prompt-here", { hasText: "Ada" }).waitFor();
        await look(stranger, `prompt-${suffix}`);
        strangers.push([stranger, `door-${suffix}`]);

        const guest = await closed.person(options);
        await guest.fill("#prompt-name", "Mara");
        await guest.click("#prompt-go");
        await guest.fill("#prompt-access input", "sesame");
        await guest.click("#prompt-go");
        await guest.locator("#prompt-hint", { hasText: "Wrong access code" }).waitFor();
        await look(guest, `access-${suffix}`);
        await guest.context().close();

        const page = await scene.person({ ...options, storageState });
        for (const view of views) {
          if (view.phone && device !== "phone") continue;
          await page.goto(scene.server.url);
          await hears(page, "Good morning");
          await page.locator("#room-kept:not(:empty)").waitFor();
          await view.show(page, device, { ben, zoe });
          await look(page, `${view.name}-${suffix}`);
        }
        await page.goto(scene.server.url);
        kept.push([page, `offline-${suffix}`]);
      }
    }
  } finally {
    await closed.close();
  }
  await scene.server.end("SIGKILL");
  for (const [page, name] of strangers) {
    await page.bringToFront();
    await page.fill("#prompt-name", "Mia");
    await page.click("#prompt-go");
    await page.locator("#prompt-hint", { hasText: "Can't reach" }).waitFor();
    await look(page, name);
  }
  for (const [page, name] of kept) {
    await page.bringToFront();
    await command(page, "I write this without a connection");
    await page.locator("#status", { hasText: /Reconnecting in/ }).waitFor();
    await look(page, name);
  }
}

async function openSettings(page: Page, device: Device): Promise<void> {
  if (device === "phone") await page.click("#room-title");
  await page.click("#me");
  await page.locator("#dialog[open]").waitFor();
}

/** Writes and sends, with the key on a desktop and the button on a phone. */
async function command(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.locator("#composer").evaluate((form: HTMLFormElement) => form.requestSubmit());
}
