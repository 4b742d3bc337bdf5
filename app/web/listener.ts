// The port: one listener after the other, since a certificate is renewed, and since Deno gives a listener up for good when it
// cannot accept once, as with too many files open. Knows no paths.

import type { Certificate } from "./certificate.ts";

/** What answers requests. */
export type Handler = (
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
) => Promise<Response>;

/** Where and how to listen. */
export interface ListenerOptions {
  readonly hostname: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly certificate?: Certificate | undefined;
  /** Told why no connection was accepted any more. Must not throw. */
  readonly report: (error: unknown) => void;
}

/** A listener that is closed gives its port back a moment later. */
const againMs = 20;
const renewTries = 50;
/** What kept Deno from accepting lasts a while, and each try is told of. */
const afterFaultMs = 1_000;

/** Listens until it is shut down. */
export class Listener {
  readonly port: number;
  readonly #options: ListenerOptions;
  readonly #handler: Handler;
  readonly #servers = new Set<Deno.HttpServer>();
  #certificate: Certificate | undefined;
  #isShut = false;
  /** True while a listener that was given up, or put down, is not replaced yet. */
  #isReplacing = false;

  /** @throws {Error} If the address cannot be listened on. */
  constructor(options: ListenerOptions, handler: Handler) {
    this.#options = options;
    this.#handler = handler;
    this.#certificate = options.certificate;
    this.port = this.#listen(options.port).addr.port;
  }

  /** Resolves when nothing is open any more. */
  get finished(): Promise<void> {
    return Promise.allSettled(Array.from(this.#servers, ({ finished }) => finished)).then(() => {});
  }

  /**
   * Listens with another certificate from now on.
   *
   * @throws {Error} If the address cannot be listened on any more.
   */
  async renew(certificate: Certificate): Promise<void> {
    this.#certificate = certificate;
    if (this.#isReplacing) return;
    this.#isReplacing = true;
    for (const server of this.#servers) void server.shutdown();
    await this.#listenAgain(againMs, renewTries);
  }

  /** Takes no further connections, and resolves when all are closed. */
  async shutdown(): Promise<void> {
    this.#isShut = true;
    await Promise.all(Array.from(this.#servers, (server) => server.shutdown()));
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { hostname } = this.#options;
    const address = { hostname, port, ...this.#certificate };
    try {
      const server = Deno.serve({ ...address, onListen() {} }, this.#handler);
      this.#servers.add(server);
      void this.#attend(server);
      return server;
    } catch (error) {
      const why = error instanceof Deno.errors.AddrInUse
        ? "another program has this port"
        : error instanceof Error
        ? error.message
        : String(error);
      throw new Error(`Cannot listen on ${hostname}:${port}: ${why}`, { cause: error });
    }
  }

  async #attend(server: Deno.HttpServer): Promise<void> {
    try {
      await server.finished;
      this.#servers.delete(server);
    } catch (error) {
      // What it has accepted is served on.
      this.#servers.delete(server);
      this.#options.report(error);
      if (this.#isReplacing) return;
      this.#isReplacing = true;
      await this.#listenAgain(afterFaultMs, Infinity);
    }
  }

  async #listenAgain(pauseMs: number, tries: number): Promise<void> {
    for (let tried = 1; !this.#isShut; tried++) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (this.#isShut) return;
      try {
        this.#listen(this.port);
        this.#isReplacing = false;
        return;
      } catch (error) {
        if (tried >= tries) throw error;
      }
    }
  }
}
