// `deno task compile`: compiles the server and the page into one program, dist/parley, with minimal
// permissions.

import { configNames, readConfig } from "../app/core/config.ts";
import type { Config } from "../app/core/config.ts";
import { printError } from "../app/core/console.ts";
import { errorMessage } from "../app/core/error_message.ts";
import { permissionFlag, permissionsFor } from "./launcher.ts";
import { prepare } from "./prepare.ts";

/** The targets of `deno compile`. */
export const targets = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
];

/** Permissions of every compiled program. Relative paths start at the working directory. */
const basePermissions: Readonly<Record<string, readonly string[]>> = {
  // The last two are where containers and systemd put secrets and certificates.
  read: ["data", "logs", "/run/secrets", "/run/credentials/parley.service"],
  write: ["data", "logs"],
  sys: ["hostname", "systemMemoryInfo", "uid"],
  net: ["0.0.0.0", "127.0.0.1", "localhost", "[::]", "[::1]"],
  env: configNames,
};

/**
 * Returns the arguments of `deno` that compile for `target`, by default for this machine. The
 * program may also access the files and hosts in `config`, and those that `extraFlags` add, such as
 * `--allow-read=/backups`.
 *
 * @throws {TypeError} If an extra flag does not add a permission.
 * @throws {SettingError} If a path has a comma.
 */
export function compileArgs(
  target: string | undefined,
  config: Config,
  extraFlags: readonly string[],
): string[] {
  const allowed = new Map(Object.entries(basePermissions));
  for (const [kind, values] of Object.entries(permissionsFor(config, []))) {
    allowed.set(kind, [...new Set([...allowed.get(kind) ?? [], ...values])]);
  }
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
    ...Array.from(allowed, ([kind, values]) => permissionFlag(kind, values)),
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

const usage = `Usage: deno task compile [target... | all] [settings] [--allow-read=FOLDER,...]

The program may use the folders, address and files that the settings name.
Targets: ${targets.join(", ")}; by default this machine
`;

async function main(): Promise<number> {
  const flags = Deno.args.filter((arg) => arg.startsWith("--allow-"));
  const args = Deno.args.filter((arg) => !arg.startsWith("--allow-"));
  const result = readConfig((name) => Deno.env.get(name), args);
  if (result.kind !== "config") {
    return fail(result.kind === "errors" ? result.errors.join("\n") : usage);
  }
  const { config, words: names } = result;
  const selected = names.includes("all") ? targets : names.length > 0 ? names : [undefined];
  if (selected.some((target) => target !== undefined && !targets.includes(target))) {
    return fail(usage);
  }
  try {
    // Checks the flags before the build.
    for (const target of selected) compileArgs(target, config, flags);
    await prepare();
    await deno(["task", "-q", "build"]);
    for (const target of selected) await deno(compileArgs(target, config, flags));
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
