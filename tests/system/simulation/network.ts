// The network between pages and servers: connections that lag, stall, break, or are half dead.

import type { SocketEvents } from "../../../static/client/state/connection.ts";
import type { Socket } from "../../../app/chat/session.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Timeline } from "./timeline.ts";

/** The server's side of the network. */
export interface Acceptor {
  /**
   * Accepts a connection from `network`, by default from the network of all pages. `kill` ends it
   * without a close, as when the process dies.
   */
  open(socket: Socket, kill: () => void, network?: string): ServerEnd;
}

/** What a connection delivers to the server. */
export interface ServerEnd {
  receive(frame: string): void;
  closed(code: number): void;
}

/** One connection between a page and a server: a stream of frames in either direction. */
export class SimulatedConnection {
  readonly #time: Timeline;
  readonly #random: SeededRandom;
  readonly #client: SocketEvents;
  readonly #latencyMs: number;
  #server: ServerEnd | undefined;
  /** Whether frames in flight are lost, and no more get through. */
  #isCut = false;
  #isClientClosed = false;
  #isServerClosed = false;
  /** Earliest arrival of the next frame in each direction, so that frames stay in order. */
  #toServerAt = 0;
  #toClientAt = 0;
  /** Frames that wait while the page does not read. */
  #stalled: string[] | undefined;
  bufferedAmount = 0;

  constructor(time: Timeline, random: SeededRandom, client: SocketEvents) {
    this.#time = time;
    this.#random = random;
    this.#client = client;
    this.#latencyMs = random.delay(200);
  }

  /** Connects to a server; without an acceptor, the connection is refused. */
  connect(acceptor: Acceptor | undefined, network?: string): void {
    this.#time.later(this.#latencyMs, () => {
      if (this.#isCut) return;
      if (acceptor === undefined) return this.cut(true, true);
      const connection = this as SimulatedConnection;
      const socket: Socket = {
        send: (frame) => this.#sendToClient(frame),
        close: (code, reason) => this.#closeFromServer(code, reason),
        get buffered() {
          return connection.bufferedAmount;
        },
      };
      this.#server = acceptor.open(socket, () => this.#killServer(), network);
      this.#toClient(() => this.#client.onOpen());
    });
  }

  sendToServer(frame: string): void {
    this.#toServer(() => this.#server?.receive(frame));
  }

  closeFromClient(code: number): void {
    this.#isClientClosed = true;
    this.#toServer(() => this.#closeServer(code));
    this.#time.later(this.#latencyMs * 3, () => this.#isCut = true);
  }

  #closeFromServer(code: number, reason: string): void {
    this.#toClient(() => {
      this.#closeClient(code, reason);
      this.#isCut = true;
      this.#closeServer(code);
    });
  }

  /** Breaks the connection. Each side notices soon, or never. */
  cut(doesClientNotice: boolean, doesServerNotice: boolean): void {
    this.#isCut = true;
    const soon = () => this.#random.delay(3_000);
    if (doesClientNotice) this.#time.later(soon(), () => this.#closeClient(1006, ""));
    if (doesServerNotice) this.#time.later(soon(), () => this.#closeServer(1006));
  }

  /** Kills the server's process. Sent frames may still arrive, and the page may never notice. */
  #killServer(): void {
    if (this.#random.isTrue(0.5)) this.#closeFromServer(1006, "");
    else this.cut(this.#random.isTrue(0.8), false);
  }

  /** Makes the page stop reading for a while. */
  stall(ms: number): void {
    if (this.#stalled !== undefined) return;
    this.#stalled = [];
    this.#time.later(ms, () => {
      const frames = this.#stalled ?? [];
      this.#stalled = undefined;
      this.bufferedAmount = 0;
      for (const frame of frames) this.#toClient(() => this.#client.onFrame(frame));
    });
  }

  #sendToClient(frame: string): void {
    if (this.#stalled !== undefined) {
      this.#stalled.push(frame);
      this.bufferedAmount += frame.length;
    } else this.#toClient(() => this.#client.onFrame(frame));
  }

  #toClient(deliver: () => void): void {
    this.#toClientAt = Math.max(this.#toClientAt, this.#time.ms + this.#latencyMs);
    this.#time.at(this.#toClientAt, () => {
      if (!this.#isCut && !this.#isClientClosed) deliver();
    });
  }

  #toServer(deliver: () => void): void {
    // Some frames are delayed, and the frames behind them too.
    const delayMs = this.#random.isTrue(0.2) ? this.#random.delay(800) : 0;
    this.#toServerAt = Math.max(this.#toServerAt, this.#time.ms + this.#latencyMs + delayMs);
    this.#time.at(this.#toServerAt, () => {
      if (!this.#isCut && !this.#isServerClosed) deliver();
    });
  }

  #closeClient(code: number, reason: string): void {
    if (this.#isClientClosed) return;
    this.#isClientClosed = true;
    this.#client.onClose(code, reason);
  }

  #closeServer(code: number): void {
    if (this.#isServerClosed) return;
    this.#isServerClosed = true;
    this.#server?.closed(code);
  }
}
