// Responses with text or an asset as their body.

import { ifNoneMatch } from "@std/http/etag";
import { accepts, acceptsEncodings, acceptsLanguages } from "@std/http/negotiation";
import { encodings } from "./assets.ts";
import type { Asset } from "./assets.ts";

/** Browsers' lists are shorter. Matching one of 60 KiB would block the event loop for 20 ms. */
const listMaxLength = 1_024;

/** Returns a header whose value is a list, or `undefined` if it is missing or too long to match. */
export function listHeader({ headers }: Request, name: string): string | undefined {
  const list = headers.get(name);
  return list === null || list.length > listMaxLength ? undefined : list;
}

/**
 * Returns the type that the client prefers, or `undefined` if it accepts none. The first is the
 * default. All are in UTF-8, so clients may ask for that.
 */
export function preferredType(request: Request, types: readonly string[]): string | undefined {
  const list = listHeader(request, "accept");
  if (list === undefined) return types[0];
  const accept = list.replace(/;\s*charset="?utf-?8"?/gi, "");
  return accepts({ headers: new Headers({ accept }) }, ...types);
}

/** Returns the language that the client prefers. The first is the default. */
export function preferredLanguage(request: Request, languages: readonly string[]): string {
  const list = listHeader(request, "accept-language");
  const [fallback = ""] = languages;
  if (list === undefined) return fallback;
  const headers = new Headers({ "accept-language": list });
  return acceptsLanguages({ headers }, ...languages) ?? fallback;
}

/** Returns a response with a text that must not be cached. */
export function textResponse(
  text: string,
  type: string,
  { status = 200, headers = {} }: {
    readonly status?: number;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Response {
  const bytes = new TextEncoder().encode(text);
  return new Response(bytes, {
    status,
    headers: {
      "content-type": type,
      "content-length": String(bytes.length),
      "cache-control": "no-store",
      ...headers,
    },
  });
}

/** Returns an empty response, which must not be cached. */
export function noContent(
  status = 204,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(null, { status, headers: { "cache-control": "no-store", ...headers } });
}

/** Returns `asset` in the best encoding that the client accepts, or 304 if it has the asset. */
export async function assetResponse(asset: Asset, request: Request): Promise<Response> {
  const headers = new Headers({
    "cache-control": asset.immutable ? "public, max-age=31536000, immutable" : "no-cache",
    etag: asset.etag,
    vary: "Accept-Encoding",
  });
  const tags = listHeader(request, "if-none-match");
  if (tags !== undefined && !ifNoneMatch(tags, asset.etag)) {
    return new Response(null, { status: 304, headers });
  }
  // By the standard, a client that omits the header accepts any encoding. Few can decode one.
  const isPlain = !asset.isCompressible || listHeader(request, "accept-encoding") === undefined;
  const encoding = isPlain
    ? undefined
    : encodings.find((name) => acceptsEncodings(request, name) === name);
  const bytes = encoding === undefined ? asset.bytes : await asset.encode(encoding);
  if (encoding !== undefined) headers.set("content-encoding", encoding);
  headers.set("content-type", asset.type);
  headers.set("content-length", String(bytes.length));
  return new Response(bytes, { headers });
}
