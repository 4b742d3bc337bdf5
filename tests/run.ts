// Runs every test: those of the project, and those in a browser where a Chromium is found. Ends with one line that counts
// them, and with status 1 when one failed.

const root = new URL("../", import.meta.url).pathname;
const browserNames = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/** Folders of tests that have their own configuration. */
const ownRuns = ["tests/system/browser"];

interface Counts {
  readonly passed: number;
  readonly failed: number;
}

async function main(): Promise<void> {
  const runs = [
    await run(["--parallel", "--ignore=" + ownRuns.join(","), "tests"]),
    await runBrowser(),
  ];
  const passed = runs.reduce((sum, run) => sum + run.passed, 0);
  const failed = runs.reduce((sum, run) => sum + run.failed, 0);
  say(`${passed} passed, ${failed} failed`);
  Deno.exit(failed === 0 ? 0 : 1);
}

async function runBrowser(): Promise<Counts> {
  const chromium = findBrowser();
  if (chromium !== undefined) {
    const config = "--config=tests/system/browser/deno.json";
    return await run([config, "tests/system/browser"], { CHROMIUM: chromium });
  }
  const isRequired = Deno.env.get("REQUIRE_BROWSER") === "1";
  say("The browser tests did not run: no Chromium in CHROMIUM or on PATH");
  return { passed: 0, failed: isRequired ? 1 : 0 };
}

function findBrowser(): string | undefined {
  const given = Deno.env.get("CHROMIUM");
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  const found = folders.flatMap((folder) => browserNames.map((name) => `${folder}/${name}`));
  return (given ? [given] : found).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** One `deno test`, shown as it goes; the counts are from its own summary. */
async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Counts> {
  const process = new Deno.Command(Deno.execPath(), {
    // Tests start servers, kill them and take their disks away: they may do what they like.
    args: ["test", "-q", "--no-prompt", "-A", ...args],
    cwd: root,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let output = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    await Deno.stdout.write(new TextEncoder().encode(text));
  }
  const { success } = await process.status;
  const [, passed = "0", failed = "0"] = /(\d+) passed.*?(\d+) failed/.exec(output) ?? [];
  // A file that does not compile fails without being counted.
  const counted = Number(failed);
  return { passed: Number(passed), failed: success ? counted : Math.max(1, counted) };
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if (import.meta.main) await main();
