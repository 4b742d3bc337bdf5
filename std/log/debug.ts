// The debug level of the default logger.

import { getLogger } from "./get_logger.ts";
import type { GenericFunction } from "./logger.ts";

/**
 * Logs the result of `msg` with the default logger, or returns undefined without calling it if the
 * level is off.
 */
export function debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
/** Logs `msg` with the default logger. Returns it, logged or not. */
export function debug<T>(msg: T extends GenericFunction ? never : T, ...args: unknown[]): T;
export function debug<T>(
  msg: (T extends GenericFunction ? never : T) | (() => T),
  ...args: unknown[]
): T | undefined {
  const logger = getLogger("default");
  return msg instanceof Function ? logger.debug(msg, ...args) : logger.debug(msg, ...args);
}
