// Pages of a room's entries, as JSON for programs and as lines of text for people.

import { ifNoneMatch } from "@std/http/etag";
import type { Entry, Page, ReadQuery } from "../chat/broker.ts";
import { messageLine } from "../core/message_line.ts";
import { hubLimits, limits } from "../protocol/wire.ts";
import type { Position } from "../protocol/wire.ts";
import type { Hub } from "./options.ts";
import { notFound } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { resultOf } from "./refusal_problem.ts";
import { listHeader, noContent, textResponse } from "./responses.ts";
import type { Exchange } from "./router.ts";

export type PageType = "application/json" | "text/plain";

/** `before` of a query for the newest entries. The broker treats Infinity as a subscription. */
const newestBefore = Number.MAX_SAFE_INTEGER;

/** Handles `GET /r/{room}`: serves a page of entries. */
export async function roomPage(
  hub: Hub,
  exchange: Exchange,
  type: PageType,
): Promise<Response | Problem> {
  const query = parseQuery(exchange.url.searchParams);
  if ("code" in query) return query;
  const page = await read(hub, exchange, query);
  if ("code" in page) return page;
  if ("before" in query || page.valid) return pageResponse(exchange, type, query, page);
  // The position is unknown here, so start over from the newest messages.
  const { after: _, ...size } = query;
  const newest = { ...size, before: newestBefore };
  const end = await read(hub, exchange, newest);
  if ("code" in end) return end;
  return pageResponse(exchange, type, newest, { ...end, valid: false });
}

/** Handles `GET /r/{room}/{offset}`: serves one entry. */
export async function entryPage(
  hub: Hub,
  exchange: Exchange,
  type: PageType,
): Promise<Response | Problem> {
  const offset = Number(exchange.params.offset);
  const page = await read(hub, exchange, { before: offset + 1, limit: 1, maxBytes: 1 });
  if ("code" in page) return page;
  const entry = page.entries.find((entry) => entry.offset === offset);
  if (entry === undefined) return notFound;
  const amended = entry.type === "message" ? entry.amended ?? 0 : 0;
  // An edit loses its text once a later entry amends its target.
  const etag = `W/"${entry.epoch}:${offset}:${amended}:${entry.text !== undefined}"`;
  return conditional(exchange, type, { etag }, entry, [entry]);
}

/** Returns a position as clients send it: in `after` and in `Last-Event-ID`. */
export function formatPosition({ epoch, offset }: Position): string {
  return `${epoch}:${offset}`;
}

/** Parses a position, or returns `undefined` if it is malformed. */
export function parsePosition(text: string): Position | undefined {
  const [, epoch, digits] = /^([A-Za-z0-9_-]{1,36}):(\d{1,15})$/.exec(text) ?? [];
  return epoch === undefined ? undefined : { epoch, offset: Number(digits) };
}

/** Returns a problem that names an invalid parameter or header. */
export function invalidField(field: string, rule: string): Problem {
  return { status: 422, code: "field_invalid", detail: `${field} must be ${rule}`, field };
}

/** Returns a problem if a parameter is given several times. */
export function repeatedProblem(params: URLSearchParams): Problem | undefined {
  const names = ["limit", "before", "after", "q", "room", "command"];
  const repeated = names.find((name) => params.getAll(name).length > 1);
  return repeated === undefined ? undefined : invalidField(repeated, "given only once");
}

export const positionRule = "EPOCH:OFFSET, as in a page's position or an event's id";

function read(
  hub: Hub,
  { client, accessCode, params: { room } }: Exchange,
  query: ReadQuery,
): Promise<Page | Problem> {
  const page = hub.visitors.read(client, accessCode, room, query);
  return resultOf(page, "The room cannot be read now");
}

function parseQuery(params: URLSearchParams): ReadQuery | Problem {
  const repeated = repeatedProblem(params);
  if (repeated !== undefined) return repeated;
  const limit = integerOf(params, "limit", hubLimits.historyMax) ?? limits.historyDefault;
  if (typeof limit !== "number") return limit;
  const size = { limit, maxBytes: hubLimits.pageMaxBytes };
  const before = integerOf(params, "before", newestBefore);
  const after = params.get("after");
  if (after !== null) {
    if (before !== undefined) return invalidField("after", "used without before");
    const position = parsePosition(after);
    if (position === undefined) return invalidField("after", positionRule);
    return { ...size, after: position };
  }
  if (typeof before === "object") return before;
  return { ...size, before: before ?? newestBefore };
}

function integerOf(
  params: URLSearchParams,
  name: string,
  max: number,
): number | Problem | undefined {
  const text = params.get(name);
  if (text === null) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  return invalidField(name, `an integer from 1 to ${max}`);
}

function pageResponse(
  exchange: Exchange,
  type: PageType,
  query: ReadQuery,
  page: Page,
): Response {
  const { entries, first, head, valid, title } = page;
  const [oldest, newest] = [entries[0], entries.at(-1)];
  const after = "after" in query ? query.after : undefined;
  const isEnd = newest === undefined
    ? "after" in query || query.before === newestBefore
    : newest.offset >= head.offset;
  const missed = after === undefined ? 0 : Math.max(0, first - 1 - after.offset);
  const next = after !== undefined
    ? !isEnd && newest !== undefined && `after=${formatPosition(newest)}`
    : oldest !== undefined && oldest.offset > first && `before=${oldest.offset}`;
  const position = isEnd ? head : newest;
  const json = {
    room: exchange.params.room,
    title,
    first,
    head: head.offset,
    position: position && formatPosition(position),
    recovered: after !== undefined ? missed === 0 : valid ? undefined : false,
    missed: missed > 0 ? missed : undefined,
    messages: entries,
  };
  const headers = {
    // A page changes only with the log's ends, since edits and deletions are entries.
    etag: `W/"${head.epoch}:${head.offset}:${first}:${valid}"`,
    ...(next ? { link: `<?${next}&limit=${query.limit}>; rel="next"` } : {}),
  };
  return conditional(exchange, type, headers, json, entries);
}

/**
 * Returns `json`, or the messages among `entries` as lines for people, or 304. Caches must not
 * store the response, because its text may be deleted.
 */
function conditional(
  { request }: Exchange,
  type: PageType,
  { etag, ...others }: Readonly<Record<string, string>> & { readonly etag: string },
  json: object,
  entries: readonly Entry[],
): Response {
  const isText = type === "text/plain";
  const tag = etag.replace(/"$/, isText ? ':text"' : '"');
  const headers = { ...others, etag: tag };
  const tags = listHeader(request, "if-none-match");
  if (tags !== undefined && !ifNoneMatch(tags, tag)) return noContent(304, headers);
  if (!isText) return textResponse(JSON.stringify(json), type, { headers });
  const lines = entries.map((entry) => entry.type === "message" ? messageLine(entry) : "");
  return textResponse(lines.join(""), `${type}; charset=utf-8`, { headers });
}
