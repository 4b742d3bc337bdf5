// The three logs: what a line looks like, when it reaches the disk, and that a log which cannot be written harms nobody.
// The only file that imports @std/log.

import { RotatingFileHandler } from "@std/log";
import { join } from "@std/path";
import type { LogFields } from "../chat/ports.ts";

/** One request, as access.log has it. */
export interface AccessRecord {
  readonly address: string;
  readonly method: string;
  /** Path and query as they were asked for. */
  readonly path: string;
  readonly protocol: string;
  readonly status: number;
  /** Bytes of the body. */
  readonly bytes: number;
  readonly referrer?: string | undefined;
  readonly userAgent?: string | undefined;
  /** How long the answer took. */
  readonly ms: number;
}

/** How the logs are written. */
export interface LogOptions {
  readonly dir: string;
  /** Least severe kind that is written. */
  readonly level: "debug" | "info" | "warn" | "error";
  readonly format: "text" | "json";
  readonly maxBytes: number;
  readonly backups: number;
  /** Where every line goes as well: text of whole lines, in bursts. Must not throw. */
  readonly mirror: (text: string) => void;
  /** Told once a minute at most when a log cannot be written. */
  readonly complain: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs a task later; the answer cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

/** Where everything that happens is written. No method throws. */
export interface Logs {
  /** A request was answered: access.log. */
  access(record: AccessRecord): void;
  /** Something happened in the chat: websocket.log. */
  event(event: string, fields: LogFields): void;
  /** Something should not have happened: error.log, at once on disk. */
  warn(event: string, fields: LogFields): void;
  /** Something failed: error.log with the stack, at once on disk. */
  error(event: string, error: unknown, fields?: LogFields): void;
  /** Brings every line to the disk. */
  flush(): void;
  /** The same, and ends the use of the files. */
  close(): void;
  /** How many lines could not be written. */
  readonly failures: number;
}

const severities = ["debug", "info", "warn", "error"] as const;
const flushMs = 1_000;
const complainMs = 60_000;
/** After a failure the file is opened anew, but not for every line; nor is it looked at for every line. */
const retryMs = 1_000;
/** The console has the address instead, in a line of its own. */
const unmirrored = "start";
const bufferBytes = 64 * 1024;
/** Lines are encoded and counted together, up to so many characters: one by one they cost twice as much. */
const bundleLength = 4_096;

/** Opens the three logs in `dir`, which is made if need be. */
export function openLogs(options: LogOptions): Logs {
  const { format, now } = options;
  let failures = 0;
  let complainedAt = -Infinity;
  let cancelFlush: (() => void) | undefined;
  let mirrored: string[] = [];
  let closed = false;

  const fail = (path: string, error: unknown) => {
    failures++;
    if (isWithin(complainMs, complainedAt, now())) return;
    complainedAt = now();
    const why = error instanceof Error ? error.message : String(error);
    options.complain(`Cannot write ${path}: ${why}; the chat goes on without it`);
  };
  const open = (name: string) => new LogFile(join(options.dir, name), options, fail);
  const files = {
    access: open("access.log"),
    error: open("error.log"),
    websocket: open("websocket.log"),
  };
  const flush = () => {
    cancelFlush?.();
    cancelFlush = undefined;
    for (const file of Object.values(files)) file.flush();
    if (mirrored.length === 0) return;
    const lines = mirrored;
    mirrored = [];
    options.mirror(lines.join("\n") + "\n");
  };
  const write = (file: LogFile, line: string, isMirrored = true) => {
    if (closed) return;
    file.write(line);
    if (isMirrored) mirrored.push(line);
    cancelFlush ??= options.later(flushMs, flush);
  };
  let stamped = { ms: NaN, text: "" };
  /** Many lines have the same millisecond. */
  const stamp = () => {
    const ms = now();
    if (ms !== stamped.ms) stamped = { ms, text: new Date(ms).toISOString() };
    return stamped.text;
  };
  const isOn = (level: typeof severities[number]) =>
    severities.indexOf(level) >= severities.indexOf(options.level);
  const encode = format === "json" ? jsonLine : logfmtLine;

  return {
    access(record) {
      if (!isOn("info")) return;
      const at = new Date(now());
      const line = format === "json"
        ? jsonLine({ time: at.toISOString(), event: "request", ...record })
        : combinedLine(at, record);
      write(files.access, line);
    },
    event(event, fields) {
      if (!isOn("info")) return;
      const time = stamp();
      const line = encode({ time, level: "info", event, ...fields });
      write(files.websocket, line, event !== unmirrored);
    },
    warn(event, fields) {
      if (!isOn("warn")) return;
      const time = stamp();
      write(files.error, encode({ time, level: "warn", event, ...fields }));
      flush();
    },
    error(event, error, fields) {
      const time = stamp();
      const shown = error instanceof Error ? error.stack ?? error.message : String(error);
      write(files.error, encode({ time, level: "error", event, ...fields, error: shown }));
      flush();
    },
    flush,
    close() {
      if (closed) return;
      flush();
      closed = true;
      for (const file of Object.values(files)) file.close();
    },
    get failures() {
      return failures;
    },
  };
}

/** One log file that may fail and comes back by itself. */
class LogFile {
  readonly #path: string;
  readonly #options: LogOptions;
  readonly #fail: (path: string, error: unknown) => void;
  #handler: RotatingFileHandler | undefined;
  #lostAt = -Infinity;
  #lookedAt = -Infinity;
  /** The file that was opened, whatever stands under its name now. */
  #identity = "";
  /** Lines that the handler does not have yet. */
  #bundle = "";

  constructor(path: string, options: LogOptions, fail: (path: string, error: unknown) => void) {
    this.#path = path;
    this.#options = options;
    this.#fail = fail;
    this.#open();
  }

  write(line: string): void {
    const now = this.#options.now();
    if (this.#handler === undefined) {
      if (!isWithin(retryMs, this.#lostAt, now)) this.#open();
    } else if (!isWithin(retryMs, this.#lookedAt, now)) this.#look(now);
    if (this.#handler === undefined) return this.#fail(this.#path, "it could not be opened");
    // A code unit has at most three bytes, and a bundle is not divided between two files.
    const most = Math.min(bundleLength, this.#options.maxBytes / 4);
    if (this.#bundle.length + line.length > most) this.#handOver();
    this.#bundle += this.#bundle === "" ? line : `\n${line}`;
  }

  flush(): void {
    this.#handOver();
    this.#try((handler) => handler.flush());
  }

  close(): void {
    this.#handOver();
    this.#try((handler) => handler.destroy());
    this.#handler = undefined;
  }

  #handOver(): void {
    if (this.#bundle === "") return;
    const bundle = this.#bundle;
    this.#bundle = "";
    this.#try((handler) => handler.log(bundle));
  }

  /** Somebody may have moved or removed the file: then lines would go where nobody looks. */
  #look(now: number): void {
    this.#lookedAt = now;
    if (identityOf(this.#path) === this.#identity) return;
    this.close();
    this.#open();
  }

  #open(): void {
    try {
      Deno.mkdirSync(this.#options.dir, { recursive: true });
      const handler = new RotatingFileHandler("DEBUG", {
        filename: this.#path,
        maxBytes: this.#options.maxBytes,
        maxBackupCount: this.#options.backups,
        bufferSize: bufferBytes,
      });
      handler.setup();
      this.#handler = handler;
      this.#identity = identityOf(this.#path);
      this.#lookedAt = this.#options.now();
    } catch (error) {
      this.#lost(error);
    }
  }

  #try(use: (handler: RotatingFileHandler) => void): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    try {
      use(handler);
    } catch (error) {
      this.#handler = undefined;
      this.#lost(error);
      // What is in its buffer is lost; its file and its listener must not be.
      try {
        handler.destroy();
      } catch {
        // It fails for the reason that was told already.
      }
    }
  }

  #lost(error: unknown): void {
    this.#lostAt = this.#options.now();
    this.#fail(this.#path, error);
  }
}

/** Whether less than `ms` lie between; a clock that is set back must not make anything wait for it. */
function isWithin(ms: number, then: number, now: number): boolean {
  return Math.abs(now - then) < ms;
}

function identityOf(path: string): string {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch {
    return "";
  }
}

// ------------------------------------------------------------------ lines

/** Characters that could break a line, hide in it or turn it round: controls, line separators and bidi controls. */
// deno-lint-ignore no-control-regex -- these are what is escaped
const unsafe = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escapeUnsafe(text: string): string {
  return text.replace(unsafe, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function logfmtLine(fields: LogFields): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    parts.push(`${key}=${typeof value === "string" ? logfmtValue(value) : value}`);
  }
  return parts.join(" ");
}

const bare = /^[\p{L}\p{N}\p{M}_.:,/+@[\]~%#?&()-]+$/u;
/** Most values, found in half the time. */
const plain = /^[\w.:,/+@-]+$/;

function logfmtValue(value: string): string {
  if (plain.test(value) || bare.test(value)) return value;
  const escaped = value.toWellFormed().replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return `"${escapeUnsafe(escaped)}"`;
}

function jsonLine(fields: LogFields): string {
  // JSON escapes only the first of the unsafe characters by itself.
  return escapeUnsafe(JSON.stringify(fields));
}

/** NCSA combined format, which goaccess and lnav read. */
function combinedLine(at: Date, record: AccessRecord): string {
  const { address, method, path, protocol, status, bytes, referrer, userAgent } = record;
  const request = quoted(`${method} ${path} ${protocol}`);
  return `${address} - - [${ncsaTime(at)}] ${request} ${status} ${bytes} ${quoted(referrer)} ${
    quoted(userAgent)
  }`;
}

function quoted(value: string | undefined): string {
  if (value === undefined || value === "") return '"-"';
  const escaped = value.toWellFormed().replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return `"${escapeUnsafe(escaped)}"`;
}

const months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

function ncsaTime(at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${two(at.getUTCDate())}/${months[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
  return `${day}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${
    two(at.getUTCSeconds())
  } +0000`;
}
