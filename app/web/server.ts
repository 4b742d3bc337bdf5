// The HTTP server: which path has what, the headers that every answer has, the access log, and the stop. Files, problems and
// WebSockets are made elsewhere.

import { ifNoneMatch } from "@std/http/etag";
import { acceptsEncodings } from "@std/http/negotiation";
import type { AccessRecord } from "../core/logging.ts";
import { isRoomName } from "../protocol/text.ts";
import { closeCode } from "../protocol/wire.ts";
import type { Asset, Assets } from "./assets.ts";
import type { Certificate } from "./certificate.ts";
import { Listener } from "./listener.ts";
import { operatorPaths, operatorResponse } from "./operator.ts";
import type { OperatorOptions } from "./operator.ts";
import { problemResponse, shortList } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { Gate } from "./websocket.ts";
import type { GateOptions, TroubleLog } from "./websocket.ts";

/** Where the server writes. Must not throw. */
export interface WebLog extends TroubleLog {
  access(record: AccessRecord): void;
}

/** What the server is and works with. */
export interface WebOptions extends GateOptions, OperatorOptions {
  readonly assets: Assets;
  /** Whether anybody may enter, so that who is there may be told before. */
  readonly isOpen: boolean;
  readonly hostname: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** Absent where TLS is a proxy's work, or nobody's. */
  readonly certificate?: Certificate | undefined;
  /** Whether pages are told when the server was started anew. */
  readonly dev: boolean;
  /** Whether a message could be stored now. Is not asked more than once a second. */
  readonly ready: () => boolean;
  readonly log: WebLog;
  /** Monotonic time in ms. */
  readonly now: () => number;
}

/** A server that listens. */
export interface WebServer {
  readonly port: number;
  /** Where a browser on this machine finds the chat. */
  readonly url: string;
  /** Open WebSockets. */
  readonly connections: number;
  /** Resolves when nothing is open any more. */
  readonly finished: Promise<void>;
  /**
   * Listens anew with another certificate, which has to be a good one. All WebSockets are closed with 1012 and told to come
   * back spread over `spreadMs`.
   *
   * @throws {Error} If the address cannot be listened on any more.
   */
  renew(certificate: Certificate, spreadMs: number): Promise<void>;
  /**
   * Takes no further connections, and resolves when all are closed or `graceMs` are over: a peer that does not answer is not
   * waited for. The hub has to be drained before.
   */
  shutdown(graceMs: number): Promise<void>;
}

/** No script, style, image or connection of anybody else, and no frame around the page. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const securityHeaders = {
  "content-security-policy": contentSecurityPolicy,
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy":
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** Browsers heed it on https and localhost only, complain of it elsewhere, and tell by these headers which of both it is. */
const openerPolicy = "cross-origin-opener-policy";
const isTrustworthy = (headers: Headers) => headers.has("sec-fetch-dest");

const reading = ["GET", "HEAD"];
/** So many names of who is in a room are told before one enters. */
const hereMost = 5;
const healthPaths = ["/healthz", "/readyz"];
/** Anybody may ask whether a message could be stored, and to find out writes to the disk. */
const readinessMs = 1_000;
/** How long connections may take to close before the old certificate's listener goes. */
const renewGraceMs = 2_000;
const encodings = ["br", "gzip"] as const;
/** What the access log has of a value that a client chose. */
const loggedMaxLength = 1_024;
/** A development page that lost its server asks again after this. */
const reloadRetryMs = 300;

/**
 * Serves the page, its files, health and WebSockets.
 *
 * @throws {Error} If the address cannot be listened on.
 */
export function serveWeb(options: WebOptions): WebServer {
  const { hostname, log, now, assets, certificate } = options;
  const gate = new Gate(options);
  const site = new Site(options, gate);

  const answer = async (request: Request, peer: string, address: string): Promise<Response> => {
    try {
      const result = await site.route(request, peer, address);
      return result instanceof Response
        ? result
        : problemResponse(result, request, assets.basePath);
    } catch (error) {
      log.error("internal", error, { address });
      return problemResponse(internalProblem, request, assets.basePath);
    }
  };
  const handle = async (request: Request, { remoteAddr }: Deno.ServeHandlerInfo<Deno.NetAddr>) => {
    const startedAt = now();
    const { method, url, headers } = request;
    const address = gate.address(remoteAddr.hostname, headers);
    // Read before the answer, since an upgrade takes the request away.
    const asked = {
      address,
      method,
      path: logged(url.replace(/^\w+:\/\/[^/]*/, "")) || "/",
      protocol: "HTTP/1.1",
      referrer: logged(headers.get("referer")),
      userAgent: logged(headers.get("user-agent")),
    };
    const trustworthy = isTrustworthy(headers);
    const response = await answer(request, remoteAddr.hostname, address);
    const { status, body } = response;
    if (status !== 101) {
      for (const [name, value] of Object.entries(securityHeaders)) {
        response.headers.set(name, value);
      }
      if (trustworthy) response.headers.set(openerPolicy, "same-origin");
    }
    const bytes = body === null ? 0 : Number(response.headers.get("content-length") ?? 0);
    log.access({ ...asked, status, bytes, ms: now() - startedAt });
    return response;
  };

  const listener = new Listener({
    hostname,
    port: options.port,
    certificate,
    report: (error) => log.error("listener", error),
  }, handle);
  const { port } = listener;
  const scheme = certificate === undefined ? "http" : "https";
  return {
    port,
    url: `${scheme}://${localName(hostname)}:${port}${assets.basePath}/`,
    get connections() {
      return gate.count;
    },
    get finished() {
      return listener.finished;
    },
    async renew(certificate, spreadMs) {
      gate.closeAll(closeCode.restarting, String(spreadMs));
      site.close();
      await gate.settled(renewGraceMs);
      await listener.renew(certificate);
    },
    async shutdown(graceMs) {
      site.close();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const grace = new Promise<void>((resolve) => timer = setTimeout(resolve, graceMs));
      // Deno's own shutdown says 1001 to everybody, over any close frame that is not on its way yet.
      await gate.settled(graceMs);
      await Promise.race([listener.shutdown(), grace]);
      clearTimeout(timer);
    },
  };
}

const internalProblem: Problem = {
  status: 500,
  code: "internal",
  detail: "Something went wrong in the server, which its error log tells more of",
};
const notFound: Problem = {
  status: 404,
  code: "not_found",
  detail: "There is nothing at this address",
};

/** What is at which path. */
class Site {
  readonly #options: WebOptions;
  readonly #gate: Gate;
  /** Another one at each start. */
  readonly #startId = crypto.randomUUID();
  readonly #reloadStreams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #readiness = { isReady: true, until: -Infinity };

  constructor(options: WebOptions, gate: Gate) {
    this.#options = options;
    this.#gate = gate;
  }

  route(
    request: Request,
    peer: string,
    address: string,
  ): Response | Problem | Promise<Response> {
    const { assets, dev } = this.#options;
    const { method } = request;
    const asked = URL.parse(request.url)?.pathname;
    if (asked === undefined) {
      return {
        status: 400,
        code: "host_invalid",
        detail: "The Host header is not the name of a host",
      };
    }
    const { basePath } = assets;
    if (basePath !== "" && asked === basePath) return redirect(`${basePath}/`);
    // Some proxies take the path away that they were asked for, and some do not.
    const isWhole = basePath !== "" && asked.startsWith(`${basePath}/`);
    const pathname = isWhole ? asked.slice(basePath.length) : asked;
    if (pathname.startsWith("/here/")) return this.#here(pathname.slice(6), method);
    if (pathname === "/ws") {
      if (method === "GET") return this.#gate.upgrade(request, address);
      if (method !== "POST") return notAllowed(["GET", "POST"]);
      return this.#gate.diagnose(request, address) ?? noContent();
    }
    const asset = pathname.startsWith("/r/")
      ? isRoomName(pathname.slice(3)) ? assets.get("/") : undefined
      : assets.get(pathname === "/favicon.ico" ? "/assets/icon.svg" : pathname);
    const health = healthPaths.includes(pathname);
    const operator = operatorPaths.includes(pathname);
    const reload = dev && pathname === "/dev/reload";
    if (asset === undefined && !health && !operator && !reload) return notFound;
    if (!reading.includes(method)) return notAllowed(reading);
    if (asset !== undefined) return assetResponse(asset, request);
    if (operator) return operatorResponse(this.#options, pathname, peer, request, basePath);
    if (reload) return this.#reloadStream(method);
    return this.#healthProblem(pathname) ?? healthy(method);
  }

  /** Who is in a room, for somebody who is about to enter; a chat that asks for a code keeps it to itself. */
  #here(room: string, method: string): Response | Problem {
    if (!isRoomName(room)) return notFound;
    if (!reading.includes(method)) return notAllowed(reading);
    if (!this.#options.isOpen) return noContent();
    const bytes = new TextEncoder().encode(JSON.stringify(this.#options.hub.here(room, hereMost)));
    const headers = {
      "content-type": "application/json",
      "content-length": String(bytes.length),
      "cache-control": "no-store",
    };
    return new Response(method === "HEAD" ? null : bytes, { headers });
  }

  #healthProblem(pathname: string): Problem | undefined {
    if (this.#options.hub.draining) {
      return { status: 503, code: "draining", detail: "The server is about to stop" };
    }
    if (pathname === "/healthz" || this.#isReady()) return undefined;
    return {
      status: 503,
      code: "storage_unavailable",
      detail: "No message can be stored now: the error log says why",
    };
  }

  #isReady(): boolean {
    const now = this.#options.now();
    if (now >= this.#readiness.until) {
      this.#readiness = { isReady: this.#options.ready(), until: now + readinessMs };
    }
    return this.#readiness.isReady;
  }

  /** Ends the answers that would not end by themselves. */
  close(): void {
    for (const stream of this.#reloadStreams) stream.close();
    this.#reloadStreams.clear();
  }

  #reloadStream(method: string): Response {
    const streams = this.#reloadStreams;
    const event = new TextEncoder().encode(`retry: ${reloadRetryMs}\ndata: ${this.#startId}\n\n`);
    let stream: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        stream = controller;
        controller.enqueue(event);
        streams.add(controller);
      },
      cancel() {
        streams.delete(stream);
      },
    });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
    return new Response(method === "HEAD" ? null : body, { headers });
  }
}

/** A host that means all addresses cannot be clicked on. */
function localName(hostname: string): string {
  if (hostname === "0.0.0.0" || hostname === "::") return "localhost";
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function assetResponse(asset: Asset, request: Request): Response {
  const headers = new Headers({
    "cache-control": asset.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag: asset.etag,
    vary: "Accept-Encoding",
  });
  const tags = shortList(request, "if-none-match");
  if (tags !== undefined && !ifNoneMatch(tags, asset.etag)) {
    return new Response(null, { status: 304, headers });
  }
  // A client that says nothing may take anything, says the standard; those that do often cannot decode.
  const encoding = shortList(request, "accept-encoding") === undefined
    ? undefined
    : encodings.find((name) =>
      asset.encoded[name] !== undefined && acceptsEncodings(request, name) === name
    );
  const bytes = encoding && asset.encoded[encoding] || asset.bytes;
  if (encoding !== undefined) headers.set("content-encoding", encoding);
  headers.set("content-type", asset.type);
  headers.set("content-length", String(bytes.length));
  return new Response(request.method === "HEAD" ? null : bytes, { headers });
}

function logged(value: string | null): string | undefined {
  return value === null || value.length <= loggedMaxLength
    ? value ?? undefined
    : `${value.slice(0, loggedMaxLength)}...`;
}

function healthy(method: string): Response {
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": "2",
    "cache-control": "no-store",
  };
  return new Response(method === "HEAD" ? null : "ok", { headers });
}

function redirect(location: string): Response {
  return new Response(null, { status: 308, headers: { location } });
}

function noContent(): Response {
  return new Response(null, { status: 204, headers: { "cache-control": "no-store" } });
}

function notAllowed(methods: readonly string[]): Problem {
  const allow = methods.join(", ");
  return {
    status: 405,
    code: "method_not_allowed",
    detail: `Here one can only ${allow}`,
    headers: { allow },
  };
}
