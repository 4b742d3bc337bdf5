// The public API of @std/log. Every test passes on upstream's package too.

import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  BaseHandler,
  ConsoleHandler,
  critical,
  debug,
  error,
  FileHandler,
  formatters,
  getLevelByName,
  getLevelName,
  getLogger,
  info,
  jsonFormatter,
  type LevelName,
  type LogConfig,
  Logger,
  type LogLevel,
  LogLevelNames,
  LogLevels,
  type LogMode,
  type LogRecord as LogRecordType,
  RotatingFileHandler,
  setup,
  warn,
} from "@std/log";
import { info as infoAlone } from "@std/log/info";
import type { LevelName as LevelNameAlone, LogLevel as LogLevelAlone } from "@std/log/base-handler";
import { FileHandler as FileHandlerAlone } from "@std/log/file-handler";
import type { Logger as LoggerAlone } from "@std/log/get-logger";
import { type LogConfig as LogConfigAlone, LoggerConfig, LogRecord } from "@std/log/logger";
import { join } from "@std/path";

/** A handler that records its calls. */
class ListHandler extends BaseHandler {
  readonly lines: string[] = [];
  readonly records: LogRecord[] = [];
  readonly calls: string[] = [];

  override handle(record: LogRecord): void {
    this.records.push(record);
    super.handle(record);
  }
  override log(line: string): void {
    this.lines.push(line);
  }
  override setup(): void {
    this.calls.push("setup");
  }
  override destroy(): void {
    this.calls.push("destroy");
  }
}

function loggerAt(level: LevelName): { logger: Logger; handler: ListHandler } {
  const handler = new ListHandler("NOTSET");
  return { handler, logger: new Logger("some", level, { handlers: [handler] }) };
}

function record(level: LogLevel, msg: string, ...args: unknown[]): LogRecord {
  return new LogRecord({ level, msg, args, loggerName: "some" });
}

async function withDir(use: (dir: string) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await use(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Returns the text of every file in `dir`, by name. */
function filesOf(dir: string): Record<string, string> {
  const names = [...Deno.readDirSync(dir)].map((entry) => entry.name).sort();
  return Object.fromEntries(names.map((name) => [name, Deno.readTextFileSync(join(dir, name))]));
}

type RotatingOptions = ConstructorParameters<typeof RotatingFileHandler>[1];

function rotating(dir: string, options: Partial<RotatingOptions>): RotatingFileHandler {
  const filename = join(dir, "log");
  return new RotatingFileHandler("DEBUG", { filename, maxBytes: 8, maxBackupCount: 2, ...options });
}

Deno.test("LogLevels, getLevelByName() and getLevelName() agree", () => {
  assertEquals(LogLevels, { NOTSET: 0, DEBUG: 10, INFO: 20, WARN: 30, ERROR: 40, CRITICAL: 50 });
  assertEquals(LogLevelNames, ["NOTSET", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL"]);
  for (const name of LogLevelNames) assertEquals(getLevelName(getLevelByName(name)), name);
});

Deno.test("getLevelByName() and getLevelName() throw if there is no such level", () => {
  assertThrows(() => getLevelByName("LOUD" as LevelName), Error, "no level named LOUD");
  assertThrows(() => getLevelName(15 as LogLevel), Error, "15");
});

Deno.test("BaseHandler changes level and levelName together", () => {
  const handler = new ListHandler("INFO");
  assertEquals([handler.level, handler.levelName], [20, "INFO"]);
  handler.level = LogLevels.ERROR;
  assertEquals(handler.levelName, "ERROR");
  handler.levelName = "DEBUG";
  assertEquals(handler.level, 10);
});

Deno.test("Logger passes on records of at least its level", () => {
  const { logger, handler } = loggerAt("WARN");
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  logger.error("d");
  logger.critical("e");
  assertEquals(handler.lines, ["WARN c", "ERROR d", "CRITICAL e"]);
});

Deno.test("Logger changes level and levelName together and refuses invalid ones", () => {
  const { logger } = loggerAt("WARN");
  assertEquals([logger.level, logger.levelName, logger.loggerName], [30, "WARN", "some"]);
  logger.levelName = "DEBUG";
  assertEquals(logger.level, 10);
  logger.level = LogLevels.ERROR;
  assertEquals(logger.levelName, "ERROR");
  assertThrows(() => logger.level = 33 as LogLevel, TypeError, "Invalid log level: 33");
});

Deno.test("Logger returns a message, logged or not", () => {
  const { logger } = loggerAt("WARN");
  const value = { a: 1 };
  const warned: { a: number } = logger.warn(value);
  assert(warned === value);
  assert(logger.debug(value) === value);
});

Deno.test("Logger calls a lazy message only if it is logged, and returns its result", () => {
  const { logger, handler } = loggerAt("WARN");
  let calls = 0;
  const message = () => ({ calls: ++calls });
  const unlogged: { calls: number } | undefined = logger.info(message);
  assertEquals([unlogged, calls], [undefined, 0]);
  assertEquals(logger.error(message), { calls: 1 });
  assertEquals(handler.lines, ['ERROR {"calls":1}']);
});

Deno.test("Logger converts every kind of message to text", () => {
  const { logger, handler } = loggerAt("DEBUG");
  const failure = new Error("no");
  const messages = ["text", 1, 2n, true, null, undefined, { a: "b", c: { d: null } }, failure];
  for (const message of messages) logger.info(message);
  assertEquals(
    handler.records.map((record) => record.msg),
    [
      "text",
      "1",
      "2",
      "true",
      "null",
      "undefined",
      '{"a":"b","c":{"d":null}}',
      failure.stack ?? "",
    ],
  );
});

Deno.test("LogRecord holds time, level, logger and copies of the arguments", () => {
  const { logger, handler } = loggerAt("DEBUG");
  logger.info("text", 1, "two");
  const [first] = handler.records;
  assertInstanceOf(first, LogRecord);
  assertEquals([first.msg, first.level, first.levelName, first.loggerName], [
    "text",
    20,
    "INFO",
    "some",
  ]);
  assertEquals(first.args, [1, "two"]);
  first.args.push(3);
  assertEquals(first.args, [1, "two"]);
  assertNotStrictEquals(first.datetime, first.datetime);
  assertEquals(first.datetime, first.datetime);
});

Deno.test("BaseHandler formats records and drops those below its level", () => {
  const handler = new ListHandler("WARN", {
    formatter: ({ levelName, loggerName, msg, args }) =>
      `${levelName}/${loggerName}/${msg}/${args}`,
  });
  handler.handle(record(LogLevels.INFO, "a"));
  handler.handle(record(LogLevels.WARN, "b", 1, 2));
  assertEquals(handler.lines, ["WARN/some/b/1,2"]);
});

Deno.test("BaseHandler is destroyed by `using`", () => {
  const handler = new ListHandler("WARN");
  {
    using used = handler;
    used.setup();
  }
  assertEquals(handler.calls, ["setup", "destroy"]);
});

Deno.test("ConsoleHandler colors lines by level unless useColors is false", () => {
  const colored = new ConsoleHandler("DEBUG");
  const plain = new ConsoleHandler("DEBUG", { useColors: false });
  const expected: [LogLevel, string, string][] = [
    [LogLevels.DEBUG, "", ""],
    [LogLevels.INFO, "\x1b[34m", "\x1b[39m"],
    [LogLevels.WARN, "\x1b[33m", "\x1b[39m"],
    [LogLevels.ERROR, "\x1b[31m", "\x1b[39m"],
    [LogLevels.CRITICAL, "\x1b[1m\x1b[31m", "\x1b[39m\x1b[22m"],
  ];
  for (const [level, open, close] of expected) {
    const line = `${getLevelName(level)} a`;
    assertEquals(plain.format(record(level, "a")), line);
    const shown = Deno.noColor ? line : open + line + close;
    assertEquals(colored.format(record(level, "a")), shown);
  }
});

Deno.test("jsonFormatter() writes one argument as is, several as a list, and omits an empty list", () => {
  assert(formatters.jsonFormatter === jsonFormatter);
  const lines = [[], [{ a: 1 }], [1, "two"]].map((args) => {
    const one = record(LogLevels.INFO, "text", ...args);
    const parsed = JSON.parse(jsonFormatter(one));
    assertEquals(parsed.datetime, one.datetime.getTime());
    delete parsed.datetime;
    return parsed;
  });
  const base = { level: "INFO", message: "text" };
  assertEquals(lines, [base, { ...base, args: { a: 1 } }, { ...base, args: [1, "two"] }]);
});

Deno.test("FileHandler appends in mode a (the default) and truncates in mode w", () =>
  withDir((dir) => {
    const filename = join(dir, "log");
    const write = (line: string, mode?: LogMode) => {
      using handler = new FileHandler("DEBUG", { filename, ...(mode && { mode }) });
      handler.setup();
      handler.log(line);
    };
    write("1");
    write("2");
    write("3", "a");
    assertEquals(filesOf(dir), { log: "1\n2\n3\n" });
    write("4", "w");
    assertEquals(filesOf(dir), { log: "4\n" });
  }));

Deno.test("FileHandler throws in mode x if the file exists", () =>
  withDir((dir) => {
    const filename = join(dir, "log");
    {
      using handler = new FileHandler("DEBUG", { filename, mode: "x" });
      handler.setup();
      handler.log("1");
    }
    const second = new FileHandler("DEBUG", { filename, mode: "x" });
    assertThrows(() => second.setup(), Deno.errors.AlreadyExists);
    assertEquals(filesOf(dir), { log: "1\n" });
  }));

Deno.test("FileHandler buffers up to bufferSize bytes", () =>
  withDir((dir) => {
    using handler = new FileHandler("DEBUG", { filename: join(dir, "log"), bufferSize: 4 });
    handler.setup();
    handler.log("é");
    assertEquals(filesOf(dir), { log: "" });
    handler.log("b");
    assertEquals(filesOf(dir), { log: "é\n" });
    handler.log("longer");
    assertEquals(filesOf(dir), { log: "é\nb\nlonger\n" });
    handler.log("c");
    handler.flush();
    handler.flush();
    assertEquals(filesOf(dir), { log: "é\nb\nlonger\nc\n" });
  }));

Deno.test("FileHandler buffers 4096 bytes by default", () =>
  withDir((dir) => {
    using handler = new FileHandler("DEBUG", { filename: join(dir, "log") });
    handler.setup();
    handler.log("a".repeat(4095));
    assertEquals(filesOf(dir), { log: "" });
    handler.log("");
    assertEquals(filesOf(dir), { log: "a".repeat(4095) + "\n" });
  }));

Deno.test("FileHandler flushes critical records only", () =>
  withDir((dir) => {
    using handler = new FileHandler("DEBUG", { filename: join(dir, "log") });
    handler.setup();
    handler.handle(record(LogLevels.ERROR, "a"));
    assertEquals(filesOf(dir), { log: "" });
    handler.handle(record(LogLevels.CRITICAL, "b"));
    assertEquals(filesOf(dir), { log: "ERROR a\nCRITICAL b\n" });
  }));

Deno.test("FileHandler can be destroyed twice, or without setup()", () =>
  withDir((dir) => {
    const handler = new FileHandler("DEBUG", { filename: join(dir, "log") });
    handler.destroy();
    handler.setup();
    handler.destroy();
    handler.destroy();
  }));

Deno.test("FileHandler flushes when the program ends", () =>
  withDir(async (dir) => {
    const script = join(dir, "main.ts");
    const filename = join(dir, "log");
    await Deno.writeTextFile(
      script,
      `import { getLogger, setup, FileHandler } from "@std/log";
      const file = new FileHandler("DEBUG", { filename: ${JSON.stringify(filename)} });
      setup({ handlers: { file }, loggers: { some: { level: "INFO", handlers: ["file"] } } });
      getLogger("some").info("last");`,
    );
    const config = new URL("../../../deno.json", import.meta.url).pathname;
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        `--config=${config}`,
        "--no-lock",
        "--no-prompt",
        `--allow-read=${dir}`,
        `--allow-write=${dir}`,
        script,
      ],
      stdin: "null",
    }).output();
    assert(success);
    assertEquals(await Deno.readTextFile(filename), "INFO last\n");
  }));

Deno.test("RotatingFileHandler rotates full files and removes the oldest", () =>
  withDir((dir) => {
    using handler = rotating(dir, {});
    handler.setup();
    for (const line of ["aaa", "bbb", "ccc", "ddd"]) handler.log(line);
    handler.flush();
    assertEquals(filesOf(dir), { "log": "ccc\nddd\n", "log.1": "aaa\nbbb\n" });
    for (const line of ["eee", "fff", "ggg", "hhh", "i"]) handler.log(line);
    handler.flush();
    assertEquals(filesOf(dir), { "log": "i\n", "log.1": "ggg\nhhh\n", "log.2": "eee\nfff\n" });
  }));

Deno.test("RotatingFileHandler counts bytes, not characters", () =>
  withDir((dir) => {
    using handler = rotating(dir, { maxBytes: 9 });
    handler.setup();
    for (const line of ["éé", "ab", "öö"]) handler.log(line);
    handler.flush();
    assertEquals(filesOf(dir), { "log": "öö\n", "log.1": "éé\nab\n" });
  }));

Deno.test("RotatingFileHandler continues an existing file in mode a, and counts its size", () =>
  withDir((dir) => {
    Deno.writeTextFileSync(join(dir, "log"), "aaa\n");
    Deno.writeTextFileSync(join(dir, "log.1"), "old\n");
    using handler = rotating(dir, {});
    handler.setup();
    handler.log("bbb");
    handler.log("ccc");
    handler.flush();
    assertEquals(filesOf(dir), { "log": "ccc\n", "log.1": "aaa\nbbb\n", "log.2": "old\n" });
  }));

Deno.test("RotatingFileHandler removes rotated files in mode w", () =>
  withDir((dir) => {
    for (const name of ["log", "log.1", "log.2", "log.3"]) {
      Deno.writeTextFileSync(join(dir, name), "old\n");
    }
    using handler = rotating(dir, { mode: "w" });
    handler.setup();
    assertEquals(filesOf(dir), { "log": "", "log.3": "old\n" });
    for (const line of ["aaa", "bbb", "ccc"]) handler.log(line);
    handler.flush();
    assertEquals(filesOf(dir), { "log": "ccc\n", "log.1": "aaa\nbbb\n", "log.3": "old\n" });
  }));

Deno.test("RotatingFileHandler throws in mode x if there is a rotated file", () =>
  withDir((dir) => {
    Deno.writeTextFileSync(join(dir, "log.2"), "old\n");
    const handler = rotating(dir, { mode: "x" });
    assertThrows(
      () => handler.setup(),
      Deno.errors.AlreadyExists,
      `Backup log file ${join(dir, "log")}.2 already exists`,
    );
  }));

Deno.test("RotatingFileHandler rotates in mode x too", () =>
  withDir((dir) => {
    using handler = rotating(dir, { mode: "x" });
    handler.setup();
    for (const line of ["aaa", "bbb", "ccc"]) handler.log(line);
    handler.flush();
    assertEquals(filesOf(dir), { "log": "ccc\n", "log.1": "aaa\nbbb\n" });
  }));

Deno.test("RotatingFileHandler refuses limits below 1", () => {
  const tooSmall = rotating("unused", { maxBytes: 0 });
  assertThrows(() => tooSmall.setup(), Error, '"maxBytes" must be >= 1: received 0');
  const tooFew = rotating("unused", { maxBackupCount: 0 });
  assertThrows(() => tooFew.setup(), Error, '"maxBackupCount" must be >= 1: received 0');
});

Deno.test("RotatingFileHandler.rotateLogFiles() rotates at any size", () =>
  withDir((dir) => {
    using handler = rotating(dir, {});
    handler.setup();
    handler.log("a");
    handler.rotateLogFiles();
    handler.log("b");
    handler.flush();
    assertEquals(filesOf(dir), { "log": "b\n", "log.1": "a\n" });
  }));

/** Runs `use` with a configuration, then resets it. */
function withSetup(config: LogConfig, use: () => void): void {
  setup(config);
  try {
    use();
  } finally {
    setup({});
  }
}

Deno.test("setup() sets up handlers, and the next call destroys them", () => {
  const handler = new ListHandler("DEBUG");
  withSetup({ handlers: { handler } }, () => assertEquals(handler.calls, ["setup"]));
  assertEquals(handler.calls, ["setup", "destroy"]);
});

Deno.test("setup() gives loggers their handlers, ignores unknown ones, and level INFO by default", () => {
  const handler = new ListHandler("DEBUG");
  withSetup({
    handlers: { handler },
    loggers: { some: { level: "INFO", handlers: ["handler", "unknown"] }, bare: {} },
  }, () => {
    getLogger("some").info("a");
    getLogger("some").debug("b");
    assertEquals(handler.lines, ["INFO a"]);
    assertEquals(getLogger("some").handlers, [handler]);
    assertEquals([getLogger("bare").levelName, getLogger("bare").handlers], ["INFO", []]);
  });
});

Deno.test("setup() keeps the console as the default logger unless it gets another one", () => {
  withSetup({}, () => {
    assertEquals(getLogger().levelName, "INFO");
    assertInstanceOf(getLogger().handlers[0], ConsoleHandler);
  });
});

Deno.test("getLogger() returns the default logger without a name, and always the same one for a name", () => {
  assert(getLogger() === getLogger("default"));
  assertEquals(getLogger("mystery").handlers, []);
  assertEquals(getLogger("mystery").level, LogLevels.NOTSET);
  assert(getLogger("mystery") === getLogger("mystery"));
});

Deno.test("debug(), info(), warn(), error() and critical() log with the default logger", () => {
  const handler = new ListHandler("DEBUG");
  withSetup({
    handlers: { default: handler },
    loggers: { default: { level: "INFO", handlers: ["default"] } },
  }, () => {
    const shown: string = info("b", 1);
    assertEquals([debug("a"), shown, warn(3), error({ d: 4 })], ["a", "b", 3, { d: 4 }]);
    assertEquals(critical(() => "e"), "e");
    assertEquals(debug(() => "never"), undefined);
    infoAlone("f");
    assertEquals(handler.lines, [
      "INFO b",
      "WARN 3",
      'ERROR {"d":4}',
      "CRITICAL e",
      "INFO f",
    ]);
    assertEquals(handler.records[0]?.args, [1]);
  });
});

Deno.test("@std/log exports the same names from its subpaths", () => {
  assert(FileHandlerAlone === FileHandler);
  const level: LogLevelAlone = LogLevels.INFO;
  const name: LevelNameAlone = getLevelName(level);
  const logger: LoggerAlone = getLogger();
  const config: LogConfigAlone = { loggers: { some: new LoggerConfig() } };
  const record: LogRecordType = new LogRecord({ msg: "", args: [], level, loggerName: "some" });
  const recorded: { level: number; levelName: string } = record;
  assertEquals([recorded.level, recorded.levelName], [level, name]);
  assert(logger === getLogger("default"));
  withSetup(config, () => assertEquals(getLogger("some").level, level));
});
