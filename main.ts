// The composition root: reads the environment, builds the parts, joins them together, and ends the process. Nobody else does.

import type { Broker } from "./app/chat/broker.ts";
import { SqliteBroker } from "./app/broker/sqlite/sqlite_broker.ts";
import { Freezer, removeLeftCopies } from "./app/broker/sqlite/freeze.ts";
import { ChatHub } from "./app/chat/chat_hub.ts";
import { helpText, readConfig } from "./app/core/config.ts";
import type { Config } from "./app/core/config.ts";
import { errorMessage } from "./app/core/error_message.ts";
import { matcherOf, memberOf, newToken, randomName } from "./app/core/identity.ts";
import { openLogs } from "./app/core/logging.ts";
import type { Logs } from "./app/core/logging.ts";
import { Metrics } from "./app/core/metrics.ts";
import { isRoomName, roomNameRule } from "./app/protocol/text.ts";
import { loadAssets } from "./app/web/assets.ts";
import { readCertificate } from "./app/web/certificate.ts";
import type { Certificate } from "./app/web/certificate.ts";
import { serveWeb } from "./app/web/server.ts";
import denoJson from "./deno.json" with { type: "json" };

/** How often retention is seen to, and how soon again while there is more to remove. */
const pruneMs = 60_000;
const pruneMoreMs = 20;
/** Keys of one chat; the tag keeps them together where Redis is a cluster. */
const redisPrefix = "parley:{chat}:";
/**
 * A node that is not heard of for so long is dead to the others: a while longer than the grace of its members, for each second
 * of it, and no less than it takes to find out that Redis was away.
 */
const redisLeaseMsPerSecond = 1_500;
const redisLeaseMinMs = 4_500;
const redisTimeoutMs = 3_000;
/** How often it is looked whether the database is still in its place. */
const lookMs = 1_000;
const watchdogMs = 5_000;
/** How often the certificate is looked at; SIGHUP looks at once. */
const certificateMs = 60_000;
/** One Ctrl-C arrives twice, from the terminal and from the task runner: only later ones are a second word. */
const secondSignalMs = 500;
/** What can be done with the database from outside the server. */
const databaseVerbs = {
  backup: "Usage: parley backup FILE [flags]",
  restore: "Usage: parley restore FILE [flags]",
  export: "Usage: parley export ROOM [FILE.jsonl | FILE.txt] [flags]",
};
const defaultUrl = "http://127.0.0.1:8000/";
const healthTimeoutMs = 3_000;
/** What may wait for a console that does not read; more is dropped. */
const mirrorMaxBytes = 1024 * 1024;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const [verb, ...words] = Deno.args;
  if (verb === "health") return Deno.exit(await askHealth(words));
  if (isDatabaseVerb(verb)) return Deno.exit(await useDatabase(verb, words));
  const result = readConfig((name) => Deno.env.get(name), Deno.args);
  switch (result.kind) {
    case "help":
      return print(helpText());
    case "version":
      return print(`parley ${denoJson.version}\n`);
    case "errors":
      for (const error of result.errors) complain(error);
      return Deno.exit(2);
    case "config":
      return await start(result.config);
  }
}

async function start(config: Config): Promise<void> {
  const mirror = consoleMirror();
  const logs = openLogs({
    dir: config.logDir,
    level: config.logLevel,
    format: config.logFormat,
    maxBytes: config.logMaxBytes,
    backups: config.logBackups,
    mirror,
    complain,
    now: Date.now,
    later,
  });
  containFaults(logs);
  try {
    await run(config, logs);
  } catch (error) {
    logs.close();
    complain(errorMessage(error));
    Deno.exit(1);
  }
}

async function run(config: Config, logs: Logs): Promise<void> {
  const storage = await openStorage(config, logs);
  const { broker } = storage;
  const metrics: Metrics = new Metrics({
    version: denoJson.version,
    gauges: () => ({
      ...hub.size,
      connections: server.connections,
      logFailures: logs.failures,
    }),
    memory: Deno.memoryUsage,
    now: () => performance.now(),
    wallNow: Date.now,
    later,
  });
  const hub = new ChatHub({
    broker,
    clock: performance,
    scheduler: { soon: (task) => void setImmediate(task), later },
    identity: { newToken, memberOf },
    access: config.accessCode === "" ? undefined : matcherOf(config.accessCode),
    log: logs,
    meter: metrics,
  }, {
    rateBurst: config.rateBurst,
    ratePerSecond: config.ratePerSecond,
    graceMs: config.graceSeconds * 1000,
    outboxMaxBytes: config.outboxMaxBytes,
    retentionDays: config.retentionDays,
    retentionMessages: config.retentionMessages,
    logMessageText: config.logMessageText,
  });
  const staticDir = `${import.meta.dirname}/static`;
  const assets = await loadAssets({ staticDir, dev: config.dev, basePath: config.basePath });
  const readTls = () => readCertificate(config.tlsCert, config.tlsKey, config.host);
  const certificate = config.tlsCert === "" ? undefined : readTls();
  const server = serveWeb({
    hub,
    assets,
    isOpen: config.accessCode === "",
    hostname: config.host,
    port: config.port,
    certificate,
    allowedOrigins: config.allowedOrigins,
    trustProxy: config.trustProxy,
    maxConnections: config.maxConnections,
    maxConnectionsPerAddress: config.maxConnectionsPerIp,
    dev: config.dev,
    metrics,
    isToken: config.metricsToken === "" ? undefined : matcherOf(config.metricsToken),
    ready: () => storage.ready(),
    log: logs,
    now: () => performance.now(),
  });
  logs.event("start", { version: denoJson.version, port: server.port, pid: Deno.pid });

  metrics.start();
  const cancelPrune = pruneNowAndThen(broker);
  const look = setInterval(async () => {
    if (await storage.look() !== undefined) await stop("storage", 1);
  }, lookMs);
  let stoppingSince: number | undefined;
  const stop = async (reason: string, status: number) => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < secondSignalMs) return;
      logs.close();
      Deno.exit(status);
    }
    stoppingSince = performance.now();
    logs.event("stop", { reason, sessions: hub.size.sessions });
    cancelPrune();
    clearInterval(look);
    const endsAt = stoppingSince + config.drainSeconds * 1000;
    const left = () => Math.max(0, endsAt - performance.now());
    // A storage that does not answer is not waited for either.
    await within(left(), hub.drain());
    await server.shutdown(left());
    const verdict = await storage.look(true);
    if (verdict !== undefined) logs.error("storage", verdict);
    logs.event("stopped", { ms: Math.round(performance.now() - stoppingSince) });
    logs.close();
    await broker.close();
    if (verdict !== undefined) complain(verdict);
    Deno.exit(verdict === undefined ? status : 1);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void stop(signal, 0));
  }
  // Who reads this may stop the server at once.
  print(`Parley is at ${server.url}\n`);
  if (certificate !== undefined) {
    followCertificate(certificate, readTls, logs, async (renewed) => {
      if (stoppingSince !== undefined) return;
      logs.event("certificate", { sessions: hub.size.sessions });
      try {
        await server.renew(renewed, hub.spreadMs);
      } catch (error) {
        logs.error("certificate", error);
        await stop("certificate", 1);
      }
    });
  }
  if (config.maxRssMb > 0) {
    setInterval(() => {
      const mib = Math.round(Deno.memoryUsage().rss / 1024 / 1024);
      if (mib <= config.maxRssMb || stoppingSince !== undefined) return;
      logs.warn("memory", { mib, most: config.maxRssMb });
      void stop("memory", 1);
    }, watchdogMs);
  }
  await assets.compress();
}

/** The log, and how it does. */
interface Storage {
  readonly broker: Broker;
  /** Whether a message could be stored now. */
  ready(): boolean;
  /** Looks after the log, for the last time or not; answers why the server cannot go on with it. */
  look(isLast?: boolean): Promise<string | undefined>;
}

async function openStorage(config: Config, logs: Logs): Promise<Storage> {
  const { retentionDays, retentionMessages, maxRooms } = config;
  const common = {
    randomName,
    nameHoldMs: config.nameHoldSeconds * 1000,
    retentionDays,
    retentionMessages,
    maxRooms,
    report: (event: string, error: unknown) => logs.error(event, error),
  };
  if (config.redisUrl !== "") {
    // Loaded only here: most servers have no Redis.
    const { RedisBroker } = await import("./app/broker/redis/redis_broker.ts");
    const broker = await RedisBroker.open({
      ...common,
      url: config.redisUrl,
      prefix: redisPrefix,
      leaseMs: Math.max(redisLeaseMinMs, config.graceSeconds * redisLeaseMsPerSecond),
      timeoutMs: redisTimeoutMs,
    });
    return { broker, ready: () => broker.isReady, look: () => Promise.resolve(undefined) };
  }
  makeDataDir(config);
  const path = databasePath(config);
  const broker = SqliteBroker.open({
    ...common,
    path,
    durability: config.durability,
    now: Date.now,
    graceMs: config.graceSeconds * 1000,
  });
  removeLeftCopies(path);
  const freezer = new Freezer(path, broker, Date.now, common.report);
  return {
    broker,
    ready: () => broker.writable(),
    look(isLast) {
      freezer.look();
      return broker.look(isLast);
    },
  };
}

function makeDataDir({ dataDir }: Config): void {
  try {
    Deno.mkdirSync(dataDir, { recursive: true });
  } catch (error) {
    const isFile = error instanceof Deno.errors.AlreadyExists ||
      error instanceof Deno.errors.NotADirectory;
    const why = isFile ? "it has to be a folder" : errorMessage(error);
    throw new Error(`Cannot use DATA_DIR=${JSON.stringify(dataDir)}: ${why}`, { cause: error });
  }
}

function databasePath(config: Config): string {
  return `${config.dataDir}/parley.db`;
}

/** Removes what is too old, a little at a time. The answer ends it. */
function pruneNowAndThen(broker: Broker): () => void {
  let cancel: () => void;
  const prune = async () => {
    let isMore = false;
    try {
      isMore = await broker.prune();
    } catch {
      // The broker has said why, and a later try does what this one did not.
    }
    cancel = later(isMore ? pruneMoreMs : pruneMs, prune);
  };
  cancel = later(pruneMs, prune);
  return () => cancel();
}

/** Looks now and then, and at SIGHUP, whether the certificate's files have another one in them. */
function followCertificate(
  first: Certificate,
  read: () => Certificate,
  logs: Logs,
  renewed: (certificate: Certificate) => Promise<void>,
): void {
  let known = first;
  const look = () => {
    try {
      const { cert, key } = read();
      if (cert === known.cert && key === known.key) return;
      known = { cert, key };
    } catch (error) {
      // Only half of it may be written yet; the one before is good for as long as it lasts.
      return logs.error("certificate", error);
    }
    void renewed(known);
  };
  setInterval(look, certificateMs);
  Deno.addSignalListener("SIGHUP", look);
}

function isDatabaseVerb(verb: string | undefined): verb is keyof typeof databaseVerbs {
  return verb !== undefined && Object.hasOwn(databaseVerbs, verb);
}

/** Copies the database, puts a copy back, or writes a room out. Answers the exit status. */
async function useDatabase(
  verb: keyof typeof databaseVerbs,
  args: readonly string[],
): Promise<number> {
  const flagsAt = args.findIndex((arg) => arg.startsWith("-"));
  const words = flagsAt < 0 ? args : args.slice(0, flagsAt);
  const result = readConfig((name) => Deno.env.get(name), args.slice(words.length));
  const [name, file] = words;
  if (
    result.kind !== "config" || name === undefined || words.includes("") ||
    words.length > (verb === "export" ? 2 : 1)
  ) {
    const errors = result.kind === "errors" ? result.errors : [databaseVerbs[verb]];
    for (const error of errors) complain(error);
    return 2;
  }
  const wrong = verb === "export" ? exportProblem(name, file) : undefined;
  if (wrong !== undefined) {
    complain(wrong);
    return 2;
  }
  if (result.config.redisUrl !== "") {
    complain(
      `Cannot use ${verb}: it is for the database in DATA_DIR, and with REDIS_URL the messages are in Redis`,
    );
    return 2;
  }
  const path = databasePath(result.config);
  // A server has no use for them.
  const { backUp, exportRoom, exportToFile, restore } = await import(
    "./app/commands/database_tools.ts"
  );
  try {
    if (verb === "backup") {
      await backUp(path, name);
      print(`${path} is copied to ${name}\n`);
    } else if (verb === "restore") {
      makeDataDir(result.config);
      const saved = await restore(path, name, new Date());
      const before = saved === undefined ? "" : `; what was there is in ${saved}`;
      print(`${name} is copied to ${path}${before}\n`);
    } else {
      const format = file?.endsWith(".txt") ? "text" : "jsonl";
      if (file !== undefined) {
        await exportToFile(path, name, format, file);
        print(`${name} is written to ${file}\n`);
      } else for await (const part of exportRoom(path, name, format)) print(part);
    }
    return 0;
  } catch (error) {
    complain(errorMessage(error));
    return 1;
  }
}

/** Why a room cannot be written out to a file of this name. */
function exportProblem(room: string, file: string | undefined): string | undefined {
  if (!isRoomName(room)) {
    return `Cannot export ${JSON.stringify(room)}: a room name is ${roomNameRule}`;
  }
  if (file === undefined || /\.(jsonl|txt)$/.test(file)) return undefined;
  return `Cannot export to ${JSON.stringify(file)}: its name has to end in .jsonl or .txt`;
}

/** Asks a running server whether it serves, for container engines. Answers the exit status. */
async function askHealth([url = defaultUrl, ...more]: readonly string[]): Promise<number> {
  const { protocol } = URL.parse(url) ?? {};
  if (more.length > 0 || (protocol !== "http:" && protocol !== "https:")) {
    complain(`Usage: parley health [URL], which is ${defaultUrl} if none is given`);
    return 2;
  }
  try {
    const signal = AbortSignal.timeout(healthTimeoutMs);
    const response = await fetch(new URL("healthz", url), { signal });
    await response.body?.cancel();
    return response.ok ? 0 : 1;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    complain(`Cannot reach ${url}: ${errorMessage(cause ?? error)}`);
    return 1;
  }
}

/** A fault of one request or frame must not end everybody's chat (a text over V8's limit, for one). */
function containFaults(logs: Logs): void {
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    logs.error("fault", event.error);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    logs.error("fault", event.reason);
  });
}

function later(ms: number, task: () => void): () => void {
  const timer = setTimeout(task, ms);
  return () => clearTimeout(timer);
}

/** Writes log lines to the console without ever waiting for it. */
function consoleMirror(): (text: string) => void {
  let waiting: string[] = [];
  let waitingBytes = 0;
  let isWriting = false;
  const write = async () => {
    isWriting = true;
    while (waiting.length > 0) {
      const bytes = new TextEncoder().encode(waiting.join(""));
      waiting = [];
      waitingBytes = 0;
      try {
        for (let done = 0; done < bytes.length;) {
          done += await Deno.stdout.write(bytes.subarray(done));
        }
      } catch {
        // Nobody reads any more, for good: the files have it all.
        return;
      }
    }
    isWriting = false;
  };
  return (text) => {
    if (waitingBytes + text.length > mirrorMaxBytes) return;
    waiting.push(text);
    waitingBytes += text.length;
    if (!isWriting) void write();
  };
}

/** Waits for a promise, but not for ever. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const cancel = later(ms, resolve);
  await Promise.race([promise, over]);
  cancel();
}

function print(text: string): void {
  writeAll(Deno.stdout, text);
}

function complain(line: string): void {
  // Deno's own advice would permit it everywhere.
  const shown = line.replace(
    /, run again with the (--allow-[a-z]+) flag/,
    ', which $1 has to name: see "Permissions" in the README',
  );
  writeAll(Deno.stderr, `${shown}\n`);
}

function writeAll(writer: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let done = 0; done < bytes.length;) done += writer.writeSync(bytes.subarray(done));
}
