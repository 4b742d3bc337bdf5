// The `health` command: asks a running server whether it is healthy, for container engines.

import { errorMessage } from "../core/error_message.ts";

/** The server that is asked by default. */
export const defaultUrl = "http://127.0.0.1:8000/";

const timeoutMs = 3_000;

/**
 * Checks the server at `url`.
 *
 * @throws {Error} If it cannot be reached or is not healthy.
 */
export async function checkHealth(url: string): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  let status: number;
  try {
    const response = await fetch(new URL("healthz", url), { signal });
    await response.body?.cancel();
    status = response.status;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    throw new Error(`Cannot reach ${url}: ${errorMessage(cause ?? error)}`, { cause: error });
  }
  if (status !== 200) throw new Error(`${url} is not healthy: status ${status}`);
}
