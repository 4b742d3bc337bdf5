// Types of @std/http/negotiation 1.0, written for the code on npm, which has none.

/** The media types that a client takes, the best first. */
export function accepts(request: Pick<Request, "headers">): string[];
/** The one of `types` that a client likes best, if it takes any. */
export function accepts(request: Pick<Request, "headers">, ...types: string[]): string | undefined;
/** The encodings that a client takes, the best first. */
export function acceptsEncodings(request: Pick<Request, "headers">): string[];
/** The one of `encodings` that a client likes best, if it takes any. */
export function acceptsEncodings(
  request: Pick<Request, "headers">,
  ...encodings: string[]
): string | undefined;
/** The languages that a client takes, the best first. */
export function acceptsLanguages(request: Pick<Request, "headers">): string[];
/** The one of `langs` that a client likes best, if it takes any. */
export function acceptsLanguages(
  request: Pick<Request, "headers">,
  ...langs: string[]
): string | undefined;
