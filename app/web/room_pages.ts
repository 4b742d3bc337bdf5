// Pages of a room's entries, as JSON for programs and as lines of text for people.

import { ifNoneMatch } from "@std/http/etag";
import type { Entry, Page, ReadQuery } from "../chat/broker.ts";
import { messageLine } from "../core/message_line.ts";
import { hubLimits, limits } from "../protocol/wire.ts";
import type { Position } from "../protocol/wire.ts";
import type { Hub } from "./options.ts";
import { notFound } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { refusalProblem, storageProblem } from "./refusal_problem.ts";
import { listHeader, textResponse } from "./responses.ts";
import type { Exchange } from "./router.ts";

export type PageType = "application/json" | "text/plain";

/** `before` of a query for the newest entries. The broker treats Infinity as a subscription. */
const newestBefore = Number.MAX_SAFE_INTEGER;

/** `GET /r/{room}`: serves a page of entries. */
export async function roomPage(
  hub: Hub,
  { request, client, params: { room } }: Exchange,
  type: PageType,
): Promise<Response | Problem> {
  const query = parseQuery(new URL(request.url).searchParams);
  if ("code" in query) return query;
  const page = await read(hub, { request, client }, room, query);
  if ("code" in page) return page;
  if ("before" in query || page.valid) return pageResponse(request, type, room, query, page);
  // The position is unknown here, so start over from the newest messages.
  const { after: _, ...rest } = query;
  const newest = { ...rest, before: newestBefore };
  const end = await read(hub, { request, client }, room, newest);
  if ("code" in end) return end;
  return pageResponse(request, type, room, newest, { ...end, valid: false });
}

/** `GET /r/{room}/{offset}`: serves one entry. */
export async function entryPage(
  hub: Hub,
  { request, client, params }: Exchange,
  type: PageType,
): Promise<Response | Problem> {
  const offset = Number(params.offset);
  const query = { before: offset + 1, limit: 1, maxBytes: 1 };
  const page = await read(hub, { request, client }, params.room, query);
  if ("code" in page) return page;
  const entry = page.entries.find((entry) => entry.offset === offset);
  if (entry === undefined) return notFound;
  const amended = entry.type === "message" ? entry.amended ?? 0 : 0;
  // An edit loses its text once a later entry amends its target.
  const etag = `W/"${entry.epoch}:${offset}:${amended}:${entry.text !== undefined}"`;
  return conditional(
    request,
    type,
    { etag },
    () => type === "text/plain" ? textLine(entry) : JSON.stringify(entry),
  );
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

export const positionRule = "EPOCH:OFFSET, as in a page's position or an event's id";

async function read(
  hub: Hub,
  { request, client }: Pick<Exchange, "request" | "client">,
  room: string,
  query: ReadQuery,
): Promise<Page | Problem> {
  const code = request.headers.get("parley-access-code") ?? undefined;
  try {
    const page = await hub.visitors.read(client, code, room, query);
    return "code" in page ? refusalProblem(page) : page;
  } catch {
    return storageProblem("The room cannot be read now");
  }
}

function parseQuery(params: URLSearchParams): ReadQuery | Problem {
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
  request: Request,
  type: PageType,
  room: string,
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
  const json = () =>
    JSON.stringify({
      room,
      title,
      first,
      head: head.offset,
      position: position && formatPosition(position),
      recovered: after === undefined ? valid && undefined : missed === 0,
      missed: missed > 0 ? missed : undefined,
      messages: entries,
    });
  return conditional(
    request,
    type,
    {
      // A page changes only with the log's ends, since edits and deletions are entries.
      etag: `W/"${head.epoch}:${head.offset}:${first}:${valid}"`,
      ...(next ? { link: `<?${next}&limit=${query.limit}>; rel="next"` } : {}),
    },
    () => type === "text/plain" ? entries.map(textLine).join("") : json(),
  );
}

/** Returns a response that caches must not store, because its text may be deleted, or 304. */
function conditional(
  request: Request,
  type: PageType,
  { etag, ...headers }: Readonly<Record<string, string>> & { readonly etag: string },
  body: () => string,
): Response {
  const tag = etag.replace(/"$/, type === "text/plain" ? ':text"' : '"');
  const tags = listHeader(request, "if-none-match");
  if (tags !== undefined && !ifNoneMatch(tags, tag)) {
    return new Response(null, {
      status: 304,
      headers: { ...headers, etag: tag, "cache-control": "no-store" },
    });
  }
  const contentType = type === "text/plain" ? `${type}; charset=utf-8` : type;
  return textResponse(body(), contentType, { headers: { ...headers, etag: tag } });
}

/** Returns a message as a line for people, and nothing for other entries. */
function textLine(entry: Entry): string {
  return entry.type === "message" ? messageLine(entry) : "";
}
