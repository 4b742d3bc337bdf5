// Finding a logger by its name.

import { loggers } from "./_registry.ts";
import { Logger } from "./logger.ts";

/**
 * The logger `name`, or `default`. One that was not set up is made and logs nowhere. Throws an `Error` if there is no
 * `default`, as after a `setup()` that failed.
 */
export function getLogger(name?: string): Logger {
  const found = loggers.get(name || "default");
  if (found !== undefined) return found;
  if (!name) {
    throw new Error(
      '"default" logger must be set for getting logger without name',
    );
  }
  const logger = new Logger(name, "NOTSET", { handlers: [] });
  loggers.set(name, logger);
  return logger;
}
