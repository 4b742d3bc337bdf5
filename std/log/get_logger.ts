// Finds loggers by name.

import { loggers } from "./_registry.ts";
import { Logger } from "./logger.ts";

export type { Logger };

/** Returns the logger `name`, or the one called `default`. A new logger has no handlers. */
export function getLogger(name?: string): Logger {
  const found = loggers.get(name || "default");
  if (found !== undefined) return found;
  if (!name) throw new Error('"default" logger must be set for getting logger without name');
  const logger = new Logger(name, "NOTSET");
  loggers.set(name, logger);
  return logger;
}
