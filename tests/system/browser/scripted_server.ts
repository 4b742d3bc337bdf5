// A WebSocket server that a test controls: replies to the page as in SPEC.md, from logs that the
// test writes, and sends any pushes.

import type { ErrorPush, MessagePush } from "../../../app/protocol/wire.ts";
import { message, room, welcome } from "../../support/page_harness.ts";
import type { BrowserContext, BrowserContextOptions, Page, TestChat } from "./browser_harness.ts";

const newestMax = 100;

interface ScriptedSocket {
  send(frame: string): void;
  close(options: { readonly code: number; readonly reason: string }): Promise<void>;
}

/** The server behind some pages. */
export class ScriptedServer {
  /** The log of each room. */
  readonly #logs = new Map<string, MessagePush[]>();
  /** The error to reply to every message with, if any. */
  refusal: Partial<ErrorPush> | undefined;
  /** The error to reply to every `hello` with, if any. */
  helloRefusal: Partial<ErrorPush> | undefined;
  readonly #sockets = new Set<ScriptedSocket>();

  /** Takes over the WebSockets of a page, or of all pages of a context. */
  async attach(target: BrowserContext | Page): Promise<void> {
    await target.routeWebSocket(/\/ws$/, (socket) => {
      this.#sockets.add(socket);
      socket.onClose(() => this.#sockets.delete(socket));
      socket.onMessage((frame) => this.#reply(socket, JSON.parse(String(frame))));
    });
  }

  /** Appends messages to a room's log without pushing them; `parts` override the defaults. */
  append(name: string, ...parts: Partial<MessagePush>[]): MessagePush[] {
    const log = this.#logs.get(name) ?? [];
    this.#logs.set(name, log);
    const entries = parts.map((part, i) => message(log.length + i + 1, { room: name, ...part }));
    log.push(...entries);
    return entries;
  }

  /** Appends messages and pushes them. */
  publish(name: string, ...parts: Partial<MessagePush>[]): void {
    this.push(...this.append(name, ...parts));
  }

  /** Pushes anything. */
  push(...pushes: unknown[]): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(pushes));
  }

  /** Closes all connections. */
  async close(code: number, reason: string): Promise<void> {
    for (const socket of this.#sockets) await socket.close({ code, reason });
    this.#sockets.clear();
  }

  #reply(socket: { send(frame: string): void }, command: Record<string, unknown>): void {
    const send = (...pushes: unknown[]) => socket.send(JSON.stringify(pushes));
    const name = String(command.room);
    const log = this.#logs.get(name) ?? [];
    switch (command.type) {
      case "hello": {
        if (this.helloRefusal !== undefined) {
          return send({ type: "error", re: "hello", message: "", ...this.helloRefusal });
        }
        const rooms = command.rooms as readonly { readonly room: string }[];
        return send(
          welcome(String(command.username)),
          ...rooms.map(({ room }) => this.#page(room)),
        );
      }
      case "ping":
        return send();
      case "join":
        return send(this.#page(name));
      case "history": {
        const end = Number(command.before) - 1;
        const start = Math.max(0, end - Number(command.limit));
        return send({
          type: "history",
          room: name,
          first: 1,
          head: log.length,
          messages: log.slice(start, end),
        });
      }
      case "message": {
        const { text, nonce } = command as { readonly text: string; readonly nonce: string };
        if (this.refusal !== undefined) {
          return send({ type: "error", re: "message", room: name, nonce, ...this.refusal });
        }
        return this.publish(name, { text, nonce, member: "me", from: "Ada", at: Date.now() });
      }
    }
  }

  #page(name: string) {
    const log = this.#logs.get(name) ?? [];
    return room(log.length, { room: name, messages: log.slice(-newestMax) });
  }
}

/** Signs Ada in to a scripted server. */
export async function signInScripted(
  chat: TestChat,
  options: BrowserContextOptions = {},
  server = new ScriptedServer(),
): Promise<{ ada: Page; server: ScriptedServer }> {
  const ada = await chat.newVisitor(options);
  await server.attach(ada);
  await chat.enter(ada, "Ada");
  return { ada, server };
}
