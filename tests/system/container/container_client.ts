// Somebody who uses the chat in the containers as a page does: the page's own code on a real WebSocket, so that what is shown
// of lost connections and of outboxes is what people have.

import { ChatClient } from "../../../static/client/state/chat_client.ts";
import type { ConnectionPorts } from "../../../static/client/state/connection.ts";
import type { OutboxStore } from "../../../static/client/state/outbox.ts";
import type { Room } from "../../../static/client/state/room.ts";

const lobby = "lobby";
const waitMs = 60_000;
/** Nobody reloads this page, so nothing has to outlive it. */
const noStore: OutboxStore = { load: () => [], put: () => true, remove: () => {} };

/** A page of the chat, in the lobby. */
export class Caller implements AsyncDisposable {
  readonly username: string;
  readonly #chat: ChatClient;
  /** Connections whose close event has not come. */
  readonly #open = new Map<WebSocket, Promise<void>>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #wake = Promise.withResolvers<void>();

  private constructor(url: string, username: string) {
    this.username = username;
    this.#chat = new ChatClient({
      connection: this.#ports(url),
      outbox: { store: noStore, now: () => Date.now(), newNonce: () => randomId(12) },
      tab: randomId(12),
      onChange: () => this.#changed(),
    });
    this.#chat.openRoom(lobby);
    this.#chat.signIn({ username, token: randomId(32) });
  }

  /** Comes to the address of a server or proxy, and waits to be in. */
  static async dial(url: string, username: string): Promise<Caller> {
    const caller = new Caller(url, username);
    try {
      await caller.sees(`${username} is in`, () => caller.isIn || caller.#refusal !== undefined);
      if (!caller.isIn) throw new Error(`Cannot join: ${caller.#refusal}`);
      return caller;
    } catch (error) {
      await caller[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether everything of the lobby is here, and comes. */
  get isIn(): boolean {
    return this.#chat.isReady && this.#room?.phase === "live";
  }

  /** Who is in the lobby, in the order of the alphabet. */
  get members(): readonly string[] {
    return [...this.#room?.members.values() ?? []].sort();
  }

  /** What was said in the lobby. */
  get texts(): readonly string[] {
    return this.#room?.messages.map(({ text }) => text) ?? [];
  }

  /** Where in the log the messages are. */
  get offsets(): readonly number[] {
    return this.#room?.messages.map(({ offset }) => offset) ?? [];
  }

  /** How many of its messages are not known to be in the log. */
  get unsent(): number {
    return this.#chat.outbox.messagesIn(lobby).length;
  }

  say(text: string): void {
    const problem = this.#chat.send(lobby, text);
    if (problem !== undefined) throw new Error(`Cannot say ${text}: ${problem}`);
  }

  /** Waits until a text has come. */
  hears(text: string): Promise<void> {
    return this.sees(`${this.username} hears ${text}`, () => this.texts.includes(text));
  }

  /** Waits until the page shows something; `what` is for the reader of a failure. */
  async sees(what: string, isSo: () => boolean): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`Cannot wait any longer: ${what}`)), waitMs);
    try {
      while (!isSo()) await Promise.race([this.#wake.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chat.signOut();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#open.values());
  }

  get #room(): Room | undefined {
    return this.#chat.rooms.get(lobby);
  }

  get #refusal(): string | undefined {
    const { signInState } = this.#chat;
    return signInState.kind === "asking" ? signInState.problem : undefined;
  }

  #changed(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  #ports(url: string): ConnectionPorts {
    return {
      dial: (subprotocol, events) => {
        const socket = new WebSocket(new URL("ws", url.replace("http", "ws")), subprotocol);
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#open.set(socket, promise);
        socket.onopen = () => events.onOpen();
        socket.onmessage = ({ data }) => events.onFrame(String(data));
        socket.onclose = ({ code, reason }) => {
          this.#open.delete(socket);
          resolve();
          events.onClose(code, reason);
        };
        return {
          send: (frame) => {
            if (socket.readyState === WebSocket.OPEN) socket.send(frame);
          },
          close: (code, reason) => socket.close(code, reason),
        };
      },
      probe: (done) => done(undefined),
      now: () => performance.now(),
      later: (ms, task) => {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          task();
        }, ms);
        this.#timers.add(timer);
        return () => {
          this.#timers.delete(timer);
          clearTimeout(timer);
        };
      },
      random: () => Math.random(),
    };
  }
}

function randomId(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}
