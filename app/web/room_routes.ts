// The routes of a room and of its entries: one address, several representations (SPEC.md, H).

import { eventStream } from "./event_stream.ts";
import { originProblem } from "./handshake.ts";
import { deleteMessage, patchMessage, postMessage } from "./posting.ts";
import type { RoomContext } from "./posting.ts";
import { problemResponse } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { preferredType } from "./responses.ts";
import { entryPage, roomPage } from "./room_pages.ts";
import { readOnly } from "./router.ts";
import type { Exchange, Handler, Methods, Routes } from "./router.ts";

/** Handlers by media type. The first type is the default. */
type Representations = Readonly<Record<string, Handler>>;

/** Methods that change nothing. */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
/** Headers that pages of allowed origins may send, and may read. */
const requestHeaders =
  "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Parley-Access-Code";
const responseHeaders = "ETag, Link, Location, Retry-After, WWW-Authenticate";
const preflightMaxAgeSeconds = 600;

/** Returns the routes of rooms. `page` serves the chat's page. */
export function roomRoutes(web: RoomContext, page: Handler): Routes {
  const { hub, limits } = web;
  const room = negotiated({
    "application/json": (exchange) => roomPage(hub, exchange, "application/json"),
    "text/plain": (exchange) => roomPage(hub, exchange, "text/plain"),
    "text/event-stream": (exchange) => eventStream(hub, limits, exchange),
    "text/html": page,
  });
  const entry = negotiated({
    "application/json": (exchange) => entryPage(hub, exchange, "application/json"),
    "text/plain": (exchange) => entryPage(hub, exchange, "text/plain"),
    "text/html": page,
  });
  return {
    "/r/{room}": shared(web, {
      ...readOnly(room),
      POST: (exchange) => postMessage(web, exchange),
    }),
    "/r/{room}/{offset}": shared(web, {
      ...readOnly(entry),
      PATCH: (exchange) => patchMessage(web, exchange),
      DELETE: (exchange) => deleteMessage(web, exchange),
    }),
  };
}

/** Returns a handler that serves the representation that the client prefers. */
function negotiated(representations: Representations): Handler {
  const types = Object.keys(representations);
  return async (exchange) => {
    const { request } = exchange;
    const type = preferredType(request, types);
    const handler = type === undefined ? undefined : representations[type];
    if (handler === undefined) return notAcceptable(types);
    const result = await handler(exchange);
    // The response to a problem always varies.
    if (result instanceof Response) result.headers.append("vary", "Accept");
    return result;
  };
}

/** Adds OPTIONS, the check of origins and the headers that let allowed pages read responses. */
function shared(web: RoomContext, methods: Methods): Methods {
  const allow = [...Object.keys(methods), "OPTIONS"].join(", ");
  const all: Methods = {
    ...methods,
    OPTIONS: () => new Response(null, { status: 204, headers: { allow } }),
  };
  const guarded = Object.entries(all).map(([method, handler]): [string, Handler] => [
    method,
    async (exchange) => {
      const { headers } = exchange.request;
      const denied = crossOriginProblem(web, exchange);
      const result = denied ?? await handler(exchange);
      const response = result instanceof Response
        ? result
        : problemResponse(result, exchange.request, web.assets);
      response.headers.append("vary", "Origin");
      const origin = headers.get("origin");
      if (origin === null || !web.allowedOrigins.includes(origin)) return response;
      const cors = {
        "access-control-allow-origin": origin,
        "access-control-expose-headers": responseHeaders,
        ...(method === "OPTIONS"
          ? {
            "access-control-allow-methods": allow,
            "access-control-allow-headers": requestHeaders,
            "access-control-max-age": String(preflightMaxAgeSeconds),
          }
          : {}),
      };
      for (const [name, value] of Object.entries(cors)) response.headers.set(name, value);
      return response;
    },
  ]);
  return Object.fromEntries(guarded);
}

/**
 * Returns a problem if a foreign page makes the request, because browsers attach cached credentials
 * automatically. Following a link to the page is allowed, and has no Origin.
 */
function crossOriginProblem(
  { allowedOrigins, trustProxy }: RoomContext,
  { request }: Exchange,
): Problem | undefined {
  const { headers, method } = request;
  const denied = originProblem(request, allowedOrigins, trustProxy > 0);
  if (denied !== undefined || headers.has("origin")) return denied;
  if (safeMethods.has(method) || headers.get("sec-fetch-site") !== "cross-site") return undefined;
  const detail = "Pages of other sites cannot write here. Add their origin to ALLOWED_ORIGINS";
  return { status: 403, code: "origin_denied", detail };
}

function notAcceptable(types: readonly string[]): Problem {
  const detail = `This address offers ${types.join(", ")}. Name one of them in Accept`;
  return { status: 406, code: "not_acceptable", detail, field: "Accept" };
}
