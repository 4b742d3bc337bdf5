// One live connection, and the member it speaks for: the state that the hub keeps of each. No rules live here.

import type { Command, Position } from "../protocol/wire.ts";
import type { Page, ReadQuery } from "./broker.ts";
import type { Presence, Room } from "./room.ts";

/** All that the hub knows of a connection. */
export interface Socket {
  /** Sends one text frame. Must not throw. */
  send(text: string): void;
  /** Starts to close the connection. Must not throw. */
  close(code: number, reason: string): void;
  /** Bytes handed over that the peer has not taken yet. */
  readonly buffered: number;
}

/** Where a connection comes from. */
export interface PeerAddress {
  /** For logs. */
  readonly address: string;
  /** The address, or the network it belongs to: its connections share their quotas. */
  readonly network: string;
  /** Whether it is this machine. Its members have quotas of their own, because a proxy or many people may be behind it. */
  readonly isLoopback: boolean;
}

/** Who a token stands for, while at least one session, or the grace after the last, lasts. */
export interface Member {
  readonly id: string;
  username: string;
  readonly sessions: Set<Session>;
  /** Where the member is, by room name. */
  readonly presences: Map<string, Presence>;
  /** When the last session is gone: the end of its grace, in ms of the hub's clock. */
  until: number | undefined;
}

/** Where a session stands between its first frame and its last. */
export type SessionState =
  /** No good `hello` yet. */
  | {
    readonly kind: "greeting";
    readonly deadline: number;
    readonly tries: number;
  }
  | {
    readonly kind: "active";
    readonly member: Member;
    readonly tab: string | undefined;
  }
  /** Forgotten by the hub; only the close event is still to come. */
  | { readonly kind: "closing" };

/** A session's place in a room. Only a live place is sent the room's pushes. */
export interface Subscription {
  readonly room: Room;
  live: boolean;
}

/** A `room` push that is owed to a session. */
export interface Join {
  readonly subscription: Subscription;
  readonly position: Position | undefined;
  /** Bytes that the pages of this command may still have, shared by the rooms of one `hello`. */
  readonly budget: { bytes: number };
  /** What the broker read, when memory did not reach back far enough. */
  page: Page | undefined;
}

/** What a session begins with; times in ms of the hub's clock. */
export interface SessionStart {
  readonly id: number;
  readonly socket: Socket;
  readonly peer: PeerAddress;
  readonly now: number;
  readonly deadline: number;
  readonly heartbeatAt: number;
}

/** One live connection, from open to close. */
export class Session {
  readonly socket: Socket;
  /** Number of this connection since the start, for logs. */
  readonly id: number;
  readonly peer: PeerAddress;
  readonly openedAt: number;
  state: SessionState;
  readonly subscriptions = new Map<string, Subscription>();
  /** Encoded pushes for this session alone, sent with the tick. */
  privatePushes: string[] = [];
  /** Length of `own` in code units. */
  privateLength = 0;
  /** Joins that wait for the tick, or for the broker. */
  readonly joins: Join[] = [];
  /** True while the broker reads for the first of `joins`. */
  reading = false;
  /** Pages of history that are asked for; the broker reads the first. */
  readonly historyQueue: { readonly room: string; readonly query: ReadQuery }[] = [];
  /** Messages that the broker has not answered yet. */
  writing = 0;
  /** Told when it has answered them all. */
  written: (() => void) | undefined;
  /** Commands that wait behind a claim or rename that the broker has not answered yet. */
  heldCommands: Command[] | undefined;
  /** More bytes than this cannot wait for the peer: those that did when it was last looked at, and all sent since. */
  bufferedMax = 0;
  heardAt: number;
  heartbeatAt: number;
  /** Heartbeats that are not answered yet. */
  pongsDue = 0;
  /** The member's name, once there is one; for logs. */
  username: string | undefined;
  /** Refusals since `refusedSince`. */
  refusals = 0;
  refusedSince = 0;
  commandCount = 0;
  frameCount = 0;
  ended = false;

  constructor(opened: SessionStart) {
    this.socket = opened.socket;
    this.id = opened.id;
    this.peer = opened.peer;
    this.openedAt = opened.now;
    this.heardAt = opened.now;
    this.heartbeatAt = opened.heartbeatAt;
    this.state = { kind: "greeting", deadline: opened.deadline, tries: 0 };
  }
}
