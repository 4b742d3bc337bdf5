// The router: finds the handler for a path and a method in a table of routes.

import type { PeerAddress } from "../chat/session.ts";
import { roomPattern } from "../protocol/text.ts";
import { notFound } from "./problem.ts";
import type { Problem } from "./problem.ts";

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

const parameterPatterns = {
  room: roomPattern.source.slice(1, -1),
  offset: "[1-9][0-9]{0,14}",
  file: "[^/]+",
  other: "[^/]+(?:/[1-9][0-9]{0,14})?/?",
};
type Parameter = keyof typeof parameterPatterns;

/** A request and its sender. */
export interface Incoming {
  readonly request: Request;
  readonly url: URL;
  /** Address of the connection's other end, which may be a proxy. */
  readonly peer: string;
  /** The client, as reported by trusted proxies. */
  readonly client: PeerAddress;
  /** Settles when the response is sent, or the connection has ended. */
  readonly completed: Promise<void>;
}

/** A request on its way to a handler. */
export interface Exchange extends Incoming {
  /** The path without the base path. */
  readonly pathname: string;
  /** The path's parameters. Those that the route does not have are empty. */
  readonly params: Readonly<Record<Parameter, string>>;
  /** The value of Parley-Access-Code. */
  readonly accessCode: string | undefined;
}

type Result = Response | Problem | Promise<Response | Problem>;

/** Handles a request. For HEAD, the caller discards the response's body. */
export type Handler = (exchange: Exchange) => Result;

export type Methods = Readonly<Partial<Record<Method, Handler>>>;

/** Handlers by path. Parameters are in braces: `/r/{room}`. */
export type Routes = Readonly<Record<string, Methods>>;

/** A route table. The first path that matches wins. All routes support OPTIONS. */
export class Router {
  readonly #routes: readonly {
    readonly pattern: RegExp;
    readonly handlers: ReadonlyMap<string, Handler>;
    /** The value of the `Allow` header. */
    readonly allow: string;
  }[];
  /** The methods that any route supports. */
  readonly #allow: string;

  constructor(routes: Routes) {
    this.#routes = Object.entries(routes).map(([path, methods]) => ({
      pattern: compile(path),
      handlers: new Map(Object.entries(methods)),
      allow: allowOf(methods),
    }));
    this.#allow = allowOf(Object.assign({}, ...Object.values(routes)));
  }

  /** Calls the handler for a request, or returns 404 or 405. */
  handle(exchange: Omit<Exchange, "params">): Result {
    // `OPTIONS *` is about the whole server (RFC 9110, section 9.3.7).
    if (exchange.pathname === "/*" && exchange.request.method === "OPTIONS") {
      return optionsResponse(this.#allow);
    }
    for (const { pattern, handlers, allow } of this.#routes) {
      const match = pattern.exec(exchange.pathname);
      if (match === null) continue;
      const { method } = exchange.request;
      if (method === "OPTIONS") return optionsResponse(allow);
      const handler = handlers.get(method);
      if (handler === undefined) return methodNotAllowed(allow);
      return handler({
        ...exchange,
        params: { room: "", offset: "", file: "", other: "", ...match.groups },
      });
    }
    return notFound;
  }
}

/** Returns the methods of a read-only route. */
export function readOnly(handler: Handler): Methods {
  return { GET: handler, HEAD: handler };
}

/** Compiles a path. With `URLPattern`, finding a route takes 13 µs instead of 1. */
function compile(path: string): RegExp {
  const source = path.replaceAll(".", "\\.").replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (isParameter(name)) return `(?<${name}>${parameterPatterns[name]})`;
    throw new Error(`Cannot route ${path}: unknown parameter ${name}`);
  });
  return new RegExp(`^${source}$`);
}

function isParameter(name: string): name is Parameter {
  return Object.hasOwn(parameterPatterns, name);
}

function allowOf(methods: Methods): string {
  return [...Object.keys(methods), "OPTIONS"].join(", ");
}

function optionsResponse(allow: string): Response {
  return new Response(null, { status: 204, headers: { allow } });
}

function methodNotAllowed(allow: string): Problem {
  const detail = `This address only supports ${allow}`;
  return { status: 405, code: "method_not_allowed", detail, headers: { allow } };
}
