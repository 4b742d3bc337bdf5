// A chat server with a Chromium to visit it, for tests that act as people do.

import { assertEquals } from "@std/assert";
import { chromium } from "playwright-core";
import type {
  Browser,
  BrowserContext,
  BrowserContextOptions,
  CDPSession,
  Page,
  WebSocketRoute,
} from "playwright-core";
import { newToken } from "../../../app/core/identity.ts";
import { profileKey } from "../../../static/client/state/profile.ts";
import type { Profile } from "../../../static/client/state/profile.ts";
import { hasRedis, RedisProcess } from "../../support/redis_process.ts";
import { bundledTree, ServerProcess } from "../../support/server_process.ts";
import { LocalServer } from "./local_server.ts";

export type { BrowserContext, BrowserContextOptions, Page, WebSocketRoute };

/** With those that Playwright adds, these keep the browser from contacting other hosts. */
const flags = ["--disable-domain-reliability", "--no-pings"];

/** A host name that resolves to this machine, but that browsers do not treat as secure. */
export const plainHost = "chat.office.example";

const chromiumPath = Deno.env.get("CHROMIUM") ?? "/usr/bin/chromium";
/** Chromium without a user interface: twice as fast. Its service workers show no notifications. */
const headlessShellPath = Deno.env.get("HEADLESS_SHELL") || chromiumPath;

/** Launches a browser. */
export async function launchBrowser(executablePath = headlessShellPath): Promise<Browser> {
  const hostRule = `--host-resolver-rules=MAP ${plainHost} 127.0.0.1`;
  // All pages of a context share its renderer process.
  const args = ["--no-sandbox", hostRule, ...flags, "--renderer-process-limit=1"];
  return await chromium.launch({ executablePath, args });
}

/** By path, one browser for all tests of a process. */
const browsers = new Map<string, Promise<Browser>>();

function sharedBrowser(path: string): Promise<Browser> {
  return browsers.getOrInsertComputed(path, launchBrowser);
}

/** A context that tests use one after another. */
interface ReusableContext {
  /** Its options, as JSON. */
  readonly key: string;
  readonly context: BrowserContext;
  /** An empty page that keeps the renderer process alive. */
  readonly anchor: Page;
  readonly devtools: CDPSession;
  /** Whether a test changed settings that would outlive its pages. */
  readonly isChanged: boolean;
}

const contextChanges = [
  "addCookies",
  "addInitScript",
  "close",
  "exposeBinding",
  "exposeFunction",
  "grantPermissions",
  "newCDPSession",
  "route",
  "routeWebSocket",
  "setExtraHTTPHeaders",
  "setGeolocation",
  "setOffline",
] as const;
const clockChanges = [
  "fastForward",
  "install",
  "pauseAt",
  "setFixedTime",
  "setSystemTime",
] as const;

/** Calls back before each call of these methods. */
function watchCalls<Name extends string>(
  object: Record<Name, (...args: never[]) => unknown>,
  names: readonly Name[],
  onCall: () => void,
): void {
  for (const name of names) {
    const method = object[name];
    const value = (...args: never[]) => {
      onCall();
      return method.apply(object, args);
    };
    Object.defineProperty(object, name, { value });
  }
}

/** Contexts that no test is using, most recently used last. */
const idleContexts: ReusableContext[] = [];
/** Each keeps a renderer process. */
const idleContextsMax = 4;

/** Returns an idle context with these options, which is then no longer idle. */
function takeIdleContext(key: string): ReusableContext | undefined {
  const index = idleContexts.findLastIndex((it) => it.key === key);
  return index < 0 ? undefined : idleContexts.splice(index, 1)[0];
}

/**
 * Closes the pages of a context and clears what the page of the server at `url` stored. Closes
 * the context if a test changed its settings.
 */
async function resetContext(reusable: ReusableContext, url: string): Promise<void> {
  const { context, anchor, devtools } = reusable;
  if (reusable.isChanged) return await context.close();
  const pages = context.pages().filter((page) => page !== anchor);
  await Promise.all(pages.map((page) => page.close()));
  const { origin } = new URL(url);
  await Promise.all([
    devtools.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" }),
    devtools.send("Network.clearBrowserCache"),
    context.clearCookies(),
  ]);
  idleContexts.push(reusable);
  if (idleContexts.length > idleContextsMax) await idleContexts.shift()?.context.close();
}

/** Closes the shared browsers. Tests need not call it. */
export async function closeBrowser(): Promise<void> {
  idleContexts.length = 0;
  for (const browser of browsers.values()) await (await browser).close();
  browsers.clear();
}

/** The program with its page bundled: by `tests/run.ts` for all files, or once for this one. */
let program: ReturnType<typeof bundledTree> | undefined;

async function programPath(): Promise<string> {
  const { path } = await (program ??= bundledTree(Deno.env.get("BUNDLED_TREE")));
  return path;
}

/** One server that the tests of a file share, unless they need a separate one. */
let sharedServer: Promise<TestServer> | undefined;

/** A server and the folder with its data. */
interface TestServer {
  readonly dir: string;
  readonly server: LocalServer | ServerProcess;
}

async function startServer(
  { needsProcess = false, env = {} }: Pick<TestChatOptions, "needsProcess" | "env">,
): Promise<TestServer> {
  const dir = await Deno.makeTempDir();
  const tree = await programPath();
  const server = needsProcess
    ? await ServerProcess.start(dir, { env, tree: `${tree}/` })
    : await LocalServer.start(dir, `${tree}/static`, env);
  return { dir, server };
}

async function endSharedServer(): Promise<void> {
  if (sharedServer === undefined) return;
  const { dir, server } = await sharedServer;
  sharedServer = undefined;
  await server.end();
  await Deno.remove(dir, { recursive: true });
}

Deno.test.afterAll(async () => {
  await closeBrowser();
  await endSharedServer();
  await (await program)?.[Symbol.asyncDispose]();
});

/** The reader's language, unless a test sets another one. */
const defaultLocale = Deno.env.get("LOCALE") ?? "en-GB";

/** Settings of a chat for one test. */
export interface TestChatOptions {
  readonly env?: Record<string, string>;
  /** The server's name for the browser. */
  readonly host?: string;
  readonly locale?: string;
  /** Whether to share a server with other tests, whose messages and members it keeps. */
  readonly isShared?: boolean;
  /** Whether it must be a process, which the test can kill and whose logs it can read. */
  readonly needsProcess?: boolean;
  /** Whether pages install their service worker, which costs as much as the visit itself. */
  readonly needsWorker?: boolean;
  /** Whether it must show notifications. */
  readonly needsNotifications?: boolean;
  /** Whether the server stores everything in a Redis. Without redis-server, the test is skipped. */
  readonly needsRedis?: boolean;
}

/** A running server and the browser that visits it. */
export class TestChat {
  readonly #browser: Browser;
  /** Contexts to close after the test. */
  readonly #contexts = new Set<BrowserContext>();
  readonly #reusable: ReusableContext[] = [];
  readonly #canReuse: boolean;
  /** The server's folder; absent if the server is shared. */
  readonly dir: string | undefined;
  readonly #env: Record<string, string>;
  readonly #host: string;
  readonly #locale: string;
  readonly #serviceWorkers: "allow" | "block";
  server: LocalServer | ServerProcess;
  /** Errors that any page threw or wrote to its console. */
  readonly consoleErrors: string[] = [];

  private constructor(
    browser: Browser,
    dir: string | undefined,
    server: LocalServer | ServerProcess,
    {
      env = {},
      host = "127.0.0.1",
      locale = defaultLocale,
      needsNotifications = false,
      needsWorker = needsNotifications,
    }: TestChatOptions,
  ) {
    this.#browser = browser;
    this.dir = dir;
    this.#env = env;
    this.#host = host;
    this.#locale = locale;
    this.#serviceWorkers = needsWorker ? "allow" : "block";
    this.#canReuse = !needsWorker && !needsNotifications;
    this.server = server;
  }

  /** Starts a server, or shares one. */
  static async open(options: TestChatOptions = {}): Promise<TestChat> {
    const browser = sharedBrowser(options.needsNotifications ? chromiumPath : headlessShellPath);
    if (options.isShared) {
      sharedServer ??= startServer(noRateLimit);
      return new TestChat(await browser, undefined, (await sharedServer).server, options);
    }
    const { dir, server } = await startServer(options);
    return new TestChat(await browser, dir, server, options);
  }

  /** The chat's address for the browser, with a slash at the end. */
  get url(): string {
    return this.server.url.replace("127.0.0.1", this.#host);
  }

  /** Makes a browser context: the browser of another person. */
  async newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext(this.#allOptions(options));
    this.#contexts.add(context);
    return context;
  }

  #allOptions(options: BrowserContextOptions): BrowserContextOptions {
    return {
      locale: this.#locale,
      serviceWorkers: this.#serviceWorkers,
      // Drawing each frame of an animation costs 0.1 s of CPU per page.
      reducedMotion: "reduce",
      ...options,
    };
  }

  /**
   * Makes an empty page in the browser of another person. It may reuse the context of an earlier
   * test, emptied, whose renderer process is warm. Later tests can reuse it too, unless the test
   * changes settings of the context.
   */
  async newVisitor(options: BrowserContextOptions = {}): Promise<Page> {
    if (!this.#canReuse || options.storageState !== undefined) {
      return await this.#newPage(await this.newContext(options));
    }
    const key = JSON.stringify(this.#allOptions(options));
    const reusable = takeIdleContext(key) ?? await this.#newReusableContext(key, options);
    this.#reusable.push(reusable);
    return await this.#newPage(reusable.context);
  }

  async #newReusableContext(
    key: string,
    options: BrowserContextOptions,
  ): Promise<ReusableContext> {
    const context = await this.#browser.newContext(this.#allOptions(options));
    const anchor = await context.newPage();
    const devtools = await context.newCDPSession(anchor);
    const reusable = { key, context, anchor, devtools, isChanged: false };
    const onChange = () => reusable.isChanged = true;
    watchCalls(context, contextChanges, onChange);
    watchCalls(context.clock, clockChanges, onChange);
    return reusable;
  }

  /** Opens the chat in a new tab of a context. */
  async openTab(context: BrowserContext, path = ""): Promise<Page> {
    const page = await this.#newPage(context);
    await page.goto(this.url + path);
    return page;
  }

  async #newPage(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    page.setDefaultTimeout(45_000);
    page.on("pageerror", (error) => this.consoleErrors.push(String(error)));
    page.on("console", (message) => {
      // Some tests kill the server on purpose.
      const text = message.text();
      if (message.type() === "error" && !/ERR_|WebSocket connection/.test(text)) {
        this.consoleErrors.push(text);
      }
    });
    return page;
  }

  /** Opens the chat in the browser of another person. */
  async visit(options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.newVisitor(options);
    await page.goto(this.url);
    return page;
  }

  /** Opens the chat in the browser of another person, and enters it. */
  async signIn(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const page = await this.newVisitor(options);
    await this.enter(page, name);
    return page;
  }

  /** Opens the chat, or a path in it, in an empty page, under a name that the browser remembers. */
  async enter(page: Page, name: string, path = ""): Promise<void> {
    const profile: Profile = { username: name, token: newToken() };
    // Only for this load: the page may forget the name later.
    await using _ = await page.addInitScript(
      ([key, value]) => localStorage.setItem(key, value),
      [profileKey, JSON.stringify(profile)] as const,
    );
    await page.goto(this.url + path);
    await waitForPage(page);
  }

  /** Ends the server without warning. It must be a process. */
  async killServer(): Promise<void> {
    if (!(this.server instanceof ServerProcess)) throw new Error("Needs a process to kill");
    await this.server.end("SIGKILL");
  }

  /** Starts the killed server again, on the same port and folder. */
  async startServer(env: Record<string, string> = this.#env): Promise<void> {
    if (this.dir === undefined) throw new Error("Other tests share this server");
    const options = { port: this.server.port, env, tree: `${await programPath()}/` };
    this.server = await ServerProcess.start(this.dir, options);
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#contexts, (context) => context.close()));
    await Promise.all(this.#reusable.map((reusable) => resetContext(reusable, this.url)));
    if (this.dir === undefined) return;
    // The test may have ended it already.
    await this.server.end().catch(() => {});
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Declares a test of the page, which must write no error to its console. */
export function browserTest(
  name: string,
  run: (chat: TestChat, t: Deno.TestContext) => Promise<void>,
  options: TestChatOptions = {},
): void {
  Deno.test({
    name: `page ${name}`,
    // The shared browser's process and pipe outlive the test.
    sanitizeOps: false,
    sanitizeResources: false,
    ignore: options.needsRedis === true && !hasRedis,
    async fn(t) {
      await using redis = options.needsRedis ? await RedisProcess.start() : undefined;
      const env = { ...options.env, ...(redis && { REDIS_URL: redis.url }) };
      const chat = await TestChat.open({ ...options, env });
      try {
        await run(chat, t);
        assertEquals(chat.consoleErrors, []);
      } finally {
        await chat.close();
      }
    },
  });
}

/** Settings of a server without rate limits. */
export const noRateLimit = { env: { RATE_PER_SECOND: "0" } };

/** For tests that only need the page's files: their sockets are scripted, or they never sign in. */
export const sharedServerOnly = { isShared: true };

/** Enters the chat under a name, at the prompt. */
export async function signIn(page: Page, name: string): Promise<void> {
  await page.fill("#prompt-name", name);
  await page.click("#prompt-go");
  await waitForPage(page);
}

/** Waits until the chat is shown, and the rest of its script, with the commands, has loaded. */
async function waitForPage(page: Page): Promise<void> {
  await page.waitForSelector("#app:not([hidden])");
  await page.waitForSelector("#me-name:not(:empty)", { state: "attached" });
}

/** Types a message, or a command, and presses Enter. */
export async function send(page: Page, text: string): Promise<void> {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

/** Opens the menu of a message and chooses an action. */
export async function choose(page: Page, text: string, action: string): Promise<void> {
  await page.locator("#rows article", { hasText: text }).hover();
  await page.locator(".bar").getByText("More").click();
  await page.locator(".menu").getByText(action).click();
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

/** Returns the texts of the conversation, in order. */
export async function messageTexts(page: Page): Promise<string[]> {
  return await page.locator("#rows .text").allTextContents();
}

/** Waits until a message is shown and stored. */
export async function waitForMessage(page: Page, text: string): Promise<void> {
  await page.locator("#rows .text:not(.pending)", { hasText: text }).first().waitFor();
}

/** Waits until no message is pending. */
export async function waitForSent(page: Page): Promise<void> {
  await waitUntil("no message is pending", async () => {
    return await page.locator("#rows .pending").count() === 0;
  });
}

/** Waits for a sentence in the status line. */
export async function waitForStatus(page: Page, sentence: RegExp): Promise<void> {
  await page.locator("#status", { hasText: sentence }).waitFor();
}

/** Waits until the status line is empty. */
export async function waitForEmptyStatus(page: Page): Promise<void> {
  await page.locator("#status:empty").waitFor({ state: "attached" });
}

/** Polls a condition that no locator can wait for. Throws after 20 s. */
export async function waitUntil(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!await condition()) {
    if (Date.now() > end) throw new Error(`Timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
