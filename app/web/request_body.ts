// Bodies of requests: bounded in size and time, and decoded as text.

import { sharedTimer } from "../core/timers.ts";
import { hubLimits } from "../protocol/wire.ts";
import type { Problem } from "./problem.ts";

/** Max time for a body to arrive, since a slow one holds a connection. */
const bodyTimeoutMs = 10_000;

const maxBytes = hubLimits.frameMaxBytes;
const tooLarge: Problem = {
  status: 413,
  code: "body_too_large",
  detail: `Bodies can have up to ${maxBytes} bytes. Send a shorter text`,
  field: "body",
};
const tooSlow: Problem = {
  status: 408,
  code: "body_timeout",
  detail: "The body did not arrive in time. Try again",
  field: "body",
};
const notUtf8: Problem = {
  status: 422,
  code: "field_invalid",
  detail: "The body must be UTF-8",
  field: "body",
};

const decoder = new TextDecoder("utf-8", { fatal: true });
const afterTimeout = sharedTimer(bodyTimeoutMs);

/**
 * Returns a request's body as text, or why it cannot be read. `schedule` runs a task after the
 * timeout, and returns a function that cancels it.
 */
export async function readText(
  request: Request,
  schedule = afterTimeout,
): Promise<string | Problem> {
  const problem = typeProblem(request.headers);
  if (problem !== undefined) return problem;
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return tooLarge;
  const late = Promise.withResolvers<Problem>();
  const cancelTimeout = schedule(() => late.resolve(tooSlow));
  try {
    const bytes = await Promise.race([readChunks(request, late.promise), late.promise]);
    return bytes instanceof Uint8Array ? decode(bytes) : bytes;
  } catch {
    // The client disconnected, or violated HTTP.
    return tooSlow;
  } finally {
    cancelTimeout();
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

function decode(bytes: Uint8Array): string | Problem {
  try {
    return decoder.decode(bytes);
  } catch {
    return notUtf8;
  }
}

/**
 * Reads a body until it is complete, too large or too late. `request.bytes()` is faster, but cannot
 * be canceled: the connection of a client that leaves before it is complete would stay open.
 */
async function readChunks(
  { body }: Request,
  late: Promise<Problem>,
): Promise<Uint8Array | Problem> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let received = 0;
  if (body === null) return new Uint8Array();
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {});
  void late.then(cancel);
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    received += value.length;
    if (received > maxBytes) {
      cancel();
      return tooLarge;
    }
    chunks.push(value);
  }
  const [only = new Uint8Array()] = chunks;
  return chunks.length > 1 ? await new Blob(chunks).bytes() : only;
}
