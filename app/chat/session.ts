// The state that the hub keeps for each connection and each member, without any rules.

import type { Command, HistoryCommand, Position } from "../protocol/wire.ts";
import type { Page } from "./broker.ts";
import type { Room } from "./room.ts";

export interface Socket {
  /** Sends one text frame. Must not throw. */
  send(text: string): void;
  /** Starts closing the connection. Must not throw. */
  close(code: number, reason: string): void;
  /** Bytes sent that the peer has not taken yet. */
  readonly buffered: number;
}

/** Where a connection comes from. */
export interface PeerAddress {
  /** For logs. */
  readonly address: string;
  /** The address, or the network it belongs to: its connections share their quotas. */
  readonly network: string;
  /**
   * Where the address is valid. Members on this machine have separate quotas, because a proxy or
   * many people may be behind it. The same can be true of a private address, so its quotas are
   * larger than those of a public one.
   */
  readonly scope: "loopback" | "private" | "public";
  /** Whether the network is the client's, and not this machine or a trusted proxy. */
  readonly isBannable?: boolean;
}

/** Returns the /48 of an IPv6 network, or an IPv4 network itself. */
export function wideNetwork(network: string): string {
  return network.includes(":") ? network.split(":").slice(0, 3).join(":") : network;
}

/** Whose quotas a command uses: a member's and those of its address. */
export interface Payer extends Pick<PeerAddress, "network" | "scope"> {
  readonly member: string;
}

/** The identity behind a token, from its first session to the end of the grace after its last. */
export interface Member {
  readonly id: string;
  username: string;
  /** The payer of its newest session, and of its name once the member is gone. */
  payer: Payer;
  /** Whether it has written an entry since it was admitted. */
  hasWritten: boolean;
  /** The room of its last stored message, which therefore has messages. */
  wroteTo?: string;
  readonly sessions: Set<ActiveSession>;
  /** By room name. */
  readonly presences: Map<string, Presence>;
}

/** Returns a member without sessions. */
export function newMember(id: string, username: string, payer: Payer): Member {
  return { id, username, payer, hasWritten: false, sessions: new Set(), presences: new Map() };
}

/** A member in a room through this node; without sessions during its grace. */
export interface Presence {
  readonly member: Member;
  readonly room: Room;
  readonly sessions: Set<ActiveSession>;
}

/** A session's membership in a room. */
export interface Subscription {
  readonly active: ActiveSession;
  readonly room: Room;
  /** Whether it has caught up with the log, and receives the room's pushes. */
  isLive: boolean;
}

/** A pending `room` push. */
export interface JoinRequest {
  readonly kind: "join";
  readonly subscription: Subscription;
  /** Where the client resumes, if it does. */
  readonly position: Position | undefined;
  /** Read by the broker if memory does not reach back to `position`. */
  page: Page | undefined;
}

/** A pending `history` push. */
export interface HistoryRequest extends Omit<HistoryCommand, "type"> {
  readonly kind: "history";
}

/** A page of a log that a session waits for. */
export type PageRequest = JoinRequest | HistoryRequest;

/** Before a `hello` has been accepted. */
interface Greeting {
  readonly kind: "greeting";
  /** When the session is closed unless its hello is accepted, in ms of the hub's clock. */
  readonly deadline: number;
  /** How many times `hello` was refused. */
  readonly refusals: number;
}

/** Forgotten by the hub; only the close event is still to come. */
interface Closing {
  readonly kind: "closing";
  /** For logs. */
  readonly username: string | undefined;
}

/** A session whose hello was accepted, and its member. */
export class ActiveSession {
  readonly kind = "active";
  readonly session: Session;
  readonly member: Member;
  readonly tab: string | undefined;
  readonly payer: Payer;
  /** By room name. */
  readonly subscriptions = new Map<string, Subscription>();
  /** Pending pages, in the order they were requested. */
  pages: PageRequest[] = [];
  /** Bytes left for the pending `room` pushes. */
  pageBytesLeft = 0;
  /** Whether the broker is reading for the first of `pages`. */
  isReading = false;
  /** Whether one of its searches is running. */
  isSearching = false;
  /** Number of drafts that wait for the broker. */
  writing = 0;
  /** Called once no draft waits for the broker. */
  onWritten: (() => void) | undefined;

  constructor(session: Session, member: Member, tab: string | undefined, payer: Payer) {
    this.session = session;
    this.member = member;
    this.tab = tab;
    this.payer = payer;
  }
}

/** The first state of a session; times in ms of the hub's clock. */
interface SessionStart extends Pick<Session, "id" | "socket" | "peer"> {
  readonly now: number;
  readonly deadline: number;
  readonly heartbeatAt: number;
  readonly isPost?: boolean;
}

/** One live connection, from open to close. */
export class Session {
  /** For logs. */
  readonly id: string;
  readonly peer: PeerAddress;
  readonly openedAt: number;
  state: Greeting | ActiveSession | Closing;
  /** Encoded pushes for this session alone, sent with the tick. */
  queued: string[] = [];
  // Each frame sent reads the fields from here to `frameCount`. They are adjacent because, with a
  // thousand sessions, a tick mostly waits for memory.
  readonly socket: Socket;
  /** Length of `queued` in code units. */
  queuedLength = 0;
  /** Number of live subscriptions. */
  liveCount = 0;
  /** Upper bound of the buffered bytes: those at the last check, and all sent since. */
  bufferedMax = 0;
  frameCount = 0;
  /** Commands and tasks waiting for a broker call, such as a claim or a rename, to finish. */
  held: (Command | (() => void))[] | undefined;
  readonly heartbeat: {
    /** Commands received until the last check, and when the last check found new ones. */
    checkedCount: number;
    receivedAt: number;
    /** When the next heartbeat is sent. */
    dueAt: number;
    /** Commands received before the last heartbeat. */
    commandCount: number;
    /** Heartbeats without a reply. */
    unanswered: number;
    /** When the client may next send a `ping` without a penalty. */
    nextPingAt: number;
  };
  /** Refused commands since `since`. */
  readonly refusals = { count: 0, since: 0 };
  commandCount = 0;
  /** How the hub closed the connection, unless the client did. For logs. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Whether the socket has closed. */
  isDisconnected = false;
  /** Whether it is a post over HTTP, which writes to a room that it hasn't joined. */
  readonly isPost: boolean;

  constructor({ id, socket, peer, now, deadline, heartbeatAt, isPost = false }: SessionStart) {
    this.id = id;
    this.socket = socket;
    this.peer = peer;
    this.openedAt = now;
    this.isPost = isPost;
    this.state = { kind: "greeting", deadline, refusals: 0 };
    this.heartbeat = {
      checkedCount: 0,
      receivedAt: now,
      dueAt: heartbeatAt,
      unanswered: 0,
      commandCount: 0,
      nextPingAt: now,
    };
  }

  /** The member's username if it has one, for logs. */
  get username(): string | undefined {
    const { state } = this;
    if (state.kind === "active") return state.member.username;
    return state.kind === "closing" ? state.username : undefined;
  }
}
