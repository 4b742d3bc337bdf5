// Everything that can be set, in one table: environment variables, flags, defaults, checks and the text of --help.

/** One thing that can be set. */
interface Option<T> {
  /** The environment variable; the flag is the same in lower case with dashes. */
  readonly name: string;
  readonly fallback: T;
  readonly help: string;
  /** Whether what was typed must not be repeated anywhere. */
  readonly secret?: true;
  /** Turns what was typed into a value, or says what would be right. */
  parse(text: string): { readonly value: T } | { readonly expected: string };
}

const second = "s";
const bytes = "bytes";
const secretMaxLength = 256;

const options = {
  host: text("HOST", "0.0.0.0", "Address to listen on"),
  port: integer("PORT", 8000, 0, 65_535, "Port to listen on; 0 takes any free one"),
  basePath: pathPrefix(
    "BASE_PATH",
    "Path that the chat has in its address, like /chat, when a proxy has it below its root",
  ),
  tlsCert: text("TLS_CERT", "", "File of the certificate and its chain, as PEM, to serve https"),
  tlsKey: text("TLS_KEY", "", "File of the certificate's private key, as PEM"),
  dataDir: text("DATA_DIR", "data", "Folder of the database"),
  durability: choice(
    "DURABILITY",
    ["normal", "full"],
    "What a sent message survives: normal is the death of the process, full is loss of power too",
  ),
  redisUrl: redis(
    "REDIS_URL",
    "Redis that several servers share, like redis://10.0.0.5; if there is none, everything is in DATA_DIR",
  ),
  logDir: text("LOG_DIR", "logs", "Folder of access.log, error.log and websocket.log"),
  logLevel: choice(
    "LOG_LEVEL",
    ["info", "debug", "warn", "error"],
    "Least severe kind that is logged",
  ),
  logFormat: choice("LOG_FORMAT", ["text", "json"], "Lines for people, or one JSON object a line"),
  logMaxBytes: integer(
    "LOG_MAX_BYTES",
    10 * 1024 * 1024,
    4096,
    2 ** 40,
    "Size at which a log is put aside and begun anew",
    bytes,
  ),
  logBackups: integer("LOG_BACKUPS", 5, 1, 100, "Logs put aside that are kept"),
  logMessageText: flag("LOG_MESSAGE_TEXT", "Write the text of messages into websocket.log"),
  retentionDays: integer(
    "RETENTION_DAYS",
    0,
    0,
    36_500,
    "Days that messages are kept; 0 is for ever",
  ),
  retentionMessages: integer(
    "RETENTION_MESSAGES",
    0,
    0,
    1e12,
    "Messages that are kept of each room; 0 is all",
  ),
  maxRooms: integer("MAX_ROOMS", 10_000, 0, 1e9, "Rooms that can have messages; 0 is no limit"),
  rateBurst: integer("RATE_BURST", 10, 1, 1e6, "Messages that a member may send in one go"),
  ratePerSecond: decimal(
    "RATE_PER_SECOND",
    2,
    0,
    1e6,
    "Messages a second after that; 0 lifts all limits of rate",
  ),
  maxConnections: integer(
    "MAX_CONNECTIONS",
    10_000,
    0,
    1e7,
    "Connections at a time; 0 is no limit",
  ),
  maxConnectionsPerIp: integer(
    "MAX_CONNECTIONS_PER_IP",
    32,
    0,
    1e7,
    "Connections from one address; 0 is no limit",
  ),
  nameHoldSeconds: integer(
    "NAME_HOLD_SECONDS",
    86_400,
    0,
    1e9,
    "How long the name of somebody who wrote is kept after they went",
    second,
  ),
  graceSeconds: integer(
    "GRACE_SECONDS",
    10,
    0,
    3_600,
    "How long somebody whose connection was lost is still here",
    second,
  ),
  outboxMaxBytes: integer(
    "OUTBOX_MAX_BYTES",
    1024 * 1024,
    65_536,
    2 ** 30,
    "What may wait for a slow reader before it is closed",
    bytes,
  ),
  allowedOrigins: origins(
    "ALLOWED_ORIGINS",
    "Further origins whose pages may connect, with commas between; the server's own always may",
  ),
  accessCode: secret(
    "ACCESS_CODE",
    6,
    "What everybody has to type once to get in; if there is none, everybody gets in",
  ),
  trustProxy: integer("TRUST_PROXY", 0, 0, 10, "How many proxies of yours stand in front"),
  drainSeconds: integer(
    "DRAIN_SECONDS",
    5,
    0,
    600,
    "How long a stop waits for connections to close",
    second,
  ),
  maxRssMb: integer(
    "MAX_RSS_MB",
    0,
    0,
    1e6,
    "Memory in MiB above which the server ends, for its supervisor to start it anew; 0 is no limit",
  ),
  metricsToken: secret(
    "METRICS_TOKEN",
    16,
    "Lets who knows it see /metrics and /status; if there is none, the machine itself may, unless TRUST_PROXY is set",
  ),
  dev: flag(
    "DEV",
    "For work on Parley itself: readable scripts, and pages that reload with the server",
  ),
} satisfies Record<string, Option<unknown>>;

type Options = typeof options;

/** All settings, checked. */
export type Config = {
  readonly [K in keyof Options]: Options[K] extends Option<infer T> ? T : never;
};

/** What the command line asks for. */
export type ConfigResult =
  | { readonly kind: "config"; readonly config: Config }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  /** One sentence for each thing that is wrong. */
  | { readonly kind: "errors"; readonly errors: readonly string[] };

/** The environment variables that are read, for permissions. */
export const configNames: readonly string[] = [
  ...Object.values(options).map(({ name }) => name),
];

/** Reads flags, then the environment, then the defaults. Never throws; every wrong value is named. */
export function readConfig(
  env: (name: string) => string | undefined,
  args: readonly string[],
): ConfigResult {
  const errors: string[] = [];
  const flags = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--help" || arg === "-h") return { kind: "help" };
    if (arg === "--version") return { kind: "version" };
    if (!arg.startsWith("-")) {
      const found = "only health, backup, restore and export, which come first";
      errors.push(`Cannot use ${JSON.stringify(arg)}: there is no such command, ${found}`);
      break;
    }
    const [, flagName, inline] = /^--([a-z][a-z-]*)(?:=(.*))?$/s.exec(arg) ?? [];
    const name = flagName?.toUpperCase().replaceAll("-", "_");
    if (name === undefined || !configNames.includes(name)) {
      errors.push(`Cannot use ${JSON.stringify(arg)}: there is no such flag, --help lists all`);
      // What follows may be meant as its value.
      if (args[i + 1]?.startsWith("-") === false) i++;
      continue;
    }
    const typed = inline ?? (switches.has(name) ? "1" : args[++i]);
    if (typed !== undefined && typed.trim() !== "") flags.set(name, typed);
    else errors.push(`Cannot use ${flagOf(name)}: a value has to follow`);
  }
  // An empty variable is what a compose file makes of one that is not set.
  const given = (name: string) => flags.get(name) ?? (env(name)?.trim() || undefined);
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries<Option<unknown>>(options)) {
    const typed = given(option.name);
    if (typed === undefined) {
      values[key] = option.fallback;
      continue;
    }
    const parsed = option.parse(typed.trim());
    if ("value" in parsed) values[key] = parsed.value;
    else {
      const shown = option.secret ? "" : `=${JSON.stringify(typed)}`;
      errors.push(`Cannot use ${option.name}${shown}: it has to be ${parsed.expected}`);
    }
  }
  if (values["tlsCert"] === "" !== (values["tlsKey"] === "")) {
    errors.push("Cannot use TLS_CERT or TLS_KEY: each needs the other");
  }
  if (errors.length > 0) return { kind: "errors", errors };
  // The table gives every key its type; only the loop above cannot say so.
  return { kind: "config", config: Object.freeze(values) as Config };
}

/** All that can be set, as it is shown to people: the default is empty where there is none. */
export const settings: readonly {
  readonly name: string;
  readonly fallback: string;
  readonly help: string;
}[] = Object.values<Option<unknown>>(options).map(({ name, fallback, help }) => ({
  name,
  fallback: typeof fallback === "boolean" ? String(Number(fallback)) : String(fallback),
  help,
}));

/** What --help prints. */
export function helpText(): string {
  const rows = settings.map(({ name, fallback, help }) => {
    const shown = fallback === "" ? "" : ` [${fallback}]`;
    return `  ${flagOf(name).padEnd(26)} ${name.padEnd(24)} ${help}${shown}`;
  });
  return `Parley, a small chat server.

Usage: parley [flags]
       parley health [url]          asks a running server whether it serves
       parley backup FILE [flags]   copies the database, while the server serves or not
       parley restore FILE [flags]  puts a copy back; the server has to be stopped
       parley export ROOM [FILE] [flags]
                                    writes a room to FILE.jsonl, to FILE.txt, or as JSON lines to the console

Each setting is a flag or an environment variable; a flag comes first. The default is in brackets.

${rows.join("\n")}
  ${"--help".padEnd(26)} ${"".padEnd(24)} Print this
  ${"--version".padEnd(26)} ${"".padEnd(24)} Print the version
`;
}

const switches: ReadonlySet<string> = new Set(
  Object.values<Option<unknown>>(options)
    .filter(({ fallback }) => typeof fallback === "boolean")
    .map(({ name }) => name),
);

function flagOf(name: string): string {
  return `--${name.toLowerCase().replaceAll("_", "-")}`;
}

function text(name: string, fallback: string, help: string): Option<string> {
  return { name, fallback, help, parse: (value) => ({ value }) };
}

function pathPrefix(name: string, help: string): Option<string> {
  const parse = (typed: string) => {
    const value = typed.replace(/\/$/, "");
    return /^(\/[\w~.-]*[\w~-])*$/.test(value)
      ? { value }
      : { expected: "a path like /chat, of letters, digits and - . _ ~" };
  };
  return { name, fallback: "", help, parse };
}

/** The address of a Redis, which may have a password in it. */
function redis(name: string, help: string): Option<string> {
  const parse = (value: string) =>
    /^rediss?:$/.test(URL.parse(value)?.protocol ?? "") && URL.parse(value)?.hostname !== ""
      ? { value }
      : { expected: "an address like redis://user:password@host:6379, or rediss:// for TLS" };
  return { name, fallback: "", help, secret: true, parse };
}

/** What only those know who are told, in a form that fits into a frame and a header. */
function secret(name: string, least: number, help: string): Option<string> {
  const parse = (value: string) =>
    value.length >= least && value.length <= secretMaxLength && /^[\x21-\x7e]+$/.test(value)
      ? { value }
      : { expected: `${least} to ${secretMaxLength} letters, digits and signs without spaces` };
  return { name, fallback: "", help, secret: true, parse };
}

function integer(
  name: string,
  fallback: number,
  least: number,
  most: number,
  help: string,
  unit?: string,
): Option<number> {
  const parse = (typed: string) =>
    /^\d{1,16}$/.test(typed) && Number(typed) >= least && Number(typed) <= most
      ? { value: Number(typed) }
      : { expected: `a whole number from ${least} to ${most}` };
  return { name, fallback, help: withUnit(help, unit), parse };
}

function decimal(
  name: string,
  fallback: number,
  least: number,
  most: number,
  help: string,
): Option<number> {
  const parse = (typed: string) =>
    /^\d{1,9}(\.\d{1,9})?$/.test(typed) && Number(typed) >= least && Number(typed) <= most
      ? { value: Number(typed) }
      : { expected: `a number from ${least} to ${most}` };
  return { name, fallback, help, parse };
}

function choice<const T extends string>(
  name: string,
  values: readonly [T, ...T[]],
  help: string,
): Option<T> {
  const parse = (typed: string) => {
    const value = values.find((one) => one === typed);
    return value === undefined ? { expected: `one of ${values.join(", ")}` } : { value };
  };
  return { name, fallback: values[0], help: `${help} (${values.join(", ")})`, parse };
}

function flag(name: string, help: string): Option<boolean> {
  const parse = (typed: string) =>
    typed === "1" || typed === "true"
      ? { value: true }
      : typed === "0" || typed === "false"
      ? { value: false }
      : { expected: "1 or 0" };
  return { name, fallback: false, help, parse };
}

function origins(name: string, help: string): Option<readonly string[]> {
  const parse = (typed: string) => {
    const value = typed.split(",").map((part) => part.trim()).filter((part) => part !== "");
    return value.every(isOrigin)
      ? { value }
      : { expected: "origins like https://chat.example.org, with commas between" };
  };
  return { name, fallback: [], help, parse };
}

function isOrigin(value: string): boolean {
  return URL.parse(value)?.origin === value;
}

function withUnit(help: string, unit: string | undefined): string {
  return unit === undefined ? help : `${help}, in ${unit === second ? "seconds" : unit}`;
}
