// Bodies of requests: bounded in size and time, and decoded as text.

import { later } from "../core/timers.ts";
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

/** Returns a request's body as text, or why it cannot be read. */
export async function readText(request: Request, schedule = later): Promise<string | Problem> {
  const problem = typeProblem(request.headers);
  if (problem !== undefined) return problem;
  const length = Number(request.headers.get("content-length") ?? maxBytes);
  if (length > maxBytes) return tooLarge;
  try {
    const reader = byteReader(request);
    const bytes = reader === undefined
      ? await request.bytes()
      : await readBytes(reader, length, schedule);
    return bytes instanceof Uint8Array ? decode(bytes) : bytes;
  } catch {
    // The client disconnected, or violated HTTP.
    return tooSlow;
  }
}

/** Returns whether the body is JSON. Any other type is treated as text. */
export function isJson(headers: Headers): boolean {
  return /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(headers.get("content-type") ?? "");
}

function typeProblem(headers: Headers): Problem | undefined {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") return unsupported("Content-Encoding", "left out");
  const type = headers.get("content-type") ?? "";
  // As `curl -F` sends: the text would include the boundaries.
  if (/^multipart\//i.test(type)) return unsupported("Content-Type", "of plain text or JSON");
  const charset = /;\s*charset="?([^";\s]+)/i.exec(type)?.[1];
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
async function readBytes(
  reader: ReadableStreamBYOBReader,
  length: number,
  schedule: typeof later,
): Promise<Uint8Array | Problem> {
  const cancel = () => void reader.cancel().catch(() => {});
  let isLate = false;
  const cancelTimeout = schedule(bodyTimeoutMs, () => {
    isLate = true;
    cancel();
  });
  // The spare bytes show that the body is too large. Deno never fills the last byte.
  let buffer = new Uint8Array(length + spareBytes);
  let received = 0;
  try {
    for (let chunks = 0; received <= length && chunks <= maxChunks; chunks++) {
      const { done, value } = await reader.read(buffer.subarray(received));
      if (isLate) return tooSlow;
      if (value !== undefined) buffer = new Uint8Array(value.buffer);
      if (done) return buffer.subarray(0, received);
      received += value.length;
    }
  } finally {
    cancelTimeout();
  }
  // After the response: until then, Deno parses the rest of the body, which can take 15 ms.
  setTimeout(cancel);
  return tooLarge;
}

/** Returns a reader that fills a given buffer; `undefined` if the whole body has arrived. */
function byteReader({ body }: Request): ReadableStreamBYOBReader | undefined {
  try {
    return body?.getReader({ mode: "byob" });
  } catch {
    // Deno has received a small body together with its headers, and offers no byte stream.
    return undefined;
  }
}
