// The one set of loggers and handlers of a program, as the last setup() left it; only setup.ts and get_logger.ts use it.

import type { BaseHandler } from "./base_handler.ts";
import { ConsoleHandler } from "./console_handler.ts";
import type { LevelName } from "./levels.ts";
import { Logger } from "./logger.ts";

/** How a logger is set up. */
export interface LoggerConfig {
  /** `NOTSET` by default. */
  level?: LevelName;
  /** Names of the handlers; those that do not exist are left out. */
  handlers?: string[];
}

/** Handlers and loggers by name. */
export interface LogConfig {
  handlers?: { [name: string]: BaseHandler };
  loggers?: { [name: string]: LoggerConfig };
}

/** The console from INFO on: what there is besides, or until, what `setup()` is given. */
export const defaults = {
  handlers: { default: new ConsoleHandler("INFO") },
  loggers: { default: { level: "INFO", handlers: ["default"] } },
} satisfies LogConfig;

/** Handlers that were set up and not yet destroyed. */
export const handlers = new Map<string, BaseHandler>(
  Object.entries(defaults.handlers),
);

/** Loggers that were set up or asked for. */
export const loggers = new Map<string, Logger>([
  [
    "default",
    new Logger("default", "INFO", { handlers: [defaults.handlers.default] }),
  ],
]);
