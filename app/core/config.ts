// All settings in one table: environment variables, flags, defaults, validation and --help.

import { parseArgs } from "node:util";
import { errorMessage } from "./error_message.ts";

/** One setting. */
interface Setting<T> {
  /** The environment variable. The flag is the same in lower case with dashes. */
  readonly name: string;
  readonly default: T;
  readonly help: string;
  /** Whether the value must never appear in an error message. */
  readonly isSecret?: true;
  /** Returns the value of `text`, or what a valid one looks like, to follow "must be". */
  parse(text: string): { readonly value: T } | { readonly expected: string };
}

const secretMaxLength = 256;

const table = {
  host: text("HOST", "0.0.0.0", "Address to listen on"),
  port: number("PORT", { default: 8000, max: 65_535 }, "Port to listen on; 0 picks any free port"),
  basePath: pathPrefix(
    "BASE_PATH",
    "Path prefix when a proxy serves the chat below its root, such as /chat",
  ),
  tlsCert: text("TLS_CERT", "", "PEM file with the certificate chain; enables https"),
  tlsKey: text("TLS_KEY", "", "PEM file with the certificate's private key"),
  dataDir: text("DATA_DIR", "data", "Folder for the database"),
  durability: choice(
    "DURABILITY",
    ["normal", "full"],
    "Stored messages survive a crash of the server (normal) or also power loss (full)",
  ),
  redisUrl: redisUrl(
    "REDIS_URL",
    "Redis shared by several servers, such as redis://10.0.0.5; replaces the database in DATA_DIR",
  ),
  logDir: text("LOG_DIR", "logs", "Folder for access.log, error.log and websocket.log"),
  logLevel: choice("LOG_LEVEL", ["info", "warn", "error"], "Min level to log: info, warn or error"),
  logFormat: choice(
    "LOG_FORMAT",
    ["text", "json"],
    "Log format: text for people, json for one object per line",
  ),
  logMaxBytes: number(
    "LOG_MAX_BYTES",
    { default: 10 * 1024 * 1024, min: 4096, max: 2 ** 40 },
    "Max size of a log file before it is rotated, in bytes",
  ),
  logBackups: number(
    "LOG_BACKUPS",
    { default: 5, min: 1, max: 100 },
    "Rotated files to keep of each log",
  ),
  logMessageText: boolean("LOG_MESSAGE_TEXT", "Include message text in websocket.log"),
  retentionDays: number(
    "RETENTION_DAYS",
    { default: 0, max: 36_500 },
    "Days to keep messages; 0 keeps them forever",
  ),
  retentionMessages: number(
    "RETENTION_MESSAGES",
    { default: 0, max: 1e12 },
    "Messages to keep per room; 0 keeps all",
  ),
  maxDataMb: number(
    "MAX_DATA_MB",
    { default: 10_240, max: 1e9 },
    "Max size of the database in MiB before messages are refused; 0 is unlimited",
  ),
  maxRooms: number(
    "MAX_ROOMS",
    { default: 10_000, max: 1e9 },
    "Max rooms that have messages; 0 is unlimited",
  ),
  rateBurst: number(
    "RATE_BURST",
    { default: 10, min: 1, max: 1e6 },
    "Messages a member can send in one burst",
  ),
  ratePerSecond: number(
    "RATE_PER_SECOND",
    { default: 2, max: 1e6, isDecimal: true },
    "Messages per second after a burst; 0 turns off all rate limits",
  ),
  maxConnections: number(
    "MAX_CONNECTIONS",
    { default: 10_000, max: 1e7 },
    "Max open connections; 0 is unlimited",
  ),
  maxConnectionsPerIp: number(
    "MAX_CONNECTIONS_PER_IP",
    { default: 32, max: 1e7 },
    "Max open connections per address; 0 is unlimited",
  ),
  nameHoldSeconds: number(
    "NAME_HOLD_SECONDS",
    { default: 86_400, max: 1e9 },
    "How long a name stays reserved after a member who sent a message leaves, in seconds",
  ),
  graceSeconds: number(
    "GRACE_SECONDS",
    { default: 10, max: 3_600 },
    "How long a disconnected member stays listed, in seconds",
  ),
  outboxMaxBytes: number(
    "OUTBOX_MAX_BYTES",
    { default: 1024 * 1024, min: 65_536, max: 2 ** 30 },
    "Max bytes buffered for a slow client before it is disconnected",
  ),
  allowedOrigins: origins(
    "ALLOWED_ORIGINS",
    "Other origins whose pages may connect, separated by commas",
  ),
  allowedHosts: hosts(
    "ALLOWED_HOSTS",
    "Other host names under which people on your network reach the server, separated by commas",
  ),
  accessCode: secret(
    "ACCESS_CODE",
    10,
    "Code everyone must enter once; without it, the chat is open to all",
  ),
  trustProxy: number(
    "TRUST_PROXY",
    { default: 0, max: 10 },
    "Number of your own proxies in front of the server",
  ),
  drainSeconds: number(
    "DRAIN_SECONDS",
    { default: 5, max: 600 },
    "Max time for connections to close on shutdown, in seconds",
  ),
  maxRssMb: numberOrAuto(
    "MAX_RSS_MB",
    1e6,
    "Memory in MiB above which the server exits for its supervisor to restart it; auto is three " +
      "quarters of the machine's or container's, up to 2048; 0 is unlimited",
  ),
  metricsToken: secret(
    "METRICS_TOKEN",
    16,
    "Token for /metrics and /status; without it, only localhost has access, or no one with TRUST_PROXY",
  ),
  dev: boolean(
    "DEV",
    "Development mode: readable scripts, and pages that reload when the server restarts",
  ),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof table;

/** The validated settings. */
export type Config = {
  readonly [K in keyof Table]: Table[K] extends Setting<infer T> ? T : never;
};

/** What the command line asks for. */
export type ConfigResult =
  /** `words` are the arguments that are not flags: a command and its operands. */
  | { readonly kind: "config"; readonly config: Config; readonly words: readonly string[] }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  /** One sentence per problem. */
  | { readonly kind: "errors"; readonly errors: readonly string[] };

/** The settings, by the names of their environment variables. */
const settingNames: readonly string[] = Object.values(table).map(({ name }) => name);

/** All environment variables that are read, for permissions. */
export const configNames: readonly string[] = Object.values<Setting<unknown>>(table)
  .flatMap(({ name, isSecret }) => isSecret ? [name, `${name}_FILE`] : [name]);

/**
 * Reads the settings: a flag wins over its environment variable, which wins over the default. A
 * secret can also come from the file that NAME_FILE names. Never throws, and reports every wrong
 * value at once.
 */
export function readConfig(
  env: (name: string) => string | undefined,
  args: readonly string[],
  readFile: (path: string) => string = Deno.readTextFileSync,
): ConfigResult {
  const { flags, words, errors, asks } = parseCommandLine(args);
  if (asks !== undefined) return { kind: asks };
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries<Setting<unknown>>(table)) {
    // Compose files set a variable to nothing when it is unset where they run.
    let typed = flags.get(setting.name) ?? (env(setting.name)?.trim() || undefined);
    const file = setting.isSecret ? env(`${setting.name}_FILE`)?.trim() : undefined;
    if (typed === undefined && file) {
      try {
        typed = readFile(file).trim();
      } catch (error) {
        errors.push(
          `Cannot use ${setting.name}_FILE=${JSON.stringify(file)}: ${errorMessage(error)}`,
        );
      }
    }
    if (typed === undefined) {
      values[key] = setting.default;
      continue;
    }
    const parsed = setting.parse(typed.trim());
    if ("value" in parsed) values[key] = parsed.value;
    else {
      const shown = setting.isSecret ? "" : `=${JSON.stringify(typed)}`;
      errors.push(`Cannot use ${setting.name}${shown}: must be ${parsed.expected}`);
    }
  }
  if (values["tlsCert"] === "" !== (values["tlsKey"] === "")) {
    errors.push("Cannot use TLS_CERT or TLS_KEY alone: set both");
  }
  if (errors.length > 0) return { kind: "errors", errors };
  // The loop above sets every key of the table to a value of its type.
  return { kind: "config", config: Object.freeze(values) as Config, words };
}

interface CommandLine {
  /** Values by the name of the setting. */
  readonly flags: ReadonlyMap<string, string>;
  readonly words: readonly string[];
  readonly errors: string[];
  readonly asks: "help" | "version" | undefined;
}

function parseCommandLine(args: readonly string[]): CommandLine {
  const flags = new Map<string, string>();
  const words: string[] = [];
  const errors: string[] = [];
  let asks: CommandLine["asks"];
  const { tokens } = parseArgs({
    args: [...args],
    options: flagTypes,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let unknownAt = NaN;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") {
      // A word after an unknown flag is probably its value.
      if (token.index !== unknownAt + 1) words.push(token.value);
      continue;
    }
    const name = namesByFlag.get(token.name);
    if (token.name === "help" || token.name === "version") asks ??= token.name;
    else if (name === undefined) {
      if (token.index !== unknownAt) {
        const shown = JSON.stringify(args[token.index]);
        errors.push(`Cannot use ${shown}: unknown flag; --help lists all flags`);
      }
      unknownAt = token.index;
    } else {
      const value = token.value ?? (flagTypes[token.name]?.type === "boolean" ? "1" : "");
      if (value.trim() !== "") flags.set(name, value);
      else errors.push(`Cannot use --${token.name}: its value is missing`);
    }
  }
  return { flags, words, errors, asks };
}

/** Every setting as shown in the docs and in --help; `default` is empty if there is none. */
export const settings: readonly {
  readonly name: string;
  readonly default: string;
  readonly help: string;
}[] = Object.values<Setting<unknown>>(table).map((setting) => ({
  name: setting.name,
  default: String(
    typeof setting.default === "boolean" ? Number(setting.default) : setting.default,
  ),
  help: setting.help,
}));

/** Returns the text of --help. */
export function helpText(): string {
  const rows = settings.map((setting) => {
    const shown = setting.default === "" ? "" : ` [${setting.default}]`;
    const flag = `--${flagOf(setting.name)}`;
    return `  ${flag.padEnd(26)} ${setting.name.padEnd(24)} ${setting.help}${shown}`;
  });
  return `Parley, a small chat server.

Usage: parley [flags]                      Start the server
       parley health [URL]                 Check whether a server is running
       parley backup FILE [flags]          Copy the database, even while the server runs
       parley restore FILE [flags]         Replace the database with a copy; stop the server first
       parley export ROOM [FILE] [flags]   Write a room to FILE.jsonl or FILE.txt, or to the console
       parley remove-room ROOM [flags]     Remove a room and its messages; stop the server first
       parley repair-times [flags]         Date messages from the future to now; stop the server first

Every setting is a flag or an environment variable; the flag wins. Defaults are in brackets.

${rows.join("\n")}
  ${"-h, --help".padEnd(26)} ${"".padEnd(24)} Print this help
  ${"--version".padEnd(26)} ${"".padEnd(24)} Print the version
`;
}

const namesByFlag: ReadonlyMap<string, string> = new Map(
  settingNames.map((name) => [flagOf(name), name]),
);

const flagTypes: Record<string, { type: "string" | "boolean"; short?: string }> = {
  ...Object.fromEntries(
    Object.values<Setting<unknown>>(table).map((setting) => [
      flagOf(setting.name),
      { type: typeof setting.default === "boolean" ? "boolean" : "string" },
    ]),
  ),
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
};

function flagOf(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

function text(name: string, fallback: string, help: string): Setting<string> {
  return { name, default: fallback, help, parse: (value) => ({ value }) };
}

function pathPrefix(name: string, help: string): Setting<string> {
  const parse = (typed: string) => {
    const value = typed.replace(/\/$/, "");
    return /^(\/[\w~.-]*[\w~-])*$/.test(value)
      ? { value }
      : { expected: "a path such as /chat, made of letters, digits and - . _ ~" };
  };
  return { name, default: "", help, parse };
}

/** A Redis address, which may contain a password. */
function redisUrl(name: string, help: string): Setting<string> {
  const parse = (value: string) =>
    /^rediss?:$/.test(URL.parse(value)?.protocol ?? "") && URL.parse(value)?.hostname !== ""
      ? { value }
      : { expected: "an address such as redis://user:password@host:6379, or rediss:// for TLS" };
  return { name, default: "", help, isSecret: true, parse };
}

/** A secret that fits into a frame and a header. */
function secret(name: string, minLength: number, help: string): Setting<string> {
  const parse = (value: string) =>
    value.length >= minLength && value.length <= secretMaxLength && /^[\x21-\x7e]+$/.test(value)
      ? { value }
      : { expected: `${minLength} to ${secretMaxLength} ASCII characters without spaces` };
  return { name, default: "", help, isSecret: true, parse };
}

function number(
  name: string,
  options: {
    readonly default: number;
    readonly min?: number;
    readonly max: number;
    readonly isDecimal?: true;
  },
  help: string,
): Setting<number> {
  const { min = 0, max, isDecimal } = options;
  const pattern = isDecimal ? /^\d{1,9}(\.\d{1,9})?$/ : /^\d{1,16}$/;
  const parse = (typed: string) => {
    const value = Number(typed);
    return pattern.test(typed) && value >= min && value <= max
      ? { value }
      : { expected: `a ${isDecimal ? "" : "whole "}number from ${min} to ${max}` };
  };
  return { name, default: options.default, help, parse };
}

function numberOrAuto(name: string, max: number, help: string): Setting<number | "auto"> {
  const { parse } = number(name, { default: 0, max }, help);
  return {
    name,
    default: "auto",
    help,
    parse: (typed) => typed === "auto" ? { value: typed } : parse(typed),
  };
}

function choice<const T extends string>(
  name: string,
  values: readonly [T, ...T[]],
  help: string,
): Setting<T> {
  const parse = (typed: string) => {
    const value = values.find((one) => one === typed);
    return value === undefined ? { expected: values.join(" or ") } : { value };
  };
  return { name, default: values[0], help, parse };
}

function boolean(name: string, help: string): Setting<boolean> {
  const parse = (typed: string) =>
    typed === "1" || typed === "true"
      ? { value: true }
      : typed === "0" || typed === "false"
      ? { value: false }
      : { expected: "1 or 0" };
  return { name, default: false, help, parse };
}

function origins(name: string, help: string): Setting<readonly string[]> {
  const parse = (typed: string) => {
    const value = typed.split(",").map((part) => part.trim()).filter((part) => part !== "");
    return value.every(isOrigin)
      ? { value }
      : { expected: "origins such as https://chat.example.org, separated by commas" };
  };
  return { name, default: [], help, parse };
}

function isOrigin(value: string): boolean {
  return /^https?:/.test(value) && URL.parse(value)?.origin === value;
}

function hosts(name: string, help: string): Setting<readonly string[]> {
  const parse = (typed: string) => {
    const parts = typed.toLowerCase().split(",").map((part) => part.trim());
    const value = parts.filter((part) => part !== "");
    return value.every(isHostName)
      ? { value }
      : { expected: "host names without ports such as chat.example.org, separated by commas" };
  };
  return { name, default: [], help, parse };
}

function isHostName(value: string): boolean {
  return URL.parse(`http://${value}/`)?.host === value;
}
