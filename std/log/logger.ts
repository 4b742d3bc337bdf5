// Loggers, and the records that they pass to handlers.

import type { BaseHandler } from "./base_handler.ts";
import {
  getLevelByName,
  getLevelName,
  type LevelName,
  type LogLevel,
  LogLevels,
} from "./levels.ts";

/** Any function. */
// deno-lint-ignore no-explicit-any -- no narrower type accepts every function
export type GenericFunction = (...args: any[]) => any;

/** The configuration of a logger. */
export class LoggerConfig {
  /** Default: INFO. */
  level?: LevelName;
  /** Names of handlers; unknown ones are ignored. */
  handlers?: string[];
}

/** The argument of `setup()`: handlers and loggers by name. */
export interface LogConfig {
  handlers?: { [name: string]: BaseHandler };
  loggers?: { [name: string]: LoggerConfig };
}

/** Options of `LogRecord`. */
export interface LogRecordOptions {
  msg: string;
  /** The arguments after the message. */
  args: unknown[];
  level: LogLevel;
  loggerName: string;
}

/** One call of a logger. */
export class LogRecord {
  readonly msg: string;
  readonly level: number;
  readonly levelName: string;
  readonly loggerName: string;
  readonly #args: unknown[];
  readonly #time = Date.now();

  constructor(options: LogRecordOptions) {
    this.msg = options.msg;
    this.#args = options.args.slice();
    this.level = options.level;
    this.loggerName = options.loggerName;
    this.levelName = getLevelName(options.level);
  }

  /** A copy of the arguments after the message. */
  get args(): unknown[] {
    return this.#args.slice();
  }

  /** A copy of the time of the record. */
  get datetime(): Date {
    return new Date(this.#time);
  }
}

/** Options of `Logger`. */
export interface LoggerOptions {
  handlers?: BaseHandler[];
}

/** Passes records of at least its level to its handlers. */
export class Logger {
  handlers: BaseHandler[];
  readonly #loggerName: string;
  #level: LogLevel;

  /** Throws an `Error` if there is no level of that name. */
  constructor(loggerName: string, levelName: LevelName, options: LoggerOptions = {}) {
    this.#loggerName = loggerName;
    this.#level = getLevelByName(levelName);
    this.handlers = options.handlers ?? [];
  }

  /** The min level of records to log. Throws a `TypeError` if set to an invalid level. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    if (!Object.values(LogLevels).includes(level)) {
      throw new TypeError(`Invalid log level: ${level}`);
    }
    this.#level = level;
  }

  /** The name of `level`. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  get loggerName(): string {
    return this.#loggerName;
  }

  /** Logs the result of `msg`, or returns undefined without calling it if the level is off. */
  debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg`. Returns it, logged or not. */
  debug<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  debug<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.DEBUG, msg, args);
  }

  /** Logs the result of `msg`, or returns undefined without calling it if the level is off. */
  info<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg`. Returns it, logged or not. */
  info<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  info<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.INFO, msg, args);
  }

  /** Logs the result of `msg`, or returns undefined without calling it if the level is off. */
  warn<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg`. Returns it, logged or not. */
  warn<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  warn<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.WARN, msg, args);
  }

  /** Logs the result of `msg`, or returns undefined without calling it if the level is off. */
  error<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg`. Returns it, logged or not. */
  error<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  error<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.ERROR, msg, args);
  }

  /** Logs the result of `msg`, or returns undefined without calling it if the level is off. */
  critical<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg`. Returns it, logged or not. */
  critical<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  critical<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.CRITICAL, msg, args);
  }

  #log<T>(level: LogLevel, msg: T | (() => T), args: unknown[]): T | undefined {
    if (level < this.#level) return isLazy(msg) ? undefined : msg;
    const value = isLazy(msg) ? msg() : msg;
    const record = new LogRecord({
      msg: asString(value),
      args,
      level,
      loggerName: this.#loggerName,
    });
    for (const handler of this.handlers) handler.handle(record);
    return value;
  }
}

function isLazy<T>(msg: T | (() => T)): msg is () => T {
  return typeof msg === "function";
}

/** Returns the text of a message: the stack of an error, the own properties of an object. */
function asString(data: unknown, isProperty = false): string {
  if (typeof data === "string") return isProperty ? `"${data}"` : data;
  if (typeof data === "function") return "undefined";
  if (typeof data !== "object" || data === null) return String(data);
  if (data instanceof Error) return data.stack ?? String(data);
  const properties = Object.entries(data)
    .map(([key, value]) => `"${key}":${asString(value, true)}`);
  return `{${properties.join(",")}}`;
}
