// Formatters for handlers.

import type { LogRecord } from "./logger.ts";

/**
 * Formats a record as a line of JSON: `level` (its name), `datetime` (milliseconds since 1970),
 * `message`, and `args` if there are any.
 */
export function jsonFormatter(logRecord: LogRecord): string {
  const { levelName, datetime, msg, args } = logRecord;
  return JSON.stringify({
    level: levelName,
    datetime: datetime.getTime(),
    message: msg,
    // A single argument is not wrapped in a list.
    args: args.length > 1 ? args : args[0],
  });
}

/** All formatters by name. */
export const formatters: { readonly jsonFormatter: typeof jsonFormatter } = { jsonFormatter };
