// Configures the program's loggers and handlers.

import type { BaseHandler } from "./base_handler.ts";
import { defaultHandler, handlers, loggers } from "./_registry.ts";
import { type LogConfig, Logger, type LoggerConfig } from "./logger.ts";

/**
 * Replaces all loggers and handlers; destroys the previous handlers. The `default` logger writes to
 * the console from INFO unless `config` has one. Loggers have level INFO by default, and ignore
 * handlers that don't exist.
 */
export function setup(config: LogConfig): void {
  for (const handler of handlers.values()) handler.destroy();
  handlers.clear();
  const newHandlers: Record<string, BaseHandler> = { default: defaultHandler, ...config.handlers };
  for (const [name, handler] of Object.entries(newHandlers)) {
    handler.setup();
    handlers.set(name, handler);
  }
  loggers.clear();
  const newLoggers: Record<string, LoggerConfig> = {
    default: { handlers: ["default"] },
    ...config.loggers,
  };
  for (const [name, { level = "INFO", handlers: names = [] }] of Object.entries(newLoggers)) {
    const found = names.flatMap((name) => handlers.get(name) ?? []);
    loggers.set(name, new Logger(name, level, { handlers: found }));
  }
}
