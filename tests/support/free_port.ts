// Finds a free TCP port on localhost.

/**
 * Returns a free port below the range for outgoing connections. A client that dials a closed port
 * in that range could be assigned the same port and connect to itself.
 */
export function freePort(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}
