// Formatters that handlers can be given.

import type { LogRecord } from "./logger.ts";

/** A record as one line of JSON: `level` (its name), `datetime` (milliseconds since 1970), `message` and, if any, `args`. */
export function jsonFormatter(logRecord: LogRecord): string {
  const { args } = logRecord;
  return JSON.stringify({
    level: logRecord.levelName,
    datetime: logRecord.datetime.getTime(),
    message: logRecord.msg,
    // One argument stands for itself; JSON leaves out what is undefined.
    args: args.length > 1 ? args : args[0],
  });
}

/** The formatters by name. */
export const formatters: {
  jsonFormatter(logRecord: LogRecord): string;
} = { jsonFormatter };
