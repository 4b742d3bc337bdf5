// A page in a glass: a chat whose sockets, time, chance and storage do what a test says.

import { ChatClient } from "../../static/client/state/chat_client.ts";
import type { ClientSocket, SocketEvents } from "../../static/client/state/connection.ts";
import { memoryStorage, TabOutbox } from "../../static/client/state/storage.ts";
import type { KeyValue } from "../../static/client/state/storage.ts";
import type { MessagePush, Push, RoomPush } from "../../app/protocol/wire.ts";
import { ManualTime } from "./hub_harness.ts";

/** One dialled socket, from the server's side. */
export class FakeSocket implements ClientSocket {
  readonly events: SocketEvents;
  readonly sent: Record<string, unknown>[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor(events: SocketEvents) {
    this.events = events;
  }

  send(frame: string): void {
    this.sent.push(JSON.parse(frame));
  }

  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }

  /** What was sent since the last look. */
  take(): Record<string, unknown>[] {
    return this.sent.splice(0);
  }

  push(...pushes: Push[]): void {
    this.events.onFrame(JSON.stringify(pushes));
  }
}

/** A page: its chat, and everything that the browser would be. */
export class Page {
  readonly time = new ManualTime();
  readonly sockets: FakeSocket[] = [];
  readonly shared: KeyValue;
  readonly own: KeyValue;
  readonly chat: ChatClient;
  readonly store: TabOutbox;
  /** What `POST /ws` says. */
  problem: string | undefined;
  probes = 0;
  chance = 0.5;
  wall: number;

  constructor(shared = memoryStorage(), own = memoryStorage(), wall = 1_000_000) {
    this.shared = shared;
    this.own = own;
    this.wall = wall;
    const newId = () => `id${++count}`;
    this.store = new TabOutbox(shared, own, newId, () => this.wall);
    this.chat = new ChatClient({
      connection: {
        dial: (_subprotocol, events) => {
          const socket = new FakeSocket(events);
          this.sockets.push(socket);
          return socket;
        },
        probe: (done) => {
          this.probes++;
          done(this.problem);
        },
        now: () => this.time.now(),
        later: (ms, task) => this.time.later(ms, task),
        random: () => this.chance,
      },
      outbox: { store: this.store, now: () => this.wall, newNonce: newId },
      tab: "tab",
      onChange: () => {},
    });
  }

  get wire(): FakeSocket {
    const wire = this.sockets.at(-1);
    if (wire === undefined) throw new Error("Cannot use a wire: nothing was dialled");
    return wire;
  }

  /** Connects, is welcomed, and enters the lobby. */
  signIn(username = "Ada"): this {
    this.chat.openRoom("lobby");
    this.chat.signIn({ username, token: "t".repeat(43) });
    return this.accept(username);
  }

  /** The server takes the connection that was dialled. */
  accept(username = "Ada", ...rooms: RoomPush[]): this {
    this.wire.events.onOpen();
    this.wire.take();
    this.wire.push(welcome(username), ...(rooms.length > 0 ? rooms : [room(0)]));
    return this;
  }
}

let count = 0;

export function welcome(username = "Ada"): Push {
  return {
    type: "welcome",
    protocol: 1,
    member: "me",
    username,
    token: "t".repeat(43),
    limits: {
      frameMaxBytes: 65_536,
      textMaxLength: 4_000,
      usernameMaxLength: 24,
      roomsPerSession: 20,
      historyMax: 100,
      rateBurst: 10,
      ratePerSecond: 2,
      retentionDays: 0,
      retentionMessages: 0,
    },
    heartbeat: { intervalMs: 25_000, timeoutMs: 60_000 },
  };
}

/** A `room` push with messages from `first` to `offset`. */
export function room(offset: number, more: Partial<RoomPush> = {}, from = offset + 1): RoomPush {
  return {
    type: "room",
    room: "lobby",
    epoch: "e1",
    first: 1,
    offset,
    messages: Array.from({ length: offset - from + 1 }, (_, i) => message(from + i)),
    more: false,
    recovered: false,
    count: 1,
    members: [{ member: "me", username: "Ada" }],
    ...more,
  };
}

export function message(offset: number, more: Partial<MessagePush> = {}): MessagePush {
  return {
    type: "message",
    room: "lobby",
    offset,
    member: "ben",
    from: "Ben",
    text: `m${offset}`,
    at: 1_000 + offset,
    nonce: `b${offset}`,
    ...more,
  };
}
