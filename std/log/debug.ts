// The function of its name, which logs with the default logger.

import { getLogger } from "./get_logger.ts";
import type { GenericFunction } from "./logger.ts";

/** Logs what `msg` makes; it is not called, and nothing returned, if that would not be logged. */
export function debug<T>(msg: () => T, ...args: unknown[]): T | undefined;
/** Logs `msg` with the default logger and returns it, logged or not. */
export function debug<T>(
  msg: T extends GenericFunction ? never : T,
  ...args: unknown[]
): T;
export function debug<T>(
  msg: (T extends GenericFunction ? never : T) | (() => T),
  ...args: unknown[]
): T | undefined {
  const logger = getLogger("default");
  return msg instanceof Function ? logger.debug(msg, ...args) : logger.debug(msg, ...args);
}
