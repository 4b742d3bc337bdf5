// Types of @std/http/cookie 1.1.3 for the untyped code on npm.

/** A cookie and its attributes. */
export interface Cookie {
  name: string;
  value: string;
  /** When it expires; a number is milliseconds since 1970. */
  expires?: Date | number;
  /** Seconds until it expires. */
  maxAge?: number;
  domain?: string;
  path?: string;
  /** Sent over HTTPS only. */
  secure?: boolean;
  /** Hidden from scripts. */
  httpOnly?: boolean;
  /** Stored separately for each top-level site. */
  partitioned?: boolean;
  sameSite?: "Strict" | "Lax" | "None";
  /** Further attributes as `key=value`. */
  unparsed?: string[];
}

/** Returns the cookies of a request by name. Throws a `SyntaxError` if one has no name. */
export function getCookies(headers: Headers): Partial<Record<string, string>>;
/** Adds a cookie to the headers of a response. Throws a `SyntaxError` if it is invalid. */
export function setCookie(headers: Headers, cookie: Cookie): void;
/** Makes the browser delete a cookie; the attributes must be those of the cookie. */
export function deleteCookie(
  headers: Headers,
  name: string,
  attributes?: Pick<Cookie, "path" | "domain" | "secure" | "httpOnly" | "partitioned">,
): void;
/** Returns the cookies that a response sets. */
export function getSetCookies(headers: Headers): Cookie[];
