// One lasting connection out of many short ones: dials, keeps alive, notices silence, and comes back after a loss. Pure:
// sockets, timers, clock and chance come in. What the frames mean is not known here.

import { closeCode, mayReconnect, subprotocol } from "../../../app/protocol/wire.ts";
import type { Push } from "../../../app/protocol/wire.ts";

/** What the connection is told by a socket that was dialled. */
export interface SocketEvents {
  onOpen(): void;
  onFrame(frame: string): void;
  /** The last thing that is told. */
  onClose(code: number, reason: string): void;
}

/** A socket that was dialled. */
export interface ClientSocket {
  send(frame: string): void;
  close(code: number, reason: string): void;
}

/** What a connection works with; times in ms. */
export interface ConnectionPorts {
  dial(subprotocol: string, events: SocketEvents): ClientSocket;
  /** Asks the server why a handshake was refused; answers a sentence, or nothing when none is known. */
  probe(done: (problem: string | undefined) => void): void;
  /** Monotonic time. */
  now(): number;
  later(ms: number, task: () => void): () => void;
  /** From 0 to below 1. */
  random(): number;
}

/** Where the connection stands. */
export type ConnectionStatus =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting" }
  | { readonly kind: "open" }
  /** Lost; tries again at `at`. `problem` is what the server said about it. */
  | { readonly kind: "waiting"; readonly at: number; readonly problem?: string }
  /** Ended by the server's will, not to come back by itself. */
  | { readonly kind: "ended"; readonly code: number; readonly reason: string };

/** Who is told of the connection. */
export interface ConnectionListener {
  onOpen(): void;
  onPushes(pushes: readonly Push[]): void;
  /** The connection that had opened is gone. */
  onLost(code: number): void;
  onStatusChange(): void;
}

const backoffLeastMs = 500;
const backoffMostMs = 20_000;
/** A connection that lasted this long was a good one: the next wait is short again. */
const settledMs = 10_000;
const dialTimeoutMs = 20_000;
const silenceMs = 60_000;
/** A restarting server may spread its clients, but not for ever. */
const spreadMostMs = 120_000;
const lostCode = 1006;

/** Connects, and connects again. */
export class Connection {
  readonly #ports: ConnectionPorts;
  readonly #listener: ConnectionListener;
  #status: ConnectionStatus = { kind: "idle" };
  #wire: ClientSocket | undefined;
  /** Tells the events of the present socket from those of one that was given up. */
  #generation = 0;
  #attempt = 0;
  #openedAt: number | undefined;
  #heardAt = 0;
  #cancelTimer: (() => void) | undefined;
  /** How long the server may be silent; it says so itself in `welcome`. */
  timeoutMs = silenceMs;

  constructor(ports: ConnectionPorts, listener: ConnectionListener) {
    this.#ports = ports;
    this.#listener = listener;
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Connects now, unless there is a connection or one is on its way. */
  connect(): void {
    if (this.#wire !== undefined) return;
    this.#dial();
  }

  /** Says goodbye, or gives up, and does not come back by itself. */
  close(code: number = closeCode.left, reason = ""): void {
    this.#drop(code, reason);
    this.#set({ kind: "idle" });
  }

  /** Goes at once, where it would wait. */
  retryNow(): void {
    if (this.#status.kind === "waiting") this.#dial();
  }

  /** The network may have changed or the device slept: looks whether the connection is still there. */
  check(): void {
    if (this.#status.kind === "open") this.#watch();
    else this.retryNow();
  }

  /** Sends a frame, when there is a connection. */
  send(frame: string): void {
    if (this.#status.kind === "open") this.#wire?.send(frame);
  }

  /** Gives the present connection up and dials again after a wait: the server does not keep to the protocol. */
  abort(reason: string): void {
    if (this.#wire === undefined) return;
    this.#drop(closeCode.protocolError, reason);
    this.#lost(lostCode, "");
  }

  #dial(): void {
    this.#drop(closeCode.left, "");
    const generation = this.#generation;
    this.#set({ kind: "connecting" });
    const isPresent = () => generation === this.#generation;
    this.#cancelTimer = this.#ports.later(dialTimeoutMs, () => {
      this.#drop(closeCode.left, "no answer");
      this.#lost(lostCode, "");
    });
    this.#wire = this.#ports.dial(subprotocol, {
      onOpen: () => {
        if (isPresent()) this.#opened();
      },
      onFrame: (frame) => {
        if (isPresent()) this.#received(frame);
      },
      onClose: (code, reason) => {
        if (!isPresent()) return;
        this.#forget();
        this.#lost(code, reason);
      },
    });
  }

  #opened(): void {
    this.#openedAt = this.#heardAt = this.#ports.now();
    this.#set({ kind: "open" });
    this.#watch();
    this.#listener.onOpen();
  }

  #received(frame: string): void {
    this.#heardAt = this.#ports.now();
    const pushes = decodePushes(frame);
    if (pushes === undefined) this.abort("not a frame of this protocol");
    // The timers of a hidden page are throttled, so the answer goes from here.
    else if (pushes.length === 0) this.send('{"type":"pong"}');
    else this.#listener.onPushes(pushes);
  }

  /** Arms the timer for the moment at which the silence has lasted too long. */
  #watch(): void {
    this.#cancelTimer?.();
    const left = this.#heardAt + this.timeoutMs - this.#ports.now();
    if (left > 0) {
      this.#cancelTimer = this.#ports.later(left, () => this.#watch());
      return;
    }
    this.#drop(closeCode.timeout, "nothing heard");
    this.#lost(lostCode, "");
  }

  /** Closes the present socket and listens to it no more: its close event may take minutes. */
  #drop(code: number, reason: string): void {
    const wire = this.#wire;
    this.#forget();
    wire?.close(code, reason);
  }

  #forget(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#wire = undefined;
    this.#generation++;
  }

  #lost(code: number, reason: string): void {
    const { now, random } = this.#ports;
    const openedAt = this.#openedAt;
    this.#openedAt = undefined;
    if (openedAt !== undefined && now() - openedAt >= settledMs) this.#attempt = 0;
    if (!mayReconnect(code)) this.#set({ kind: "ended", code, reason });
    else {
      const most = Math.min(backoffMostMs, 2 * backoffLeastMs * 2 ** this.#attempt);
      const spread = code === closeCode.restarting ? Number(reason) : NaN;
      const wait = spread > 0
        ? random() * Math.min(spread, spreadMostMs)
        : backoffLeastMs + random() * (most - backoffLeastMs);
      this.#attempt = Math.min(this.#attempt + 1, 10);
      this.#wait(wait, wordsFor(code, reason));
      if (openedAt === undefined) this.#ask();
    }
    if (openedAt !== undefined) this.#listener.onLost(code);
  }

  #wait(ms: number, problem: string | undefined): void {
    this.#set({
      kind: "waiting",
      at: this.#ports.now() + ms,
      ...(problem === undefined ? {} : { problem }),
    });
    this.#cancelTimer = this.#ports.later(ms, () => this.#dial());
  }

  /** A refused handshake tells a page nothing; the server tells it when it is asked. */
  #ask(): void {
    const generation = this.#generation;
    this.#ports.probe((problem) => {
      const status = this.#status;
      if (problem === undefined || generation !== this.#generation) return;
      if (status.kind === "waiting") this.#set({ ...status, problem });
    });
  }

  #set(status: ConnectionStatus): void {
    this.#status = status;
    this.#listener.onStatusChange();
  }
}

function wordsFor(code: number, reason: string): string | undefined {
  switch (code) {
    case closeCode.restarting:
      return "The server is restarting";
    case closeCode.full:
      return reason === "" ? "The server is full" : sentence(reason);
    case closeCode.slowConsumer:
      return "This device could not keep up";
    case closeCode.flooding:
      return "Too much was sent at once";
    default:
      return undefined;
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The pushes of a frame, or `undefined` if it is not a JSON array of them. Their fields are not checked. */
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
