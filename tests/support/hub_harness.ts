// A hub whose clock, scheduler, log and broker are controlled by a test, and clients to talk to it.

import { ChatHub } from "../../app/chat/chat_hub.ts";
import type { HubPorts, HubSettings, LogFields } from "../../app/chat/ports.ts";
import type { PeerAddress, Session, Socket } from "../../app/chat/session.ts";
import type { Push } from "../../app/protocol/wire.ts";
import { ManualTime } from "./manual_time.ts";
import { MemoryBroker } from "./memory_broker.ts";

/** A socket that records the frames sent to it. */
export class FakeSocket implements Socket {
  frames: string[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;
  buffered = 0;

  send(text: string): void {
    if (this.closed !== undefined) throw new Error("Cannot send: the hub closed this socket");
    this.frames.push(text);
  }

  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }
}

export const hubDefaults: HubSettings = {
  rateBurst: 10,
  ratePerSecond: 2,
  maxRooms: 10_000,
  graceMs: 10_000,
  nameHoldMs: 86_400_000,
  outboxMaxBytes: 1024 * 1024,
  retentionDays: 0,
  retentionMessages: 0,
  joinLines: true,
  typing: true,
  sessionPrefix: "",
  logMessageText: false,
};

/** A line of the hub's log. */
export interface LogLine {
  readonly level: "event" | "warn" | "error";
  readonly event: string;
  readonly fields: LogFields;
  /** The network that caused it. */
  readonly network?: string | undefined;
}

/** A hub with all its ports. */
export class TestChat {
  readonly time = new ManualTime();
  readonly broker: MemoryBroker;
  readonly hub: ChatHub;
  readonly lines: LogLine[] = [];
  #tokenCount = 0;

  constructor(
    settings: Partial<HubSettings> = {},
    broker = new MemoryBroker(),
    ports: Partial<HubPorts> = {},
  ) {
    this.broker = broker;
    this.hub = new ChatHub({
      broker,
      clock: this.time,
      scheduler: this.time,
      identity: {
        newToken: () => tokenOf(`new${++this.#tokenCount}`),
        memberOf: (token) => `id-${token.replace(/-+$/, "")}`,
      },
      log: {
        event: (event, fields, network) =>
          this.lines.push({ level: "event", event, fields, network }),
        entries: (entries) => {
          for (const { type: event, ...fields } of entries) {
            this.lines.push({ level: "event", event, fields });
          }
        },
        warn: (event, fields, network) =>
          this.lines.push({ level: "warn", event, fields, network }),
        error: (event, error, fields = {}) =>
          this.lines.push({ level: "error", event, fields: { ...fields, error: String(error) } }),
      },
      ...ports,
    }, { ...hubDefaults, ...settings });
  }

  /** Connects a client; `network` is the address unless given. */
  connect(address = "192.0.2.1", network = address): TestClient {
    return new TestClient(this, {
      address,
      network,
      isBannable: address !== "127.0.0.1",
      scope: address === "127.0.0.1"
        ? "loopback"
        : address.startsWith("10.")
        ? "private"
        : "public",
    });
  }

  /** Connects a client that says hello, and discards the frames it receives. */
  enter(
    username: string,
    rooms: readonly (string | object)[] = ["lobby"],
    fields: object = {},
  ): TestClient {
    const client = this.connect();
    client.hello(username, rooms, fields);
    client.frames();
    return client;
  }

  /** Lets an asynchronous broker finish all calls. */
  async settle(): Promise<void> {
    for (let i = 0; i < 60; i++) {
      await Promise.resolve();
      this.time.settle();
    }
  }
}

/** Returns a token of the right length whose member is `id-NAME`. */
export function tokenOf(name: string): string {
  return name.padEnd(43, "-");
}

/** Returns a `hello` whose token is derived from the username. */
export function helloOf(
  username: string,
  rooms: readonly (string | object)[] = ["lobby"],
  fields: object = {},
): object {
  return {
    type: "hello",
    username,
    token: tokenOf(username.replaceAll(/[^A-Za-z0-9]/g, "_")),
    rooms: rooms.map((room) => typeof room === "string" ? { room } : room),
    ...fields,
  };
}

/** A connection, seen from its client. */
export class TestClient {
  readonly socket = new FakeSocket();
  readonly session: Session;
  readonly #chat: TestChat;
  #nonceCount = 0;

  constructor(chat: TestChat, peer: PeerAddress) {
    this.#chat = chat;
    this.session = chat.hub.connect(this.socket, peer);
  }

  /** Sends a frame within the current event-loop turn. */
  put(command: unknown): void {
    const frame = typeof command === "string" ? command : JSON.stringify(command);
    this.#chat.hub.receive(this.session, frame);
  }

  /** Sends a frame, ends the turn, and returns the pushes since the last call. */
  send(command: unknown): Push[] {
    this.put(command);
    return this.pushes();
  }

  hello(
    username: string,
    rooms: readonly (string | object)[] = ["lobby"],
    fields: object = {},
  ): Push[] {
    return this.send(helloOf(username, rooms, fields));
  }

  sendMessage(text: string, room = "lobby", nonce = `n${++this.#nonceCount}`): Push[] {
    return this.send({ type: "message", room, text, nonce });
  }

  /** Ends the turn and returns the frames since the last call, decoded. */
  frames(): Push[][] {
    this.#chat.time.settle();
    return this.socket.frames.splice(0).map((frame) => JSON.parse(frame));
  }

  /** Ends the turn and returns the pushes since the last call. */
  pushes(): Push[] {
    return this.frames().flat();
  }

  /** Ends the turn and returns the types of the pushes since the last call. */
  pushTypes(): string[] {
    return this.pushes().map(({ type }) => type);
  }

  /** Closes the connection from the client's side, by default as if it were lost. */
  drop(code = 1006): void {
    this.#chat.hub.disconnect(this.session, code);
    this.#chat.time.settle();
  }
}

/** Returns the first push of a type. Throws if there is none. */
export function only<T extends Push["type"]>(
  pushes: readonly Push[],
  type: T,
): Extract<Push, { type: T }> {
  const found = pushes.find((push) => push.type === type);
  if (found === undefined) throw new Error(`Cannot find ${type} in ${JSON.stringify(pushes)}`);
  // `find` compared the type, which discriminates the union.
  return found as Extract<Push, { type: T }>;
}

/** Returns the codes of the errors among pushes. */
export function codesOf(pushes: readonly Push[]): string[] {
  return pushes.flatMap((push) => push.type === "error" ? [push.code] : []);
}

/** Returns the texts of the messages among pushes. */
export function textsOf(pushes: readonly Push[]): string[] {
  return pushes.flatMap((push) => push.type === "message" ? [push.text ?? ""] : []);
}

/** Returns the whole numbers from `first` to `last`. */
export function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}
