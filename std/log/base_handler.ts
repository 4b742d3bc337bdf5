// The base class of all handlers.

import { getLevelByName, getLevelName, type LevelName, type LogLevel } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

export type { LevelName, LogLevel, LogRecord };

/** Turns a record into a line. */
export type FormatterFunction = (logRecord: LogRecord) => string;

/** Options of every handler. */
export interface BaseHandlerOptions {
  /** By default, lines look like `{levelName} {msg}`. */
  formatter?: FormatterFunction;
}

/** Formats records and writes them somewhere. */
export abstract class BaseHandler {
  formatter: FormatterFunction;
  #level: LogLevel;

  /** Throws an `Error` if there is no level of that name. */
  constructor(levelName: LevelName, options: BaseHandlerOptions = {}) {
    this.#level = getLevelByName(levelName);
    this.formatter = options.formatter ?? (({ levelName, msg }) => `${levelName} ${msg}`);
  }

  /** The min level of records to handle. Throws an `Error` if set to an invalid level. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    getLevelName(level);
    this.#level = level;
  }

  /** The name of `level`. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  /** Logs a record unless it is below the handler's level. */
  handle(logRecord: LogRecord): void {
    if (logRecord.level >= this.#level) this.log(this.format(logRecord));
  }

  /** Returns the line of a record. */
  format(logRecord: LogRecord): string {
    return this.formatter(logRecord);
  }

  /** Writes a line; `msg` has no line break at its end. */
  abstract log(msg: string): void;

  /** Called before the first line. */
  setup(): void {}

  /** Called after the last line. */
  destroy(): void {}

  /** Destroys the handler, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}
