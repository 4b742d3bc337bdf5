// The `health` command: asks a running server whether it is healthy, for container engines.

import { ask } from "./own_server.ts";

/**
 * Checks the server at `url`. The certificate of our own server is not verified.
 *
 * @throws {Error} If it cannot be reached or is not healthy.
 */
export async function checkHealth(url: string, isOwn: boolean): Promise<void> {
  const { status } = await ask(new URL("healthz", url), isOwn);
  if (status !== 200) throw new Error(`${url} is not healthy: status ${status}`);
}
