// The `health` command: asks a running server whether it is healthy, for container engines.

import type { Config } from "../core/config.ts";
import { errorMessage } from "../core/error_message.ts";
import { localHost } from "../core/url_host.ts";

const timeoutMs = 3_000;

/** Returns the URL, without BASE_PATH, of a server with these settings. */
export function serverUrl({ host, port, tlsCert }: Config): string {
  return `${tlsCert === "" ? "http" : "https"}://${localHost(host)}:${port}/`;
}

/**
 * Checks the server at `url`. The certificate of our own server is not verified.
 *
 * @throws {Error} If it cannot be reached or is not healthy.
 */
export async function checkHealth(url: string, isOwn: boolean): Promise<void> {
  const address = new URL("healthz", url);
  let status: number | undefined;
  try {
    const isUnverified = isOwn && address.protocol === "https:";
    status = await (isUnverified ? unverifiedStatus(address) : verifiedStatus(address));
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    throw new Error(`Cannot reach ${url}: ${errorMessage(cause ?? error)}`, { cause: error });
  }
  if (status !== 200) throw new Error(`${url} is not healthy: status ${status}`);
}

async function verifiedStatus(address: URL): Promise<number> {
  const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs) });
  await response.body?.cancel();
  return response.status;
}

async function unverifiedStatus(address: URL): Promise<number | undefined> {
  const { request } = await import("node:https");
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  // With an agent or the default CAs, Deno asks for access to the system's certificates.
  const options = { agent: false, ca: [], rejectUnauthorized: false, timeout: timeoutMs };
  const sent = request(address, options, (response) => {
    resolve(response.statusCode);
    response.resume();
  });
  sent.on("timeout", () => sent.destroy(new Error("it does not respond")));
  sent.on("error", reject);
  sent.end();
  return await promise;
}
