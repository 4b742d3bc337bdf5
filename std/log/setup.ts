// Setting up which loggers and handlers there are.

import { defaults, handlers, type LogConfig, type LoggerConfig, loggers } from "./_registry.ts";
import { Logger } from "./logger.ts";

export type { LogConfig, LoggerConfig };

/**
 * Destroys the handlers and forgets the loggers that there were, and sets up these. What is not given of the name
 * `default` is the console from INFO on.
 */
export function setup(config: LogConfig): void {
  for (const handler of handlers.values()) handler.destroy();
  handlers.clear();
  loggers.clear();
  for (
    const [name, handler] of Object.entries({
      ...defaults.handlers,
      ...config.handlers,
    })
  ) {
    handler.setup();
    handlers.set(name, handler);
  }
  const configs: Record<string, LoggerConfig> = {
    ...defaults.loggers,
    ...config.loggers,
  };
  for (
    const [name, { level = "NOTSET", handlers: names = [] }] of Object.entries(
      configs,
    )
  ) {
    const found = names.map((name) => handlers.get(name)).filter((handler) =>
      handler !== undefined
    );
    loggers.set(name, new Logger(name, level, { handlers: found }));
  }
}
