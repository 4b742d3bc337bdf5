// The site: its route table and the small handlers.

import { decodeCommand, decodeFields } from "../protocol/decode.ts";
import { suggestRoomName } from "../protocol/room_suggestion.ts";
import { credentialsOf } from "./credentials.ts";
import { operatorProblem } from "./operator.ts";
import type { WebOptions } from "./options.ts";
import { guardOrigin } from "./origins.ts";
import { postModeration } from "./posting.ts";
import type { RoomContext } from "./posting.ts";
import { notFound } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { refusalProblem, resultOf } from "./refusal_problem.ts";
import { assetResponse, listHeader, noContent, textResponse } from "./responses.ts";
import { readOnly, Router } from "./router.ts";
import type { Exchange, Handler, Incoming, Routes } from "./router.ts";
import { invalidField, repeatedProblem } from "./room_pages.ts";
import { roomRoutes } from "./room_routes.ts";
import { statusPage } from "./status.ts";
import type { WebSockets } from "./websocket.ts";

/** Max names shown to someone about to join a room. */
const hereMax = 5;
/** How long a readiness result is reused. Anyone may request one, and each check writes to disk. */
const readinessMs = 1_000;
const wantsOpenMetrics = /application\/openmetrics-text/i;
/** How often an open status page reloads. */
const statusRefreshSeconds = 5;

export class Site {
  readonly #options: WebOptions;
  readonly #sockets: WebSockets;
  /** Differs at each start, so that pages in development know when to reload. */
  readonly #startId = crypto.randomUUID();
  readonly #router: Router;
  #readiness: { readonly reason: string | undefined; readonly until: number } = {
    reason: undefined,
    until: -Infinity,
  };

  constructor(options: WebOptions, sockets: WebSockets) {
    this.#options = options;
    this.#sockets = sockets;
    this.#router = new Router(this.#routes());
  }

  get #roomContext(): RoomContext {
    return { ...this.#options, limits: this.#sockets.limits };
  }

  #routes(): Routes {
    const { roomDirectory, dev } = this.#options;
    const page: Handler = ({ request }) => this.#asset("/", request);
    const file = readOnly(({ request, pathname }) => this.#asset(pathname, request));
    const asset = (path: string) => readOnly(({ request }) => this.#asset(path, request));
    const other: Handler = (exchange) => this.#otherRoom(exchange);
    const api = (handler: Handler) => guardOrigin(this.#options, readOnly(handler));
    return {
      "/": readOnly(page),
      ...roomRoutes(this.#roomContext, page),
      "/r/{other}": { GET: other, HEAD: other, POST: other, PATCH: other, DELETE: other },
      ...(roomDirectory ? { "/rooms": api((exchange) => this.#rooms(exchange)) } : {}),
      "/search": api((exchange) => this.#search(exchange)),
      "/here/{room}": api(({ params }) => this.#here(params.room)),
      "/ws": {
        GET: ({ request, client }) => this.#sockets.upgrade(request, client),
        POST: ({ request, client }) => this.#sockets.diagnose(request, client) ?? noContent(),
      },
      "/moderate": guardOrigin(this.#options, {
        POST: (exchange) => this.#moderate(exchange),
      }),
      "/assets/{file}": file,
      "/favicon.ico": asset("/assets/icon.svg"),
      "/manifest.webmanifest": file,
      "/openapi.json": asset("/assets/openapi.json"),
      "/service_worker.js": file,
      "/healthz": readOnly(() => this.#health()),
      "/readyz": readOnly(() => this.#ready()),
      "/metrics": readOnly(this.#forOperator(({ request }) => this.#metrics(request))),
      "/status": readOnly(this.#forOperator(() => this.#status())),
      ...(dev ? { "/dev/start": readOnly(() => plainText(this.#startId)) } : {}),
    };
  }

  handle(incoming: Incoming): ReturnType<Handler> {
    const { pathname: path, search } = incoming.url;
    const { basePath } = this.#options.assets;
    if (basePath !== "" && path === basePath) return this.#redirect(`/${search}`);
    // Some proxies remove the base path and some do not.
    const hasBasePath = basePath !== "" && path.startsWith(`${basePath}/`);
    const pathname = hasBasePath ? path.slice(basePath.length) : path;
    const accessCode = incoming.request.headers.get("parley-access-code") ?? undefined;
    return this.#router.handle({ ...incoming, pathname, accessCode });
  }

  #redirect(path: string): Response {
    const location = this.#options.assets.basePath + path;
    // The text is for people: curl doesn't follow redirects by default, and exits with status 0.
    const text = `This address has moved to ${location}\n`;
    return textResponse(text, "text/plain; charset=utf-8", { status: 308, headers: { location } });
  }

  #asset(path: string, request: Request): Promise<Response> | Problem {
    const asset = this.#options.assets.get(path);
    return asset === undefined ? notFound : assetResponse(asset, request);
  }

  /** Redirects if only case or a slash differs, or else suggests a room with a similar name. */
  #otherRoom({ params, url }: Exchange): Response | Problem {
    const [typed = "", offset] = params.other.split("/");
    const name = decoded(typed);
    const room = suggestRoomName(name);
    if (room === name.toLowerCase()) {
      const path = offset ? `/r/${room}/${offset}` : `/r/${room}`;
      return this.#redirect(path + url.search);
    }
    const detail = "Room names use a–z, 0–9 and hyphens";
    return { status: 404, code: "room_invalid", detail, room: room || undefined };
  }

  /** Handles `GET /search?q=`, with the parameters `room` and `before` of the command. */
  async #search({ url, client, accessCode }: Exchange): Promise<Response | Problem> {
    const repeated = repeatedProblem(url.searchParams);
    if (repeated !== undefined) return repeated;
    const { q: query, room, before } = Object.fromEntries(url.searchParams);
    const decoded = decodeFields("search", { query: query ?? "", room, before });
    if (!decoded.ok) return refusalProblem(decoded.push);
    if (decoded.command.type !== "search") return notFound;
    const search = this.#options.hub.visitors.search(client, accessCode, decoded.command);
    const results = await resultOf(search, "Messages cannot be searched now");
    if ("code" in results) return results;
    const { next } = results;
    const parameters = new URLSearchParams(url.searchParams);
    if (next !== undefined) parameters.set("before", next);
    const headers = next === undefined ? {} : { link: `<?${parameters}>; rel="next"` };
    const json = JSON.stringify({ ...results, type: undefined });
    return textResponse(json, "application/json", { headers });
  }

  async #rooms({ client, accessCode }: Exchange): Promise<Response | Problem> {
    const directory = this.#options.hub.visitors.directory(client, accessCode);
    const rooms = await resultOf(directory, "Rooms cannot be read now");
    if ("code" in rooms) return rooms;
    return textResponse(JSON.stringify({ rooms }), "application/json");
  }

  /**
   * Runs a moderator's command, which is in the body, or one of `parley moderate`, which is JSON in
   * the query and comes with the moderator code as its token.
   */
  async #moderate(exchange: Exchange): Promise<Response | Problem> {
    const { request, url, client } = exchange;
    const repeated = repeatedProblem(url.searchParams);
    if (repeated !== undefined) return repeated;
    const typed = url.searchParams.get("command");
    if (typed === null) return await postModeration(this.#roomContext, exchange);
    const decoded = decodeCommand(typed);
    if (!decoded.ok) {
      const { push } = decoded;
      return push === undefined
        ? invalidField("command", "a command as JSON")
        : refusalProblem(push);
    }
    const code = credentialsOf(request.headers)?.token ?? "";
    const reply = this.#options.hub.operate(client, code, decoded.command);
    const push = await resultOf(reply, "Moderation is not possible now");
    return "status" in push ? push : textResponse(JSON.stringify(push), "application/json");
  }

  #here(room: string): Response {
    if (!this.#options.isOpen) return noContent();
    return textResponse(
      JSON.stringify(this.#options.hub.membersOf(room, hereMax)),
      "application/json",
    );
  }

  #health(): Response | Problem {
    if (this.#options.hub.isDraining) {
      return { status: 503, code: "draining", detail: "The server is about to stop" };
    }
    return plainText("ok");
  }

  #ready(): Response | Problem {
    const reason = this.#options.hub.isDraining ? undefined : this.#notReadyReason();
    if (reason === undefined) return this.#health();
    return { status: 503, code: "storage_unavailable", detail: reason };
  }

  #notReadyReason(): string | undefined {
    const now = this.#options.now();
    if (now >= this.#readiness.until) {
      this.#readiness = { reason: this.#options.notReadyReason(), until: now + readinessMs };
    }
    return this.#readiness.reason;
  }

  #forOperator(handler: Handler): Handler {
    return (exchange: Exchange) =>
      operatorProblem(this.#options, exchange.peer, exchange.request.headers) ?? handler(exchange);
  }

  #metrics(request: Request): Response {
    const { metrics } = this.#options;
    const isOpenMetrics = wantsOpenMetrics.test(listHeader(request, "accept") ?? "");
    const type = isOpenMetrics
      ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
      : "text/plain; version=0.0.4; charset=utf-8";
    return textResponse(metrics.text(isOpenMetrics), type, { headers: { vary: "Accept" } });
  }

  #status(): Response {
    const { metrics, assets } = this.#options;
    const html = statusPage(metrics.totals(), metrics.charts, assets);
    const headers = { refresh: String(statusRefreshSeconds) };
    return textResponse(html, "text/html; charset=utf-8", { headers });
  }
}

/** Returns `text` without its percent-encoding, or unchanged if that is malformed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function plainText(text: string): Response {
  return textResponse(text, "text/plain; charset=utf-8");
}
