// Compiles the server and its page into one program, dist/parley, that may do no more than it has to. Behind `deno task compile`;
// the server itself imports nothing of this.

import denoJson from "../deno.json" with { type: "json" };

/** What can be compiled for, as Deno names it. */
export const targets = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

/** What the program may do: as `start` in deno.json, but beside where it is started, since it can be put anywhere. */
const permissions: Readonly<Record<string, readonly string[]>> = {
  read: ["data", "logs"],
  write: ["data", "logs"],
  sys: ["hostname"],
  net: ["0.0.0.0", "127.0.0.1", "localhost", "[::]", "[::1]"],
  env: denoJson.permissions.start.env,
};

/**
 * What `deno` is told to compile for `target`, or for this machine when there is none. `more` widens permissions
 * (`--allow-read=/srv/chat`); `unread` are files that are left out.
 *
 * @throws {TypeError} If something in `more` is no such flag.
 */
export function compileArgs(
  target: string | undefined,
  more: readonly string[],
  unread: readonly string[] = [],
): string[] {
  const allowed = new Map(Object.entries(permissions));
  for (const flag of more) {
    const [, kind = "", values = ""] = /^--allow-([a-z]+)=(.+)$/.exec(flag) ?? [];
    const known = allowed.get(kind);
    if (known === undefined) {
      throw new TypeError(
        `Cannot compile with ${flag}: only targets, and flags like --allow-read=FOLDER`,
      );
    }
    allowed.set(kind, [...known, ...values.split(",")]);
  }
  return [
    "compile",
    "--no-prompt",
    "--exclude-unused-npm",
    "--include=static",
    "--exclude=static/client",
    ...unread.map((path) => `--exclude=${path}`),
    ...Array.from(allowed, ([kind, values]) => `--allow-${kind}=${values.join(",")}`),
    ...(target === undefined ? [] : [`--target=${target}`]),
    `--output=dist/parley${target === undefined ? "" : `-${target}`}`,
    "main.ts",
  ];
}

/** A sentence for what `deno compile` said when it failed. */
export function failureOf(stderr: string): string {
  if (!/denort|base binary/.test(stderr)) {
    return `Cannot compile: ${stderr.slice(stderr.indexOf("error: "))}`;
  }
  return "Cannot compile: Deno's runtime for compiled programs cannot be downloaded from Deno's own site. " +
    `Try again where that can be reached, or set DENORT_BIN to the file of it (denort, ${Deno.version.deno})`;
}

const usage = `Usage: deno task compile [target... | all] [--allow-read=FOLDER,...]

Targets: ${targets.join(", ")}; without one, this machine
`;

async function main(): Promise<number> {
  const named = Deno.args.filter((arg) => !arg.startsWith("-"));
  const more = Deno.args.filter((arg) => arg.startsWith("-"));
  const wanted = named.includes("all") ? targets : named.length > 0 ? named : [undefined];
  if (wanted.some((target) => target !== undefined && !targets.includes(target))) {
    return complain(usage);
  }
  try {
    // Refused before anything else is done.
    for (const target of wanted) compileArgs(target, more);
    await deno(["install", "-q", "--frozen"]);
    await deno(["task", "-q", "build"]);
    const unread = unreadFiles();
    for (const target of wanted) await deno(compileArgs(target, more, unread));
    return 0;
  } catch (error) {
    return complain(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Test data in a dependency of a dependency, which Deno 2.9 takes for a script and cannot parse: it overflows its stack. Nothing
 * reads it.
 */
function unreadFiles(): string[] {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const found: string[] = [];
  for (const { name } of Deno.readDirSync(npmCache)) {
    const path = `${npmCache}/${name}/bintrees/1.0.2/test`;
    try {
      Deno.statSync(path);
      found.push(path);
    } catch {
      // Another registry's folder.
    }
  }
  return found;
}

/** Runs Deno in the project's folder. */
async function deno(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: `${import.meta.dirname}/..`,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(failureOf(new TextDecoder().decode(stderr)));
}

function complain(text: string): number {
  Deno.stderr.writeSync(new TextEncoder().encode(`${text.trimEnd()}\n`));
  return 1;
}

if (import.meta.main) Deno.exit(await main());
