// What a logger is and what it hands to its handlers; which loggers there are is not known here.

import type { BaseHandler } from "./base_handler.ts";
import {
  getLevelByName,
  getLevelName,
  type LevelName,
  type LogLevel,
  LogLevels,
} from "./levels.ts";

/** Any function. */
// deno-lint-ignore no-explicit-any -- nothing narrower takes in functions of every kind
export type GenericFunction = (...args: any[]) => any;

/** What a record is made of. */
export interface LogRecordOptions {
  /** The message as text. */
  msg: string;
  /** What was given after the message. */
  args: unknown[];
  level: LogLevel;
  /** Name of the logger that was called. */
  loggerName: string;
}

/** One thing that was logged. */
export class LogRecord {
  readonly msg: string;
  readonly level: LogLevel;
  readonly levelName: LevelName;
  readonly loggerName: string;
  readonly #args: unknown[];
  readonly #datetime = new Date();

  /** Takes the time of now and a copy of the list of arguments. */
  constructor(options: LogRecordOptions) {
    this.msg = options.msg;
    this.#args = [...options.args];
    this.level = options.level;
    this.loggerName = options.loggerName;
    this.levelName = getLevelName(options.level);
  }

  /** What was given after the message: a fresh copy, as the record goes to several handlers. */
  get args(): unknown[] {
    return [...this.#args];
  }

  /** When it was logged: a fresh copy. */
  get datetime(): Date {
    return new Date(this.#datetime);
  }
}

/** What a logger starts with. */
export interface LoggerOptions {
  handlers?: BaseHandler[];
}

/** Hands what is logged, from its level on, to its handlers. */
export class Logger {
  /** Where the records go, in this order. */
  handlers: BaseHandler[];
  readonly #name: string;
  #level: LogLevel;

  /** Throws an `Error` if there is no level `levelName`. */
  constructor(
    loggerName: string,
    levelName: LevelName,
    options: LoggerOptions = {},
  ) {
    this.#name = loggerName;
    this.#level = getLevelByName(levelName);
    this.handlers = options.handlers ?? [];
  }

  /** Least severity that is logged. Throws a `TypeError` when set to what is none. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    if (!Object.values(LogLevels).includes(level)) {
      throw new TypeError(`Invalid log level: ${level}`);
    }
    this.#level = level;
  }

  /** The same by name. Throws an `Error` when set to what is none. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  get loggerName(): string {
    return this.#name;
  }

  /** Logs what `msg` makes; it is not called, and nothing returned, if that would not be logged. */
  debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg` and returns it, logged or not. */
  debug<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  debug<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.DEBUG, msg, args);
  }

  /** Logs what `msg` makes; it is not called, and nothing returned, if that would not be logged. */
  info<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg` and returns it, logged or not. */
  info<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  info<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.INFO, msg, args);
  }

  /** Logs what `msg` makes; it is not called, and nothing returned, if that would not be logged. */
  warn<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg` and returns it, logged or not. */
  warn<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  warn<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.WARN, msg, args);
  }

  /** Logs what `msg` makes; it is not called, and nothing returned, if that would not be logged. */
  error<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg` and returns it, logged or not. */
  error<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
  error<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.ERROR, msg, args);
  }

  /** Logs what `msg` makes; it is not called, and nothing returned, if that would not be logged. */
  critical<T>(msg: () => T, ...args: unknown[]): T | undefined;
  /** Logs `msg` and returns it, logged or not. */
  critical<T>(
    msg: T extends GenericFunction ? never : T,
    ...args: unknown[]
  ): T;
  critical<T>(msg: T | (() => T), ...args: unknown[]): T | undefined {
    return this.#log(LogLevels.CRITICAL, msg, args);
  }

  /** Text of a message: an error is its stack, an object its own properties. */
  asString(data: unknown, isProperty = false): string {
    if (typeof data === "string") return isProperty ? `"${data}"` : data;
    if (typeof data === "function") return "undefined";
    if (typeof data !== "object" || data === null) return String(data);
    if (data instanceof Error) return data.stack ?? String(data);
    const properties = Object.entries(data)
      .map(([key, value]) => `"${key}":${this.asString(value, true)}`);
    return `{${properties.join(",")}}`;
  }

  #log<T>(level: LogLevel, msg: T | (() => T), args: unknown[]): T | undefined {
    const isOn = this.#level <= level;
    if (!isOn) return isLazy(msg) ? undefined : msg;
    const value = isLazy(msg) ? msg() : msg;
    const loggerName = this.#name;
    const record = new LogRecord({
      msg: this.asString(value),
      args,
      level,
      loggerName,
    });
    for (const handler of this.handlers) handler.handle(record);
    return value;
  }
}

function isLazy<T>(msg: T | (() => T)): msg is () => T {
  return typeof msg === "function";
}
