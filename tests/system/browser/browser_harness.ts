// A Chromium and pages in it, for tests that do what a person does.

import { assertEquals } from "@std/assert";
import { chromium } from "playwright-core";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { ServerProcess } from "../../support/server_process.ts";

export type { BrowserContext, BrowserContextOptions, Page };

/** Keeps the browser from talking to anybody but the page's server. */
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

/** Launches the Chromium that the runner found. */
export async function launch(...more: readonly string[]): Promise<Browser> {
  const executablePath = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";
  return await chromium.launch({ executablePath, args: ["--no-sandbox", ...flags, ...more] });
}

/** One test's browser and server. */
export class Scene {
  readonly browser: Browser;
  readonly dir: string;
  readonly #host: string;
  server: ServerProcess;
  /** What any page wrote on its console as an error, or threw. */
  readonly errors: string[] = [];

  private constructor(browser: Browser, dir: string, server: ServerProcess, host: string) {
    this.#host = host;
    this.browser = browser;
    this.dir = dir;
    this.server = server;
  }

  /** `host` is what the browser takes the server's address to be called. */
  static async open(
    env: Record<string, string> = {},
    { host = "127.0.0.1" }: { readonly host?: string } = {},
  ): Promise<Scene> {
    const dir = await Deno.makeTempDir();
    const server = await ServerProcess.start(dir, { env });
    const browser = await launch(`--host-resolver-rules=MAP ${host} 127.0.0.1`);
    return new Scene(browser, dir, server, host);
  }

  /** Where the browser finds the chat, with a slash at the end. */
  get url(): string {
    return this.server.url.replace("127.0.0.1", this.#host);
  }

  /** A person with a browser of their own. */
  async person(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext({ locale: "en-GB", ...options });
    return await this.tab(context);
  }

  /** A tab of a person's browser. */
  async tab(context: BrowserContext, path = ""): Promise<Page> {
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on("pageerror", (error) => this.errors.push(String(error)));
    page.on("console", (message) => {
      // That a server cannot be reached is what some tests are about.
      const text = message.text();
      if (message.type() === "error" && !/ERR_|WebSocket connection/.test(text)) {
        this.errors.push(text);
      }
    });
    await page.goto(this.url + path);
    return page;
  }

  /** A person who has entered. */
  async enter(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.person(options);
    await signIn(page, name);
    return page;
  }

  /** Kills the server and starts it again on the same port and folder. */
  async restart(signal: Deno.Signal = "SIGKILL"): Promise<void> {
    const { port } = this.server;
    await this.server.end(signal);
    this.server = await ServerProcess.start(this.dir, { port });
  }

  async close(): Promise<void> {
    await this.browser.close();
    // Unless the test has ended it already.
    await this.server.end().catch(() => {});
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** A test of the page, which must write no error on its console. */
export function test(
  name: string,
  run: (scene: Scene) => Promise<void>,
  env: Record<string, string> = {},
) {
  Deno.test({
    name: `page ${name}`,
    // Playwright keeps the browser's process and pipe, which end with the scene but not with the test's last line.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const scene = await Scene.open(env);
      try {
        await run(scene);
        assertEquals(scene.errors, []);
      } finally {
        await scene.close();
      }
    },
  });
}

/** Gives the prompt a name. */
export async function signIn(page: Page, name: string): Promise<void> {
  await page.fill("#prompt-name", name);
  await page.click("#prompt-go");
  await page.waitForSelector("#app:not([hidden])");
}

/** Writes a message and sends it. */
export async function say(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** The texts of the conversation, in order. */
export async function texts(page: Page): Promise<string[]> {
  return await page.locator("#rows .text").allTextContents();
}

/** Waits until a message is shown and settled. */
export async function hears(page: Page, text: string): Promise<void> {
  await page.locator("#rows .text:not(.pending)", { hasText: text }).first().waitFor();
}

/** Asks again and again until something is so, for what no locator can wait for. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!await isSo()) {
    if (Date.now() > end) throw new Error(`Cannot wait any longer: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
