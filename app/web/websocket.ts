// WebSockets: accepts or refuses handshakes, and connects open sockets to the hub.

import type { PeerAddress, Session, Socket } from "../chat/session.ts";
import { waitAtMost } from "../core/timers.ts";
import { closeCode, subprotocol } from "../protocol/wire.ts";
import type { ProblemCode } from "../protocol/wire.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import {
  handshakeProblem,
  isUpgradeDropped,
  offersSubprotocol,
  upgradeDropped,
} from "./handshake.ts";
import { truncate } from "./line_limit.ts";
import type { WebOptions } from "./options.ts";
import { originProblem } from "./origins.ts";
import { isForwarded } from "./peer.ts";
import type { Problem } from "./problem.ts";
import type { ProxyWarnings } from "./proxy_warnings.ts";

/**
 * Max rejected sockets that are still closing. A connection over a limit is upgraded first, so that
 * it gets a close code. Two cases are refused before the upgrade instead: connections beyond this
 * number, as peers can delay closing, and those of a network with unopened sockets, as each of them
 * may leak a descriptor.
 */
const rejectedMax = 100;
/** Max addresses remembered for {@linkcode WebSockets.diagnose}. */
const droppedMax = 1_000;
/** Min time between log lines about foreign origins, since anyone can send one. */
const originReportMs = 1_000;
/** RFC 6455: the connection ended without a close frame. Deno reports 0. */
const abnormalClosure = 1006;

export class WebSockets {
  readonly #options: WebOptions;
  /** Event streams and posts count too. */
  readonly limits: ConnectionLimits;
  readonly #warnings: ProxyWarnings;
  readonly #sockets = new Set<WebSocket>();
  #originReportedAt = -Infinity;
  /** Called after a socket has closed. */
  #onClosed: (() => void) | undefined;
  /** Sockets over the limit that are still closing. */
  #rejected = 0;
  /** Addresses whose last handshake lost its Upgrade header to a proxy. */
  readonly #dropped = new Set<string>();

  constructor(options: WebOptions, warnings: ProxyWarnings) {
    this.#options = options;
    this.#warnings = warnings;
    this.limits = new ConnectionLimits(options, options.now);
  }

  /** Closes all sockets. Their close events notify the hub. */
  closeAll(code: number, reason: string): void {
    for (const socket of this.#sockets) closeSocket(socket, code, reason);
  }

  /** Resolves when all closing sockets have closed, or after `graceMs`. */
  async settled(graceMs: number): Promise<void> {
    const isClosing = () =>
      this.#sockets.values().some(({ readyState }) => readyState === WebSocket.CLOSING);
    if (!isClosing() || graceMs === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onClosed = () => isClosing() || resolve();
    await waitAtMost(graceMs, promise);
    this.#onClosed = undefined;
  }

  /** Handles `GET /ws`: upgrades the connection, or returns the problem. */
  upgrade(request: Request, client: PeerAddress): Response | Problem {
    const { headers } = request;
    const problem = handshakeProblem(headers) ?? originProblem(request, this.#options);
    if (problem !== undefined) {
      if (isUpgradeDropped(headers)) this.#rememberDropped(client);
      if (problem.code === "origin_denied") this.#reportOrigin(headers, client);
      return problem;
    }
    const limit = this.limits.reached(client);
    const mayReject = this.#rejected < rejectedMax && !this.limits.hasUnopened(client);
    if (limit !== undefined && !mayReject) {
      return unavailable(limit.code, limit.reason);
    }
    this.#dropped.delete(client.address);
    // The request cannot be read after the upgrade.
    const hasSubprotocol = offersSubprotocol(headers);
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    // Deno's own option throws if an offer has no space after its commas.
    if (hasSubprotocol) response.headers.set("sec-websocket-protocol", subprotocol);
    socket.binaryType = "arraybuffer";
    // An unhandled error event would end the process.
    socket.addEventListener("error", (event) => event.preventDefault());
    if (limit === undefined) this.#connect(socket, client);
    else this.#reject(socket, client, limit.reason);
    return response;
  }

  /**
   * Handles `POST /ws`: returns why a handshake from the same page would fail. Pages cannot read
   * the response to a failed handshake.
   */
  diagnose(request: Request, client: PeerAddress): Problem | undefined {
    const problem = originProblem(request, this.#options);
    if (problem !== undefined) return problem;
    if (this.#options.hub.isDraining) {
      return unavailable("draining", "the server is about to restart");
    }
    const limit = this.limits.reached(client);
    if (limit !== undefined) return unavailable(limit.code, limit.reason);
    return this.#dropped.has(client.address) ? upgradeDropped : undefined;
  }

  /** Logs a refused origin, at most one per second. */
  #reportOrigin(headers: Headers, { address, network }: PeerAddress): void {
    const now = this.#options.now();
    if (now - this.#originReportedAt < originReportMs) return;
    this.#originReportedAt = now;
    const hint = isForwarded(headers) || this.#options.trustProxy > 0
      ? "if this is the chat's own origin, configure the proxy to pass on the Host header, with its port"
      : undefined;
    const [origin, host] = ["origin", "host"].map((name) => truncate(headers.get(name)));
    this.#options.log.warn("origin_denied", { address, origin, host, hint }, network);
  }

  #rememberDropped({ address, network }: PeerAddress): void {
    if (this.#dropped.size === 0) {
      const { detail } = upgradeDropped;
      this.#options.log.warn("proxy_without_upgrade", { address, detail }, network);
    }
    if (this.#dropped.size < droppedMax) this.#dropped.add(address);
  }

  #reject(webSocket: WebSocket, peer: PeerAddress, reason: string): void {
    const slot = this.limits.add(peer);
    this.#rejected++;
    webSocket.addEventListener("open", () => {
      this.limits.opened(slot);
      this.limits.closing(slot);
      closeSocket(webSocket, closeCode.full, reason);
    }, { once: true });
    webSocket.addEventListener("close", () => {
      this.limits.release(slot);
      this.#rejected--;
    }, { once: true });
  }

  /** Connects a socket to the hub once it opens. It counts from now on: it may never open. */
  #connect(webSocket: WebSocket, peer: PeerAddress): void {
    const { hub, log } = this.#options;
    const slot = this.limits.add(peer);
    const { count } = this.limits;
    if (this.limits.countOf(peer) === count) {
      this.#warnings.checkSharing(peer, count, this.#options.maxConnectionsPerIp);
    }
    this.#sockets.add(webSocket);
    const socket = new HubSocket(webSocket, () => this.limits.closing(slot));
    let session: Session | undefined;
    const fail = (error: unknown) => {
      log.error("internal", error, { address: peer.address });
      socket.close(closeCode.internal, "internal error");
    };
    // An exception in a listener would end the process.
    webSocket.addEventListener("message", ({ data }) => {
      try {
        if (session !== undefined) hub.receive(session, data);
      } catch (error) {
        fail(error);
      }
    });
    // Deno may fire `close` twice.
    webSocket.addEventListener("close", ({ code }) => {
      this.limits.release(slot);
      this.#sockets.delete(webSocket);
      try {
        if (session !== undefined) hub.disconnect(session, code || abnormalClosure);
      } catch (error) {
        fail(error);
      }
      this.#onClosed?.();
    }, { once: true });
    webSocket.addEventListener("open", () => {
      this.limits.opened(slot);
      try {
        session = hub.connect(socket, peer);
      } catch (error) {
        fail(error);
      }
    }, { once: true });
  }
}

/** The hub's side of a WebSocket. Never throws, whatever the state of the connection. */
class HubSocket implements Socket {
  readonly #webSocket: WebSocket;
  readonly #onClosing: () => void;

  constructor(webSocket: WebSocket, onClosing: () => void) {
    this.#webSocket = webSocket;
    this.#onClosing = onClosing;
  }

  get buffered(): number {
    return this.#webSocket.bufferedAmount;
  }

  send(text: string): void {
    try {
      this.#webSocket.send(text);
    } catch {
      // It is closing or closed. The close event follows.
    }
  }

  close(code: number, reason: string): void {
    this.#onClosing();
    closeSocket(this.#webSocket, code, reason);
  }
}

function closeSocket(webSocket: WebSocket, code: number, reason: string): void {
  try {
    webSocket.close(code, reason);
  } catch {
    // The code or the reason is invalid. Closing is more important.
    webSocket.close(closeCode.internal);
  }
}

export function unavailable(code: ProblemCode, reason: string): Problem {
  const detail = `${reason.charAt(0).toUpperCase()}${reason.slice(1)}. Try again later`;
  return { status: 503, code, detail, headers: { "retry-after": "5" } };
}
