// Messages that this tab has written and that are not yet known to be in the log, in order, kept across reloads. Pure:
// where they are kept, the clock and the ids come in.

import { closeCode, mayRetry } from "../../../app/protocol/wire.ts";

/** A message on its way. */
export interface OutboxMessage {
  readonly nonce: string;
  readonly room: string;
  readonly text: string;
  /** When it was written, in ms since 1970. */
  readonly at: number;
  /**
   * `waiting`: goes by itself. `asks`: so old that its author has to say whether it should still go. `failed`: the
   * server will not have it, for the reason in `problem`.
   */
  readonly state: "waiting" | "asks" | "failed";
  readonly problem?: string;
  /** Connections in a row that ended badly while it was in flight. */
  readonly strikes?: number;
}

/** Where the messages outlive the page. No method throws. */
export interface OutboxStore {
  /** This tab's own, and those of tabs that are gone; in the order in which they were written. */
  load(): readonly OutboxMessage[];
  /** Answers false when it could not be kept. */
  put(message: OutboxMessage): boolean;
  remove(nonce: string): void;
}

/** What an outbox works with. */
export interface OutboxPorts {
  readonly store: OutboxStore;
  /** Milliseconds since 1970. */
  now(): number;
  /** 96 random bits in the alphabet of a nonce. */
  newNonce(): string;
}

/** After this long a message does not go without its author's word. */
const staleMs = 24 * 3_600_000;
/** This often in a row a message may be there when a connection ends badly. */
const strikesMost = 2;
const badEnds: ReadonlySet<number> = new Set([
  closeCode.frameTooBig,
  closeCode.internal,
  closeCode.protocolError,
]);

/** The messages of one tab, at most one in flight for each room. */
export class Outbox {
  readonly #ports: OutboxPorts;
  #messages: OutboxMessage[];
  readonly #inFlight = new Map<string, string>();

  constructor(ports: OutboxPorts) {
    this.#ports = ports;
    this.#messages = [...ports.store.load()];
    this.#askForStale();
  }

  /** The messages of a room, in the order in which they go. */
  messagesIn(room: string): readonly OutboxMessage[] {
    return this.#messages.filter((message) => message.room === room);
  }

  /** The rooms that have messages. */
  get rooms(): ReadonlySet<string> {
    return new Set(this.#messages.map(({ room }) => room));
  }

  /** Whether a message was sent and not yet answered. */
  isInFlight({ room, nonce }: OutboxMessage): boolean {
    return this.#inFlight.get(room) === nonce;
  }

  /** Puts a new message at the end. */
  add(room: string, text: string): OutboxMessage {
    const { now, newNonce } = this.#ports;
    // No two at one time, so that the times keep the order across a reload.
    const at = Math.max(now(), (this.#messages.at(-1)?.at ?? 0) + 1);
    const message: OutboxMessage = { nonce: newNonce(), room, text, at, state: "waiting" };
    this.#messages.push(message);
    this.#keep(message);
    return message;
  }

  /** The message to send next in a room, which is in flight from now on; none while another is. */
  takeNext(room: string): OutboxMessage | undefined {
    if (this.#inFlight.has(room)) return undefined;
    this.#askForStale();
    const next = this.#messages.find((one) => one.room === room && one.state === "waiting");
    if (next !== undefined) this.#inFlight.set(room, next.nonce);
    return next;
  }

  /** The message is in the log. */
  acknowledge(room: string, nonce: string): void {
    this.#land(room, nonce);
    if (!this.#messages.some((message) => message.nonce === nonce)) return;
    this.#messages = this.#messages.filter((message) => message.nonce !== nonce);
    this.#ports.store.remove(nonce);
  }

  /** The server has refused the message. Answers true when it goes again by itself. */
  reject(room: string, nonce: string, code: string, problem: string): boolean {
    this.#land(room, nonce);
    if (mayRetry(code) || code === "not_joined") return true;
    this.#change(nonce, (message) => ({ ...message, state: "failed", problem }));
    return false;
  }

  /** The connection is gone; what was in flight goes again on the next, unless it seems to be the reason. */
  connectionLost(code: number): void {
    const inFlight = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const nonce of inFlight) {
      this.#change(nonce, ({ strikes = 0, ...message }) => {
        if (!badEnds.has(code)) return message;
        if (strikes + 1 < strikesMost) return { ...message, strikes: strikes + 1 };
        return {
          ...message,
          state: "failed",
          problem: "The connection ended each time it was sent",
        };
      });
    }
  }

  /** The author wants a message to go, as a new one: the server had refused it, or it had become old. */
  retry(nonce: string): void {
    const message = this.#messages.find((one) => one.nonce === nonce);
    if (message === undefined || message.state === "waiting") return;
    const { room, text } = message;
    // An old one may be in the log already: only the same nonce keeps it from being there twice.
    if (message.state === "asks") {
      this.#change(nonce, (old) => ({ ...old, at: this.#ports.now(), state: "waiting" }));
    } else {
      this.discard(nonce);
      this.add(room, text);
    }
  }

  /** The author does not want a message to go. Answers what it was. */
  discard(nonce: string): OutboxMessage | undefined {
    const message = this.#messages.find((one) => one.nonce === nonce);
    if (message === undefined || this.isInFlight(message)) return undefined;
    this.acknowledge(message.room, nonce);
    return message;
  }

  #land(room: string, nonce: string): void {
    if (this.#inFlight.get(room) === nonce) this.#inFlight.delete(room);
  }

  #askForStale(): void {
    const now = this.#ports.now();
    for (const { nonce, at, state } of this.#messages) {
      if (state === "waiting" && now - at > staleMs) {
        this.#change(nonce, (message) => ({ ...message, state: "asks" }));
      }
    }
  }

  #change(nonce: string, change: (message: OutboxMessage) => OutboxMessage): void {
    this.#messages = this.#messages.map((message) => {
      if (message.nonce !== nonce) return message;
      const changed = change(message);
      this.#keep(changed);
      return changed;
    });
  }

  #keep(message: OutboxMessage): void {
    this.#ports.store.put(message);
  }
}
