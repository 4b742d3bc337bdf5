// The program's commands other than serving: `parley COMMAND OPERANDS`.

import type { Config } from "../core/config.ts";
import { print, printError } from "../core/console.ts";
import { databasePath, makeDataDir, redisPrefix } from "../core/data_dir.ts";
import { isRoomName, roomNameRule } from "../protocol/text.ts";
import { checkHealth } from "./health.ts";
import { serverUrl } from "./own_server.ts";

interface Command {
  /** Names of the operands; optional ones are in brackets. */
  readonly operands: readonly string[];
  /** The operands as the usage shows them, if not by their names. */
  readonly usage?: string;
  /** Advice for chats in Redis, if the command works only on the database in DATA_DIR. */
  readonly insteadWithRedis?: string;
  run(operands: readonly string[], config: Config): Promise<void>;
}

/** A wrong command line: exit status 2. */
export class UsageError extends Error {}

const commands = new Map<string, Command>([
  ["backup", {
    operands: ["FILE"],
    insteadWithRedis: "Use export-chat, or back up Redis with its own tools",
    async run([file = ""], config) {
      const { backUp } = await import("./backup.ts");
      const path = databasePath(config);
      await backUp(path, file);
      print(`Copied ${path} to ${file}\n`);
    },
  }],
  ["restore", {
    operands: ["FILE"],
    insteadWithRedis: "Use import-chat, or restore Redis with its own tools",
    async run([file = ""], config) {
      const { restore } = await import("./restore.ts");
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
      const { exportLines, exportToFile, readRoom } = await import("./export.ts");
      const { redisUrl } = config;
      const path = databasePath(config);
      const format = file?.endsWith(".txt") ? "text" : "jsonl";
      const messages = redisUrl === ""
        ? readRoom(path, room)
        : (await import("./redis_room.ts")).readRedisRoom(redisUrl, redisPrefix, room);
      if (file === undefined) {
        for await (const line of exportLines(messages, format)) print(line);
      } else {
        await exportToFile(messages, format, file, redisUrl === "" ? path : undefined);
        print(`Wrote ${room} to ${file}\n`);
      }
    },
  }],
  ["export-chat", {
    operands: ["FILE.jsonl"],
    async run([file = ""], config) {
      const { exportChat } = await import("./chat_archive.ts");
      const holdMs = config.nameHoldSeconds * 1000;
      const { redisUrl } = config;
      const path = databasePath(config);
      if (redisUrl === "") (await import("./output_file.ts")).checkOutput(path, file);
      await using source = redisUrl === ""
        ? await (await import("./sqlite_archive.ts")).openSqliteSource(path, holdMs)
        : await (await import("./redis_archive.ts")).openRedisSource(redisUrl, redisPrefix, holdMs);
      print(`Wrote ${await exportChat(source, file)} messages to ${file}\n`);
    },
  }],
  ["import-chat", {
    operands: ["FILE.jsonl"],
    async run([file = ""], config) {
      const { importChat } = await import("./chat_archive.ts");
      const { redisUrl } = config;
      if (redisUrl === "") makeDataDir(config);
      await using target = redisUrl === ""
        ? await (await import("./sqlite_archive.ts")).openSqliteTarget(databasePath(config))
        : await (await import("./redis_archive.ts")).openRedisTarget(redisUrl, redisPrefix);
      print(`Imported ${await importChat(file, target)} messages from ${file}\n`);
    },
  }],
  ["moderate", {
    operands: ["ACTION", "[OPERAND]", "[OPERAND]"],
    usage: "list | lift ID | delete ROOM OFFSET | sweep MEMBER HOURS",
    async run(operands, config) {
      const { moderate, moderatorCommandOf } = await import("./moderate.ts");
      const command = moderatorCommandOf(operands);
      if (command === undefined) throw usageError("moderate");
      print(await moderate(command, config));
    },
  }],
  ["remove-room", {
    operands: ["ROOM"],
    async run([room = ""], config) {
      const { redisUrl } = config;
      const count = redisUrl === ""
        ? await (await import("./repair.ts")).removeRoom(databasePath(config), room)
        : await (await import("./redis_room.ts")).removeRedisRoom(redisUrl, redisPrefix, room);
      print(`Removed ${room} and its ${count} messages\n`);
    },
  }],
  ["repair-times", {
    operands: [],
    insteadWithRedis: "Use export-chat and import-chat, which sets times in the future to now",
    async run(_, config) {
      const { repairTimes } = await import("./repair.ts");
      const count = await repairTimes(databasePath(config), Date.now());
      print(`Set the time of ${count} messages to now\n`);
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
 * @throws {UsageError} If the command line is wrong.
 * @throws {Error} If the command fails; the message says why.
 */
export async function runCommand(
  [name = "", ...operands]: readonly string[],
  config: Config,
): Promise<void> {
  const command = commands.get(name);
  if (command === undefined) {
    const advice = /^\d+$/.test(name)
      ? `did you mean --port ${name}?`
      : `the commands are ${[...commands.keys()].join(", ")}; without one, the server starts`;
    throw new UsageError(`Cannot run ${JSON.stringify(name)}: unknown command; ${advice}`);
  }
  const required = command.operands.filter((operand) => !operand.startsWith("["));
  const isComplete = operands.length >= required.length && !operands.includes("");
  if (!isComplete || operands.length > command.operands.length) {
    throw usageError(name);
  }
  const instead = command.insteadWithRedis;
  if (instead !== undefined && config.redisUrl !== "") {
    throw new UsageError(`Cannot ${name}: messages are in Redis (REDIS_URL). ${instead}`);
  }
  await command.run(operands, config);
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
