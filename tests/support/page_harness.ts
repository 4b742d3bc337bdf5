// A chat client whose sockets, clock, randomness and storage are controlled by a test.

import { ChatClient } from "../../static/client/state/chat_client.ts";
import { mentions } from "../../static/client/state/formatting.ts";
import type { ClientSocket, SocketEvents } from "../../static/client/state/connection.ts";
import type { Problem } from "../../static/client/state/problem.ts";
import type { Room } from "../../static/client/state/room.ts";
import { memoryStorage } from "../../static/client/state/storage.ts";
import { TabOutbox } from "../../static/client/state/tab_outbox.ts";
import type { KeyValue } from "../../static/client/state/storage.ts";
import type { MessagePush, Push, RoomPush, WelcomePush } from "../../app/protocol/wire.ts";
import { ManualTime } from "./manual_time.ts";

/** A dialed socket, seen from the server. */
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

  /** Returns and removes the frames sent so far. */
  take(): Record<string, unknown>[] {
    return this.sent.splice(0);
  }

  push(...pushes: Push[]): void {
    this.events.onFrame(JSON.stringify(pushes));
  }
}

/** A page: its chat client, and everything the browser provides. */
export class Page {
  readonly time = new ManualTime();
  readonly sockets: FakeSocket[] = [];
  readonly shared: KeyValue;
  readonly own: KeyValue;
  readonly chat: ChatClient;
  readonly store: TabOutbox;
  /** The response to a probe. */
  problem: Problem | undefined;
  probes = 0;
  chance = 0.5;
  wall: number;
  /** The messages that the client reported to its page: offset, and whether it is a mention. */
  readonly reported: string[] = [];
  /** The offsets of deleted messages that the client reported. */
  readonly deleted: number[] = [];
  /** Called when the client reports deleted messages. */
  onDelete = () => {};

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
      mentions,
      onChange: () => {},
      onMessage: (_room, { offset }, isMention) => this.reported.push(`${offset} ${isMention}`),
      onDelete: (_room, offsets) => {
        this.deleted.push(...offsets);
        this.onDelete();
      },
    });
  }

  /** The socket that was dialed most recently. */
  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("Cannot use a socket: none was dialed");
    return socket;
  }

  /** Opens the lobby, signs in, and receives the welcome. */
  signIn(username = "Ada"): this {
    this.chat.openRoom("lobby");
    this.chat.signIn({ username, token: "t".repeat(43) });
    return this.accept(username);
  }

  /** Opens the dialed socket and welcomes the page. */
  accept(username = "Ada", ...rooms: RoomPush[]): this {
    this.socket.events.onOpen();
    this.socket.take();
    this.socket.push(welcome(username), ...(rooms.length > 0 ? rooms : [room(0)]));
    return this;
  }
}

let count = 0;

/** Returns the lobby of a page. */
export function lobby(page: Page): Room {
  const room = page.chat.rooms.get("lobby");
  if (room === undefined) throw new Error("Cannot find the lobby");
  return room;
}

/** Returns the offsets of the messages loaded in the lobby. */
export function offsets(page: Page): number[] {
  return lobby(page).log.messages.map(({ offset }) => offset);
}

/** Returns the texts of the lobby's messages in the outbox. */
export function unsent(page: Page): string[] {
  return page.chat.outbox.messagesIn("lobby").map(({ text }) => text);
}

/** Returns a `welcome` push. */
export function welcome(username = "Ada"): WelcomePush {
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
      typing: true,
    },
    heartbeat: { intervalMs: 25_000, timeoutMs: 60_000 },
  };
}

/** Returns a `room` push with messages `from` to `offset`. */
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

/** Returns the push of a message from Ben. */
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
