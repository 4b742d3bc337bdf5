// A client's connection in the crash test: opens WebSockets, and reconnects by rule C2.

import { subprotocol } from "../../../app/protocol/wire.ts";
import type { Push } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { bannedCode, restartingCode } from "./close_codes.ts";

const backoffMinMs = 500;
const backoffMaxMs = 20_000;
const settledMs = 10_000;
/** Max time until a banned client tries again. */
const bannedMs = 1_500;

export interface ConnectionOptions {
  /** The nodes' URLs. Each connection goes to a random one. */
  readonly urls: readonly string[];
  readonly random: SeededRandom;
  readonly onOpen: () => void;
  readonly onFrame: (pushes: readonly Push[]) => void;
  /** Called when the server closed the current socket. */
  readonly onClose: (code: number, reason: string) => void;
}

/** Has at most one current socket, and ignores events of abandoned ones. */
export class Connection {
  /** Whether it reconnects. */
  isStarted = false;
  /** URL of the current socket. */
  url = "";
  /** Connections since the last one that lasted. */
  attempt = 0;
  readonly #options: ConnectionOptions;
  #socket: WebSocket | undefined;
  /** Sockets without a close event yet, including abandoned ones. */
  readonly #openSockets = new Map<WebSocket, Promise<void>>();
  /** Cancels pending timers. */
  readonly #timers = new Set<() => void>();
  #cancelReconnect = () => {};
  #openedAt: number | undefined;
  #heardAt = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Time since the server was last heard from. */
  get silentMs(): number {
    return performance.now() - this.#heardAt;
  }

  /** Connects at once if it is started and has no socket. */
  connectNow(): void {
    if (!this.isStarted || this.#socket !== undefined) return;
    this.#cancelReconnect();
    const { urls, random, onOpen, onFrame, onClose } = this.#options;
    this.url = random.pick(urls) ?? "";
    const socket = new WebSocket(this.url, subprotocol);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket = socket;
    this.#openSockets.set(socket, promise);
    socket.addEventListener("open", () => {
      // It was abandoned before it opened.
      if (socket !== this.#socket) return socket.close(3000);
      this.#openedAt = this.#heardAt = performance.now();
      onOpen();
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      this.#heardAt = performance.now();
      onFrame(JSON.parse(data));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#openSockets.delete(socket);
      resolve();
      if (socket === this.#socket) onClose(code, reason);
    });
  }

  /** Forgets the current socket. Closes it with `code`, or leaves it half-open without one. */
  detach(code?: number): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#cancelReconnect();
    if (code !== undefined) socket?.close(code);
  }

  /** Reconnects by rule C2, after the server closed with `code` or the connection was lost. */
  scheduleReconnect(code: number, reason: string): void {
    if (!this.isStarted) return;
    const { random } = this.#options;
    const now = performance.now();
    if (this.#openedAt !== undefined && now - this.#openedAt >= settledMs) this.attempt = 0;
    this.#openedAt = undefined;
    const maxMs = Math.min(backoffMaxMs, 2 * backoffMinMs * 2 ** this.attempt++);
    const waitMs = code === bannedCode
      ? random.next() * bannedMs
      : code === restartingCode
      ? random.next() * Number(reason)
      : backoffMinMs + random.next() * (maxMs - backoffMinMs);
    this.#cancelReconnect = this.#later(waitMs, () => this.connectNow());
  }

  send(command: Readonly<Record<string, unknown>>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  /** Runs a task after `ms`, if the current socket is still current then. */
  laterOnSocket(ms: number, task: () => void): void {
    const socket = this.#socket;
    this.#later(ms, () => {
      if (socket === this.#socket) task();
    });
  }

  /** Cancels the timers. Resolves when all sockets are closed. Detach first. */
  async end(): Promise<void> {
    for (const cancel of this.#timers) cancel();
    await Promise.all(this.#openSockets.values());
  }

  #later(ms: number, task: () => void): () => void {
    const timer = setTimeout(() => {
      this.#timers.delete(cancel);
      task();
    }, ms);
    const cancel = () => {
      clearTimeout(timer);
      this.#timers.delete(cancel);
    };
    this.#timers.add(cancel);
    return cancel;
  }
}
