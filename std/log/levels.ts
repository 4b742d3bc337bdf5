// The severities, by name and by number; no logging happens here.

/** Every severity with its number; a larger one is graver. */
export const LogLevels = {
  NOTSET: 0,
  DEBUG: 10,
  INFO: 20,
  WARN: 30,
  ERROR: 40,
  CRITICAL: 50,
} as const;

/** Name of a severity. */
export type LevelName = keyof typeof LogLevels;

/** Number of a severity. */
export type LogLevel = typeof LogLevels[LevelName];

/** The names, the least grave first. */
export const LogLevelNames: LevelName[] = [
  "NOTSET",
  "DEBUG",
  "INFO",
  "WARN",
  "ERROR",
  "CRITICAL",
];

/** Number of the severity `name`. Throws an `Error` if there is none of that name. */
export function getLevelByName(name: LevelName): LogLevel {
  const level: LogLevel | undefined = Object.hasOwn(LogLevels, name) ? LogLevels[name] : undefined;
  if (level === undefined) {
    throw new Error(`Cannot get log level: no level named ${name}`);
  }
  return level;
}

/** Name of the severity `level`. Throws an `Error` if there is none of that number. */
export function getLevelName(level: LogLevel): LevelName {
  const name = LogLevelNames.find((name) => LogLevels[name] === level);
  if (name === undefined) {
    throw new Error(`Cannot get log level: no name for level: ${level}`);
  }
  return name;
}
