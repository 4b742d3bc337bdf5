// Runs main.ts with exactly the permissions that its settings need.

import { dirname, resolve } from "node:path";
import { serverUrl } from "../app/commands/own_server.ts";
import { configNames, readConfig, similarTo } from "../app/core/config.ts";
import type { Config } from "../app/core/config.ts";
import { printError } from "../app/core/console.ts";
import { errorMessage } from "../app/core/error_message.ts";
import { descriptorsVariable, launcherVariable } from "../app/core/launcher.ts";
import { SettingError } from "../app/core/setting_error.ts";
import { urlHost } from "../app/core/url_host.ts";
import { prepare } from "./prepare.ts";

const root = resolve(import.meta.dirname ?? ".", "..");
/** Paths that the server reads to bundle and serve the page. */
const ownPaths = ["static", "app/protocol", "deno.json"].map((path) => resolve(root, path));
const main = resolve(root, "main.ts");
const watchedPaths = [resolve(root, "app"), resolve(root, "static"), main];

/** Commands that take a file, with its index among the words of the command line. */
const fileAt: Readonly<Record<string, number>> = {
  backup: 1,
  restore: 1,
  export: 2,
  "export-chat": 1,
  "import-chat": 1,
};

/** The files and addresses that the program may access. */
export interface Permissions {
  /** Files and folders. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** HOST:PORT to listen on or to connect to. */
  readonly net: readonly string[];
}

/** Returns the permissions to run the command in `words`, or to serve, excluding `ownPaths`. */
export function permissionsFor(config: Config, words: readonly string[]): Permissions {
  const { host, port, redisUrl, dataDir, logDir, tlsCert, tlsKey } = config;
  const redis = redisUrl === "" ? [] : [hostAndPort(redisUrl, 6379)];
  const data = redisUrl === "" ? [dataDir] : [];
  if (words.length === 0) {
    // Checking the certificate opens another listener, on any free port.
    const ports = tlsCert === "" ? [port] : [port, 0];
    return {
      read: [...data, logDir, tlsCert, tlsKey].filter((path) => path !== ""),
      write: [...data, logDir],
      net: [...ports.map((port) => `${urlHost(host)}:${port}`), ...redis],
    };
  }
  if (words[0] === "health" || words[0] === "moderate") {
    const url = words[0] === "health" && words[1] || serverUrl(config);
    return { read: [], write: [], net: URL.canParse(url) ? [hostAndPort(url, 80)] : [] };
  }
  const file = fileOperand(words);
  const folders = file === undefined ? data : [...data, dirname(file)];
  return { read: file === undefined ? folders : [...folders, file], write: folders, net: redis };
}

/** Returns the file that a command takes, unless it is missing or empty. */
function fileOperand(words: readonly string[]): string | undefined {
  return words[fileAt[words[0] ?? ""] ?? NaN] || undefined;
}

function hostAndPort(url: string, defaultPort: number): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port || (protocol === "https:" ? 443 : defaultPort)}`;
}

/** Returns the flags of `deno run` for these permissions and for those that every run needs. */
function permissionFlags({ read, write, net }: Permissions): string[] {
  const flags = [
    "--allow-sys=hostname,systemMemoryInfo,uid",
    `--allow-env=${[...configNames, descriptorsVariable, launcherVariable].join(",")}`,
  ];
  for (const [kind, values] of Object.entries({ read, write, net })) {
    if (values.length > 0) flags.push(permissionFlag(kind, values));
  }
  return flags;
}

/**
 * Returns Deno's flag that grants a kind of permission.
 *
 * @throws {SettingError} If a value has a comma, which would grant its parts instead.
 */
export function permissionFlag(kind: string, values: readonly string[]): string {
  const unusable = values.find((value) => value.includes(","));
  if (unusable !== undefined) {
    throw new SettingError(
      `Cannot use ${JSON.stringify(unusable)}: Deno's permissions forbid commas; rename it`,
    );
  }
  return `--allow-${kind}=${values.join(",")}`;
}

/**
 * Returns the arguments of `deno` that run the program. A task runs in the project's folder, but
 * the file of a command is relative to `startDir`, the folder where the task was started.
 */
async function denoArgs(args: readonly string[], startDir: string): Promise<string[]> {
  const env = (name: string) => Deno.env.get(name)?.trim() ?? "";
  const result = readConfig(env, args);
  const secretFiles = configNames.filter((name) => name.endsWith("_FILE")).map(env)
    .filter((path) => path !== "");
  const flags = ["run", "-q", "--no-prompt", "--frozen"];
  if (result.kind !== "config") {
    // main.ts prints the error.
    const none = { read: secretFiles, write: [], net: [] };
    return [...flags, ...permissionFlags(none), main, ...args];
  }
  const { config, words } = result;
  const file = fileOperand(words);
  const resolved = file === undefined ? undefined : resolve(startDir, file);
  const isElsewhere = file !== undefined && resolved !== resolve(file);
  const replace = (arg: string) => isElsewhere && arg === file ? resolved ?? arg : arg;
  const permissions = permissionsFor(config, words.map(replace));
  if (words.length === 0) {
    writeHealthFile(config);
    await prepare();
    flags.push("--cached-only");
  }
  if (config.dev && words.length === 0) flags.push(`--watch=${watchedPaths.join(",")}`);
  const own = words.length === 0 ? ownPaths : [];
  const all = {
    ...permissions,
    read: withTargets([...own, ...permissions.read, ...secretFiles]),
    write: withTargets(permissions.write),
  };
  return [...flags, ...permissionFlags(all), main, ...args.map(replace)];
}

/** Variables of other programs often resemble a shorter name, as HOME resembles HOST. */
const misspelledMinLength = 8;

/**
 * Returns a warning for each variable that is ignored but probably meant as a setting: one that is
 * misspelled, or the first in a file that an editor has saved with a byte order mark.
 */
export function misspelledSettings(names: readonly string[]): string[] {
  const settings = configNames.filter((name) => name.length >= misspelledMinLength);
  return names.filter((name) => !configNames.includes(name)).flatMap((name) => {
    const unmarked = name.replace("\ufeff", "");
    if (configNames.includes(unmarked)) {
      return [`Ignoring ${unmarked}: save its file without a byte order mark`];
    }
    const similar = similarTo(name, settings);
    return similar === undefined ? [] : [`Ignoring ${name}: did you mean ${similar}?`];
  });
}

/** Adds the targets of symbolic links, for commands that compare or copy real paths. */
function withTargets(paths: readonly string[]): string[] {
  const targets = paths.flatMap((path) => {
    try {
      return [Deno.realPathSync(path)];
    } catch {
      // It does not exist yet.
      return [];
    }
  });
  return [...paths, ...targets.filter((target) => !paths.some((path) => resolve(path) === target))];
}

/** Tells the container's health check where the server listens; see container/parley-health. */
function writeHealthFile(config: Config): void {
  const file = Deno.env.get("HEALTH_FILE") ?? "";
  if (file === "") return;
  try {
    const { protocol, hostname } = new URL(serverUrl(config));
    const host = hostname.replace(/[[\]]/g, "");
    Deno.writeTextFileSync(file, `${protocol} ${host} ${config.port}\n`);
  } catch {
    // The file system is read-only. The health check then assumes the default settings.
  }
}

/** Returns the max number of file descriptors; empty if the system doesn't report it. */
function readMaxDescriptors(): string {
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    return /^Max open files +(\d+)/m.exec(limits)?.[1] ?? "";
  } catch {
    return "";
  }
}

/** Runs the program until it ends, passes signals on, and returns its exit status. */
export async function launch(): Promise<number> {
  let args: string[];
  for (const warning of misspelledSettings(Object.keys(Deno.env.toObject()))) printError(warning);
  try {
    args = await denoArgs(Deno.args, Deno.env.get("INIT_CWD") ?? Deno.cwd());
  } catch (error) {
    printError(errorMessage(error));
    return error instanceof SettingError ? 2 : 1;
  }
  const isWindows = Deno.build.os === "windows";
  // Makes databases, logs and backups private to this user. The program inherits the umask, because
  // Deno can't grant it the right to set one.
  if (!isWindows) Deno.umask(0o077);
  const env = { [descriptorsVariable]: readMaxDescriptors(), [launcherVariable]: "1" };
  // Its stdin stays empty and closes when this process ends, even by SIGKILL.
  const child = new Deno.Command(Deno.execPath(), { args, env, stdin: "piped" }).spawn();
  const isInTerminal = Deno.stdin.isTerminal();
  const isWatching = args.some((arg) => arg.startsWith("--watch="));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    if (isWindows && signal !== "SIGINT") continue;
    Deno.addSignalListener(signal, () => {
      // Windows signals the program itself. The program cannot see that the terminal was closed.
      const passed = signal === "SIGHUP" && isInTerminal ? "SIGTERM" : signal;
      // With --watch, Deno ends on SIGINT only. After other signals it waits for a change.
      if (!isWindows) child.kill(isWatching && passed === "SIGTERM" ? "SIGINT" : passed);
    });
  }
  return (await child.status).code;
}
