// SQLite brokers for tests, in memory or on a file.

import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { SqliteBroker } from "../../app/broker/sqlite/sqlite_broker.ts";
import type { SqliteOptions } from "../../app/broker/sqlite/options.ts";
import { defaults, draft } from "../unit/broker/broker_contract.ts";
import type { BrokerSettings, Wall } from "../unit/broker/broker_contract.ts";

let epochs = 0;

/** Returns the options of a broker on the file at `path`. */
export function optionsFor(
  path: string,
  wall: Wall = { ms: Date.UTC(2026, 0, 1) },
  settings: Partial<BrokerSettings> = {},
): SqliteOptions {
  return {
    path,
    durability: "normal",
    now: () => wall.ms,
    randomName: () => `epoch${++epochs}`,
    report: () => {},
    ...defaults,
    ...settings,
  };
}

/** Runs `use` with the path of a database in its own folder. */
export async function withFile(use: (path: string) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await use(join(dir, "parley.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Runs `use` with a broker that is closed afterwards. */
export function withBroker<T>(options: SqliteOptions, use: (broker: SqliteBroker) => T): T {
  const broker = new SqliteBroker(options);
  try {
    return use(broker);
  } finally {
    broker.close();
  }
}

/** A query for the newest messages. */
export const all = { before: Infinity, limit: 1_000, maxBytes: 1e6 };

/** A draft whose text SQLite cannot bind, so that the whole transaction fails. */
export const broken = { ...draft("b"), text: Symbol("no text") as unknown as string };

/** Changes a database without its broker. */
export function change(path: string, sql: string): void {
  using database = new DatabaseSync(path);
  database.exec(sql);
}

/** Returns the bytes of the database and its journal, decoded as Latin-1. */
export function bytesOf(path: string): string {
  return ["", "-wal"].map((suffix) =>
    new TextDecoder("latin1").decode(Deno.readFileSync(path + suffix))
  ).join("");
}
