// What a refusal looks like: problem+json (RFC 9457) for programs, a small page for browsers. When to refuse is said elsewhere.

import { accepts } from "@std/http/negotiation";
import { STATUS_TEXT } from "@std/http/status";
import type { ErrorStatus } from "@std/http/status";
import type { ProblemCode } from "../protocol/wire.ts";

/** Why a request is refused. */
export interface Problem {
  readonly status: ErrorStatus;
  readonly code: ProblemCode;
  /** A sentence that a person can act on. Never has anything of the request in it, since it goes into a page as it is. */
  readonly detail: string;
  /** Further headers that the status asks for. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** No browser lists more, and matching a list of 60 KiB would keep everybody else waiting for 20 ms. */
const listMaxLength = 1_024;

/** A header that is a list, when it is there and short enough to be looked at. */
export function shortList({ headers }: Request, name: string): string | undefined {
  const list = headers.get(name);
  return list === null || list.length > listMaxLength ? undefined : list;
}

/** The answer that says `problem` the way the client of `request` asks for; `basePath` is where the chat is for a browser. */
export function problemResponse(
  { status, code, detail, headers = {} }: Problem,
  request: Request,
  basePath: string,
): Response {
  const title = STATUS_TEXT[status];
  const wantsPage = shortList(request, "accept") !== undefined &&
    accepts(request, "application/problem+json", "text/html") === "text/html";
  const type = wantsPage ? "text/html; charset=utf-8" : "application/problem+json";
  const body = new TextEncoder().encode(
    wantsPage
      ? page(title, detail, basePath)
      : JSON.stringify({ type: "about:blank", title, status, code, detail }),
  );
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      "content-type": type,
      "content-length": String(body.length),
      "cache-control": "no-store",
      vary: "Accept",
      ...headers,
    },
  });
}

function page(title: string, detail: string, basePath: string): string {
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>${title} · Parley</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="stylesheet" href="${basePath}/assets/style.css">
  </head>
  <body>
    <main class="prompt">
      <div>
        <p class="brand">Parley</p>
        <h1>${title}</h1>
        <p class="hint">${detail}.</p>
        <p><a class="link" href="${basePath}/">To the chat</a></p>
      </div>
    </main>
  </body>
</html>
`;
}
