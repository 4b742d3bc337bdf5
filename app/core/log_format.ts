// Formats log records as lines: logfmt, JSON, or the NCSA combined format for requests.

import type { LogRecord } from "@std/log";
import type { EntryRecord, LogFields } from "../chat/ports.ts";

/** A request in access.log. */
export interface AccessRecord {
  readonly address: string;
  readonly method: string;
  /** The requested path and query. */
  readonly path: string;
  readonly protocol: string;
  readonly status: number;
  /** Size of the response body. */
  readonly bytes: number;
  readonly referrer?: string | undefined;
  readonly userAgent?: string | undefined;
  /** Time until the response. */
  readonly ms: number;
}

const levels: Readonly<Record<string, string>> = { INFO: "info", WARN: "warn", ERROR: "error" };

/**
 * Returns a formatter for all loggers. The message of a record is its event; its argument is an
 * `AccessRecord` for the logger `access`, `EntryRecord`s for `messages` (a line each), and
 * `LogFields` for all others. `now` is in milliseconds since 1970.
 */
export function lineFormatter(
  format: "text" | "json",
  now: () => number,
): (record: LogRecord) => string {
  const encode = format === "json" ? jsonLine : logfmtLine;
  const formatEntry = format === "json" ? jsonEntry : logfmtEntry;
  const timestamp = cachedTimestamp();
  const formatLine = (record: LogRecord) => {
    const { loggerName, levelName, msg: event } = record;
    const argument = record.args[0];
    const time = now();
    if (loggerName === "messages") {
      const lines: string[] = [];
      for (const entry of argument as readonly EntryRecord[]) {
        lines.push(formatEntry(timestamp(time), entry));
      }
      return lines.join("\n");
    }
    if (loggerName !== "access") {
      const level = levels[levelName] ?? levelName;
      return encode({ time: timestamp(time), level, event, ...argument as LogFields });
    }
    const request = argument as AccessRecord;
    return format === "json"
      ? jsonLine({
        time: timestamp(time),
        event,
        ...request,
        ms: Math.round(request.ms * 1e3) / 1e3,
      })
      : combinedLine(new Date(time), request);
  };
  let lastRecord: LogRecord | undefined;
  let lastLine = "";
  return (record) => {
    // The log file and the console format the same record.
    if (record !== lastRecord) {
      lastLine = formatLine(record);
      lastRecord = record;
    }
    return lastLine;
  };
}

/** Shortens the addresses in a record, or replaces them with `-`. */
export function maskAddresses<T extends { readonly address?: unknown; readonly peer?: unknown }>(
  fields: T,
  mode: "full" | "short" | "none",
): T {
  if (mode === "full") return fields;
  // Zeroes the last number of an IPv4 address; keeps the first three groups of an IPv6 address.
  const shorten = (address: string) =>
    address.replace(/\.\d+$/, ".0").replace(/^((?:[\da-f]+:){1,3}).*$/i, "$1:");
  const mask = (value: unknown) => mode === "none" ? "-" : shorten(String(value));
  return {
    ...fields,
    ...(fields.address === undefined ? {} : { address: mask(fields.address) }),
    ...(fields.peer === undefined ? {} : { peer: mask(fields.peer) }),
  };
}

/** Returns a function that formats a time as ISO 8601. Caches it, since many lines share one. */
function cachedTimestamp(): (ms: number) => string {
  let cached = { ms: NaN, text: "" };
  return (ms) => {
    if (ms !== cached.ms) cached = { ms, text: new Date(ms).toISOString() };
    return cached.text;
  };
}

/** Control characters, line separators and bidi controls, which could break or disguise a line. */
// deno-lint-ignore no-control-regex -- the pattern finds them to escape them
const unsafe = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function escapeUnsafe(text: string): string {
  return text.replace(unsafe, (character) => {
    if (character === "\n") return "\\n";
    if (character === "\t") return "\\t";
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function logfmtLine(fields: LogFields): string {
  const parts: string[] = [];
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    parts.push(`${key}=${typeof value === "string" ? logfmtValue(value) : value}`);
  }
  return parts.join(" ");
}

/** Returns the same line as `logfmtLine` would, in a third of the time. */
function logfmtEntry(time: string, entry: EntryRecord): string {
  const { type, session, room, offset, name, targets, length, text } = entry;
  let line = `time=${time} level=info event=${type} session=${session} room=${room}` +
    ` offset=${offset} name=${logfmtValue(name)}`;
  if (targets !== undefined) line += ` targets=${targets}`;
  if (length !== undefined) line += ` length=${length}`;
  if (text !== undefined) line += ` text=${logfmtValue(text)}`;
  return line;
}

function jsonEntry(time: string, { type: event, ...fields }: EntryRecord): string {
  return jsonLine({ time, level: "info", event, ...fields });
}

const unquoted = /^[\p{L}\p{N}\p{M}_.:,/+@[\]~%#?&()-]+$/u;
/** Matches most values, in half the time of `unquoted`. */
const unquotedAscii = /^[\w.:,/+@-]+$/;

function logfmtValue(value: string): string {
  return unquotedAscii.test(value) || unquoted.test(value) ? value : quoted(value);
}

function jsonLine(fields: LogFields): string {
  // JSON.stringify() escapes only some of the unsafe characters.
  return escapeUnsafe(JSON.stringify(fields));
}

/** Returns a line in the NCSA combined format, which goaccess and lnav read. */
function combinedLine(at: Date, record: AccessRecord): string {
  const { address, method, path, protocol, status, bytes, referrer, userAgent } = record;
  const request = quoted(`${method} ${path} ${protocol}`);
  return `${address} - - [${ncsaTime(at)}] ${request} ${status} ${bytes} ` +
    `${quoted(referrer || "-")} ${quoted(userAgent || "-")}`;
}

function quoted(value: string): string {
  const escaped = value.toWellFormed().replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return `"${escapeUnsafe(escaped)}"`;
}

function ncsaTime(at: Date): string {
  const [, day, month, year, time] = at.toUTCString().split(" ");
  return `${day}/${month}/${year}:${time} +0000`;
}
