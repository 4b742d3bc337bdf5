// A handler that writes to the console, colored by level.

import { BaseHandler, type BaseHandlerOptions } from "./base_handler.ts";
import { type LevelName, LogLevels } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** Options of `ConsoleHandler`. */
export interface ConsoleHandlerOptions extends BaseHandlerOptions {
  /** Whether to color lines. Default: true; `NO_COLOR` turns colors off too. */
  useColors?: boolean;
}

/** Writes lines with `console.log()`. */
export class ConsoleHandler extends BaseHandler {
  readonly #useColors: boolean;

  constructor(levelName: LevelName, options: ConsoleHandlerOptions = {}) {
    super(levelName, options);
    this.#useColors = options.useColors ?? true;
  }

  override format(logRecord: LogRecord): string {
    const line = super.format(logRecord);
    return this.#useColors && !Deno.noColor ? colored(line, logRecord.level) : line;
  }

  override log(msg: string): void {
    // deno-lint-ignore no-console -- this handler is for the console
    console.log(msg);
  }
}

function colored(line: string, level: number): string {
  switch (level) {
    case LogLevels.INFO:
      return wrapped(line, 34, 39);
    case LogLevels.WARN:
      return wrapped(line, 33, 39);
    case LogLevels.ERROR:
      return wrapped(line, 31, 39);
    case LogLevels.CRITICAL:
      return wrapped(wrapped(line, 31, 39), 1, 22);
    default:
      return line;
  }
}

/** Wraps a line in two ANSI codes, and restores the first one where the line itself resets it. */
function wrapped(line: string, start: number, end: number): string {
  const open = `\x1b[${start}m`;
  const close = `\x1b[${end}m`;
  return `${open}${line.replaceAll(close, open)}${close}`;
}
