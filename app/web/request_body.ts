// Bodies of requests: bounded in size and time, and decoded as text.

import { later } from "../core/timers.ts";
import { hubLimits } from "../protocol/wire.ts";
import type { Problem } from "./problem.ts";

/** Max time for a body to arrive, since a slow one holds a connection. */
const bodyTimeoutMs = 10_000;

const maxBytes = hubLimits.frameMaxBytes;
const tooLarge: Problem = {
  status: 413,
  code: "body_too_large",
  detail: `Bodies can have up to ${maxBytes} bytes. Send a shorter text`,
};
const tooSlow: Problem = {
  status: 408,
  code: "body_timeout",
  detail: "The body did not arrive in time. Try again",
};
const notUtf8: Problem = {
  status: 422,
  code: "field_invalid",
  detail: "The body must be UTF-8",
  field: "body",
};

/**
 * Returns a request's body as text, or why it cannot be read. `schedule` runs a task after some ms,
 * and returns a function that cancels it.
 */
export async function readText(
  request: Request,
  schedule = later,
): Promise<string | Problem> {
  const { headers } = request;
  const problem = typeProblem(headers);
  if (problem !== undefined) return problem;
  if (Number(headers.get("content-length") ?? 0) > maxBytes) return tooLarge;
  const bytes = await readBytes(request, schedule);
  if (!(bytes instanceof Uint8Array)) return bytes;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return notUtf8;
  }
}

/** Returns whether the body is JSON. Any other type is treated as text. */
export function isJson(headers: Headers): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(headers.get("content-type") ?? "");
}

function typeProblem(headers: Headers): Problem | undefined {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") return unsupported("Content-Encoding", "left out");
  const charset = /;\s*charset="?([^";\s]+)/i.exec(headers.get("content-type") ?? "")?.[1];
  if (charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset)) return undefined;
  return unsupported("Content-Type", "of charset UTF-8");
}

function unsupported(field: string, rule: string): Problem {
  const detail = `${field} must be ${rule}`;
  return { status: 415, code: "media_type_unsupported", detail, field };
}

async function readBytes(
  { body }: Request,
  schedule: typeof later,
): Promise<Uint8Array | Problem> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (body === null) return new Uint8Array();
  const reader = body.getReader();
  let isLate = false;
  const cancelTimeout = schedule(bodyTimeoutMs, () => {
    isLate = true;
    reader.cancel().catch(() => {});
  });
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (isLate) return tooSlow;
      if (done) break;
      length += value.length;
      if (length > maxBytes) {
        reader.cancel().catch(() => {});
        return tooLarge;
      }
      chunks.push(value);
    }
  } catch {
    // The client disconnected, or violated HTTP.
    return tooSlow;
  } finally {
    cancelTimeout();
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return bytes;
}
