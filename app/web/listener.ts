// The listening port. Deno closes a listener for good if accepting fails once, as with too many
// open files, and cannot change its certificate. Either way, a new listener takes over the port.

import { setTimeout as sleep } from "node:timers/promises";
import { errorMessage } from "../core/error_message.ts";
import { SettingError } from "../core/setting_error.ts";
import { urlHost } from "../core/url_host.ts";
import type { Certificate } from "./certificate.ts";
import type { WebOptions } from "./options.ts";

export type RequestHandler = (
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
) => Promise<Response>;

export type ListenerOptions =
  & Pick<WebOptions, "host" | "port" | "certificate" | "onExhausted" | "now">
  /** Called when a listener fails to accept connections. Must not throw. */
  & { readonly onError: (error: unknown) => void };

/** Retry interval while a closed listener still holds the port. */
const renewRetryMs = 20;
const renewTriesMax = 50;
/** Delay before a failed listener is replaced. Failures tend to repeat, and each one is logged. */
const errorRetryMs = 1_000;
/** Time without an accepted request after which only a restart can free descriptors. */
const exhaustedMs = 30_000;

/**
 * Called only for event streams that were cut, since handlers don't throw. Deno's default handler
 * prints the error.
 */
const onError = () => new Response(null, { status: 500 });

/** Listens on one port until shut down. */
export class Listener {
  readonly port: number;
  readonly #options: ListenerOptions;
  readonly #handler: RequestHandler;
  readonly #servers = new Set<Deno.HttpServer>();
  #certificate: Certificate | undefined;
  readonly #failures: AcceptFailures;
  #isShutDown = false;
  /** True until a failed or closed listener is replaced. */
  #isReplacing = false;

  /** @throws {Error} If it cannot listen on the address. */
  constructor(options: ListenerOptions, handler: RequestHandler) {
    this.#options = options;
    this.#failures = new AcceptFailures(options.now);
    this.#handler = (request, info) => {
      this.#failures.clear();
      return handler(request, info);
    };
    this.#certificate = options.certificate;
    this.port = this.#listen(options.port).addr.port;
  }

  /** Resolves when all listeners and connections are closed. */
  get finished(): Promise<void> {
    return Promise.allSettled(Array.from(this.#servers, ({ finished }) => finished)).then(() => {});
  }

  /**
   * Replaces the certificate.
   *
   * @throws {Error} If it can no longer listen on the address.
   */
  async renew(certificate: Certificate): Promise<void> {
    this.#certificate = certificate;
    if (this.#isReplacing) return;
    this.#isReplacing = true;
    for (const server of this.#servers) void server.shutdown();
    await this.#replace(renewRetryMs, renewTriesMax);
  }

  /** Stops accepting connections. Resolves when all are closed. */
  async shutdown(): Promise<void> {
    this.#isShutDown = true;
    await Promise.all(Array.from(this.#servers, (server) => server.shutdown()));
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { host: hostname } = this.#options;
    const address = { hostname, port, ...this.#certificate };
    try {
      const server = Deno.serve({ ...address, onListen() {}, onError }, this.#handler);
      this.#servers.add(server);
      void this.#watch(server);
      return server;
    } catch (error) {
      const isDenied = error instanceof Deno.errors.PermissionDenied;
      const reason = error instanceof Deno.errors.AddrInUse
        ? "the port is in use; stop the other program, or set PORT"
        : error instanceof Deno.errors.AddrNotAvailable
        ? "HOST is not an address of this machine"
        : errorMessage(error).includes("lookup")
        ? "the name in HOST has no address; set HOST to an address of this machine"
        : isDenied
        ? "ports below 1024 need root or CAP_NET_BIND_SERVICE; set PORT to a higher one"
        : errorMessage(error);
      const message = `Cannot listen on ${urlHost(hostname)}:${port}: ${reason}`;
      throw new (isDenied ? SettingError : Error)(message, { cause: error });
    }
  }

  /** Replaces `server` if it fails. */
  async #watch(server: Deno.HttpServer): Promise<void> {
    try {
      await server.finished;
      this.#servers.delete(server);
    } catch (error) {
      // Connections that it has accepted stay open.
      this.#servers.delete(server);
      this.#options.onError(error);
      if (this.#failures.add()) this.#options.onExhausted(error);
      if (this.#isReplacing) return;
      this.#isReplacing = true;
      await this.#replace(errorRetryMs, Infinity);
    }
  }

  async #replace(retryMs: number, triesMax: number): Promise<void> {
    for (let tries = 1; !this.#isShutDown; tries++) {
      await sleep(retryMs);
      if (this.#isShutDown) return;
      try {
        this.#listen(this.port);
        this.#isReplacing = false;
        return;
      } catch (error) {
        if (tries >= triesMax) throw error;
      }
    }
  }
}

/** Tracks how long accepting connections has been failing. */
export class AcceptFailures {
  readonly #now: () => number;
  /** Time of the first failure since the last request. */
  #since: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a failure. Returns true if only a restart can help. */
  add(): boolean {
    this.#since ??= this.#now();
    return this.#now() - this.#since >= exhaustedMs;
  }

  /** Forgets all failures. Call it when a request arrives. */
  clear(): void {
    this.#since = undefined;
  }
}
