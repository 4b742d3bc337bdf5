// From handshake to close event: which WebSockets are let in, how many, and how they speak to the hub. No commands are known here.

import { closeCode, subprotocol } from "../protocol/wire.ts";
import type { ProblemCode } from "../protocol/wire.ts";
import type { LogFields } from "../chat/ports.ts";
import type { PeerAddress, Session, Socket } from "../chat/session.ts";
import { addressGroup, clientAddress, forwardingClaims, isLoopback } from "./peer.ts";
import type { Problem } from "./problem.ts";

/** What the hub is to a connection. */
export interface Hub {
  connect(socket: Socket, peer: PeerAddress): Session;
  receive(session: Session, frame: unknown): void;
  disconnect(session: Session, code: number): void;
  here(room: string, most: number): { readonly count: number; readonly usernames: string[] };
  readonly draining: boolean;
}

/** Where the web server tells what should not have happened. Must not throw. */
export interface TroubleLog {
  warn(event: string, fields: LogFields): void;
  error(event: string, error: unknown, fields?: LogFields): void;
}

/** What the gate works with. */
export interface GateOptions {
  readonly hub: Hub;
  /** Origins beside the server's own whose pages may connect, as browsers write them. */
  readonly allowedOrigins: readonly string[];
  /** How many proxies stand in front. */
  readonly trustProxy: number;
  /** Open connections in all, and from one address; 0 is no limit. */
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly log: TroubleLog;
}

/** Connections over the limit that are told so after the upgrade and may take their time to close; more are refused before it. */
const turnedAwayMax = 100;
/** Addresses whose proxy drops upgrades that are remembered. */
const strippedMax = 1_000;

/** A limit that is reached: the code of the problem, and the reason of the close. */
interface LimitReached {
  readonly code: "server_full" | "address_full";
  readonly reason: string;
}
const serverFull: LimitReached = { code: "server_full", reason: "the server is full" };
const addressFull: LimitReached = {
  code: "address_full",
  reason: "too many connections from your address",
};

/** Lets WebSockets in, and counts them until they are really closed. */
export class Gate {
  readonly #options: GateOptions;
  readonly #countByGroup = new Map<string, number>();
  readonly #sockets = new Set<WebSocket>();
  /** Told when a connection has closed. */
  #closed: (() => void) | undefined;
  #count = 0;
  #turnedAway = 0;
  /** Where handshakes came from that something on the way took the upgrade out of. */
  readonly #stripped = new Set<string>();
  #warnedOfProxy = false;
  #warnedOfSilence = false;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Open connections. */
  get count(): number {
    return this.#count;
  }

  /** Closes all that are open; the hub hears of it from each. */
  closeAll(code: number, reason: string): void {
    for (const socket of this.#sockets) new OpenSocket(socket).close(code, reason);
  }

  /** Resolves when the connections that are being closed have closed, or `graceMs` are over. */
  async settled(graceMs: number): Promise<void> {
    const isClosing = () => this.#sockets.values().some(isBeingClosed);
    if (!isClosing() || graceMs === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#closed = () => {
        if (isClosing()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#closed = undefined;
  }

  /** The address of who sent a request. */
  address(peer: string, headers: Headers): string {
    const { trustProxy, log } = this.#options;
    if (trustProxy === 0 && !this.#warnedOfProxy) {
      const claims = forwardingClaims(headers);
      if (claims.length > 0) {
        this.#warnedOfProxy = true;
        const hint = "set TRUST_PROXY to the number of your proxies, if there are any";
        log.warn("untrusted_proxy", { peer, headers: claims.join(" "), hint });
      }
    }
    return clientAddress(peer, headers, trustProxy);
  }

  /** Answers `GET /ws`: with the upgrade, or with what is wrong. */
  upgrade(request: Request, address: string): Response | Problem {
    const { headers } = request;
    this.#lookForClaim(headers, address);
    const problem = handshakeProblem(headers) ?? this.#originProblem(headers);
    if (problem !== undefined) {
      if (isStripped(headers)) this.#rememberStripped(address);
      return problem;
    }
    const limit = this.#limitReached(address);
    if (limit !== undefined && this.#turnedAway >= turnedAwayMax) {
      return unavailable(limit.code, limit.reason);
    }
    this.#stripped.delete(address);
    // From the upgrade on, the request cannot be read any more.
    const chosen = offered(headers).includes(subprotocol);
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    // Not by Deno's option, which throws where an offer has no space after its commas.
    if (chosen) response.headers.set("sec-websocket-protocol", subprotocol);
    this.#attend(socket, address);
    return response;
  }

  /** Answers `POST /ws`: what a handshake of the same page would have against it. A page cannot see the answer to its handshake. */
  diagnose({ headers }: Request, address: string): Problem | undefined {
    const problem = this.#originProblem(headers);
    if (problem !== undefined) return problem;
    if (this.#options.hub.draining) {
      return unavailable("draining", "the server is about to restart");
    }
    const limit = this.#limitReached(address);
    if (limit !== undefined) return unavailable(limit.code, limit.reason);
    return this.#stripped.has(address) ? strippedProblem : undefined;
  }

  /** A page of another site could otherwise use the chat from inside its visitors' networks. */
  #originProblem(headers: Headers): Problem | undefined {
    const origin = headers.get("origin");
    if (origin === null || this.#options.allowedOrigins.includes(origin)) return undefined;
    const url = URL.parse(origin);
    const hosts = [headers.get("host")];
    if (this.#options.trustProxy > 0) {
      hosts.push(headers.get("x-forwarded-host")?.split(",").at(-1)?.trim() ?? null);
    }
    // The scheme is not compared: behind a proxy that ends TLS it differs.
    const own = url !== null && url.host !== "" &&
      hosts.some((host) =>
        host !== null && URL.parse(`${url.protocol}//${host}`)?.host === url.host
      );
    if (own) return undefined;
    const detail = "The page comes from another origin than the chat: " +
      "whoever runs the server can let it in with ALLOWED_ORIGINS";
    return { status: 403, code: "origin_denied", detail };
  }

  /** A proxy that does not say for whom it asks makes everybody one address, which has its limit, or as loopback none. */
  #lookForClaim(headers: Headers, address: string): void {
    const { trustProxy, log } = this.#options;
    if (trustProxy === 0 || this.#warnedOfSilence || forwardingClaims(headers).length > 0) return;
    this.#warnedOfSilence = true;
    const hint = "let the proxy set X-Forwarded-For, or unset TRUST_PROXY if there is none";
    log.warn("silent_proxy", { peer: address, hint });
  }

  #limitReached(address: string): LimitReached | undefined {
    const { maxConnections, maxConnectionsPerAddress } = this.#options;
    if (maxConnections > 0 && this.#count >= maxConnections) return serverFull;
    if (maxConnectionsPerAddress === 0 || isLoopback(address)) return undefined;
    const count = this.#countByGroup.get(addressGroup(address)) ?? 0;
    return count >= maxConnectionsPerAddress ? addressFull : undefined;
  }

  #rememberStripped(address: string): void {
    if (this.#stripped.size === 0) {
      this.#options.log.warn("proxy_without_upgrade", { address, detail: strippedProblem.detail });
    }
    if (this.#stripped.size < strippedMax) this.#stripped.add(address);
  }

  #attend(webSocket: WebSocket, address: string): void {
    webSocket.binaryType = "arraybuffer";
    webSocket.addEventListener("open", () => {
      const limit = this.#limitReached(address);
      if (limit === undefined) this.#letIn(webSocket, address);
      else this.#turnAway(webSocket, limit.reason);
    }, { once: true });
    // Without a listener an error would be the process's.
    webSocket.addEventListener("error", (event) => event.preventDefault());
  }

  #turnAway(webSocket: WebSocket, reason: string): void {
    this.#turnedAway++;
    webSocket.addEventListener("close", () => this.#turnedAway--, { once: true });
    new OpenSocket(webSocket).close(closeCode.full, reason);
  }

  #letIn(webSocket: WebSocket, address: string): void {
    const { hub, log } = this.#options;
    const group = addressGroup(address);
    this.#count++;
    this.#countByGroup.set(group, (this.#countByGroup.get(group) ?? 0) + 1);
    const socket = new OpenSocket(webSocket);
    this.#sockets.add(webSocket);
    let session: Session | undefined;
    /** What is thrown in a listener would end the process. */
    const guard = (task: () => void) => {
      try {
        task();
      } catch (error) {
        log.error("internal", error, { address });
        socket.close(closeCode.internal, "internal error");
      }
    };
    webSocket.addEventListener("message", ({ data }) => {
      const current = session;
      if (current !== undefined) guard(() => hub.receive(current, data));
    });
    // Deno sometimes says twice that a socket is closed.
    webSocket.addEventListener("close", ({ code }) => {
      this.#count--;
      this.#sockets.delete(webSocket);
      const left = (this.#countByGroup.get(group) ?? 1) - 1;
      if (left > 0) this.#countByGroup.set(group, left);
      else this.#countByGroup.delete(group);
      const current = session;
      if (current !== undefined) guard(() => hub.disconnect(current, code || abnormal));
      this.#closed?.();
    }, { once: true });
    guard(() => {
      const peer = { address, network: group, isLoopback: isLoopback(address) };
      session = hub.connect(socket, peer);
    });
  }
}

function isBeingClosed({ readyState }: WebSocket): boolean {
  return readyState === WebSocket.CLOSING;
}

/** What the standard calls a connection that ended without a close frame; Deno says 0. */
const abnormal = 1006;

/** The hub's side of a WebSocket: nothing that it does throws, whatever state the connection is in. */
class OpenSocket implements Socket {
  readonly #webSocket: WebSocket;

  constructor(webSocket: WebSocket) {
    this.#webSocket = webSocket;
  }

  get buffered(): number {
    return this.#webSocket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#webSocket.readyState !== WebSocket.OPEN) return;
    try {
      this.#webSocket.send(text);
    } catch {
      // It closed meanwhile, which its close event tells.
    }
  }

  close(code: number, reason: string): void {
    try {
      this.#webSocket.close(code, reason);
    } catch {
      // The standard allows 123 bytes of reason and not every code; closing matters more than why.
      this.#webSocket.close(closeCode.internal);
    }
  }
}

const strippedProblem: Problem = {
  status: 426,
  code: "upgrade_dropped",
  detail: "A proxy between you and the chat takes the Upgrade header out of requests, " +
    "so no WebSocket can be opened: whoever runs the proxy has to let it pass",
  headers: { upgrade: "websocket", connection: "Upgrade" },
};

function unavailable(code: ProblemCode, reason: string): Problem {
  const detail = `${reason.charAt(0).toUpperCase()}${reason.slice(1)}: try again later`;
  return { status: 503, code, detail, headers: { "retry-after": "5" } };
}

/** A browser's handshake without the headers that only live for one hop. */
function isStripped(headers: Headers): boolean {
  return !lists(headers, "upgrade", "websocket") && headers.has("sec-websocket-key");
}

/** What RFC 6455, section 4.2.1, has against a handshake, and Deno does not say. */
function handshakeProblem(headers: Headers): Problem | undefined {
  if (isStripped(headers)) return strippedProblem;
  const upgrade = { upgrade: "websocket", connection: "Upgrade" };
  if (!lists(headers, "upgrade", "websocket")) {
    const detail = "Only WebSockets are served here";
    return { status: 426, code: "upgrade_required", detail, headers: upgrade };
  }
  if (headers.get("sec-websocket-version") !== "13") {
    const detail = "The WebSocket version has to be 13";
    const headers = { ...upgrade, "sec-websocket-version": "13" };
    return { status: 426, code: "version_unsupported", detail, headers };
  }
  if (!lists(headers, "connection", "upgrade")) {
    const detail = "The Connection header has to name Upgrade";
    return { status: 400, code: "handshake_invalid", detail };
  }
  // 16 bytes are 22 characters, the last of which has two bits only, and padding.
  if (!/^[A-Za-z\d+/]{21}[AQgw]==$/.test(headers.get("sec-websocket-key") ?? "")) {
    const detail = "The Sec-WebSocket-Key header has to be 16 bytes in base64";
    return { status: 400, code: "handshake_invalid", detail };
  }
  const protocols = offered(headers);
  if (protocols.length > 0 && !protocols.includes(subprotocol)) {
    const detail = `The only subprotocol here is ${subprotocol}`;
    return { status: 400, code: "subprotocol_unsupported", detail };
  }
  return undefined;
}

function offered(headers: Headers): readonly string[] {
  return parts(headers, "sec-websocket-protocol");
}

function lists(headers: Headers, name: string, value: string): boolean {
  return parts(headers, name).some((part) => part.toLowerCase() === value);
}

function parts(headers: Headers, name: string): readonly string[] {
  const list = headers.get(name)?.split(",") ?? [];
  return list.map((part) => part.trim()).filter((part) => part !== "");
}
