// One process of a simulated server: a hub and its connections, which may die at any step.

import type { Broker } from "../../../app/chat/broker.ts";
import { ChatHub } from "../../../app/chat/chat_hub.ts";
import type { HubSettings, LogFields } from "../../../app/chat/ports.ts";
import type { Session, Socket } from "../../../app/chat/session.ts";
import { moderatorCode } from "./moderator_client.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Acceptor } from "./network.ts";
import type { Timeline } from "./timeline.ts";

export interface ProcessOptions {
  readonly time: Timeline;
  readonly random: SeededRandom;
  readonly settings: HubSettings;
  readonly broker: (process: SimulatedProcess) => Broker;
  /** Called with each log event of the hub. */
  readonly onLog: (event: string, fields: LogFields) => void;
  /** Called with each frame before the hub gets it. */
  readonly onFrame?: (session: Session, frame: string) => void;
  /** Called with each frame before a client gets it. */
  readonly onSend?: (frame: string) => void;
  readonly onViolation: (message: string) => void;
  /** Called when the process dies at a crash point. */
  readonly onCrash: () => void;
}

/** The network of all pages. */
const pageNetwork = "192.0.2.1";
const crashSoonMaxSteps = 12;

export class SimulatedProcess {
  readonly #options: ProcessOptions;
  readonly hub: ChatHub;
  isAlive = true;
  #stepsToCrash = Infinity;
  /** Ends each open connection the way a dead process does. */
  readonly #connections = new Set<() => void>();

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { time, random, onLog } = options;
    const later = (ms: number, task: () => void) =>
      time.later(ms, () => {
        if (this.isAlive) task();
      });
    this.hub = new ChatHub({
      broker: options.broker(this),
      clock: time,
      scheduler: { soon: (task) => void later(0, task), later },
      identity: {
        newToken: () => `${random.below(1e9)}`.padEnd(43, "-"),
        memberOf: (token) => `id-${token.replace(/-+$/, "")}`,
      },
      moderatorAccess: (code) => code === moderatorCode,
      log: {
        event: (event, fields) => this.isAlive && onLog(event, fields),
        entries: () => {},
        warn: (event, fields) => this.isAlive && onLog(event, fields),
        error: (event, error) => {
          if (this.isAlive && event === "internal") options.onViolation(`internal: ${error}`);
        },
      },
    }, options.settings);
  }

  /** Marks a step at which the process may die; see `crashSoon`. Returns false if it does. */
  survivesStep(): boolean {
    if (this.#stepsToCrash-- > 0) return true;
    this.#stepsToCrash = Infinity;
    this.#options.onCrash();
    return false;
  }

  /** Dies within a few steps: before a commit, between commit and delivery, or between frames. */
  crashSoon(): void {
    this.#stepsToCrash = this.#options.random.below(crashSoonMaxSteps);
  }

  /** Dies at once, and its connections with it. */
  kill(): void {
    this.isAlive = false;
    for (const kill of this.#connections) kill();
    this.#connections.clear();
  }

  /** Ends after a drain. The closes of its connections are on their way. */
  end(): void {
    this.isAlive = false;
    this.#connections.clear();
  }

  get acceptor(): Acceptor {
    return {
      open: (socket, kill, network = pageNetwork) => {
        let session: Session | undefined;
        const guarded: Socket = {
          send: (frame) => {
            if (!this.isAlive || !this.survivesStep()) return;
            this.#options.onSend?.(frame);
            socket.send(frame);
          },
          close: (code, reason) => {
            if (this.isAlive) socket.close(code, reason);
          },
          get buffered() {
            return socket.buffered;
          },
        };
        if (this.isAlive) {
          session = this.hub.connect(guarded, {
            address: network,
            network,
            scope: "public",
            isBannable: true,
          });
        }
        if (this.isAlive) this.#connections.add(kill);
        return {
          receive: (frame) => {
            if (!this.isAlive || session === undefined || !this.survivesStep()) return;
            this.#options.onFrame?.(session, frame);
            this.hub.receive(session, frame);
          },
          closed: (code) => {
            this.#connections.delete(kill);
            if (this.isAlive && session !== undefined) this.hub.disconnect(session, code);
          },
        };
      },
    };
  }
}
