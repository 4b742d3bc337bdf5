// A server in the test's hand: answers the page as SPEC.md says, from a log that the test wrote, and pushes what the test
// wants, also what no honest server would.

import type { MessagePush } from "../../../app/protocol/wire.ts";
import { message, room, welcome } from "../../support/page_harness.ts";
import { signIn } from "./browser_harness.ts";
import type { BrowserContext, BrowserContextOptions, Page, Scene } from "./browser_harness.ts";

const newestMost = 100;

/** The server of one browser. */
export class ScriptedServer {
  /** What was said in each room, from the first message on. */
  readonly logs = new Map<string, MessagePush[]>();
  readonly #sockets = new Set<{ send(frame: string): void }>();

  /** Stands between a browser and the server of its page. */
  async attach(context: BrowserContext): Promise<void> {
    await context.routeWebSocket(/\/ws$/, (socket) => {
      this.#sockets.add(socket);
      socket.onClose(() => this.#sockets.delete(socket));
      socket.onMessage((frame) => this.#answer(socket, JSON.parse(String(frame))));
    });
  }

  /** Writes messages into a room's log, `each` with what is special about it, and pushes none. */
  write(name: string, ...each: Partial<MessagePush>[]): MessagePush[] {
    const log = this.logs.get(name) ?? [];
    this.logs.set(name, log);
    const written = each.map((part, i) => message(log.length + i + 1, { room: name, ...part }));
    log.push(...written);
    return written;
  }

  /** Writes messages and pushes them. */
  say(name: string, ...each: Partial<MessagePush>[]): void {
    this.push(...this.write(name, ...each));
  }

  /** Pushes anything at all. */
  push(...pushes: unknown[]): void {
    for (const socket of this.#sockets) socket.send(JSON.stringify(pushes));
  }

  #answer(socket: { send(frame: string): void }, command: Record<string, unknown>): void {
    const send = (...pushes: unknown[]) => socket.send(JSON.stringify(pushes));
    const name = String(command.room);
    const log = this.logs.get(name) ?? [];
    switch (command.type) {
      case "hello": {
        const rooms = command.rooms as readonly { readonly room: string }[];
        return send(
          welcome(String(command.username)),
          ...rooms.map(({ room }) => this.#page(room)),
        );
      }
      case "join":
        return send(this.#page(name));
      case "history": {
        const end = Number(command.before) - 1;
        const start = Math.max(0, end - Number(command.limit));
        return send({ type: "history", room: name, first: 1, messages: log.slice(start, end) });
      }
      case "message": {
        const { text, nonce } = command as { readonly text: string; readonly nonce: string };
        return this.say(name, { text, nonce, member: "me", from: "Ada", at: Date.now() });
      }
    }
  }

  #page(name: string) {
    const log = this.logs.get(name) ?? [];
    return room(log.length, { room: name, messages: log.slice(-newestMost) });
  }
}

/** Ada, in a browser whose server does what the test says. */
export async function scripted(
  scene: Scene,
  options: BrowserContextOptions = {},
  server = new ScriptedServer(),
): Promise<{ ada: Page; server: ScriptedServer }> {
  const context = await scene.browser.newContext({ locale: "en-GB", ...options });
  await server.attach(context);
  const ada = await scene.tab(context);
  await signIn(ada, "Ada");
  return { ada, server };
}
