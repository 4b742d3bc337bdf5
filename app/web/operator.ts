// What only the operator may see, and who that is: metrics and status. Reads figures, changes nothing.

import type { Sample, Totals } from "../core/metrics.ts";
import { isLoopback, normalAddress } from "./peer.ts";
import type { Problem } from "./problem.ts";
import { statusPage } from "./status.ts";

/** Where the figures come from. */
export interface MetricsSource {
  /** Type of `text()`. */
  readonly contentType: string;
  /** All figures for a program that collects them. */
  text(): Promise<string>;
  /** The newest last. */
  readonly samples: readonly Sample[];
  totals(): Totals;
}

/** What the operator's pages work with. */
export interface OperatorOptions {
  readonly metrics: MetricsSource;
  /** Tells the operator's secret; without one, only who sits at this machine is the operator. */
  readonly isToken?: ((text: string) => boolean) | undefined;
  /** How many proxies stand in front: behind one, the secret alone tells the operator. */
  readonly trustProxy: number;
}

/** Headers that only a proxy has a reason to write: behind one, everybody comes from this machine. */
const proxyHeaders = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];
const localNames = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;
/** A status page that is open asks again after this. */
const refreshSeconds = 5;

/** The paths that there are for the operator. */
export const operatorPaths: readonly string[] = ["/metrics", "/status"];

/** Answers a request for one of `operatorPaths`. `peer` is who holds the other end of the connection, whatever headers say. */
export function operatorResponse(
  { metrics, isToken, trustProxy }: OperatorOptions,
  pathname: string,
  peer: string,
  request: Request,
  basePath: string,
): Promise<Response> | Response | Problem {
  const { headers } = request;
  if (isToken === undefined) {
    // What a proxy hands on need not show that it came through one.
    if (trustProxy > 0) return nobody;
    if (!isLocal(peer, headers)) return onlyLocal;
  } else if (!isToken(tokenOf(headers))) return tokenNeeded;
  if (pathname === "/metrics") {
    return metrics.text().then((text) => answer(request, text, metrics.contentType));
  }
  const page = statusPage(metrics.totals(), metrics.samples, basePath);
  return answer(request, page, "text/html; charset=utf-8", { refresh: String(refreshSeconds) });
}

/**
 * Whether nobody stands between this machine's own user and the server. The name that was asked for counts too: a page of a
 * foreign site can have its own name point to this machine.
 */
function isLocal(peer: string, headers: Headers): boolean {
  return isLoopback(normalAddress(peer) ?? peer) &&
    localNames.test(headers.get("host") ?? "") &&
    proxyHeaders.every((name) => !headers.has(name));
}

/** What a program sends as bearer, and a browser as the password that it asks for. */
function tokenOf(headers: Headers): string {
  const [, scheme = "", value = ""] = /^(\w+) +(\S+)$/.exec(headers.get("authorization") ?? "") ??
    [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return "";
  try {
    return atob(value).replace(/^[^:]*:/, "");
  } catch {
    return "";
  }
}

const onlyLocal: Problem = {
  status: 403,
  code: "local_only",
  detail: "Only from the machine that the server runs on, and not through a proxy, can this be " +
    "seen; with METRICS_TOKEN set, from everywhere by who knows it",
};
const nobody: Problem = {
  status: 403,
  code: "local_only",
  detail: "With TRUST_PROXY set nobody can see this, since everybody may have come through the " +
    "proxy; with METRICS_TOKEN set too, who knows it can",
};
const tokenNeeded: Problem = {
  status: 401,
  code: "token_required",
  detail: "This is for who knows the METRICS_TOKEN: as bearer, or as password with any name",
  headers: { "www-authenticate": 'Basic realm="Parley", charset="UTF-8"' },
};

function answer(
  { method }: Request,
  text: string,
  type: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const bytes = new TextEncoder().encode(text);
  return new Response(method === "HEAD" ? null : bytes, {
    headers: {
      "content-type": type,
      "content-length": String(bytes.length),
      "cache-control": "no-store",
      ...headers,
    },
  });
}
