// Reads a SQLite database at the end of a run, to compare it with the ledger.

import { DatabaseSync } from "node:sqlite";
import type { Draft } from "../../../app/chat/broker.ts";
import { optionsFor, withBroker } from "../../support/sqlite_harness.ts";
import type { Ledger } from "./ledger.ts";
import type { StoredEntry, StoredLog } from "./recorded_entry.ts";

/**
 * Checks a database of a stopped server against the ledger. Returns the number of stored entries.
 */
export function checkDatabase(path: string, ledger: Ledger): number {
  const database = new DatabaseSync(path);
  try {
    const [result] = database.prepare("PRAGMA integrity_check").all();
    if (result?.integrity_check !== "ok") {
      ledger.addViolation(`the database is damaged: ${JSON.stringify(result)}`);
    }
    const { entries, ...rest } = readStored(database);
    const nonceOffsets = repeatAll(path, entries);
    const found = entries.map((entry, i) => ({ ...entry, nonceOffset: nonceOffsets[i] }));
    return ledger.check({ entries: found, ...rest });
  } finally {
    database.close();
  }
}

type Unrepeated = Omit<StoredEntry, "nonceOffset">;

/** Appends all entries again. Returns the offsets in the results. */
function repeatAll(path: string, entries: readonly Unrepeated[]): (number | undefined)[] {
  const drafts = entries.map(({ room, member, from, nonce }): Draft => {
    return { type: "message", room, member, from, nonce, text: "again" };
  });
  return withBroker({ ...optionsFor(path), now: Date.now }, (broker) => {
    return broker.append(drafts).map((result) =>
      result.kind === "repeat" ? result.offset : undefined
    );
  });
}

/** Reads everything from a database. */
function readStored(
  database: DatabaseSync,
): Omit<StoredLog, "entries"> & { readonly entries: readonly Unrepeated[] } {
  const rows = database.prepare(
    `SELECT rooms.name AS room, rooms.head, entries.offset, epochs.name AS epoch, entries.at,
       entries.member, entries.username AS "from", entries.text, entries.nonce,
       entries.kind, entries.ref, entries.amended
     FROM entries JOIN rooms ON rooms.id = entries.room JOIN epochs ON epochs.id = entries.epoch
     ORDER BY entries.room, entries.offset`,
  ).all() as unknown as readonly Row[];
  const names = database.prepare("SELECT key, member, live, held_until FROM names").all()
    .filter(({ live, held_until }) => live === 1 || Number(held_until) > Date.now());
  const owners = new Map(names.map(({ key, member }) => [String(key), String(member)]));
  const rooms = database.prepare("SELECT name, title FROM rooms WHERE title IS NOT NULL").all();
  const titles = new Map(rooms.map(({ name, title }) => [String(name), String(title)]));
  return { entries: rows.map(entryOf), owners, titles };
}

const types = ["message", "edit", "delete", "title"] as const;

interface Row extends Omit<Unrepeated, "type" | "targets" | "text" | "amended"> {
  readonly kind: number;
  readonly ref: number | null;
  /** Of a deletion, its targets as JSON. */
  readonly text: string | null;
  readonly amended: number | null;
}

function entryOf({ kind, ref, text, amended, ...fields }: Row): Unrepeated {
  const type = types[kind] ?? "message";
  const targets = type === "edit" ? [ref ?? 0] : type === "delete" ? JSON.parse(text ?? "[]") : [];
  return {
    ...fields,
    type,
    targets,
    text: type === "message" || type === "title" ? text ?? undefined : undefined,
    amended: amended ?? undefined,
  };
}
