// Sends requests to the server that has this program's settings, or to another.

import type { Config } from "../core/config.ts";
import { errorMessage } from "../core/error_message.ts";
import { localHost } from "../core/url_host.ts";

const timeoutMs = 3_000;

/** The parts of a response that commands need. */
export interface ServerResponse {
  readonly status: number;
  readonly text: string;
}

interface ServerRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Returns the address, without BASE_PATH, of the server that has these settings. */
export function serverUrl({ host, port, tlsCert }: Config): string {
  return `${tlsCert === "" ? "http" : "https"}://${localHost(host)}:${port}/`;
}

/**
 * Sends a request. Our own server is asked directly, and its certificate is not verified.
 *
 * @throws {Error} If there is no response in time.
 */
export async function ask(
  address: URL,
  isOwn: boolean,
  request: ServerRequest = {},
): Promise<ServerResponse> {
  try {
    if (isOwn) return await askDirectly(address, request);
    const response = await fetch(address, { ...request, signal: AbortSignal.timeout(timeoutMs) });
    return { status: response.status, text: await response.text() };
  } catch (error) {
    const message = errorMessage(error instanceof Error && error.cause || error);
    const reason = /refused/i.test(message)
      ? "no server is listening there; start it, or use its HOST and PORT"
      : /lookup|ENOTFOUND/.test(message)
      ? "its name has no address"
      : /invalid HTTP version|Expected HTTP/.test(message)
      ? "the server does not speak plain http; use https, or its TLS_CERT and TLS_KEY"
      : /InvalidContentType/.test(message)
      ? "the server does not use TLS; use http, or unset TLS_CERT and TLS_KEY"
      : message.replace(/^error sending request .*client error \(\w+\): /, "");
    throw new Error(`Cannot reach ${address.origin}/: ${reason}`, { cause: error });
  }
}

/**
 * Checks the server at `url`, which may have the path of the chat. The certificate of our own
 * server is not verified.
 *
 * @throws {Error} If it cannot be reached or is not healthy.
 */
export async function checkHealth(url: string, isOwn: boolean): Promise<void> {
  const { status } = await ask(new URL(url.replace(/\/?(healthz)?$/, "/healthz")), isOwn);
  if (status !== 200) throw new Error(`${url} is not healthy: status ${status}`);
}

/** Sends a request without HTTP_PROXY, which `fetch` uses: to a proxy, localhost is itself. */
async function askDirectly(address: URL, request: ServerRequest): Promise<ServerResponse> {
  const { request: send } = address.protocol === "https:"
    ? await import("node:https")
    : await import("node:http");
  const { promise, resolve, reject } = Promise.withResolvers<ServerResponse>();
  // With an agent or the default CAs, Deno asks for access to the system's certificates.
  const options = { agent: false, ca: [], rejectUnauthorized: false, timeout: timeoutMs };
  const sent = send(address, { ...options, ...request }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (part: string) => text += part);
    response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    response.on("error", reject);
  });
  sent.on("timeout", () => sent.destroy(new Error("it does not respond")));
  sent.on("error", reject);
  sent.end();
  return await promise;
}
