// HTTP errors for the hub's refusals: their statuses, headers and details.

import type { ErrorStatus } from "@std/http/status";
import { closeCode } from "../protocol/wire.ts";
import type { ErrorPush } from "../protocol/wire.ts";
import type { Problem } from "./problem.ts";

/** Statuses by code. Any other code says that the request's content is invalid: 422. */
const statuses = new Map<string, ErrorStatus>([
  ["access_denied", 401],
  ["access_locked", 429],
  ["access_required", 401],
  ["banned", 403],
  ["draining", 503],
  ["edits_exhausted", 409],
  ["forbidden", 403],
  ["moderator_denied", 401],
  ["moderator_locked", 429],
  ["muted", 403],
  ["not_found", 404],
  ["rate_limited", 429],
  ["rooms_full", 507],
  ["search_off", 404],
  ["storage_full", 507],
  ["storage_unavailable", 503],
  ["token_invalid", 401],
  ["username_taken", 409],
]);

/** The header or field that a code is about. Other messages begin with the name of the field. */
const fields: readonly (readonly [RegExp, string])[] = [
  [/^access_/, "Parley-Access-Code"],
  [/^moderator_/, "code"],
  [/^nonce_/, "Idempotency-Key"],
  [/^query_/, "q"],
  [/^(text_|not_sealed)/, "text"],
  [/^(token|username)_/, "Authorization"],
];

/** The challenge for a request without valid credentials. */
export const challenge = { "www-authenticate": 'Basic realm="Parley", charset="UTF-8"' };

export function refusalProblem({ code, message, retryAfter }: ErrorPush): Problem {
  const status = statuses.get(code) ?? 422;
  const headers: Record<string, string> = {};
  if (retryAfter !== undefined) headers["retry-after"] = String(Math.ceil(retryAfter / 1000));
  else if (status === 503) headers["retry-after"] = "1";
  if (code.startsWith("access_")) headers["www-authenticate"] = "Parley-Access-Code";
  else if (status === 401) Object.assign(headers, challenge);
  if (status !== 401) delete headers["www-authenticate"];
  const field = fields.find(([pattern]) => pattern.test(code))?.[1] ??
    /^"(\w+)"/.exec(message)?.[1];
  const detail = message.replace('"nonce"', "Idempotency-Key").replace('"query"', "q")
    .replace("Choose another name", "Choose another name, or use the token that holds it")
    .replace("Retrying…", "Try again later");
  return { status, code, detail, field, headers };
}

/** Returns the result of a read, or the HTTP error if the hub refuses it or it fails. */
export async function resultOf<T extends object>(
  reading: Promise<T | ErrorPush>,
  failure: string,
): Promise<T | Problem> {
  try {
    const result = await reading;
    return isRefusal(result) ? refusalProblem(result) : result;
  } catch {
    return storageProblem(failure);
  }
}

function isRefusal(result: object): result is ErrorPush {
  return "type" in result && result.type === "error";
}

/** Returns the HTTP error for a session that the hub has closed. */
export function closedProblem(code: number): Problem {
  switch (code) {
    case closeCode.banned:
      return { status: 403, code: "banned", detail: "You are banned from this chat" };
    case closeCode.restarting: {
      const detail =
        "The server is about to restart. Try again. Repeat a write with its Idempotency-Key";
      return { status: 503, code: "draining", detail, headers: { "retry-after": "1" } };
    }
    default:
      return storageProblem("The server could not finish in time");
  }
}

/** Returns the HTTP error for a log that cannot be used now. */
function storageProblem(reason: string): Problem {
  const detail = `${reason}. Try again later`;
  return { status: 503, code: "storage_unavailable", detail, headers: { "retry-after": "5" } };
}
