// The log levels, by name and by number.

/** The number of every level. */
export const LogLevels = {
  NOTSET: 0,
  DEBUG: 10,
  INFO: 20,
  WARN: 30,
  ERROR: 40,
  CRITICAL: 50,
} as const;

/** The name of a level. */
export type LevelName = keyof typeof LogLevels;

/** The number of a level. */
export type LogLevel = typeof LogLevels[LevelName];

/** All names, lowest level first. */
export const LogLevelNames: LevelName[] = [
  "NOTSET",
  "DEBUG",
  "INFO",
  "WARN",
  "ERROR",
  "CRITICAL",
];

/** Returns the number of a level. Throws an `Error` if there is no level of that name. */
export function getLevelByName(name: LevelName): LogLevel {
  const level: LogLevel | undefined = LogLevels[name];
  if (level === undefined) throw new Error(`Cannot get log level: no level named ${name}`);
  return level;
}

/** Returns the name of a level. Throws an `Error` if there is no level of that number. */
export function getLevelName(level: LogLevel): LevelName {
  const name = LogLevelNames.find((name) => LogLevels[name] === level);
  if (name === undefined) throw new Error(`Cannot get log level: no name for level: ${level}`);
  return name;
}
