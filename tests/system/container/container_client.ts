// A member of the chat in the containers: the page's own state on a real WebSocket, so that lost
// connections and outboxes behave as they do for people.

import { ChatClient } from "../../../static/client/state/chat_client.ts";
import { mentions } from "../../../static/client/state/formatting.ts";
import type { ConnectionPorts } from "../../../static/client/state/connection.ts";
import type { OutboxStore } from "../../../static/client/state/outbox.ts";
import type { Room } from "../../../static/client/state/room.ts";

const lobby = "lobby";
const waitMs = 60_000;
/** This page is never reloaded, so its outbox needs no storage. */
const noStore: OutboxStore = { load: () => [], put: () => true, remove: () => {} };

/** A member in the lobby. */
export class ContainerClient implements AsyncDisposable {
  readonly username: string;
  readonly #chat: ChatClient;
  /** Sockets not yet closed, each with a promise that resolves when it is. */
  readonly #openSockets = new Map<WebSocket, Promise<void>>();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #nextChange = Promise.withResolvers<void>();

  private constructor(url: string, username: string) {
    this.username = username;
    this.#chat = new ChatClient({
      connection: this.#ports(url),
      outbox: { store: noStore, now: () => Date.now(), newNonce: () => randomId(12) },
      tab: randomId(12),
      mentions,
      onChange: () => this.#changed(),
    });
    this.#chat.openRoom(lobby);
    this.#chat.signIn({ username, token: randomId(32) });
  }

  /** Connects to a server or proxy and waits until the room is live. */
  static async join(url: string, username: string): Promise<ContainerClient> {
    const client = new ContainerClient(url, username);
    try {
      await client.waitFor(
        `${username} is live`,
        () => client.isLive || client.#refusal !== undefined,
      );
      if (!client.isLive) throw new Error(`Cannot join: ${client.#refusal}`);
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether the lobby is complete and live. */
  get isLive(): boolean {
    return this.#chat.session.isReady && this.#room?.phase === "live";
  }

  /** The names of the members in the lobby, sorted. */
  get members(): readonly string[] {
    return [...this.#room?.roster.members.values() ?? []].sort();
  }

  /** The texts of the lobby. */
  get texts(): readonly string[] {
    return this.#room?.log.messages.map(({ text = "" }) => text) ?? [];
  }

  /** The offsets of the lobby's messages. */
  get offsets(): readonly number[] {
    return this.#room?.log.messages.map(({ offset }) => offset) ?? [];
  }

  /** The number of messages in its outbox. */
  get unsentCount(): number {
    return this.#chat.outbox.messagesIn(lobby).length;
  }

  send(text: string): void {
    const problem = this.#chat.send(lobby, text);
    if (problem !== undefined) throw new Error(`Cannot send ${text}: ${problem.message}`);
  }

  /** Waits until a message with this text arrives. */
  waitForText(text: string): Promise<void> {
    return this.waitFor(`${this.username} receives ${text}`, () => this.texts.includes(text));
  }

  /** Waits until `isDone` returns true. `what` names the condition in the error. */
  async waitFor(what: string, isDone: () => boolean): Promise<void> {
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`Timed out waiting until ${what}`)), waitMs);
    try {
      while (!isDone()) await Promise.race([this.#nextChange.promise, timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chat.signOut();
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#openSockets.values());
  }

  get #room(): Room | undefined {
    return this.#chat.rooms.get(lobby);
  }

  get #refusal(): string | undefined {
    const { state } = this.#chat.session;
    return state.kind === "required" ? state.problem?.message : undefined;
  }

  #changed(): void {
    this.#nextChange.resolve();
    this.#nextChange = Promise.withResolvers();
  }

  #ports(url: string): ConnectionPorts {
    return {
      dial: (subprotocol, events) => {
        const socket = new WebSocket(new URL("ws", url.replace("http", "ws")), subprotocol);
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#openSockets.set(socket, promise);
        socket.onopen = () => events.onOpen();
        socket.onmessage = ({ data }) => events.onFrame(String(data));
        socket.onclose = ({ code, reason }) => {
          this.#openSockets.delete(socket);
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
