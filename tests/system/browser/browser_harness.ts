// A chat server with a Chromium to visit it, for tests that act as people do.

import { assertEquals } from "@std/assert";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { ServerProcess } from "../../support/server_process.ts";

export type { BrowserContext, BrowserContextOptions, Page };

/** Keeps the browser from contacting any other host than the page's server. */
const flags = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-default-apps",
  "--disable-domain-reliability",
  "--disable-sync",
  "--disable-features=OptimizationHints,MediaRouter,Translate,CertificateTransparencyComponentUpdater",
  "--metrics-recording-only",
  "--no-default-browser-check",
  "--no-first-run",
  "--no-pings",
];

/** A host name that leads to this machine, but is not one that browsers take for secure. */
export const plainHost = "chat.office.example";

/** Launches the Chromium named by the environment. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";
  const hostRule = `--host-resolver-rules=MAP ${plainHost} 127.0.0.1`;
  return await chromium.launch({ executablePath, args: ["--no-sandbox", hostRule, ...flags] });
}

/** One browser for all tests of a file: each test has contexts of its own, which share nothing. */
let sharedBrowser: Promise<Browser> | undefined;

/** Closes the shared browser. Tests need not call it. */
export async function closeBrowser(): Promise<void> {
  await (await sharedBrowser)?.close();
  sharedBrowser = undefined;
}

Deno.test.afterAll(closeBrowser);

/** A running server and the browser that visits it. */
export class TestChat {
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];
  readonly #dir: string;
  readonly #env: Record<string, string>;
  readonly #host: string;
  server: ServerProcess;
  /** Errors that any page threw or wrote to its console. */
  readonly consoleErrors: string[] = [];

  private constructor(
    browser: Browser,
    dir: string,
    server: ServerProcess,
    env: Record<string, string>,
    host: string,
  ) {
    this.#browser = browser;
    this.#dir = dir;
    this.#env = env;
    this.#host = host;
    this.server = server;
  }

  /** Starts a server with these settings; `host` is its name for the browser. */
  static async open(env: Record<string, string> = {}, host = "127.0.0.1"): Promise<TestChat> {
    sharedBrowser ??= launchBrowser();
    const browser = await sharedBrowser;
    const dir = await Deno.makeTempDir();
    const server = await ServerProcess.start(dir, { env });
    return new TestChat(browser, dir, server, env, host);
  }

  /** The chat's address for the browser, with a slash at the end. */
  get url(): string {
    return this.server.url.replace("127.0.0.1", this.#host);
  }

  /** Makes a browser context: the browser of another person. */
  async newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ locale: "en-GB", ...options });
    this.#contexts.push(context);
    return context;
  }

  /** Opens the chat in a new tab of a context. */
  async openTab(context: BrowserContext, path = ""): Promise<Page> {
    const page = await context.newPage();
    page.setDefaultTimeout(45_000);
    page.on("pageerror", (error) => this.consoleErrors.push(String(error)));
    page.on("console", (message) => {
      // Some tests take the server away on purpose.
      const text = message.text();
      if (message.type() === "error" && !/ERR_|WebSocket connection/.test(text)) {
        this.consoleErrors.push(text);
      }
    });
    await page.goto(this.url + path);
    return page;
  }

  /** Opens the chat in a new context. */
  async visit(options: BrowserContextOptions = {}): Promise<Page> {
    return await this.openTab(await this.newContext(options));
  }

  /** Opens the chat in a new context and enters it. */
  async signIn(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.visit(options);
    await signIn(page, name);
    return page;
  }

  /** Ends the server without warning. */
  async killServer(): Promise<void> {
    await this.server.end("SIGKILL");
  }

  /** Starts the ended server again, on the same port and folder. */
  async startServer(env: Record<string, string> = this.#env): Promise<void> {
    this.server = await ServerProcess.start(this.#dir, { port: this.server.port, env });
  }

  async close(): Promise<void> {
    await Promise.all(this.#contexts.map((context) => context.close()));
    // The test may have ended it already.
    await this.server.end().catch(() => {});
    await Deno.remove(this.#dir, { recursive: true });
  }
}

/** Settings of a chat for one test. */
export interface BrowserTestOptions {
  readonly env?: Record<string, string>;
  readonly host?: string;
}

/** Declares a test of the page, which must write no error to its console. */
export function browserTest(
  name: string,
  run: (chat: TestChat, t: Deno.TestContext) => Promise<void>,
  { env = {}, host = "127.0.0.1" }: BrowserTestOptions = {},
): void {
  Deno.test({
    name: `page ${name}`,
    // The shared browser's process and pipe outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      const chat = await TestChat.open(env, host);
      try {
        await run(chat, t);
        assertEquals(chat.consoleErrors, []);
      } finally {
        await chat.close();
      }
    },
  });
}

/** Settings of a server that limits no rates. */
export const noRateLimit = { env: { RATE_PER_SECOND: "0" } };

/** Enters the chat by a name. */
export async function signIn(page: Page, name: string): Promise<void> {
  await page.fill("#prompt-name", name);
  await page.click("#prompt-go");
  await page.waitForSelector("#app:not([hidden])");
}

/** Types a message, or a command, and presses Enter. */
export async function send(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** Opens a room by a command. */
export async function joinRoom(page: Page, name: string): Promise<void> {
  await send(page, `/join ${name}`);
  await waitForRoom(page, name);
}

/** Waits until a room is shown. */
export async function waitForRoom(page: Page, name: string): Promise<void> {
  await page.locator("#room-title", { hasText: `# ${name}` }).waitFor();
}

/** Opens the settings. */
export async function openSettings(page: Page): Promise<void> {
  await page.click("#me");
  await page.locator("#dialog[open]").waitFor();
}

/** The texts of the conversation, in order. */
export async function messageTexts(page: Page): Promise<string[]> {
  return await page.locator("#rows .text").allTextContents();
}

/** Waits until a message is shown and stored. */
export async function waitForMessage(page: Page, text: string): Promise<void> {
  await page.locator("#rows .text:not(.pending)", { hasText: text }).first().waitFor();
}

/** Waits until no message is on its way. */
export async function waitForSent(page: Page): Promise<void> {
  await waitUntil("no message is pending", async () => {
    return await page.locator("#rows .pending").count() === 0;
  });
}

/** Waits until the page has nothing to say about its connection. */
export async function waitForCalm(page: Page): Promise<void> {
  await page.locator("#status:empty").waitFor({ state: "attached" });
}

/** Waits until the line above the composer says something. */
export async function waitForStatus(page: Page, sentence: RegExp): Promise<void> {
  await page.locator("#status", { hasText: sentence }).waitFor();
}

/** Starts the server and clicks a button that makes the page try at once. Needs an installed clock. */
export async function tryNow(chat: TestChat, page: Page, button: string): Promise<void> {
  // With its clock stopped, the page cannot try by itself before the click.
  await page.clock.pauseAt(new Date(Date.now() + 60_000));
  await waitUntil("the page waits to try again", async () => {
    await page.clock.runFor(100);
    return await page.locator(button).isVisible() && await page.isEnabled(button);
  });
  await chat.startServer();
  const dialled = page.waitForEvent("websocket");
  await page.click(button);
  await dialled;
  await page.clock.resume();
}

/** Polls a condition that no locator can wait for. Throws after 20 s. */
export async function waitUntil(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!await isSo()) {
    if (Date.now() > end) throw new Error(`Timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
