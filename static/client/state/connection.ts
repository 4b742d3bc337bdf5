// Keeps one connection to the server: dials, detects silence, and reconnects with backoff. Doesn't
// interpret pushes. Pure: sockets, timers, clock and randomness are injected.

import { closeCode, mayReconnect, subprotocol } from "../../../app/protocol/wire.ts";
import type { Push } from "../../../app/protocol/wire.ts";
import type { Problem } from "./problem.ts";

export interface SocketEvents {
  onOpen(): void;
  onFrame(frame: string): void;
  /** Always the last event. */
  onClose(code: number, reason: string): void;
}

export interface ClientSocket {
  send(frame: string): void;
  close(code: number, reason: string): void;
}

export interface ConnectionPorts {
  dial(subprotocol: string, events: SocketEvents): ClientSocket;
  /** Asks the server why it refused a handshake; `done` gets `undefined` if it has no reason. */
  probe(done: (problem: Problem | undefined) => void): void;
  /** Monotonic time in ms. */
  now(): number;
  /** Runs `task` after `ms`; returns a function that cancels it. */
  later(ms: number, task: () => void): () => void;
  /** Returns a random number, as `Math.random` does. */
  random(): number;
}

export type ConnectionStatus =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** Lost. Dials again at `retryAt`, in monotonic ms; `problem` is the server's reason. */
  | { readonly kind: "backoff"; readonly retryAt: number; readonly problem?: Problem }
  /** Closed by the server with a code that forbids reconnecting, perhaps for a newer connection. */
  | { readonly kind: "ended"; readonly isReplaced: boolean; readonly reason: string };

export interface ConnectionListener {
  onOpen(): void;
  onPushes(pushes: readonly Push[]): void;
  /** An open connection was lost. */
  onLost(code: number): void;
  onStatusChange(): void;
}

const backoffMinMs = 500;
const backoffMaxMs = 20_000;
/** A connection that lasted this long resets the backoff. */
const stableAfterMs = 10_000;
const dialTimeoutMs = 20_000;
const defaultTimeoutMs = 60_000;
/** Max time to wait for the reply to a ping. */
const pingTimeoutMs = 3_000;
/** A frame that the server doesn't answer within this time is followed by a ping. */
const answerMs = 1_500;
/** Max time over which a restarting server may spread its clients. */
const spreadMaxMs = 120_000;
/** Problems of the page that make the server close its connection. */
export const pageProblems: Readonly<Record<number, Problem>> = {
  [closeCode.slowConsumer]: { code: "slow_consumer", message: "" },
  [closeCode.flooding]: { code: "flooding", message: "" },
};
/** Problems shown until the next attempt, by close code. */
const closeProblems: Readonly<Record<number, Problem>> = {
  [closeCode.restarting]: { code: "draining", message: "" },
  [closeCode.full]: { code: "server_full", message: "" },
  ...pageProblems,
};
/** The code of a connection that broke without a close frame (RFC 6455, section 7.4.1). */
const abnormalCode = 1006;

/** A connection that reconnects by itself. */
export class Connection {
  readonly #ports: ConnectionPorts;
  readonly #listener: ConnectionListener;
  #status: ConnectionStatus = { kind: "idle" };
  #socket: ClientSocket | undefined;
  #openedAt: number | undefined;
  #lastFrameAt = 0;
  /** When the oldest unanswered frame was sent, if there is one. */
  #sentAt: number | undefined;
  /** When the unanswered ping was sent, if there is one. */
  #pingedAt: number | undefined;
  #failures = 0;
  #cancelTimer: (() => void) | undefined;
  /** Max silence of the server in ms, from `welcome`. */
  timeoutMs = defaultTimeoutMs;

  constructor(ports: ConnectionPorts, listener: ConnectionListener) {
    this.#ports = ports;
    this.#listener = listener;
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Dials, unless a socket is open or opening. */
  connect(): void {
    if (this.#socket === undefined) this.#dial();
  }

  /** Closes the connection without reconnecting. */
  close(): void {
    this.#detach()?.close(closeCode.left, "");
    this.#setStatus({ kind: "idle" });
  }

  /** Skips the rest of the backoff. */
  retryNow(): void {
    if (this.#status.kind === "backoff") this.#dial();
  }

  /**
   * Checks the connection after the device slept or changed networks, and dials again unless the
   * server answers within 3 s. Skips the rest of a backoff.
   */
  check(): void {
    if (this.#status.kind === "open") this.#ping();
    else if (this.#status.kind === "connecting") {
      this.#setTimer(pingTimeoutMs, () => this.#redial("no answer"));
    } else this.retryNow();
  }

  /** Sends a frame if the connection is open. If it needs an answer, a ping follows a silence. */
  send(frame: string, needsAnswer = true): void {
    if (this.#status.kind !== "open") return;
    this.#socket?.send(frame);
    if (!needsAnswer || this.#sentAt !== undefined) return;
    this.#sentAt = this.#ports.now();
    this.#watchSilence();
  }

  /** Drops the connection and reconnects after a backoff. Its close event may take minutes. */
  abort(reason: string, code: number = closeCode.protocolError): void {
    this.#socket?.close(code, reason);
    if (this.#socket !== undefined) this.#lost(abnormalCode, "");
  }

  #dial(): void {
    this.#setStatus({ kind: "connecting" });
    this.#setTimer(dialTimeoutMs, () => this.abort("no answer", closeCode.left));
    // Events of a socket that was dropped are ignored.
    const isCurrent = () => socket === this.#socket;
    const socket = this.#ports.dial(subprotocol, {
      onOpen: () => isCurrent() && this.#opened(),
      onFrame: (frame) => isCurrent() && this.#received(frame),
      onClose: (code, reason) => isCurrent() && this.#lost(code, reason),
    });
    this.#socket = socket;
  }

  /** Drops the connection and dials without a backoff, since the person may be waiting. */
  #redial(reason: string): void {
    this.abort(reason, closeCode.timeout);
    this.retryNow();
  }

  /** Sets the only timer. */
  #setTimer(ms: number, task: () => void): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#ports.later(ms, task);
  }

  #opened(): void {
    this.#openedAt = this.#lastFrameAt = this.#ports.now();
    this.#setStatus({ kind: "open" });
    this.#watchSilence();
    this.#listener.onOpen();
  }

  #received(frame: string): void {
    this.#lastFrameAt = this.#ports.now();
    this.#sentAt = this.#pingedAt = undefined;
    const pushes = decodePushes(frame);
    if (pushes === undefined) this.abort("invalid frame");
    // Reply here, since browsers throttle the timers of hidden pages.
    else if (pushes.length === 0) this.send('{"type":"pong"}', false);
    else this.#listener.onPushes(pushes);
  }

  /** Pings the server, unless a ping is unanswered. */
  #ping(): void {
    if (this.#pingedAt === undefined) {
      this.#pingedAt = this.#ports.now();
      this.#socket?.send('{"type":"ping"}');
    }
    this.#watchSilence();
  }

  /**
   * Pings the server if it has been silent after a frame, drops the connection if it has been
   * silent for too long, or checks again later.
   */
  #watchSilence(): void {
    const isPinged = this.#pingedAt !== undefined;
    const answerEndsAt = this.#pingedAt === undefined
      ? (this.#sentAt ?? Infinity) + answerMs
      : this.#pingedAt + pingTimeoutMs;
    const endsAt = Math.min(this.#lastFrameAt + this.timeoutMs, answerEndsAt);
    const remainingMs = endsAt - this.#ports.now();
    if (remainingMs > 0) this.#setTimer(remainingMs, () => this.#watchSilence());
    else if (isPinged) this.#redial("no answer");
    else if (this.#sentAt !== undefined) this.#ping();
    else this.abort("silence", closeCode.timeout);
  }

  /** Forgets the socket, so that its later events are ignored, and returns it. */
  #detach(): ClientSocket | undefined {
    const socket = this.#socket;
    this.#cancelTimer?.();
    this.#socket = this.#openedAt = undefined;
    this.#sentAt = this.#pingedAt = undefined;
    return socket;
  }

  #lost(code: number, reason: string): void {
    const openedAt = this.#openedAt;
    this.#detach();
    if (!mayReconnect(code)) {
      this.#setStatus({ kind: "ended", isReplaced: code === closeCode.replaced, reason });
    } else {
      const now = this.#ports.now();
      if (openedAt !== undefined && now - openedAt >= stableAfterMs) this.#failures = 0;
      const delayMs = this.#delayMs(code, reason);
      const problem = closeProblems[code];
      this.#setStatus({ kind: "backoff", retryAt: now + delayMs, ...(problem && { problem }) });
      this.#setTimer(delayMs, () => this.#dial());
      // A browser hides why a handshake was refused.
      if (openedAt === undefined) this.#probe();
    }
    if (openedAt !== undefined) this.#listener.onLost(code);
  }

  /** Returns the random delay before the next attempt (rules C2 and C7 of SPEC.md). */
  #delayMs(code: number, reason: string): number {
    const random = this.#ports.random();
    const maxMs = Math.min(backoffMaxMs, 2 * backoffMinMs * 2 ** this.#failures++);
    const spreadMs = code === closeCode.restarting ? Number(reason) : NaN;
    return spreadMs > 0
      ? random * Math.min(spreadMs, spreadMaxMs)
      : backoffMinMs + random * (maxMs - backoffMinMs);
  }

  #probe(): void {
    const status = this.#status;
    this.#ports.probe((problem) => {
      if (problem === undefined || status !== this.#status) return;
      if (status.kind === "backoff") this.#setStatus({ ...status, problem });
    });
  }

  #setStatus(status: ConnectionStatus): void {
    this.#status = status;
    this.#listener.onStatusChange();
  }
}

/** Returns the pushes of a frame, or `undefined` if it isn't a JSON array of pushes. */
function decodePushes(frame: string): readonly Push[] | undefined {
  try {
    const pushes: unknown = JSON.parse(frame);
    return Array.isArray(pushes) && pushes.every(isPush) ? pushes : undefined;
  } catch {
    return undefined;
  }
}

function isPush(value: unknown): value is Push {
  return typeof Object(value).type === "string";
}
