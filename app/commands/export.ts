// `parley export`: writes the messages of a room as JSON lines, or as text for people.

import type { DatabaseSync } from "node:sqlite";
import { errorMessage } from "../core/error_message.ts";
import { openToRead } from "./database_access.ts";
import { checkOutput, writeOutput } from "./output_file.ts";

export type ExportFormat = "jsonl" | "text";

/** An exported message. */
interface ExportedMessage {
  readonly room: string;
  readonly offset: number;
  /** ISO 8601, in UTC. */
  readonly at: string;
  readonly member: string;
  readonly from: string;
  readonly text: string;
}

/** Messages read at once. Between reads the server can reuse its journal. */
const pageRows = 500;

/**
 * Writes the messages of a room to a file, replacing an existing one.
 *
 * @throws {Error} If the room has no messages, the database cannot be read, or the file cannot be
 *   written.
 */
export async function exportToFile(
  path: string,
  room: string,
  format: ExportFormat,
  file: string,
): Promise<void> {
  using database = await openToRead(path);
  checkOutput(path, file);
  await writeOutput(file, async (unfinished) => {
    const lines = ReadableStream.from(linesOf(database, path, room, format));
    await Deno.writeTextFile(unfinished, lines, { createNew: true });
  });
}

/**
 * Yields the messages that a room has at the start of the export, oldest first.
 *
 * @throws {Error} If the room has no messages, or the database cannot be read.
 */
export async function* exportRoom(
  path: string,
  room: string,
  format: ExportFormat,
): AsyncGenerator<string> {
  using database = await openToRead(path);
  yield* linesOf(database, path, room, format);
}

function* linesOf(
  database: DatabaseSync,
  path: string,
  room: string,
  format: ExportFormat,
): Generator<string> {
  const found = database.prepare("SELECT id, head FROM rooms WHERE name = ?").get(room);
  if (found === undefined) throw new Error(`Cannot export ${room}: it has no messages`);
  const page = database.prepare(
    `SELECT offset, at, member, username, text FROM messages
     WHERE room = ? AND offset > ? AND offset <= ? ORDER BY offset LIMIT ${pageRows}`,
  );
  const lineOf = (message: ExportedMessage) =>
    format === "jsonl" ? `${JSON.stringify(message)}\n` : textLines(message);
  for (let after = 0;;) {
    const rows = readPage(() => page.all(Number(found.id), after, Number(found.head)), path);
    for (const row of rows) {
      yield lineOf({
        room,
        offset: Number(row.offset),
        at: new Date(Number(row.at)).toISOString(),
        member: String(row.member),
        from: String(row.username),
        text: String(row.text),
      });
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

/** Everything that a program may show as a line break (Unicode Standard, section 5.8). */
const lineBreak = /[\n\v\f\u0085\u2028\u2029]/g;

/** Indents all lines after the first, so that none can pass for another member's message. */
function textLines({ at, from, text }: ExportedMessage): string {
  const [day = "", time = ""] = at.split("T");
  return `${day} ${time.slice(0, 8)} ${from}: ${text.replace(lineBreak, "\n    ")}\n`;
}
