// All settings in one table: environment variables, flags, defaults, validation and --help.

import { parseArgs } from "node:util";
import { errorMessage } from "./error_message.ts";

/** One setting. The table's keys give the names of its environment variable and its flag. */
interface Setting<T> {
  readonly default: T;
  readonly help: string;
  /** Whether the value must never appear in an error message. */
  readonly isSecret?: true;
  /** Returns the value of `text`, or a description of valid values that follows "must be". */
  parse(text: string): { readonly value: T } | { readonly expected: string };
}

const secretMaxLength = 256;

interface Rule {
  readonly isValid: (text: string) => boolean;
  /** Describes valid text, after "must be". */
  readonly expected: string;
}

/** Only characters that cannot break a header, a page or a manifest. */
const titles: Rule = {
  isValid: (text) => /^[\p{L}\p{N}\p{P}\p{S}\p{M} ]{1,60}$/u.test(text),
  expected: "1 to 60 visible characters",
};
const paths: Rule = {
  isValid: (text) => /^(\/[\w~.-]*[\w~-])*\/?$/.test(text),
  expected: "a path such as /chat, made of letters, digits and - . _ ~",
};
const redisUrls: Rule = {
  isValid(text) {
    const url = URL.parse(text);
    return url !== null && /^rediss?:$/.test(url.protocol) && url.host !== "" &&
      /^(\/\d*)?$/.test(url.pathname) && !/[?#]|%(?![\da-f]{2})/i.test(text);
  },
  expected:
    "an address such as redis://user:password@host:6379, with /NUMBER for a database other " +
    "than 0, or rediss:// for TLS; in a password, write %25 for %, %23 for # and %2F for /",
};
const origins: Rule = {
  isValid: (text) => /^https?:/.test(text) && URL.parse(text)?.origin === text,
  expected: "origins such as https://chat.example.org, without final slashes or paths",
};
const exactOrigins: Rule = {
  isValid: (text) => origins.isValid(text) && !text.includes("*"),
  expected: "origins such as https://chat.example.org, without final slashes, paths or wildcards",
};
const hostNames: Rule = {
  isValid: (text) => URL.parse(`http://${text}/`)?.hostname === text && !text.includes("*"),
  expected: "host names such as chat.example.org, without ports or wildcards",
};
/** A shell expands these characters, but not in a file of variables or after `--flag=`. */
const filePaths: Rule = {
  isValid: (text) => !/^[~$]/.test(text),
  expected: "a path that does not start with ~ or $",
};

/** Brackets around an IPv6 address are optional. */
const unbracketed = (address: string) => address.replace(/^\[(.*)\]$/, "$1");
const listenHosts: Rule = {
  isValid: (text) =>
    URL.canParse(`http://[${unbracketed(text)}]/`) ||
    /^[\w.-]+$/.test(text) && URL.parse(`http://${text}/`)?.host === text.toLowerCase(),
  expected: "an address of this machine, such as 127.0.0.1 or [::], without a port",
};

/** All settings, by key. Numbers have a default, a min and a max. */
const table = {
  host: text("0.0.0.0", "Address to listen on; [::] is IPv4 and IPv6", listenHosts, unbracketed),
  port: number(8000, 0, 65_535, "Port to listen on; 0 picks any free port"),
  title: text("Parley", "Name of the chat, shown in the page and its browser tab", titles),
  basePath: text(
    "",
    "Path prefix when a proxy serves the chat below its root, such as /chat",
    paths,
    (typed) => typed.replace(/\/$/, ""),
  ),
  tlsCert: text("", "PEM file with the certificate chain; enables https", filePaths),
  tlsKey: text("", "PEM file with the certificate's private key", filePaths),
  dataDir: text("data", "Folder for the database", filePaths),
  durability: choice(["normal", "full"], "Messages survive a crash (normal) or power loss (full)"),
  redisUrl: {
    ...text(
      "",
      "Redis that several servers share, such as redis://10.0.0.5; replaces DATA_DIR",
      redisUrls,
    ),
    // It may contain a password.
    isSecret: true,
  },
  logDir: text(
    "logs",
    "Folder for access.log, error.log, messages.log and websocket.log",
    filePaths,
  ),
  logAddresses: choice(
    ["full", "short", "none"],
    "Client addresses in logs: full, short (without the last part) or none",
  ),
  logLevel: choice(["info", "warn", "error"], "Min level to log: info, warn or error"),
  logFormat: choice(["text", "json"], "Log format: text for people, json for one object per line"),
  logMaxBytes: number(10_485_760, 4096, 2 ** 40, "Max bytes of a log file before it is rotated"),
  logBackups: number(5, 1, 100, "Rotated files to keep of each log"),
  logMessageText: boolean("Include message text in messages.log"),
  retentionDays: number(0, 0, 36_500, "Days to keep messages; 0 keeps them forever"),
  retentionMessages: number(0, 0, 1e12, "Messages to keep per room; 0 keeps all"),
  maxDataMb: number(10_240, 0, 1e9, "Max size of the database in MiB; 0 is unlimited"),
  maxRooms: number(10_000, 0, 1e9, "Max rooms that have messages; 0 is unlimited"),
  rateBurst: number(10, 1, 1e6, "Messages a member can send in one burst"),
  ratePerSecond: decimal(2, 0, 1e6, "Messages per second after that; 0 turns off all rate limits"),
  maxConnections: number(10_000, 0, 1e7, "Max open connections; 0 is unlimited"),
  maxConnectionsPerIp: number(32, 0, 1e7, "Max open connections per address; 0 is unlimited"),
  nameHoldSeconds: number(86_400, 0, 1e9, "Seconds to reserve the name of an author who left"),
  graceSeconds: number(10, 0, 3_600, "How long a disconnected member stays listed, in seconds"),
  outboxMaxBytes: number(1_048_576, 65_536, 2 ** 30, "Max bytes to buffer for a slow client"),
  joinLines: boolean("Show a line in the room when someone joins, leaves or is renamed", true),
  typing: boolean("Show typing notices", true),
  frameAncestors: list(origins, "Origins whose pages may embed the chat in a frame"),
  allowedOrigins: list(exactOrigins, "Other origins whose pages may connect"),
  allowedHosts: list(
    hostNames,
    "Other host names by which people in your network reach the server",
  ),
  search: boolean("Let everyone with access to the chat search messages", true),
  roomDirectory: boolean("Let everyone with access to the chat list its rooms", true),
  accessCode: secret(10, "Code everyone must enter once; without it, the chat is open to all"),
  moderatorCode: secret(10, "Code for /moderate; entering it makes a member a moderator"),
  trustProxy: number(0, 0, 10, "Number of your own proxies in front of the server"),
  drainSeconds: number(5, 0, 600, "Max time for connections to close on shutdown, in seconds"),
  maxRssMb: autoOrZero(number(
    0,
    128,
    1e6,
    "Memory in MiB above which the server exits for its supervisor to restart it; auto is three " +
      "quarters of the memory of the machine or container, up to 2048; 0 is unlimited",
  )),
  metricsToken: secret(16, "Token for /metrics and /status; without it, only localhost has access"),
  dev: boolean(
    "Development mode: readable scripts, and pages that reload when the server restarts",
  ),
} satisfies Record<string, Setting<unknown>>;

type Table = typeof table;

export type Config = {
  readonly [K in keyof Table]: Table[K] extends Setting<infer T> ? T : never;
};

/** The settings, or why there are none. */
export type ConfigResult =
  /** `words` are the arguments that are not flags: a command and its operands. */
  | { readonly kind: "config"; readonly config: Config; readonly words: readonly string[] }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  /** One sentence per problem. */
  | { readonly kind: "errors"; readonly errors: readonly string[] };

interface NamedSetting extends Setting<unknown> {
  readonly key: string;
  /** The environment variable, such as MAX_ROOMS. */
  readonly name: string;
  /** Such as max-rooms. */
  readonly flag: string;
}

/** All settings, in the order of --help. */
export const settings: readonly NamedSetting[] = Object.entries<Setting<unknown>>(table).map(
  ([key, setting]) => {
    const flag = key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    return { ...setting, key, flag, name: flag.toUpperCase().replaceAll("-", "_") };
  },
);

/** All environment variables that the program reads, for `--allow-env`. */
export const configNames: readonly string[] = settings
  .flatMap(({ name, isSecret }) => isSecret ? [name, `${name}_FILE`] : [name]);

/**
 * Reads the settings: a flag wins over its environment variable, which wins over the default. A
 * secret can also come from the file that NAME_FILE names. Never throws, and reports every
 * invalid value at once.
 */
export function readConfig(
  env: (name: string) => string | undefined,
  args: readonly string[],
  readFile: (path: string) => string = Deno.readTextFileSync,
): ConfigResult {
  const { flags, words, errors, request } = parseCommandLine(args);
  if (request !== undefined) return { kind: request };
  const values: Record<string, unknown> = {};
  for (const { key, name, isSecret, ...setting } of settings) {
    // docker-compose passes an empty value for a variable that is unset on the host.
    const variable = env(name)?.trim() || undefined;
    let typed = flags.get(name) ?? variable;
    let assigned = isSecret ? name : `${name}=${JSON.stringify(typed)}`;
    const file = isSecret ? env(`${name}_FILE`)?.trim() : undefined;
    if (file && variable !== undefined) errors.push(`Cannot use both ${name} and ${name}_FILE`);
    if (typed === undefined && file) {
      assigned = `${name}_FILE=${JSON.stringify(file)}`;
      try {
        typed = readFile(file).trim();
      } catch (error) {
        errors.push(`Cannot use ${assigned}: ${errorMessage(error)}`);
      }
    }
    const parsed = typed === undefined ? { value: setting.default } : parse(setting, typed.trim());
    if ("value" in parsed) values[key] = parsed.value;
    else errors.push(`Cannot use ${assigned}: must be ${parsed.expected}`);
  }
  if (values["tlsCert"] === "" !== (values["tlsKey"] === "")) {
    errors.push("Cannot use TLS_CERT or TLS_KEY alone: set both");
  }
  if (values["moderatorCode"] !== "" && values["moderatorCode"] === values["accessCode"]) {
    errors.push("Cannot use MODERATOR_CODE: must differ from ACCESS_CODE, which everyone knows");
  }
  if (errors.length > 0) return { kind: "errors", errors };
  // The loop above sets every key of the table to a value of its type.
  return { kind: "config", config: Object.freeze(values) as Config, words };
}

/** Parses a setting, unless it is quoted: some readers of environment files keep the quotes. */
function parse(setting: Setting<unknown>, text: string): ReturnType<Setting<unknown>["parse"]> {
  return /^(["']).*\1$/s.test(text) ? { expected: "without quotes" } : setting.parse(text);
}

function parseCommandLine(given: readonly string[]) {
  // npm needs a "--" before flags, and Deno passes it on.
  const args = given[0] === "--" ? given.slice(1) : given;
  /** Values by setting name. */
  const flags = new Map<string, string>();
  const words: string[] = [];
  const errors: string[] = [];
  let request: "help" | "version" | undefined;
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
    if (token.name === "help" || token.name === "version") request ??= token.name;
    else if (name === undefined) {
      if (token.index !== unknownAt) {
        const similar = similarTo(token.name, [...namesByFlag.keys()]);
        const advice = similar === undefined
          ? "--help lists all flags"
          : `did you mean --${similar}?`;
        errors.push(`Cannot use ${JSON.stringify(args[token.index])}: unknown flag; ${advice}`);
      }
      unknownAt = token.index;
    } else {
      const [, nextFlag = ""] = /^--([a-z-]+)/.exec(token.value ?? "") ?? [];
      const value = !token.inlineValue && namesByFlag.has(nextFlag)
        ? ""
        : token.value ?? (flagTypes[token.name]?.type === "boolean" ? "1" : "");
      if (value.trim() !== "") flags.set(name, value);
      else errors.push(`Cannot use --${token.name}: its value is missing`);
    }
  }
  return { flags, words, errors, request };
}

/** Returns the word for which `typed` is probably a misspelling. */
export function similarTo(typed: string, words: readonly string[]): string | undefined {
  return words.find((word) => distance(word, typed) <= 2);
}

/** Returns the Levenshtein distance between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}

/** Returns a default as --help and the docs show it. */
export function defaultText(value: unknown): string {
  return String(typeof value === "boolean" ? Number(value) : value);
}

export function helpText(): string {
  const row = (flag: string, name: string, help: string) =>
    `  ${flag.padEnd(26)} ${name.padEnd(24)} ${help}`;
  const rows = settings.map(({ name, flag, help, default: value }) => {
    const fallback = defaultText(value);
    return row(`--${flag}`, name, fallback === "" ? help : `${help} [${fallback}]`);
  });
  rows.push(
    row("-h, --help", "", "Print this help"),
    row("-v, --version", "", "Print the version"),
  );
  return `Parley, a small chat server.

Usage: parley [flags]                      Start the server
       parley health [URL]                 Check whether a server is running
       parley backup FILE [flags]          Copy the database, even while the server runs
       parley restore FILE [flags]         Replace the database with a copy; stop the server first
       parley export ROOM [FILE] [flags]   Write a room to FILE.jsonl or FILE.txt, or to the console
       parley export-chat FILE [flags]     Write the whole chat to FILE.jsonl
       parley import-chat FILE [flags]     Fill an empty chat from FILE.jsonl; stop the server first
       parley moderate ACTION [flags]      List or lift mutes and bans, or delete messages, on a running server
       parley remove-room ROOM [flags]     Remove a room and its messages; stop the server first
       parley repair-times [flags]         Set message times in the future to now; stop the server first

Every setting is a flag or an environment variable; the flag wins. Defaults are in brackets.

${rows.join("\n")}
`;
}

const namesByFlag: ReadonlyMap<string, string> = new Map(
  settings.map(({ name, flag }) => [flag, name]),
);

const flagTypes: Record<string, { type: "string" | "boolean"; short?: string }> = {
  ...Object.fromEntries(settings.map((setting) => [
    setting.flag,
    // A setting that is on by default needs a value, which turns it off.
    { type: setting.default === false ? "boolean" : "string" },
  ])),
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
};

/** Parses a text that follows a rule. */
function text(
  fallback: string,
  help: string,
  rule: Rule,
  clean = (typed: string) => typed,
): Setting<string> {
  const parse = (typed: string) => rule.isValid(typed) ? { value: clean(typed) } : rule;
  return { default: fallback, help, parse };
}

/** Parses a secret that fits into a frame and a header. */
function secret(minLength: number, help: string): Setting<string> {
  const pattern = new RegExp(`^[\\x21-\\x7e]{${minLength},${secretMaxLength}}$`);
  const rule = {
    isValid: (text: string) => pattern.test(text),
    expected: `${minLength} to ${secretMaxLength} ASCII characters without spaces`,
  };
  return { ...text("", help, rule), isSecret: true };
}

function number(
  fallback: number,
  min: number,
  max: number,
  help: string,
  pattern = /^\d{1,16}$/,
  kind = "whole number",
): Setting<number> {
  const meaning = ` (${help.charAt(0).toLowerCase()}${help.slice(1)})`;
  const parse = (typed: string) => {
    const value = Number(typed);
    return pattern.test(typed) && value >= min && value <= max
      ? { value }
      : { expected: `a ${kind} from ${min} to ${max}${meaning}` };
  };
  return { default: fallback, help, parse };
}

function decimal(fallback: number, min: number, max: number, help: string): Setting<number> {
  return number(fallback, min, max, help, /^\d{1,9}(\.\d{1,9})?$/, "number");
}

/** Parses `auto` (the default), 0, or a larger number. */
function autoOrZero({ help, parse }: Setting<number>): Setting<number | "auto"> {
  return {
    default: "auto",
    help,
    parse(typed) {
      if (typed === "auto" || typed === "0") return { value: typed === "auto" ? typed : 0 };
      const parsed = parse(typed);
      return "value" in parsed ? parsed : { expected: `auto, 0 or ${parsed.expected}` };
    },
  };
}

function choice<const T extends string>(values: readonly [T, ...T[]], help: string): Setting<T> {
  const parse = (typed: string) => {
    const value = values.find((one) => one === typed);
    const expected = values.join(", ").replace(/, (?=[a-z]+$)/, " or ");
    return value === undefined ? { expected } : { value };
  };
  return { default: values[0], help, parse };
}

function boolean(help: string, fallback = false): Setting<boolean> {
  const parse = (typed: string) => {
    const index = ["0", "false", "1", "true"].indexOf(typed);
    return index < 0 ? { expected: "1 or 0" } : { value: index >= 2 };
  };
  return { default: fallback, help, parse };
}

function list({ isValid, expected }: Rule, help: string): Setting<readonly string[]> {
  const separated = ", separated by commas";
  const parse = (typed: string) => {
    const parts = typed.toLowerCase().split(",").map((part) => part.trim());
    const value = parts.filter((part) => part !== "");
    return value.every(isValid) ? { value } : { expected: expected + separated };
  };
  return { default: [], help: help + separated, parse };
}
