// HTTP errors: problem+json (RFC 9457) for programs, a small page for browsers.

import { STATUS_TEXT } from "@std/http/status";
import type { ErrorStatus } from "@std/http/status";
import type { ProblemCode } from "../protocol/wire.ts";
import { escapeHtml, htmlPage } from "./html.ts";
import type { Chat } from "./html.ts";
import { problemWordsDe } from "./problem_words_de.ts";
import { preferredLanguage, preferredType, textResponse } from "./responses.ts";

export interface Problem {
  readonly status: ErrorStatus;
  readonly code: ProblemCode;
  /** Describes the problem and its remedy. The last sentence has no period. */
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

/** Returns `problem` in the format the client asks for; a page for people is in their language. */
export function problemResponse(problem: Problem, request: Request, chat: Chat): Response {
  const { status, code, detail, field, room, headers = {} } = problem;
  const title = STATUS_TEXT[status];
  const init = { status, headers: { vary: "Accept, Accept-Language", ...headers } };
  if (preferredType(request, ["application/problem+json", "text/html"]) !== "text/html") {
    const text = JSON.stringify({ type: "about:blank", title, status, code, detail, field, room });
    return textResponse(text, "application/problem+json", init);
  }
  const isGerman = preferredLanguage(request, ["en", "de"]) === "de";
  const german = isGerman ? problemWordsDe[code] : undefined;
  const words = german ?? { title, detail };
  const link = german
    ? room ? `Zu #${room}` : "Zum Chat"
    : room
    ? `Go to #${room}`
    : "Go to the chat";
  const body = `  <body>
    <main class="prompt">
      <div>
        <p class="brand">${chat.title}</p>
        <h1>${words.title}</h1>
        <p class="hint">${escapeHtml(words.detail)}.</p>
        <p><a class="link" href="${chat.basePath}/${room ? `r/${room}` : ""}">${link}</a></p>
      </div>
    </main>
  </body>`;
  const page = { language: german ? "de" : "en", title: words.title, chat, body };
  const html = htmlPage({ ...page, stylesheets: ["style.css"] });
  return textResponse(html, "text/html; charset=utf-8", init);
}
