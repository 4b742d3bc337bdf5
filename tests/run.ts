// Runs all tests, including those in a browser if Chromium is installed, without checking types.
// The last line counts them; the exit status is 1 if one failed.

import { bundledTree } from "./support/server_process.ts";

const root = new URL("../", import.meta.url).pathname;
const browserNames = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** These tests have their own configuration. */
const browserTests = "tests/system/browser";
/** These take longest. They start first, so that they don't run on one core at the end. */
const longTests = [
  "tests/unit/all.ts",
  "tests/system/soak/soak_test.ts",
  "tests/system/cluster_test.ts",
];
const longBrowserTests =
  "accessibility failures hostile_content settings bad_network unread comfort writing".split(" ")
    .map((name) => `${browserTests}/${name}_test.ts`);
/** Max browser files at a time. As many other files as there are cores run at the same time. */
const browserJobs = navigator.hardwareConcurrency + 1;

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

async function main(): Promise<void> {
  await using tree = await bundledTree();
  const env = { BUNDLED_TREE: tree.path };
  const runs = await Promise.all([
    run([...longTests, `--ignore=${browserTests}`, "tests/system"], env),
    runBrowser(env),
  ]);
  const passed = runs.reduce((sum, run) => sum + run.passed, 0);
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  print(`${passed} passed, ${failed} failed`);
  if (failed > 0) Deno.exitCode = 1;
}

async function runBrowser(env: Record<string, string>): Promise<Counts> {
  const configured = Deno.env.get("CHROMIUM");
  const chromium = configured || findProgram(browserNames);
  if (chromium !== undefined) {
    // The headless shell runs most of the tests in half the time.
    const headlessShell = configured ? undefined : findProgram(["chromium-headless-shell"]);
    const paths = [...longBrowserTests, browserTests];
    return await run([`--config=${browserTests}/deno.json`, ...paths], {
      ...env,
      DENO_JOBS: String(browserJobs),
      CHROMIUM: chromium,
      HEADLESS_SHELL: headlessShell ?? "",
    });
  }
  const isRequired = Deno.env.get("REQUIRE_BROWSER") === "1";
  print("Skipped the browser tests: no Chromium in CHROMIUM or PATH");
  return { passed: 0, failed: isRequired ? 1 : 0 };
}

/** Returns the path of the first of these programs that is installed. */
function findProgram(names: readonly string[]): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const paths = folders.flatMap((folder) => names.map((name) => `${folder}/${name}`));
  return paths.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** Runs `deno test`, prints its output line by line, and returns the counts of its summary. */
async function run(args: readonly string[], env: Record<string, string>): Promise<Counts> {
  const process = new Deno.Command(Deno.execPath(), {
    // Tests start and kill servers, mount disks and so on, so they get all permissions.
    args: ["test", "-q", "--no-prompt", "--no-check", "--parallel", "-A", ...args],
    cwd: root,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let [passed, failed, rest] = ["0", "0", ""];
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      print(line);
      const summary = /^\w+ \| (\d+) passed.*?(\d+) failed/.exec(line);
      if (summary !== null) [, passed = "0", failed = "0"] = summary;
    }
  }
  const { success } = await process.status;
  // A file that does not compile is not counted as a failure.
  const counted = Number(failed);
  return { passed: Number(passed), failed: success ? counted : Math.max(1, counted) };
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) await main();
