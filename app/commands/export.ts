// `parley export`: writes the messages of a room as JSON lines, or as text for people.

import { entryOf, selectEntries } from "../broker/sqlite/entries.ts";
import type { EntryRow } from "../broker/sqlite/entries.ts";
import type { MessageEntry } from "../chat/broker.ts";
import { errorMessage } from "../core/error_message.ts";
import { messageLine } from "../core/message_line.ts";
import { openToRead } from "./database_access.ts";

/** A message to export, with its current text. */
type Message = Omit<MessageEntry, "type" | "epoch" | "nonce" | "amended">;

/** Entries per read. Between reads, the server can reuse its journal. */
const pageRows = 500;

/** Yields one line per message. */
export async function* exportLines(
  messages: AsyncIterable<Message>,
  format: "jsonl" | "text",
): AsyncGenerator<string> {
  for await (const message of messages) {
    const { room, offset, at, member, from, text, reply, editedAt, deletedBy } = message;
    const edited = editedAt === undefined ? {} : { editedAt: dateOf(editedAt) };
    const line = { room, offset, at: dateOf(at), ...edited, member, from, text, reply, deletedBy };
    yield format === "jsonl" ? `${JSON.stringify(line)}\n` : messageLine(message);
  }
}

/** Returns a time in ISO 8601, in UTC. */
function dateOf(ms: number): string {
  return new Date(ms).toISOString();
}

/**
 * Yields the messages that a room has at the start of the export, oldest first.
 *
 * @throws {Error} If the room has no messages, or the database cannot be read.
 */
export async function* readRoom(path: string, room: string): AsyncGenerator<Message> {
  using database = await openToRead(path);
  const found = database.prepare("SELECT id, head FROM rooms WHERE name = ?").get(room);
  if (found === undefined) throw new Error(`Cannot export ${room}: it has no messages`);
  const page = database.prepare(
    `${selectEntries} WHERE room = ? AND offset > ? AND offset <= ?
     ORDER BY offset LIMIT ${pageRows}`,
  );
  for (let after = 0;;) {
    const rows = readPage(() => page.all(Number(found.id), after, Number(found.head)), path);
    for (const row of rows) {
      // The columns are named after the fields of an entry.
      const entry = entryOf(room, row as unknown as EntryRow);
      if (entry.type === "message") yield entry;
    }
    if (rows.length < pageRows) return;
    after = Number(rows.at(-1)?.offset);
  }
}

function readPage<T>(read: () => T, path: string): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`Cannot read ${path}: ${errorMessage(error)}`, { cause: error });
  }
}
