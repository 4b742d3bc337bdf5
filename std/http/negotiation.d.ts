// Types of @std/http/negotiation 1.1.3 for the untyped code on npm.

/** Returns the media types that a client accepts, best first. */
export function accepts(request: Pick<Request, "headers">): string[];
/** Returns the media type of `types` that a client prefers, if it accepts any. */
export function accepts<T extends string = string>(
  request: Pick<Request, "headers">,
  ...types: T[]
): T | undefined;
/** Returns the encodings that a client accepts, best first. */
export function acceptsEncodings(request: Pick<Request, "headers">): string[];
/** Returns the encoding of `encodings` that a client prefers, if it accepts any. */
export function acceptsEncodings<T extends string = string>(
  request: Pick<Request, "headers">,
  ...encodings: T[]
): T | undefined;
/** Returns the languages that a client accepts, best first. */
export function acceptsLanguages(request: Pick<Request, "headers">): string[];
/** Returns the language of `langs` that a client prefers, if it accepts any. */
export function acceptsLanguages<T extends string = string>(
  request: Pick<Request, "headers">,
  ...langs: T[]
): T | undefined;
