// The program's loggers and handlers, as configured by the last setup().

import type { BaseHandler } from "./base_handler.ts";
import { ConsoleHandler } from "./console_handler.ts";
import { Logger } from "./logger.ts";

/** The default logger's handler, until setup() replaces it. */
export const defaultHandler = new ConsoleHandler("INFO");

export const handlers = new Map<string, BaseHandler>([["default", defaultHandler]]);

/** Loggers by name, including those created by getLogger(). */
export const loggers = new Map<string, Logger>([
  ["default", new Logger("default", "INFO", { handlers: [defaultHandler] })],
]);
