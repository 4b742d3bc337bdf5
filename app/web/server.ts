// The web server: listens, adds headers to every response, logs every request, and shuts down.

import { waitAtMost } from "../core/timers.ts";
import { localHost } from "../core/url_host.ts";
import { closeCode } from "../protocol/wire.ts";
import type { Certificate } from "./certificate.ts";
import { HostGuard } from "./host_guard.ts";
import { truncate } from "./line_limit.ts";
import { Listener } from "./listener.ts";
import type { RequestHandler } from "./listener.ts";
import type { WebOptions } from "./options.ts";
import { addCorsHeaders } from "./origins.ts";
import { clientAddress, isBannable, isUnspecified, normalizeAddress, peerAddress } from "./peer.ts";
import { notFound, problemResponse } from "./problem.ts";
import type { Problem } from "./problem.ts";
import { requestBufferBytes, ResponseLimits } from "./response_limits.ts";
import { ProxyWarnings } from "./proxy_warnings.ts";
import type { Incoming } from "./router.ts";
import { Site } from "./site.ts";
import { WebSockets } from "./websocket.ts";

export type WebServer = ReturnType<typeof serveWeb>;

/** Forbids foreign scripts, styles, images and connections, and lets only `ancestors` frame it. */
const contentSecurityPolicy = (ancestors: readonly string[]) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${ancestors.join(" ") || "'none'"}`,
    "require-trusted-types-for 'script'",
    "trusted-types parley",
  ].join("; ");

const securityHeaders = {
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy":
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Container engines, load balancers and pages in development poll these all day. */
const unloggedPaths: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/dev/start"]);
/** Max time for connections to close before a certificate is replaced. */
const renewGraceMs = 2_000;

const internalError: Problem = {
  status: 500,
  code: "internal",
  detail: "Something went wrong. See the server's error log",
};
/**
 * The response to a connection that its peer has already reset. The address is unknown, and so are
 * its quotas and bans. Upgrading it would leak a descriptor (docs/deno-issues.md).
 */
const connectionReset: Problem = {
  status: 400,
  code: "connection_reset",
  detail: "The connection was reset",
};
const invalidHost: Problem = {
  status: 400,
  code: "host_invalid",
  detail: "The Host header is not a valid host",
};

/**
 * Matches the value of a Host header. Deno puts it into the URL as it is, and any other character
 * would start a path there: one that no proxy has seen, and that is not in the log.
 */
const hostPattern = /^[^\\/?#@]*$/;

/**
 * Matches URLs whose path another program may understand differently: parsing resolves dots, and
 * turns `\` into `/`. Clients resolve dots themselves.
 */
const ambiguousPath = /^[^?#]*(?:\\|\/(?:\.|%2e){1,2}(?:[/?#]|$))/i;

/** Max length of a URL. The chat's own are shorter, and parsing 60 KB of parameters takes 18 ms. */
const urlMaxLength = 8_192;

const urlTooLong: Problem = {
  status: 414,
  code: "url_too_long",
  detail: "The address can have up to 8 KiB",
};

/**
 * Serves the chat.
 *
 * @throws {Error} If it cannot listen on the address.
 */
export function serveWeb(options: WebOptions) {
  const { host, log, now, assets, certificate, trustProxy } = options;
  const hostGuard = new HostGuard(options);
  const proxyWarnings = new ProxyWarnings(trustProxy, log);
  const sockets = new WebSockets(options, proxyWarnings);
  const site = new Site(options, sockets);
  const fixedHeaders = Object.entries({
    ...securityHeaders,
    "content-security-policy": contentSecurityPolicy(options.frameAncestors),
    ...(options.frameAncestors.length === 0 ? { "x-frame-options": "DENY" } : {}),
  });
  const responseLimits = new ResponseLimits();

  const respond = async (incoming: Omit<Incoming, "url">) => {
    const { request, peer, client } = incoming;
    try {
      const hasHost = hostPattern.test(request.headers.get("host") ?? "");
      const url = hasHost ? URL.parse(request.url) : null;
      const result = url === null
        ? invalidHost
        : request.url.length > urlMaxLength
        ? urlTooLong
        : ambiguousPath.test(request.url)
        ? notFound
        : isUnspecified(peer)
        ? connectionReset
        : responseLimits.problem(client) ?? hostGuard.problem(url.hostname, peer) ??
          await site.handle({ ...incoming, url });
      return result instanceof Response ? result : problemResponse(result, request, assets);
    } catch (error) {
      log.error("internal", error, { address: client.address });
      return problemResponse(internalError, request, assets);
    }
  };

  const handle: RequestHandler = async (request, { remoteAddr, completed }) => {
    const startedAt = now();
    const { method, url, headers } = request;
    // With HOST=[::], IPv4 addresses arrive as IPv4-mapped IPv6 ones.
    const peer = normalizeAddress(remoteAddr.hostname) ?? remoteAddr.hostname;
    const address = clientAddress(peer, headers, trustProxy);
    const client = {
      ...peerAddress(address, trustProxy),
      isBannable: isBannable(address, peer, headers, trustProxy),
    };
    proxyWarnings.check(peer, headers);
    // An upgrade consumes the request, so read it first.
    const record = {
      address: client.address,
      method,
      path: truncate(url.replace(/^\w+:\/\/[^/?#]*/, "")) || "/",
      // Deno doesn't report the version, but requests over HTTP/2 have no Host header.
      protocol: headers.has("host") ? "HTTP/1.1" : "HTTP/2.0",
      referrer: truncate(headers.get("referer")),
      userAgent: truncate(headers.get("user-agent")),
    };
    // Browsers send this header over https and to localhost. Elsewhere they ignore the policy.
    const isTrustworthy = headers.has("sec-fetch-dest");
    // Deno omits the body for HEAD.
    const responding = respond({ request, peer, client, completed });
    if (method === "POST" || method === "PATCH") {
      responseLimits.add(client, requestBufferBytes, responding);
    }
    const response = await responding;
    const { status } = response;
    if (status !== 101) {
      addCorsHeaders(response, request, options.allowedOrigins);
      for (const [name, value] of fixedHeaders) response.headers.set(name, value);
      if (isTrustworthy) response.headers.set("cross-origin-opener-policy", "same-origin");
    }
    const bytes = method === "HEAD" ? 0 : Number(response.headers.get("content-length") ?? 0);
    // Reading `body` makes Deno stream it, and `completed` wait for the client. That costs about
    // 45 µs, so the responses to new messages, whose rate is limited, go without.
    if (bytes > 0 && status !== 201 && response.body !== null) {
      responseLimits.add(client, bytes, completed);
    }
    if (status >= 400 || !unloggedPaths.has(record.path)) {
      log.access({ ...record, status, bytes, ms: now() - startedAt }, client.network);
    }
    return response;
  };

  const onError = (error: unknown) => log.error("listener", error);
  const listener = new Listener({ ...options, onError }, handle);
  const { port } = listener;
  const scheme = certificate === undefined ? "http" : "https";
  return {
    port,
    /** The chat's URL for browsers on this machine. */
    url: `${scheme}://${localHost(host)}:${port}${assets.basePath}/`,
    /** Counts the connections. */
    limits: sockets.limits,
    /** Resolves when everything is closed. */
    get finished() {
      return listener.finished;
    },
    /**
     * Listens with another certificate, which must be valid. Closes all WebSockets with 1012 and
     * tells the clients to spread their reconnects over `spreadMs`.
     *
     * @throws {Error} If it can no longer listen on the address.
     */
    async renew(certificate: Certificate, spreadMs: number): Promise<void> {
      sockets.closeAll(closeCode.restarting, String(spreadMs));
      await sockets.settled(renewGraceMs);
      hostGuard.renew(certificate);
      await listener.renew(certificate);
    },
    /**
     * Stops accepting connections. Resolves when all are closed, or after `graceMs`, because a peer
     * may never close. Drain the hub first.
     */
    async shutdown(graceMs: number): Promise<void> {
      // Deno's shutdown sends 1001 to all, and discards close frames that are still queued.
      await waitAtMost(graceMs, sockets.settled(graceMs).then(() => listener.shutdown()));
    },
  };
}
