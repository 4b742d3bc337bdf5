// Everything that the page can show, in both themes, on a desktop and on a phone: for the pictures and for the checks of
// accessibility.

import { hears, say, until } from "./fixture.ts";
import type { BrowserContextOptions, Page, Scene } from "./fixture.ts";

/** One thing that the page can show. */
interface View {
  readonly name: string;
  /** Whether it is only there where the sides are panels. */
  readonly phone?: true;
  /** Goes there from the conversation. */
  show(page: Page, device: Device): Promise<void>;
}

type Device = "desktop" | "phone";

const devices: Readonly<Record<Device, BrowserContextOptions>> = {
  desktop: { viewport: { width: 1080, height: 680 } },
  phone: { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true },
};

const talk: readonly (readonly [name: string, text: string])[] = [
  ["Ada", "Good morning. Did the backup run?"],
  ["Ben", "It did, at four. 2.1 GB, and the restore took eleven minutes."],
  ["Ben", "For those who asked:\n```\nparley backup /srv/backup/parley.db\nsync\n```"],
  ["Ada", "Then we can move on *Thursday*. The list is at https://example.org/move"],
  ["Imran", "I am there all day, call me on `ext 40`"],
  ["Ada", "🎉"],
  ["Ben", "@Mara can you look at the door? It is _still_ stuck"],
];

const views: readonly View[] = [
  { name: "room", show: async () => {} },
  {
    name: "empty",
    async show(page) {
      await command(page, "/join garden");
      await page.locator("#rows .empty").waitFor();
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
  {
    name: "me",
    async show(page, device) {
      if (device === "phone") await page.click("#room-title");
      await page.click("#me");
      await page.locator("#dialog[open]").waitFor();
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
  for (const [name, text] of talk) {
    const page = pages.get(name) ?? await scene.enter(name);
    pages.set(name, page);
    await say(page, text);
    await until("it is sent", async () => await page.locator("#rows .pending").count() === 0);
  }
  const mara = await scene.enter("Mara");
  const storageState = await mara.context().storageState();
  const kept: (readonly [Page, string])[] = [];
  for (const device of ["desktop", "phone"] as const) {
    for (const colorScheme of ["light", "dark"] as const) {
      const options = { ...devices[device], colorScheme, reducedMotion: "reduce" as const };
      const suffix = `${device}-${colorScheme}`;
      const stranger = await scene.person(options);
      await stranger.locator("#prompt-name").waitFor();
      await look(stranger, `prompt-${suffix}`);
      await stranger.context().close();

      const page = await scene.person({ ...options, storageState });
      for (const view of views) {
        if (view.phone && device !== "phone") continue;
        await page.goto(scene.server.url);
        await hears(page, "Good morning");
        await page.locator("#room-about:not(:empty)").waitFor();
        await view.show(page, device);
        await look(page, `${view.name}-${suffix}`);
      }
      await page.goto(scene.server.url);
      kept.push([page, `offline-${suffix}`]);
    }
  }
  await scene.server.end("SIGKILL");
  for (const [page, name] of kept) {
    await page.bringToFront();
    await command(page, "I write this without a connection");
    await page.locator("#status", { hasText: /Reconnecting in/ }).waitFor();
    await look(page, name);
  }
}

/** Writes and sends, with the key on a desktop and the button on a phone. */
async function command(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.locator("#composer").evaluate((form: HTMLFormElement) => form.requestSubmit());
}
