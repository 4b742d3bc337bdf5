// Types of @std/http/cookie 1.0, written for the code on npm, which has none.

/** A cookie and how it may be used. */
export interface Cookie {
  name: string;
  value: string;
  /** When it ends; a number is in milliseconds since 1970. */
  expires?: Date | number;
  /** Seconds until it ends. */
  maxAge?: number;
  domain?: string;
  path?: string;
  /** Only over HTTPS. */
  secure?: boolean;
  /** Not for scripts. */
  httpOnly?: boolean;
  /** A cookie for each site that this one is part of. */
  partitioned?: boolean;
  sameSite?: "Strict" | "Lax" | "None";
  /** Attributes that are none of these, as `key=value`. */
  unparsed?: string[];
}

/** The cookies that a request brings, by name. Throws a `SyntaxError` if one has no name. */
export function getCookies(headers: Headers): Record<string, string>;
/** Adds a cookie to the headers of an answer. Throws a `SyntaxError` if it is not a valid one. */
export function setCookie(headers: Headers, cookie: Cookie): void;
/** Adds what makes a browser forget a cookie; the attributes must be those that it was set with. */
export function deleteCookie(
  headers: Headers,
  name: string,
  attributes?: Pick<Cookie, "path" | "domain" | "secure" | "httpOnly" | "partitioned">,
): void;
/** The cookies that an answer sets. */
export function getSetCookies(headers: Headers): Cookie[];
