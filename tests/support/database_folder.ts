// A temporary folder with a database, for tests of code that works on its files.

import { assertEquals } from "@std/assert";
import { SqliteBroker } from "../../app/broker/sqlite/sqlite_broker.ts";
import { optionsFor } from "./sqlite_harness.ts";

/** The time of every message. */
export const messageAt = Date.UTC(2025, 10, 24, 9, 30, 5);

/** Returns a folder that exists until the end of the scope. */
export async function databaseFolder() {
  const dir = await Deno.makeTempDir();
  const brokers: SqliteBroker[] = [];
  return {
    dir,
    path: `${dir}/parley.db`,
    /** Opens a database as a server does. */
    open(path = `${dir}/parley.db`): SqliteBroker {
      const options = optionsFor(path, { ms: messageAt });
      const broker = new SqliteBroker({ ...options, search: true, moderatorMac: (id) => id });
      brokers.push(broker);
      return broker;
    },
    /** The names of all files, sorted. */
    names: () => [...Deno.readDirSync(dir)].map(({ name }) => name).toSorted(),
    async [Symbol.asyncDispose]() {
      for (const broker of brokers) broker.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

let nonces = 0;

/** Stores a message from Ada. */
export function storeMessage(broker: SqliteBroker, text: string, room = "lobby"): void {
  const draft = {
    type: "message",
    room,
    member: "m1",
    from: "Ada",
    text,
    nonce: `n${nonces++}`,
  } as const;
  assertEquals(broker.append([draft])[0]?.kind, "stored");
}

/** Returns the texts of a room's newest messages. */
export function textsOf(broker: SqliteBroker, room = "lobby"): string[] {
  const { entries } = broker.read(room, { before: Infinity, limit: 1_000, maxBytes: 1e9 });
  return entries.map(({ text = "" }) => text);
}
