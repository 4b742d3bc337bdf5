// `deno task compile`: compiles server and page into one program, dist/parley, with minimal
// permissions.

import { printError } from "../app/core/console.ts";
import { errorMessage } from "../app/core/error_message.ts";
import denoJson from "../deno.json" with { type: "json" };
import { prepare } from "./prepare.ts";

/** The targets of `deno compile`. */
export const targets = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

/** Permissions of the program: those of `start` in deno.json, relative to the working directory. */
const permissions: Readonly<Record<string, readonly string[]>> = {
  read: ["data", "logs"],
  write: ["data", "logs"],
  sys: ["hostname", "systemMemoryInfo"],
  net: ["0.0.0.0", "127.0.0.1", "localhost", "[::]", "[::1]"],
  env: denoJson.permissions.start.env,
};

/**
 * Returns the arguments of `deno` that compile for `target`, by default for this machine.
 * `extraFlags` add permissions, such as `--allow-read=/srv/chat`.
 *
 * @throws {TypeError} If an extra flag does not add a permission.
 */
export function compileArgs(
  target: string | undefined,
  extraFlags: readonly string[],
): string[] {
  const allowed = new Map(Object.entries(permissions));
  for (const flag of extraFlags) {
    const [, kind = "", values = ""] = /^--allow-([a-z]+)=(.+)$/.exec(flag) ?? [];
    const known = allowed.get(kind);
    if (known === undefined) {
      throw new TypeError(
        `Cannot compile with ${flag}: must be a target or a flag such as --allow-read=FOLDER`,
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
    ...Array.from(allowed, ([kind, values]) => `--allow-${kind}=${values.join(",")}`),
    ...(target === undefined ? [] : [`--target=${target}`]),
    `--output=dist/parley${target === undefined ? "" : `-${target}`}`,
    "main.ts",
  ];
}

/** Returns an error message for the output of a failed `deno compile`. */
export function failureOf(stderr: string): string {
  if (!/denort|base binary/.test(stderr)) {
    return `Cannot compile: ${stderr.slice(stderr.indexOf("error: "))}`;
  }
  return "Cannot compile: Deno's runtime for compiled programs cannot be downloaded. " +
    `Set DENORT_BIN to the path of denort ${Deno.version.deno}, or allow downloads from Deno's site`;
}

const usage = `Usage: deno task compile [target... | all] [--allow-read=FOLDER,...]

Targets: ${targets.join(", ")}; by default this machine
`;

async function main(): Promise<number> {
  const names = Deno.args.filter((arg) => !arg.startsWith("-"));
  const flags = Deno.args.filter((arg) => arg.startsWith("-"));
  const selected = names.includes("all") ? targets : names.length > 0 ? names : [undefined];
  if (selected.some((target) => target !== undefined && !targets.includes(target))) {
    return fail(usage);
  }
  try {
    // Checks the flags before the build.
    for (const target of selected) compileArgs(target, flags);
    await prepare();
    await deno(["task", "-q", "build"]);
    for (const target of selected) await deno(compileArgs(target, flags));
    return 0;
  } catch (error) {
    return fail(errorMessage(error));
  }
}

/** Runs Deno at the project's root. */
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

function fail(text: string): number {
  printError(text.trimEnd());
  return 1;
}

if (import.meta.main) Deno.exit(await main());
