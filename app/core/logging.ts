// The server's logs. A log that cannot be written never disturbs the chat.

import { BaseHandler, getLogger, setup } from "@std/log";
import type { LogRecord } from "@std/log";
import { join } from "@std/path";
import type { HubLog } from "../chat/ports.ts";
import type { Config } from "./config.ts";
import { foreignOwner, ownUid } from "./data_dir.ts";
import { errorMessage } from "./error_message.ts";
import { LogFile } from "./log_file.ts";
import { lineFormatter, maskAddresses } from "./log_format.ts";
import type { AccessRecord } from "./log_format.ts";

export type { AccessRecord };

type LogSettings =
  | "logDir"
  | "logAddresses"
  | "logLevel"
  | "logFormat"
  | "logMaxBytes"
  | "logBackups";

/** Where and how logs are written. Requests and events have level info. */
export interface LogOptions extends Pick<Config, LogSettings> {
  /**
   * Receives a copy of all lines except messages, in batches that end with a line break. Must not
   * throw.
   */
  readonly mirror: (text: string) => void;
  /** Called at most once a minute while a log cannot be written. */
  readonly onFailure: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs a task after `ms`. Returns a function that cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

/** The logs. No method throws. */
export interface Logs extends HubLog {
  /** Logs a request to access.log. Counts towards its network's limit. */
  access(record: AccessRecord, network?: string): void;
  /** Writes all lines to disk. Warnings and errors are flushed at once. */
  flush(): void;
  /** Flushes and closes the files. Later lines are dropped. */
  close(): void;
  /** Number of lines that could not be written. */
  readonly failures: number;
}

const names = ["access", "error", "messages", "websocket"] as const;
const levels = { info: "INFO", warn: "WARN", error: "ERROR" } as const;
const flushMs = 1_000;
const reportMs = 60_000;
/** Length of a batch for the console. A write takes about 80 µs of CPU on two threads. */
const mirrorBatchChars = 65_536;
/** The event that is not mirrored: the console shows the server's address instead. */
const unmirroredEvent = "start";

/** Opens the logs. Configures @std/log for the whole program. */
export function openLogs(options: LogOptions): Logs {
  const { now, onFailure } = options;
  let failures = 0;
  let reportedAt = -Infinity;
  let cancelFlush: (() => void) | undefined;
  let isClosed = false;

  const formatter = lineFormatter(options.logFormat, now);
  const mirror = new MirrorHandler(formatter, options.mirror);
  const fileOf = (name: string) => {
    const filename = join(options.logDir, `${name}.log`);
    return new LogFile({
      filename,
      maxBytes: options.logMaxBytes,
      maxBackupCount: options.logBackups,
      formatter,
      now,
      onLine: () => cancelFlush ??= options.later(flushMs, flush),
      onLoss(error, lines) {
        failures += lines;
        if (Math.abs(now() - reportedAt) < reportMs) return;
        reportedAt = now();
        const isDenied = error instanceof Deno.errors.PermissionDenied;
        const reason = isDenied && foreignOwner(filename, ownUid()) || errorMessage(error);
        onFailure(`Cannot write ${filename}: ${reason}; the chat continues without it`);
      },
    });
  };
  const files = Object.fromEntries(names.map((name) => [name, fileOf(name)]));
  const flush = () => {
    cancelFlush?.();
    cancelFlush = undefined;
    for (const file of Object.values(files)) file.flush();
    mirror.flush();
  };
  const level = levels[options.logLevel];
  setup({
    handlers: { ...files, mirror },
    loggers: {
      ...Object.fromEntries(names.map((name) => [name, { level, handlers: [name, "mirror"] }])),
      // Messages have their own file and are not mirrored, so that they can't push other events out
      // of the backups and the console's journal.
      messages: { level, handlers: ["messages"] },
    },
  });
  const access = getLogger("access");
  const error = getLogger("error");
  const messages = getLogger("messages");
  const websocket = getLogger("websocket");
  const masked = <T extends Parameters<typeof maskAddresses>[0]>(fields: T) =>
    maskAddresses(fields, options.logAddresses);

  return {
    access(record) {
      if (!isClosed) access.info("request", masked(record));
    },
    event(event, fields) {
      if (!isClosed) websocket.info(event, masked(fields));
    },
    entries(entries) {
      if (!isClosed) messages.info("entries", entries);
    },
    warn(event, fields) {
      if (isClosed) return;
      error.warn(event, masked(fields));
      flush();
    },
    error(event, cause, fields = {}) {
      if (isClosed) return;
      const text = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
      error.error(event, { ...masked(fields), error: text });
      flush();
    },
    flush,
    close() {
      if (isClosed) return;
      flush();
      isClosed = true;
      // Destroys the handlers, which closes the files.
      setup({});
    },
    get failures() {
      return failures;
    },
  };
}

/** Batches lines for the console. */
class MirrorHandler extends BaseHandler {
  readonly #write: (text: string) => void;
  #lines: string[] = [];
  #length = 0;

  constructor(formatter: (record: LogRecord) => string, write: (text: string) => void) {
    super("NOTSET", { formatter });
    this.#write = write;
  }

  override handle(record: LogRecord): void {
    if (record.msg !== unmirroredEvent) super.handle(record);
  }

  override log(line: string): void {
    this.#lines.push(line);
    this.#length += line.length;
    // Flush early: the garbage collector copies strings that live longer.
    if (this.#length >= mirrorBatchChars) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#length = 0;
    this.#write(`${lines.join("\n")}\n`);
  }
}
