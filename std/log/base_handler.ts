// What every handler has in common; where the lines go is for the handlers to say.

import { getLevelByName, getLevelName, type LevelName, type LogLevel } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** Makes the line of a record. */
export type FormatterFunction = (logRecord: LogRecord) => string;

/** What every handler may be given. */
export interface BaseHandlerOptions {
  /** Makes the lines; without it they are `{levelName} {msg}`. */
  formatter?: FormatterFunction;
}

/** Makes lines of records, from its level on, and brings them somewhere. */
export abstract class BaseHandler {
  /** Makes the lines. */
  formatter: FormatterFunction;
  #level: LogLevel;

  /** Throws an `Error` if there is no level `levelName`. */
  constructor(levelName: LevelName, options: BaseHandlerOptions = {}) {
    this.#level = getLevelByName(levelName);
    this.formatter = options.formatter ??
      (({ levelName, msg }) => `${levelName} ${msg}`);
  }

  /** Least severity that is let through. Throws an `Error` when set to what is none. */
  get level(): LogLevel {
    return this.#level;
  }
  set level(level: LogLevel) {
    getLevelName(level);
    this.#level = level;
  }

  /** The same by name. */
  get levelName(): LevelName {
    return getLevelName(this.#level);
  }
  set levelName(levelName: LevelName) {
    this.#level = getLevelByName(levelName);
  }

  /** Logs the line of a record that is grave enough. */
  handle(logRecord: LogRecord): void {
    if (logRecord.level >= this.#level) this.log(this.format(logRecord));
  }

  /** The line of a record. */
  format(logRecord: LogRecord): string {
    return this.formatter(logRecord);
  }

  /** Brings a line, without its line end, to where it belongs. */
  abstract log(msg: string): void;

  /** Called before the first line. */
  setup(): void {}

  /** Called after the last line. */
  destroy(): void {}

  /** The same, for `using`. */
  [Symbol.dispose](): void {
    this.destroy();
  }
}
