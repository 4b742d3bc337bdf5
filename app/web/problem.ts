// HTTP errors: problem+json (RFC 9457) for programs, a small page for browsers.

import { STATUS_TEXT } from "@std/http/status";
import type { ErrorStatus } from "@std/http/status";
import type { ProblemCode } from "../protocol/wire.ts";
import { htmlPage } from "./html.ts";
import type { Chat } from "./html.ts";
import { preferredType, textResponse } from "./responses.ts";

/** Why a request was refused. */
export interface Problem {
  readonly status: ErrorStatus;
  readonly code: ProblemCode;
  /**
   * What is wrong and what to do, as sentences without the last period. Goes into HTML unescaped,
   * so it must not contain request data.
   */
  readonly detail: string;
  /** The invalid field, parameter or header. */
  readonly field?: string | undefined;
  /** A room to go to instead of the chat's front page. */
  readonly room?: string | undefined;
  /** Headers that belong to the status. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const notFound: Problem = {
  status: 404,
  code: "not_found",
  detail: "There is nothing at this address",
};

/** Returns `problem` in the format the client asks for. */
export function problemResponse(problem: Problem, request: Request, chat: Chat): Response {
  const { status, code, detail, field, room, headers = {} } = problem;
  const title = STATUS_TEXT[status];
  const init = { status, headers: { vary: "Accept", ...headers } };
  if (preferredType(request, ["application/problem+json", "text/html"]) === "text/html") {
    return textResponse(
      problemPage(title, detail, chat, room),
      "text/html; charset=utf-8",
      init,
    );
  }
  const text = JSON.stringify({ type: "about:blank", title, status, code, detail, field, room });
  return textResponse(text, "application/problem+json", init);
}

function problemPage(title: string, detail: string, chat: Chat, room?: string): string {
  const [path, text] = room === undefined
    ? ["/", "Go to the chat"]
    : [`/r/${room}`, `Go to #${room}`];
  const body = `  <body>
    <main class="prompt">
      <div>
        <p class="brand">${chat.title}</p>
        <h1>${title}</h1>
        <p class="hint">${detail}.</p>
        <p><a class="link" href="${chat.basePath}${path}">${text}</a></p>
      </div>
    </main>
  </body>`;
  return htmlPage({ title, chat, stylesheets: ["style.css"], body });
}
