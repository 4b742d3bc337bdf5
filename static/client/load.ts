// Imports the page's scripts on demand, retries after a failure, and detects a new version.

import { basePath } from "./browser.ts";

const retryMs = 10_000;

/** How often the import of each script failed. */
const failures = new Map<string, number>();

/** Whether the server has another version of the page. */
export let isOutdated = false;

/**
 * Calls an importer such as `() => import("./dialogs.ts")`. Some browsers cache a failed import, so
 * a retry adds a query to the script's address.
 */
export async function load<Module>(importer: () => Promise<Module>): Promise<Module> {
  const [, path = ""] = /import\("([^"]+)"\)/.exec(String(importer)) ?? [];
  const count = failures.get(path);
  const retryPath = `${path}?${count}`;
  try {
    return await (count === undefined ? importer() : import(retryPath));
  } catch (error) {
    if (path !== "") failures.set(path, (count ?? 0) + 1);
    await checkVersion();
    throw error;
  }
}

/**
 * Asks the server for the page, and compares the script in it with the one that runs here. The
 * address of a room would return its messages.
 */
export async function checkVersion(): Promise<void> {
  try {
    const page = await (await fetch(`${basePath}/`, { cache: "no-cache" })).text();
    const [served] = /\/assets\/main\.\w+\.js/.exec(page) ?? [];
    // It may not be the first: extensions and proxies add scripts of their own.
    isOutdated = served !== undefined && !document.querySelector(`script[src$="${served}"]`);
  } catch {
    // Without the server, there is no new version.
  }
}

/** Repeats a task that loads something until it succeeds. */
export async function loadWithRetries<Result>(task: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await task();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }
}
