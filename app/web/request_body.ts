// Bodies of requests: bounded in size and time, and decoded as text.

import { sharedTimer } from "../core/timers.ts";
import { hubLimits } from "../protocol/wire.ts";
import type { Problem } from "./problem.ts";

/** Max time for a body to arrive, since a slow one holds a connection. */
const bodyTimeoutMs = 10_000;

const maxBytes = hubLimits.frameMaxBytes;
/** Max chunks of a body. Each takes about 2.5 µs to read. */
const maxChunks = 1_024;
const spareBytes = 64;
const tooLarge: Problem = {
  status: 413,
  code: "body_too_large",
  detail: `Bodies can have up to ${maxBytes} bytes and ${maxChunks} chunks. Send a shorter text`,
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
    const bytes = await Promise.race([readBytes(request, late.promise), late.promise]);
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
 * Reads a body until it is complete, too large or too late. `request.bytes()` cannot be canceled:
 * the connection of a client that leaves before its body is complete would stay open. All reads
 * fill one buffer: without it, Deno allocates 64 KiB for each chunk, even of a single byte.
 */
async function readBytes(request: Request, late: Promise<Problem>): Promise<Uint8Array | Problem> {
  const reader = byteReader(request);
  if (reader === undefined) return await request.bytes();
  const cancel = () => void reader.cancel().catch(() => {});
  void late.then(cancel);
  const length = Math.min(Number(request.headers.get("content-length") ?? maxBytes), maxBytes);
  // Room for more bytes, which show that the body is too large. Deno never fills the last byte.
  let buffer = new Uint8Array(length + spareBytes);
  let received = 0;
  for (let chunks = 0; received <= length && chunks <= maxChunks; chunks++) {
    const { done, value } = await reader.read(buffer.subarray(received));
    if (value !== undefined) buffer = new Uint8Array(value.buffer);
    if (done) return buffer.subarray(0, received);
    received += value.length;
  }
  // After the response: until then, Deno parses the rest of the body, which can take 15 ms.
  setTimeout(cancel);
  return tooLarge;
}

/** Returns a reader that fills a given buffer, or `undefined` if the body has already arrived. */
function byteReader({ body }: Request): ReadableStreamBYOBReader | undefined {
  try {
    return body?.getReader({ mode: "byob" });
  } catch {
    // Deno has received a small body together with its headers, and offers no byte stream.
    return undefined;
  }
}
