// What the people of a simulated world connect to: one server or several, and what both are made of. The log as it stands is
// kept here, beside what is being tested.

import type { Broker, Entry } from "../../../app/chat/broker.ts";
import { ChatHub } from "../../../app/chat/chat_hub.ts";
import type { HubSettings, LogFields } from "../../../app/chat/ports.ts";
import type { Session, Socket } from "../../../app/chat/session.ts";
import type { Acceptor, Chance, Timeline } from "./world.ts";

/** Thrown where a promise is broken. */
export class Violation extends Error {}

/** Where people connect to, and what can be done to it. */
export interface Site {
  /** The log as it stands, by room: index is offset - 1. */
  readonly log: ReadonlyMap<string, readonly Entry[]>;
  /** Nonces of messages that went with a log that was set back. */
  readonly lost: ReadonlySet<string>;
  readonly crashes: number;
  /** The first promise that was broken inside, where what is thrown may be caught. */
  readonly violation: Violation | undefined;
  /** Whether any server runs. */
  readonly isUp: boolean;
  /** What the hubs of those that run hold. */
  readonly sizes: readonly ChatHub["size"][];
  /** The side of new connections that is not the people's; nothing while nobody is there. */
  readonly acceptor: Acceptor | undefined;
  /** Starts a server that does not run. */
  start(): void;
  /** A server stops as it does at SIGTERM. */
  stop(): void;
  /** A server dies. */
  crash(): void;
  /** A server dies at some step soon. */
  crashSoon(): void;
  /** The storage cannot be used, and then can again. */
  refuse(): void;
  repair(): void;
  /** The storage as it is now may be put back later. */
  takeBackup(): void;
  restoreBackup(): void;
  prune(): void;
  close(): void;
}

/** What a process is made of. */
export interface ProcessOptions {
  readonly time: Timeline;
  readonly chance: Chance;
  readonly settings: HubSettings;
  readonly broker: (process: Process) => Broker;
  /** Told of what the hub logs, and of the frames that it gets. */
  readonly logged: (event: string, fields: LogFields) => void;
  readonly received?: (session: Session, frame: string) => void;
  readonly fail: (promise: string) => void;
  /** It dies by itself, between two steps. */
  readonly die: () => void;
}

const peer = { address: "192.0.2.1", network: "192.0.2.1", isLoopback: false };

/** One life of a server: a hub and its connections, that may end between any two steps. */
export class Process {
  readonly #options: ProcessOptions;
  readonly hub: ChatHub;
  isAlive = true;
  #stepsToLive = Infinity;
  readonly #links = new Set<() => void>();

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { time, chance, logged } = options;
    const later = (ms: number, task: () => void) =>
      time.later(ms, () => {
        if (this.isAlive) task();
      });
    this.hub = new ChatHub({
      broker: options.broker(this),
      clock: time,
      scheduler: { soon: (task) => void later(0, task), later },
      identity: {
        newToken: () => `${chance.below(1e9)}`.padEnd(43, "-"),
        memberOf: (token) => `id-${token.replace(/-+$/, "")}`,
      },
      log: {
        event: (event, fields) => this.isAlive && logged(event, fields),
        warn: (event, fields) => this.isAlive && logged(event, fields),
        error: (event, error) => {
          if (this.isAlive && event === "internal") options.fail(`internal: ${error}`);
        },
      },
    }, options.settings);
  }

  /** A moment at which the process may die. Answers false when it just did. */
  step(): boolean {
    if (this.#stepsToLive-- > 0) return true;
    this.#stepsToLive = Infinity;
    this.#options.die();
    return false;
  }

  /** Arms a death at some step soon: before a commit, between commit and delivery, between two frames. */
  dieSoon(): void {
    this.#stepsToLive = this.#options.chance.below(12);
  }

  /** Ends it at once, and its connections with it. */
  vanish(): void {
    this.isAlive = false;
    for (const vanish of this.#links) vanish();
    this.#links.clear();
  }

  /** Ends it after the closes of its connections, which are on their way. */
  end(): void {
    this.isAlive = false;
    this.#links.clear();
  }

  get acceptor(): Acceptor {
    return {
      open: (socket, vanish) => {
        const link: { session: Session | undefined } = { session: undefined };
        const guarded: Socket = {
          send: (frame) => {
            if (this.isAlive && this.step()) socket.send(frame);
          },
          close: (code, reason) => {
            if (this.isAlive) socket.close(code, reason);
          },
          get buffered() {
            return socket.buffered;
          },
        };
        if (this.isAlive) link.session = this.hub.connect(guarded, peer);
        if (this.isAlive) this.#links.add(vanish);
        return {
          receive: (frame) => {
            if (!this.isAlive || link.session === undefined || !this.step()) return;
            this.#options.received?.(link.session, frame);
            this.hub.receive(link.session, frame);
          },
          closed: (code) => {
            this.#links.delete(vanish);
            if (this.isAlive && link.session !== undefined) {
              this.hub.disconnect(link.session, code);
            }
          },
        };
      },
    };
  }
}

/** Sets a log back to what it was; answers the nonces that went. */
export function setBack(log: Map<string, Entry[]>, then: ReadonlyMap<string, Entry[]>): string[] {
  const lost: string[] = [];
  for (const [room, entries] of log) {
    const kept = then.get(room)?.length ?? 0;
    lost.push(...entries.slice(kept).map(({ nonce }) => nonce));
    log.set(room, entries.slice(0, kept));
  }
  return lost;
}
