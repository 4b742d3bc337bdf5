// The routes of a room and of its entries: one address, several representations (SPEC.md, H).

import { eventStream } from "./event_stream.ts";
import { Gathering } from "./gathering.ts";
import { guardOrigin } from "./origins.ts";
import { deleteMessage, patchMessage, postMessage } from "./posting.ts";
import type { RoomContext } from "./posting.ts";
import type { Problem } from "./problem.ts";
import { preferredType } from "./responses.ts";
import { entryPage, roomPage } from "./room_pages.ts";
import { readOnly } from "./router.ts";
import type { Handler, Routes } from "./router.ts";

/** Handlers by media type. The first type is the default. */
type Representations = Readonly<Record<string, Handler>>;

/** Returns the routes of rooms. `page` serves the chat's page. */
export function roomRoutes(web: RoomContext, page: Handler): Routes {
  const { hub, limits } = web;
  const gathering = new Gathering();
  const room = negotiated({
    "application/json": (exchange) => roomPage(hub, exchange, "application/json"),
    "text/plain": (exchange) => roomPage(hub, exchange, "text/plain"),
    "text/event-stream": (exchange) => eventStream(hub, limits, gathering, exchange),
    "text/html": page,
  });
  const entry = negotiated({
    "application/json": (exchange) => entryPage(hub, exchange, "application/json"),
    "text/plain": (exchange) => entryPage(hub, exchange, "text/plain"),
    "text/html": page,
  });
  return {
    "/r/{room}": guardOrigin(web, {
      ...readOnly(room),
      POST: (exchange) => postMessage(web, exchange),
    }),
    "/r/{room}/{offset}": guardOrigin(web, {
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
    // Responses to problems have this header already.
    if (result instanceof Response) result.headers.append("vary", "Accept");
    return result;
  };
}

function notAcceptable(types: readonly string[]): Problem {
  const detail = `This address offers ${types.join(", ")}. Name one of them in Accept`;
  return { status: 406, code: "not_acceptable", detail, field: "Accept" };
}
