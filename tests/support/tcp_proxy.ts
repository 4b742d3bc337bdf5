// A TCP proxy to a local port whose connections a test can cut.

export class TcpProxy {
  /** The port that connections are forwarded to. */
  targetPort: number;
  /** While true, every connection is closed at once. */
  isCut = false;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #copies: Promise<void>[] = [];

  constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#copies.push(this.#serve());
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Closes all connections, and new ones until `isCut` is false again. */
  cut(): void {
    this.isCut = true;
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  async #serve(): Promise<void> {
    for await (const client of this.#listener) {
      if (this.isCut) {
        client.close();
        continue;
      }
      const target = await Deno.connect({ hostname: "127.0.0.1", port: this.targetPort })
        .catch(() => undefined);
      if (target === undefined || this.isCut) {
        client.close();
        target?.close();
        continue;
      }
      for (const [from, to] of [[client, target], [target, client]] as const) {
        this.#connections.add(from);
        this.#copies.push(
          from.readable.pipeTo(to.writable).catch(() => {}).finally(() => close(to)),
        );
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#listener.close();
    await Promise.all(this.#copies);
  }
}

/** Closes a connection that may be closed already. */
function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // The other side has already closed it.
  }
}
