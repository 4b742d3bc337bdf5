// The composition root: reads the settings, builds the parts, connects them, and ends the process.

import { cpuUsage } from "node:process";
import { ClockTrust, startPruning } from "./app/broker/pruning.ts";
import { openStorage } from "./app/broker/storage.ts";
import { serveChat } from "./app/chat_server.ts";
import { helpText, readConfig } from "./app/core/config.ts";
import type { Config } from "./app/core/config.ts";
import { consoleMirror, print, printError } from "./app/core/console.ts";
import type { ConsoleMirror } from "./app/core/console.ts";
import { databasePath, makeDataDir, makeLogDir } from "./app/core/data_dir.ts";
import { errorMessage } from "./app/core/error_message.ts";
import { fileInfo } from "./app/core/file_info.ts";
import { maxDescriptors, watchLauncher } from "./app/core/launcher.ts";
import { openLogs } from "./app/core/logging.ts";
import type { Logs } from "./app/core/logging.ts";
import { Metrics } from "./app/core/metrics.ts";
import {
  catchUncaughtErrors,
  countDescriptors,
  defaultMaxRssMb,
  watchMemory,
} from "./app/core/process.ts";
import { SettingError } from "./app/core/setting_error.ts";
import { later, waitAtMost } from "./app/core/timers.ts";
import { loadAssets } from "./app/web/assets.ts";
import { readCertificate, watchCertificate } from "./app/web/certificate.ts";
import denoJson from "./deno.json" with { type: "json" };

/** One Ctrl-C arrives several times, from terminal, task runner and launcher, within this time. */
const secondSignalMs = 500;
/** Max time that the exit waits for the console, which may not be reading. */
const mirrorDrainMs = 500;

if (import.meta.main) await main();

async function main(): Promise<void> {
  if (!hasEnvironment()) {
    printError("Cannot read the settings: start with `deno task start`, which grants permissions");
    return Deno.exit(2);
  }
  const result = readConfig((name) => Deno.env.get(name), Deno.args);
  switch (result.kind) {
    case "help":
      return print(helpText());
    case "version":
      return print(`parley ${denoJson.version}\n`);
    case "errors":
      for (const error of result.errors) printError(error);
      return Deno.exit(2);
    case "config":
      if (result.words.length === 0) return await start(result.config);
      return await runToEnd(result.words, result.config);
  }
}

/** Returns whether this process may read its settings: not with a plain `deno run main.ts`. */
function hasEnvironment(): boolean {
  return Deno.permissions.querySync({ name: "env", variable: "PORT" }).state === "granted";
}

async function runToEnd(words: readonly string[], config: Config): Promise<void> {
  // Serving doesn't need the commands.
  const { runCommand, UsageError } = await import("./app/commands/commands.ts");
  try {
    await runCommand(words, config);
  } catch (error) {
    // The reader closed the pipe, as in `parley export lobby | head`.
    if (!(error instanceof Deno.errors.BrokenPipe)) printError(errorMessage(error));
    Deno.exit(error instanceof UsageError ? 2 : 1);
  }
}

async function start(config: Config): Promise<void> {
  let logs: Logs | undefined;
  try {
    makeLogDir(config);
    if (config.redisUrl === "") makeDataDir(config);
    const mirror = consoleMirror();
    const opened = logs = openLogs({
      ...config,
      mirror: mirror.write,
      onFailure: printError,
      now: Date.now,
      later,
    });
    catchUncaughtErrors((error) => opened.error("uncaught_error", error));
    await serve(config, opened, mirror);
  } catch (error) {
    logs?.close();
    printError(errorMessage(error));
    Deno.exit(error instanceof SettingError ? 2 : 1);
  }
}

async function serve(config: Config, logs: Logs, mirror: ConsoleMirror): Promise<void> {
  const clock = new ClockTrust(Date.now, () => performance.now());
  const report = (event: string, cause: unknown) => {
    // A string describes an event that is not a failure, such as a recovery.
    if (typeof cause === "string") logs.warn(event, { message: cause });
    else logs.error(event, cause);
  };
  const storage = await openStorage(config, report, clock);
  const staticDir = `${import.meta.dirname}/static`;
  const metrics: Metrics = new Metrics({
    version: denoJson.version,
    readings: () => {
      const { rss, heapUsed } = Deno.memoryUsage();
      const { user, system } = cpuUsage();
      const database = databasePath(config);
      const { sessions, members, rooms } = hub.size;
      return {
        parley_connections: server.limits.count,
        parley_sessions: sessions,
        parley_members: members,
        parley_rooms: rooms,
        parley_leaked_sockets_total: server.limits.leaked,
        parley_log_failures_total: logs.failures,
        parley_heap_used_bytes: heapUsed,
        process_resident_memory_bytes: rss,
        process_cpu_seconds_total: (user + system) / 1e6,
        process_max_fds: maxDescriptors(),
        parley_lock_held: storage.holdsLock && Number(storage.holdsLock()),
        // Getters: these need a system call or the disk, and the charts don't use them.
        get process_open_fds() {
          return countDescriptors(`${staticDir}/index.html`);
        },
        get parley_database_bytes() {
          return fileInfo(database)?.size;
        },
        get parley_journal_bytes() {
          return fileInfo(`${database}-wal`)?.size;
        },
        get parley_storage_ready() {
          return Number(storage.notReadyReason() === undefined);
        },
      };
    },
    now: () => performance.now(),
    later,
  });
  const assets = await loadAssets({ ...config, staticDir });
  const readTls = () => readCertificate(config.tlsCert, config.tlsKey, config.host);
  const certificate = config.tlsCert === "" ? undefined : readTls();
  const { hub, server } = serveChat(config, {
    storage,
    assets,
    certificate,
    metrics,
    meter: metrics,
    log: logs,
    onExhausted: () => void stop("listener", 1),
  });
  logs.event("start", { version: denoJson.version, port: server.port, pid: Deno.pid });

  metrics.start();
  const stopPruning = startPruning({
    broker: storage.broker,
    clock,
    report: (event, message) => logs.warn(event, { message }),
    later,
  });
  let stoppingSince: number | undefined;
  const stop = async (reason: string, status: number) => {
    if (stoppingSince !== undefined) {
      if (performance.now() - stoppingSince < secondSignalMs) return;
      logs.close();
      Deno.exit(status);
    }
    stoppingSince = performance.now();
    logs.event("stop", { reason, sessions: hub.size.sessions });
    stopPruning();
    const deadline = stoppingSince + config.drainSeconds * 1000;
    const remainingMs = () => Math.max(0, deadline - performance.now());
    // Draining may wait for storage that doesn't respond. Whatever fails, the process must end.
    try {
      await waitAtMost(remainingMs(), hub.drain());
      await server.shutdown(remainingMs());
    } catch (error) {
      logs.error("stop_failed", error);
    }
    const storageLoss = await storage.close();
    if (storageLoss !== undefined) logs.error("storage_lost", storageLoss);
    logs.event("stopped", { ms: Math.round(performance.now() - stoppingSince) });
    logs.close();
    await waitAtMost(mirrorDrainMs, mirror.drained());
    if (storageLoss !== undefined) printError(storageLoss);
    Deno.exit(storageLoss === undefined ? status : 1);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => void stop(signal, 0));
  }
  // A terminal that closes sends SIGHUP. To a service it means "reload", so it must keep running.
  const isInTerminal = Deno.stdin.isTerminal();
  Deno.addSignalListener("SIGHUP", () => isInTerminal && void stop("SIGHUP", 0));
  void storage.lost?.then(() => {
    if (stoppingSince === undefined) void stop("storage_lost", 1);
  });
  void watchLauncher(() => {
    if (stoppingSince === undefined) void stop("launcher_lost", 0);
  });
  // Print only after the signal handlers are installed: the reader may stop the server at once.
  // Not with `print`, which throws if the console's disk is full.
  mirror.write(`Parley is running at ${server.url}\n`);
  if (certificate !== undefined) {
    watchCertificate(certificate, readTls, {
      onError: (error) => logs.error("certificate_failed", errorMessage(error)),
      onExpiring: (expires) => logs.warn("certificate_expiring", { expires }),
      async onRenewed(renewed) {
        if (stoppingSince !== undefined) return;
        logs.event("certificate_renewed", { sessions: hub.size.sessions });
        try {
          await server.renew(renewed, hub.reconnectSpreadMs);
        } catch (error) {
          logs.error("certificate_failed", error);
          await stop("certificate_failed", 1);
        }
      },
    });
  }
  const maxRssMb = config.maxRssMb === "auto" ? defaultMaxRssMb() : config.maxRssMb;
  if (maxRssMb > 0) {
    watchMemory({
      maxMib: maxRssMb,
      readBytes: () => Deno.memoryUsage().rss,
      later,
      onExceeded(mib) {
        if (stoppingSince !== undefined) return;
        logs.warn("memory_exceeded", { mib, max: maxRssMb });
        void stop("memory_exceeded", 1);
      },
    });
  }
}
