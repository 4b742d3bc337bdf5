// A person's WebSocket connection to a running server, for the protocol in SPEC.md.

import { newToken } from "../../app/core/identity.ts";
import { mayRetry } from "../../app/protocol/wire.ts";
import type { ErrorPush, MessagePush, Position, Push, RoomPush } from "../../app/protocol/wire.ts";
import { withDeadline } from "./waiting.ts";

/** Options of a connection. */
export interface ChatClientOptions {
  readonly token?: string;
  /** The lobby by default. */
  readonly room?: string;
  readonly tab?: string;
  /** The position where an earlier connection ended. */
  readonly position?: Position;
  /** Opens the connection. */
  readonly dial?: (url: URL) => WebSocket;
}

/** The outcome of a message. */
export interface SendResult {
  readonly nonce: string;
  readonly offset?: number;
  readonly error?: ErrorPush;
}

/** A connection that joins one room, sends messages, and records every push. */
export class ChatClient {
  readonly pushes: Push[] = [];
  readonly token: string;
  readonly room: string;
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<number>();
  /** Called after each frame. */
  readonly #checks = new Set<() => void>();
  readonly #hello: Readonly<Record<string, unknown>>;
  readonly #join: Readonly<Record<string, unknown>>;
  /** Number of pushes before the latest `hello` or `join`. */
  #pushesBeforeJoin = 0;
  #nonces = 0;

  constructor(
    url: string,
    username: string,
    { token = newToken(), room = "lobby", tab, position, dial }: ChatClientOptions = {},
  ) {
    this.token = token;
    this.room = room;
    const address = new URL("ws", url.replace("http", "ws"));
    this.#socket = dial?.(address) ?? new WebSocket(address);
    this.#hello = { type: "hello", username, token, tab, rooms: [{ room, ...position }] };
    this.#join = { type: "join", room, ...position };
    this.#socket.onopen = () => this.send(this.#hello);
    this.#socket.onmessage = ({ data }) => {
      this.pushes.push(...JSON.parse(data) as Push[]);
      for (const check of this.#checks) check();
    };
    this.#socket.onclose = ({ code }) => this.#closed.resolve(code);
  }

  /** Sends a command. */
  send(command: Readonly<Record<string, unknown>>): void {
    this.#socket.send(JSON.stringify(command));
  }

  /** Resolves with the first matching push from index `since` on; rejects on close or timeout. */
  waitFor(matches: (push: Push) => boolean, since = 0): Promise<Push> {
    const { promise, resolve, reject } = Promise.withResolvers<Push>();
    const check = () => {
      const push = this.pushes.slice(since).find(matches);
      if (push !== undefined) resolve(push);
    };
    this.#checks.add(check);
    check();
    void this.#closed.promise.then((code) => reject(new Error(`closed with ${code}`)));
    return withDeadline(`no push matches ${matches}`, promise)
      .finally(() => this.#checks.delete(check));
  }

  /**
   * Resolves once the room is joined; rejects if that is refused. Retries after a temporary
   * refusal, as a page does.
   */
  async joined(): Promise<RoomPush> {
    for (;;) {
      const push = await this.waitFor(
        ({ type }) => type === "room" || type === "error",
        this.#pushesBeforeJoin,
      );
      if (push.type === "room") return push;
      if (push.type !== "error" || !mayRetry(push.code)) throw new Error(JSON.stringify(push));
      await new Promise((resolve) => setTimeout(resolve, push.retryAfter));
      this.#pushesBeforeJoin = this.pushes.length;
      this.send(push.re === "hello" ? this.#hello : this.#join);
    }
  }

  /** Sends a message and resolves with its outcome. Pass the `nonce` of another to retry it. */
  async sendMessage(text: string, nonce = `n${++this.#nonces}`): Promise<SendResult> {
    const since = this.pushes.length;
    this.send({ type: "message", room: this.room, text, nonce });
    const push = await this.waitFor((push) => "nonce" in push && push.nonce === nonce, since);
    if (push.type === "error") return { nonce, error: push };
    if (push.type !== "message" && push.type !== "ack") throw new Error(push.type);
    return { nonce, offset: push.offset };
  }

  /** Sends messages of about 4 KB, up to `max`, until one is refused. */
  async sendUntilRefused(max: number): Promise<readonly SendResult[]> {
    const text = "x".repeat(3_900);
    const results: SendResult[] = [];
    while (results.length < max && !results.some(({ error }) => error !== undefined)) {
      const batch = Array.from(
        { length: 10 },
        (_, i) => this.sendMessage(`${results.length + i} ${text}`),
      );
      results.push(...await Promise.all(batch));
    }
    return results;
  }

  /** All messages received, in order. */
  get messages(): readonly MessagePush[] {
    return this.pushes.flatMap((push) =>
      push.type === "message"
        ? [push]
        : push.type === "room"
        ? push.messages.filter((entry) => entry.type === "message")
        : []
    );
  }

  get texts(): readonly string[] {
    return this.messages.map(({ text = "" }) => text);
  }

  /** Resolves with the close code. */
  get closed(): Promise<number> {
    return withDeadline("the connection closes", this.#closed.promise);
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}
