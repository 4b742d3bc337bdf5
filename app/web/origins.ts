// CORS (Fetch Standard): the origins whose pages may make requests, and the headers those may read.

import type { WebOptions } from "./options.ts";
import type { Problem } from "./problem.ts";
import type { Handler, Methods } from "./router.ts";

type OriginOptions = Pick<WebOptions, "allowedOrigins" | "trustProxy">;

/** Methods that change nothing. */
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD"]);
/** Headers that pages of allowed origins may send. */
const requestHeaders =
  "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Parley-Access-Code";
/** Headers that they may read, besides those that the standard lets every page read. */
const responseHeaders = "Allow, ETag, Link, Location, Retry-After, WWW-Authenticate";
const preflightMaxAgeSeconds = "600";

/**
 * Returns a problem if a request comes from a foreign page, which could otherwise use the chat from
 * inside its visitors' networks. Trusts X-Forwarded-Host only if `trustProxy` is not 0.
 */
export function originProblem(
  { headers, url }: Request,
  { allowedOrigins, trustProxy }: OriginOptions,
): Problem | undefined {
  const origin = headers.get("origin");
  if (origin === null || allowedOrigins.includes(origin)) return undefined;
  // Over HTTP/2, the host is only in the URL.
  const hosts = [headers.get("host") ?? URL.parse(url)?.host];
  if (trustProxy > 0) hosts.push(headers.get("x-forwarded-host")?.split(",").at(-1)?.trim());
  const { protocol, host: ownHost } = URL.parse(origin) ?? { protocol: "", host: "" };
  // Only the host is compared: behind a proxy that terminates TLS, the scheme differs.
  const isWeb = protocol === "http:" || protocol === "https:";
  const isOwn = isWeb && ownHost !== "" &&
    hosts.some((host) => host && URL.parse(`${protocol}//${host}`)?.host === ownHost);
  if (isOwn) return undefined;
  const detail = "The page comes from a different origin than the chat. " +
    "Add it to ALLOWED_ORIGINS to let it connect";
  return { status: 403, code: "origin_denied", detail };
}

/**
 * Returns `methods` with a check of the request's origin, because browsers attach cached
 * credentials automatically. Following a link to the page is allowed, and has no Origin.
 */
export function guardOrigin(options: OriginOptions, methods: Methods): Methods {
  const guarded = Object.entries(methods).map(([method, handler]): [string, Handler] => [
    method,
    (exchange) => requestProblem(exchange.request, options) ?? handler(exchange),
  ]);
  return Object.fromEntries(guarded);
}

function requestProblem(request: Request, options: OriginOptions): Problem | undefined {
  const { headers, method } = request;
  if (headers.has("origin")) return originProblem(request, options);
  if (safeMethods.has(method) || headers.get("sec-fetch-site") !== "cross-site") return undefined;
  const detail = "Pages of other sites cannot write here. Add their origin to ALLOWED_ORIGINS";
  return { status: 403, code: "origin_denied", detail };
}

/** Adds the headers that let pages of allowed origins read a response, and send such requests. */
export function addCorsHeaders(
  { headers }: Response,
  request: Request,
  allowedOrigins: readonly string[],
): void {
  if (allowedOrigins.length === 0) return;
  headers.append("vary", "Origin");
  const origin = request.headers.get("origin");
  if (origin === null || !allowedOrigins.includes(origin)) return;
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", responseHeaders);
  if (request.method !== "OPTIONS") return;
  headers.set("access-control-allow-methods", headers.get("allow") ?? "");
  headers.set("access-control-allow-headers", requestHeaders);
  headers.set("access-control-max-age", preflightMaxAgeSeconds);
}
