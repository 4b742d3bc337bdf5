// The composition root: reads the environment, builds the parts, joins them together, and ends the process. Nobody else does.

import { SqliteBroker } from "./app/broker/sqlite_broker.ts";
import { ChatHub } from "./app/chat/chat_hub.ts";
import { helpText, readConfig } from "./app/core/config.ts";
import type { Config } from "./app/core/config.ts";
import { memberOf, newToken, randomName } from "./app/core/identity.ts";
import { openLogs } from "./app/core/logging.ts";
import type { Logs } from "./app/core/logging.ts";
import { loadAssets } from "./app/web/assets.ts";
import { serveWeb } from "./app/web/server.ts";
import type { WebServer } from "./app/web/server.ts";
import denoJson from "./deno.json" with { type: "json" };

/** How often retention and the memory limit are looked at. */
const upkeepMs = 60_000;
const watchdogMs = 5_000;
/** One Ctrl-C arrives twice, from the terminal and from the task runner: only later ones are a second word. */
const secondSignalMs = 500;
/** Returning clients are spread over this long for each thousand of them. */
const spreadMsPerThousand = 1_000;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const result = readConfig((name) => Deno.env.get(name), Deno.args);
  switch (result.kind) {
    case "help":
      return print(helpText());
    case "version":
      return print(`parley ${denoJson.version}`);
    case "errors":
      for (const error of result.errors) complain(error);
      return Deno.exit(2);
    case "config":
      return await start(result.config);
  }
}

async function start(config: Config): Promise<void> {
  const logs = openLogs({
    dir: config.logDir,
    level: config.logLevel,
    format: config.logFormat,
    maxBytes: config.logMaxBytes,
    backups: config.logBackups,
  });
  containFaults(logs);
  try {
    await run(config, logs);
  } catch (error) {
    logs.close();
    complain(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}

async function run(config: Config, logs: Logs): Promise<void> {
  const broker = SqliteBroker.open({
    path: `${config.dataDir}/parley.db`,
    durability: config.durability,
    now: () => Date.now(),
    randomName,
    nameHoldMs: config.nameHoldSeconds * 1000,
    graceMs: config.graceSeconds * 1000,
    retentionDays: config.retentionDays,
    retentionMessages: config.retentionMessages,
    maxRooms: config.maxRooms,
    report: (event, error) => logs.error(event, error),
  });
  const hub = new ChatHub({
    broker,
    clock: performance,
    scheduler: {
      soon: (task) => void setImmediate(task),
      later: (ms, task) => {
        const timer = setTimeout(task, ms);
        return () => clearTimeout(timer);
      },
    },
    identity: { newToken, memberOf },
    log: logs,
  }, {
    rateBurst: config.rateBurst,
    ratePerSecond: config.ratePerSecond,
    graceMs: config.graceSeconds * 1000,
    outboxMaxBytes: config.outboxMaxBytes,
    retentionDays: config.retentionDays,
    retentionMessages: config.retentionMessages,
    logMessageText: config.logMessageText,
  });
  const assets = await loadAssets({});
  const server = serveWeb({});
  const upkeep = setInterval(() => broker.prune(), upkeepMs);
  print(`Parley is at ${server}`);
}

function containFaults(_logs: Logs): void {}
function print(_line: string): void {}
function complain(_line: string): void {}
