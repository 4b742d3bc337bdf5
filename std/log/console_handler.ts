// Lines on the standard output, coloured by severity.

import { BaseHandler, type BaseHandlerOptions } from "./base_handler.ts";
import { type LevelName, type LogLevel, LogLevels } from "./levels.ts";
import type { LogRecord } from "./logger.ts";

/** How lines are shown. */
export interface ConsoleHandlerOptions extends BaseHandlerOptions {
  /** Whether lines have colours (unless `NO_COLOR` forbids them); they have by default. */
  useColors?: boolean;
}

/** Shows lines with `console.log`. */
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
    // deno-lint-ignore no-console -- the console is what this handler is for
    console.log(msg);
  }
}

function colored(line: string, level: LogLevel): string {
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

/** Between two ANSI codes; where the line ends a colour of its own, ours begins again. */
function wrapped(line: string, start: number, end: number): string {
  const open = `\x1b[${start}m`;
  const close = `\x1b[${end}m`;
  return `${open}${line.replaceAll(close, open)}${close}`;
}
