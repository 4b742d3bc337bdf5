// The program's commands other than serving: `parley COMMAND OPERANDS`. The modules for Redis are
// imported on demand, because they take long to load.

import { similarTo } from "../core/config.ts";
import type { Config } from "../core/config.ts";
import { print, printError } from "../core/console.ts";
import { databasePath, makeDataDir, redisPrefix } from "../core/data_dir.ts";
import { isRoomName, roomNameRule } from "../protocol/text.ts";
import { backUp } from "./backup.ts";
import { exportChat, importChat } from "./chat_archive.ts";
import { exportLines, readRoom } from "./export.ts";
import { moderate, moderatorCommandOf } from "./moderate.ts";
import { writeLines } from "./output_file.ts";
import { checkHealth, serverUrl } from "./own_server.ts";
import { removeRoom, repairTimes } from "./repair.ts";
import { restore } from "./restore.ts";
import { openSqliteSource, openSqliteTarget } from "./sqlite_archive.ts";

interface Command {
  /** Names of the operands; optional ones are in brackets. */
  readonly operands: readonly string[];
  /** The operands as the usage shows them, if not by their names. */
  readonly usage?: string;
  /** Advice for chats in Redis, if the command works only on the database in DATA_DIR. */
  readonly insteadWithRedis?: string;
  run(operands: readonly string[], config: Config): Promise<void>;
}

/** An invalid command line: exit status 2. */
export class UsageError extends Error {}

const commands = new Map<string, Command>([
  ["backup", {
    operands: ["FILE"],
    insteadWithRedis: "Use export-chat, or back up Redis with its own tools",
    async run([file = ""], config) {
      const path = databasePath(config);
      await backUp(path, file);
      print(`Copied ${path} to ${file}\n`);
    },
  }],
  ["restore", {
    operands: ["FILE"],
    insteadWithRedis: "Use import-chat, or restore Redis with its own tools",
    async run([file = ""], config) {
      const path = databasePath(config);
      makeDataDir(config);
      const saved = await restore(path, file, new Date(), printError);
      const previous = saved === undefined ? "" : `; the previous database is now ${saved}`;
      print(`Copied ${file} to ${path}${previous}\n`);
    },
  }],
  ["export", {
    operands: ["ROOM", "[FILE.jsonl | FILE.txt]"],
    async run([room = "", file], config) {
      checkExport(room, file);
      const database = databaseOf(config);
      const format = file?.endsWith(".txt") ? "text" : "jsonl";
      const messages = database === undefined
        ? (await import("./redis_room.ts")).readRedisRoom(config.redisUrl, redisPrefix, room)
        : readRoom(database, room);
      const lines = exportLines(messages, format);
      if (file === undefined) {
        for await (const line of lines) print(line);
      } else {
        await writeLines(file, lines, database);
        print(`Wrote ${room} to ${file}\n`);
      }
    },
  }],
  ["export-chat", {
    operands: ["FILE.jsonl"],
    async run([file = ""], config) {
      const holdMs = config.nameHoldSeconds * 1000;
      const { redisUrl } = config;
      const database = databaseOf(config);
      await using source = database === undefined
        ? await (await import("./redis_archive.ts")).openRedisSource(redisUrl, redisPrefix, holdMs)
        : await openSqliteSource(database, holdMs);
      print(`Wrote ${numberOf(await exportChat(source, file, database))} to ${file}\n`);
    },
  }],
  ["import-chat", {
    operands: ["FILE.jsonl"],
    async run([file = ""], config) {
      const database = databaseOf(config);
      if (database !== undefined) makeDataDir(config);
      await using target = database === undefined
        ? await (await import("./redis_archive.ts")).openRedisTarget(config.redisUrl, redisPrefix)
        : await openSqliteTarget(database);
      const messages = await importChat(file, target, config.nameHoldSeconds * 1000);
      print(`Imported ${numberOf(messages)} from ${file}\n`);
    },
  }],
  ["moderate", {
    operands: ["ACTION", "[OPERAND]", "[OPERAND]"],
    usage: "list | lift ID | delete ROOM OFFSET | sweep MEMBER_ID HOURS",
    async run(operands, config) {
      const command = moderatorCommandOf(operands);
      if (command === undefined) throw usageError("moderate");
      print(await moderate(command, config));
    },
  }],
  ["remove-room", {
    operands: ["ROOM"],
    async run([room = ""], config) {
      const database = databaseOf(config);
      if (database !== undefined) await removeRoom(database, room);
      else {
        const { removeRedisRoom } = await import("./redis_room.ts");
        await removeRedisRoom(config.redisUrl, redisPrefix, room);
      }
      print(`Removed ${room} and all its messages\n`);
    },
  }],
  ["repair-times", {
    operands: [],
    insteadWithRedis: "Use export-chat and import-chat, which sets times in the future to now",
    async run(_, config) {
      const holdMs = config.nameHoldSeconds * 1000;
      const count = await repairTimes(databasePath(config), Date.now(), holdMs);
      print(`Set the time of ${numberOf(count)} to now\n`);
    },
  }],
  ["health", {
    operands: ["[URL]"],
    async run([url], config) {
      if (url === undefined) return await checkHealth(serverUrl(config), true);
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) {
        throw new UsageError(`Cannot check ${JSON.stringify(url)}: must be an http or https URL`);
      }
      await checkHealth(url, false);
    },
  }],
]);

/**
 * Runs the command `name`.
 *
 * @throws {UsageError} If the command line is invalid.
 * @throws {Error} If the command fails; the message says why.
 */
export async function runCommand(
  [name = "", ...operands]: readonly string[],
  config: Config,
): Promise<void> {
  const command = commands.get(name);
  if (command === undefined) {
    const similar = similarTo(name, [...commands.keys()]);
    const advice = /^\d+$/.test(name)
      ? `did you mean --port ${name}?`
      : /^[–—]|=/.test(name)
      ? "a flag starts with two hyphens, such as --port=9000"
      : similar !== undefined
      ? `did you mean ${similar}?`
      : name === "help" || name === "version"
      ? `did you mean --${name}?`
      : `the commands are ${[...commands.keys()].join(", ")}; without one, the server starts`;
    throw new UsageError(`Cannot run ${JSON.stringify(name)}: unknown command; ${advice}`);
  }
  const required = command.operands.filter((operand) => !operand.startsWith("["));
  const isComplete = operands.length >= required.length && !operands.includes("");
  if (!isComplete || operands.length > command.operands.length) {
    throw usageError(name);
  }
  if (command.operands[0]?.startsWith("FILE") && operands[0] === "-") {
    throw new UsageError(`Cannot ${name}: "-" does not mean standard input or output; name a file`);
  }
  const instead = command.insteadWithRedis;
  if (instead !== undefined && config.redisUrl !== "") {
    throw new UsageError(`Cannot ${name}: messages are in Redis (REDIS_URL). ${instead}`);
  }
  await command.run(operands, config);
}

function numberOf(messages: number): string {
  return messages === 1 ? "1 message" : `${messages} messages`;
}

/** Returns the path of the database, or `undefined` if messages are in Redis. */
function databaseOf(config: Config): string | undefined {
  return config.redisUrl === "" ? databasePath(config) : undefined;
}

function usageError(name: string): UsageError {
  const { operands = [], usage = operands.join(" ") } = commands.get(name) ?? {};
  return new UsageError(`Usage: parley ${[name, usage].join(" ").trim()} [flags]`);
}

function checkExport(room: string, file: string | undefined): void {
  if (!isRoomName(room)) {
    throw new UsageError(`Cannot export ${JSON.stringify(room)}: room names have ${roomNameRule}`);
  }
  if (file !== undefined && !/\.(jsonl|txt)$/.test(file)) {
    throw new UsageError(
      `Cannot export to ${JSON.stringify(file)}: its name must end in .jsonl or .txt`,
    );
  }
}
