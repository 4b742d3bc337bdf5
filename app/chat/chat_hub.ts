// The hub: takes commands from sessions, hands messages to the broker, and sends each session at most one frame a tick.
// Pure: sockets, broker, clock, ids, scheduler and log come in through the constructor.

import { decodeCommand } from "../protocol/decode.ts";
import { utf8Length } from "../protocol/text.ts";
import { closeCode, limits, protocolVersion } from "../protocol/wire.ts";
import type {
  Command,
  ErrorPush,
  HelloCommand,
  HistoryCommand,
  JoinCommand,
  LeaveCommand,
  LeftReason,
  MessageCommand,
  Position,
  Push,
  RenameCommand,
  ServerLimits,
  TypingCommand,
} from "../protocol/wire.ts";
import type { AppendResult, BrokerListener, Draft, Entry, Outcome } from "./broker.ts";
import { CatchUp } from "./catch_up.ts";
import { whenDone } from "./outcome.ts";
import type { HubPorts, HubSettings } from "./ports.ts";
import { RateLimiter } from "./rate_limiter.ts";
import {
  accessDenied,
  accessLocked,
  accessRequired,
  alreadyGreeted,
  helloRequired,
  nameTaken,
  notJoined,
  rateLimited,
  roomsFull,
  storageUnavailable,
  tooManyRooms,
} from "./refusals.ts";
import type { About } from "./refusals.ts";
import { byteLength, encodeEntries, joined, leftPush, Room } from "./room.ts";
import type { Presence } from "./room.ts";
import { Session } from "./session.ts";
import type { Member, PeerAddress, Socket, Subscription } from "./session.ts";

const heartbeatMs = 25_000;
const silenceMs = 60_000;
const firstHelloMs = 5_000;
/** After a refused `hello` a person is choosing another name. */
const nextHelloMs = 60_000;
const helloTries = 5;
const sweepMs = 1_000;
/** Turns of the event loop in one tick: Deno reads some dozens of frames in each, and the others that wait belong to the same. */
const turnsMost = 4;
/** Names that are given up in one turn of the event loop. */
const releasesMost = 100;
const seenMs = 3_600_000;
/** After a start everybody comes back at once; nobody wants a line for each. */
const quietMs = 30_000;
/** Those who are told to come again do so spread over this long for each thousand of them. */
const spreadMsPerThousand = 1_000;
const floodRefusals = 100;
const floodMs = 10_000;
const renameBurst = 5;
const renamesPerSecond = 5 / 3_600;
/** Wrong access codes of an address: nobody mistypes more often, and nobody guesses one at this rate. */
const accessBurst = 10;
const accessPerSecond = 1 / 60;
/** What an address may cause in bytes: a burst, then this much a second. */
const addressBurstBytes = 16 * 1024 * 1024;
const addressBytesPerSecond = 1024 * 1024;
/** What a command of each kind costs beside the bytes of its pages, since others are told of it or the log is read. */
const commandCostBytes = 16 * 1024;
const messageCostBytes = 1024;
/** Rooms that are stored are never given up again, and `MAX_ROOMS` is for everybody. */
const newRoomCostBytes = 1024 * 1024;
/** Commands that may wait for a slow broker, of one session. */
const heldMax = 256;

/** Usernames, rooms, delivery: everything that a chat is, without a network or a disk. */
export class ChatHub {
  readonly #ports: HubPorts;
  readonly #settings: HubSettings;
  readonly #limits: ServerLimits;
  #quietUntil: number;

  readonly #sessions = new Set<Session>();
  readonly #members = new Map<string, Member>();
  readonly #rooms = new Map<string, Room>();
  /** Members and presences without a session, the earliest end first (all graces are equally long). */
  readonly #graces = new Set<Member | Presence>();

  readonly #messageRate: RateLimiter;
  readonly #addressRate: RateLimiter;
  /** Messages are counted apart, so that who reads too much keeps nobody beside them from writing. */
  readonly #addressMessageRate: RateLimiter;
  readonly #renameRate: RateLimiter;
  readonly #accessRate = new RateLimiter(accessBurst, accessPerSecond);

  /** Messages that wait for the tick, each with who is to be answered. */
  #drafts: { readonly session: Session; readonly draft: Draft }[] = [];
  #appending = false;
  #touchedSessions = new Set<Session>();
  #touchedRooms = new Set<Room>();
  readonly #catchUp: CatchUp;
  /** Claims of each member that the broker has not answered yet: what they take must not be released meanwhile. */
  readonly #claims = new Map<string, number>();
  #tickDue = false;
  /** Frames that came. */
  #received = 0;

  #sessionCount = 0;
  /** Since the last tick was over. */
  #framesSent = 0;
  #seenAt: number;
  #cancelSweep: (() => void) | undefined;
  #draining = false;
  #appended: (() => void) | undefined;

  constructor(ports: HubPorts, settings: HubSettings) {
    this.#ports = ports;
    this.#settings = settings;
    this.#seenAt = ports.clock.now();
    this.#quietUntil = this.#seenAt + quietMs;
    this.#limits = {
      frameMaxBytes: limits.frameMaxBytes,
      textMaxLength: limits.textMaxLength,
      usernameMaxLength: limits.usernameMaxLength,
      roomsPerSession: limits.roomsPerSession,
      historyMax: limits.historyMax,
      rateBurst: settings.rateBurst,
      ratePerSecond: settings.ratePerSecond,
      retentionDays: settings.retentionDays,
      retentionMessages: settings.retentionMessages,
    };
    const { ratePerSecond } = settings;
    this.#messageRate = new RateLimiter(settings.rateBurst, ratePerSecond);
    const bytesPerSecond = ratePerSecond === 0 ? 0 : addressBytesPerSecond;
    this.#addressRate = new RateLimiter(addressBurstBytes, bytesPerSecond);
    this.#addressMessageRate = new RateLimiter(addressBurstBytes, bytesPerSecond);
    this.#renameRate = new RateLimiter(
      renameBurst,
      ratePerSecond === 0 ? 0 : renamesPerSecond,
    );
    this.#catchUp = new CatchUp(ports, {
      own: (session, json) => this.#own(session, json),
      refuse: (session, push) => this.#refuse(session, push),
      charge: (session, member, bytes) => this.#charge(session, member, bytes),
      vacate: (session, member, place, reason) => this.#vacate(session, member, place, reason),
      touchRoom: (room) => this.#touchRoom(room),
      tickSoon: () => this.#tickSoon(),
    });
    ports.broker.subscribe(this.#listener());
  }

  // ---------------------------------------------------------------- connections

  /** Takes a new connection. */
  connect(socket: Socket, peer: PeerAddress): Session {
    const now = this.#ports.clock.now();
    const id = ++this.#sessionCount;
    // Spread over the interval, so that all who came at once are not spoken to at once for ever after.
    const heartbeatAt = now + heartbeatMs - (id % 25) * (heartbeatMs / 25);
    const deadline = now + firstHelloMs;
    const session = new Session({ id, socket, peer, now, deadline, heartbeatAt });
    this.#ports.log.event("connect", { session: id, address: peer.address });
    if (this.#draining) {
      this.#end(session, closeCode.restarting, "0");
      return session;
    }
    this.#sessions.add(session);
    this.#sweepLater();
    return session;
  }

  /** Takes one frame of a session; what is not text breaks the protocol. Never throws for anything that a client sent. */
  receive(session: Session, frame: unknown): void {
    if (session.state.kind === "closing" || this.#draining) return;
    this.#received++;
    session.heardAt = this.#ports.clock.now();
    session.commandCount++;
    if (typeof frame !== "string") {
      this.#end(session, closeCode.protocolError, "a frame is JSON text");
      return;
    }
    const decoded = decodeCommand(frame);
    if (decoded.ok) this.#take(session, decoded.command);
    else if (decoded.failure.kind === "close") {
      this.#end(session, decoded.failure.code, decoded.failure.reason);
    } else this.#refuse(session, decoded.failure.push);
  }

  /** The connection has closed, by either side. Further calls for the session do nothing. */
  disconnect(session: Session, code: number): void {
    if (session.ended) return;
    session.ended = true;
    const reason = code === closeCode.left ? "quit" : undefined;
    if (reason === undefined || this.#draining) this.#forget(session, reason);
    else this.#afterMessages(session, () => this.#forget(session, reason));
    this.#ports.log.event("disconnect", {
      session: session.id,
      name: session.username,
      code,
      ms: Math.round(this.#ports.clock.now() - session.openedAt),
      commands: session.commandCount,
      frames: session.frameCount,
    });
  }

  /**
   * Stops: what was collected is committed and delivered, then all sessions are closed with 1012 and told to come back.
   * Nobody `left`, and no name is released.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#tick();
    while (this.#appending) {
      await new Promise<void>((resolve) => this.#appended = resolve);
      this.#tick();
    }
    const spreadMs = String(this.spreadMs);
    for (const session of this.#sessions) this.#end(session, closeCode.restarting, spreadMs);
  }

  /** True from the call of `drain`. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Over how long those who are told to come again should spread their return. */
  get spreadMs(): number {
    return Math.ceil(this.#sessions.size / 1_000) * spreadMsPerThousand;
  }

  /** How many members are in a room, and the names of the first `most` of them. */
  here(room: string, most: number): { readonly count: number; readonly usernames: string[] } {
    const usernames = [...this.#rooms.get(room)?.usernames ?? []];
    return { count: usernames.length, usernames: usernames.slice(0, most) };
  }

  /** What the hub holds at the moment, for operators and tests. */
  get size(): {
    readonly sessions: number;
    readonly members: number;
    readonly rooms: number;
    readonly graces: number;
    readonly rates: number;
  } {
    return {
      sessions: this.#sessions.size,
      members: this.#members.size,
      rooms: this.#rooms.size,
      graces: this.#graces.size,
      rates: this.#messageRate.size + this.#addressRate.size +
        this.#addressMessageRate.size + this.#renameRate.size + this.#accessRate.size,
    };
  }

  /** Closes a session from this side and forgets it at once, since the close event of a stuck peer may never come. */
  #end(session: Session, code: number, reason: string): void {
    // What was refused or answered in this tick is still worth saying, but not to a peer that does not read.
    if (code !== closeCode.slowConsumer) this.#sendOwn(session);
    if (session.state.kind === "closing") return;
    if (code === closeCode.replaced) {
      this.#ports.log.event("replaced", { session: session.id, name: session.username });
    } else if (code !== closeCode.restarting) {
      this.#ports.log.warn("close", {
        session: session.id,
        address: session.peer.address,
        name: session.username,
        code,
        reason,
      });
    }
    this.#ports.meter?.close(code);
    this.#forget(session, undefined);
    session.socket.close(code, reason);
  }

  /** Takes a session out of everything. With a reason it said goodbye; without one its member stays for the grace. */
  #forget(session: Session, reason: LeftReason | undefined): void {
    if (session.state.kind === "closing") return;
    const { state } = session;
    session.state = { kind: "closing" };
    session.heldCommands = undefined;
    session.privatePushes = [];
    session.privateLength = 0;
    this.#sessions.delete(session);
    this.#touchedSessions.delete(session);
    this.#catchUp.drop(session);
    if (state.kind !== "active") return;
    const { member } = state;
    member.sessions.delete(session);
    for (const place of session.subscriptions.values()) {
      this.#vacate(session, member, place, reason);
    }
    session.subscriptions.clear();
    if (member.sessions.size > 0) return;
    if (reason !== undefined && member.presences.size === 0) {
      this.#release(member);
    } else if (!this.#draining) this.#grace(member);
  }

  // ---------------------------------------------------------------- commands

  #take(session: Session, command: Command): void {
    if (session.heldCommands !== undefined) {
      session.heldCommands.push(command);
      if (session.heldCommands.length > heldMax) {
        this.#end(session, closeCode.flooding, "too many commands at once");
      }
      return;
    }
    const { state } = session;
    if (state.kind === "closing") return;
    if (command.type === "pong") {
      if (session.pongsDue > 0) session.pongsDue--;
      else this.#countRefusal(session);
      return;
    }
    if (state.kind === "greeting") {
      if (command.type === "hello") this.#hello(session, command);
      else {
        this.#refuse(session, helloRequired(command.type));
      }
      return;
    }
    const { member } = state;
    switch (command.type) {
      case "hello":
        return this.#refuse(session, alreadyGreeted());
      case "join":
        return this.#join(session, member, command);
      case "leave":
        return this.#leave(session, member, command);
      case "message":
        return this.#message(session, member, command);
      case "history":
        return this.#history(session, member, command);
      case "typing":
        return this.#typing(session, member, command);
      case "rename":
        return this.#rename(session, member, command);
    }
  }

  #hello(session: Session, command: HelloCommand): void {
    if (!this.#mayEnter(session, command)) return;
    const { identity, broker } = this.#ports;
    const token = command.token ?? identity.newToken();
    const id = identity.memberOf(token);
    if (this.#isOverBytes(session, id, commandCostBytes, { re: "hello" })) return;
    this.#claims.set(id, (this.#claims.get(id) ?? 0) + 1);
    this.#settle(
      session,
      () => broker.claim(id, command.username, command.tab),
      (username) => {
        this.#claimed(id);
        if (username === undefined) {
          return this.#refuse(session, nameTaken("hello", command.username));
        }
        if (session.state.kind === "closing") this.#abandon(id);
        else this.#welcome(session, command, token, id, username);
      },
      () => {
        this.#claimed(id);
        this.#abandon(id);
        this.#refuse(session, storageUnavailable({ re: "hello" }));
      },
    );
  }

  #claimed(id: string): void {
    const left = (this.#claims.get(id) ?? 1) - 1;
    if (left > 0) this.#claims.set(id, left);
    else this.#claims.delete(id);
  }

  /** A claim came to nothing: who is not here, and not about to be, holds no name. */
  #abandon(id: string): void {
    if (this.#draining || this.#members.has(id) || this.#claims.has(id)) return;
    this.#releaseName(id);
  }

  /** Looks at the access code; a wrong one counts against the address, and so often that guessing leads nowhere. */
  #mayEnter(session: Session, { access }: HelloCommand): boolean {
    const isRight = this.#ports.access;
    if (isRight === undefined) return true;
    const now = this.#ports.clock.now();
    const retryAfter = access === undefined ? 0 : this.#accessRate.wait(session.peer.network, now);
    if (retryAfter > 0) {
      this.#refuse(session, accessLocked(retryAfter));
      return false;
    }
    if (access !== undefined && isRight(access)) return true;
    if (access !== undefined) {
      this.#accessRate.charge(session.peer.network, 1, now);
      this.#ports.log.warn("access_denied", { session: session.id, address: session.peer.address });
    }
    this.#refuse(session, access === undefined ? accessRequired() : accessDenied());
    return false;
  }

  #welcome(
    session: Session,
    command: HelloCommand,
    token: string,
    id: string,
    username: string,
  ): void {
    const { tab } = command;
    let member = this.#members.get(id);
    if (member === undefined) {
      member = {
        id,
        username,
        sessions: new Set(),
        presences: new Map(),
        until: undefined,
      };
      this.#members.set(id, member);
    }
    member.until = undefined;
    this.#graces.delete(member);
    const older = sessionsOf(member, tab);
    member.sessions.add(session);
    session.state = { kind: "active", member, tab };
    session.username = member.username;
    this.#ports.log.event("hello", {
      session: session.id,
      address: session.peer.address,
      name: member.username,
      member: id,
      rooms: command.rooms.map(({ room }) => room).join(",") || undefined,
    });
    this.#answer(session, {
      type: "welcome",
      protocol: protocolVersion,
      member: id,
      username: member.username,
      token,
      limits: this.#limits,
      heartbeat: { intervalMs: heartbeatMs, timeoutMs: silenceMs },
    });
    const budget = { bytes: limits.helloMaxBytes };
    for (const { room, position } of command.rooms) {
      this.#enter(session, member, room, position, budget);
    }
    // After the new one is in: so nobody left, and nobody joined.
    this.#replace(older);
  }

  #replace(older: readonly Session[]): void {
    for (const session of older) {
      this.#end(session, closeCode.replaced, "this tab has a new connection");
    }
  }

  #join(session: Session, member: Member, command: JoinCommand): void {
    const { room, position } = command;
    if (
      !session.subscriptions.has(room) &&
      session.subscriptions.size >= limits.roomsPerSession
    ) {
      return this.#refuse(session, tooManyRooms(room));
    }
    // More could not all be of use, and each may cost a page.
    if (session.joins.length >= limits.roomsPerSession) {
      return this.#refuse(session, rateLimited({ re: "join", room }, "bytes", sweepMs));
    }
    if (this.#isOverBytes(session, member.id, commandCostBytes, { re: "join", room })) return;
    const budget = session.joins[0]?.budget ?? { bytes: limits.helloMaxBytes };
    this.#enter(session, member, room, position, budget);
  }

  /** Puts a session into a room and owes it the room's push; it goes live when it has caught up. */
  #enter(
    session: Session,
    member: Member,
    name: string,
    position: Position | undefined,
    budget: { bytes: number },
  ): void {
    let room = this.#rooms.get(name);
    if (room === undefined) {
      room = new Room(name, this.#ports.broker.cluster?.remoteMembers(name));
      this.#rooms.set(name, room);
    }
    let presence = room.presences.get(member.id);
    if (presence === undefined) {
      presence = {
        member,
        room,
        sessions: new Set(),
        until: undefined,
      };
      room.addPresence(presence, this.#isQuiet);
      member.presences.set(name, presence);
      this.#ports.broker.cluster?.join(name, member.id, member.username);
      this.#touchRoom(room);
    }
    presence.until = undefined;
    this.#graces.delete(presence);
    presence.sessions.add(session);
    let place = session.subscriptions.get(name);
    if (place === undefined) {
      place = { room, live: false };
      session.subscriptions.set(name, place);
    }
    place.live = false;
    room.live.delete(session);
    this.#catchUp.add(session, { subscription: place, position, budget, page: undefined });
    this.#tickSoon();
  }

  #leave(session: Session, member: Member, { room }: LeaveCommand): void {
    this.#afterMessages(session, () => {
      const place = session.subscriptions.get(room);
      if (place === undefined) {
        return this.#refuse(session, notJoined({ re: "leave", room }));
      }
      this.#answer(session, leftPush(room, member.id, member.username, "quit"));
      session.subscriptions.delete(room);
      this.#vacate(session, member, place, "quit");
    });
  }

  #message(session: Session, member: Member, command: MessageCommand): void {
    const { room, text, nonce } = command;
    const about = { re: "message", nonce, room };
    const place = session.subscriptions.get(room);
    if (place === undefined) return this.#refuse(session, notJoined(about));
    const now = this.#ports.clock.now();
    const retryAfter = this.#messageRate.take(member.id, now);
    if (retryAfter > 0) {
      return this.#refuse(session, rateLimited(about, "messages", retryAfter));
    }
    const cost = messageCostBytes + text.length;
    // The first message makes a room, which costs an address more than the message.
    const rate = place.room.head.offset === 0 ? this.#addressRate : this.#addressMessageRate;
    if (this.#isOverBytes(session, member.id, cost, about, rate)) return;
    session.writing++;
    this.#drafts.push({
      session,
      draft: { room, member: member.id, from: member.username, text, nonce },
    });
    this.#tickSoon();
  }

  #history(session: Session, member: Member, command: HistoryCommand): void {
    const { room, before, limit } = command;
    if (!session.subscriptions.has(room)) {
      return this.#refuse(session, notJoined({ re: "history", room }));
    }
    // More could not all be of use, and each may cost a page.
    const isMany = session.historyQueue.length >= limits.roomsPerSession;
    if (isMany || session.privateLength >= limits.helloMaxBytes) {
      return this.#refuse(session, rateLimited({ re: "history", room }, "bytes", sweepMs));
    }
    if (this.#isOverBytes(session, member.id, commandCostBytes, { re: "history", room })) return;
    session.historyQueue.push({ room, query: { before, limit, maxBytes: limits.pageMaxBytes } });
    if (session.historyQueue.length === 1) this.#scroll(session, member);
  }

  /** Reads the first page of history that a session waits for, and then the next: one at a time, whatever each may cost. */
  #scroll(session: Session, member: Member): void {
    const [next] = session.historyQueue;
    if (next === undefined || session.state.kind === "closing") return;
    const { room, query } = next;
    const goOn = () => {
      session.historyQueue.shift();
      this.#scroll(session, member);
    };
    this.#await(
      () => this.#ports.broker.read(room, query),
      (page) => {
        // The oldest ones give way when the bytes do not suffice: the newest are next to what the client has.
        const entries = encodeEntries(page.entries, undefined);
        this.#charge(session, member.id, byteLength(entries));
        this.#own(
          session,
          `{"type":"history","room":"${room}","messages":[${
            joined(entries)
          }],"first":${page.first}}`,
        );
        goOn();
      },
      (error) => {
        this.#ports.log.error("read", error, { room });
        this.#refuse(session, storageUnavailable({ re: "history", room }));
        goOn();
      },
    );
  }

  #typing(session: Session, member: Member, { room }: TypingCommand): void {
    const presence = member.presences.get(room);
    if (presence === undefined || !session.subscriptions.has(room)) {
      return this.#refuse(session, notJoined({ re: "typing", room }));
    }
    if (presence.room.type(member.id, this.#ports.clock.now())) {
      this.#touchRoom(presence.room);
      this.#ports.broker.cluster?.typing(room, member.id);
    } else this.#countRefusal(session);
  }

  #rename(session: Session, member: Member, { username }: RenameCommand): void {
    if (this.#isOverBytes(session, member.id, commandCostBytes, { re: "rename" })) return;
    const now = this.#ports.clock.now();
    const retryAfter = this.#renameRate.take(member.id, now);
    if (retryAfter > 0) {
      return this.#refuse(session, rateLimited({ re: "rename" }, "renames", retryAfter));
    }
    const from = member.username;
    this.#settle(
      session,
      () => {
        const rename = () => this.#ports.broker.rename(member.id, username);
        const written = this.#written(session);
        return written === undefined ? rename() : written.then(rename);
      },
      (renamed) => {
        if (this.#members.get(member.id) !== member) return;
        if (!renamed) {
          return this.#refuse(session, nameTaken("rename", username));
        }
        // Where there are other nodes the broker has told this one as well, and of what came after it.
        const isNews = this.#ports.broker.cluster === undefined &&
          this.#renamed(member.id, username);
        if (!isNews) this.#answer(session, { type: "you", username: member.username });
        if (from !== username) {
          this.#ports.log.event("rename", { session: session.id, from, to: username });
        }
      },
      () => this.#refuse(session, storageUnavailable({ re: "rename" })),
    );
  }

  /** A member has this name now: its sessions and rooms are told. Answers false when it has no session that is told so. */
  #renamed(id: string, username: string): boolean {
    for (const room of this.#rooms.values()) {
      if (room.rename(id, username)) this.#touchRoom(room);
    }
    const member = this.#members.get(id);
    if (member === undefined || member.username === username) return false;
    member.username = username;
    for (const session of member.sessions) {
      session.username = username;
      this.#answer(session, { type: "you", username });
    }
    return true;
  }

  // ---------------------------------------------------------------- answers

  #answer(session: Session, push: Push): void {
    this.#own(session, JSON.stringify(push));
  }

  /** Adds an encoded push to what this session alone is sent at the end of the tick. */
  #own(session: Session, json: string): void {
    if (session.state.kind === "closing") return;
    session.privatePushes.push(json);
    session.privateLength += json.length;
    this.#touchedSessions.add(session);
    this.#tickSoon();
  }

  #refuse(session: Session, push: ErrorPush): void {
    if (session.state.kind === "closing") return;
    this.#ports.meter?.refusal(push.code);
    this.#answer(session, push);
    const { state } = session;
    if (state.kind === "greeting" && push.re === "hello") {
      const tries = state.tries + 1;
      if (tries >= helloTries) {
        return this.#end(session, closeCode.noHello, "no good hello");
      }
      const deadline = this.#ports.clock.now() + nextHelloMs;
      session.state = { kind: "greeting", deadline, tries };
    }
    this.#countRefusal(session);
  }

  #countRefusal(session: Session): void {
    const now = this.#ports.clock.now();
    if (now - session.refusedSince > floodMs) {
      session.refusedSince = now;
      session.refusals = 0;
    }
    if (++session.refusals >= floodRefusals) {
      this.#end(session, closeCode.flooding, "too many refused commands");
    }
  }

  // ---------------------------------------------------------------- rates by address

  /** Who is charged for bytes: the network, or the member where many come from the machine itself. */
  #payer(session: Session, member: string): string {
    return session.peer.isLoopback ? member : session.peer.network;
  }

  #charge(session: Session, member: string, bytes: number): void {
    const payer = this.#payer(session, member);
    this.#addressRate.charge(payer, bytes, this.#ports.clock.now());
  }

  /** Charges a command, unless its address has used up what it may cause: then it is refused. */
  #isOverBytes(
    session: Session,
    member: string,
    cost: number,
    about: About,
    rate = this.#addressRate,
  ): boolean {
    const payer = this.#payer(session, member);
    const now = this.#ports.clock.now();
    const retryAfter = rate.wait(payer, now);
    if (retryAfter === 0) rate.charge(payer, cost, now);
    else this.#refuse(session, rateLimited(about, "bytes", retryAfter));
    return retryAfter > 0;
  }

  // ---------------------------------------------------------------- after one's own messages

  /** Does what the room must not hear of before the session's messages. */
  #afterMessages(session: Session, task: () => void): void {
    if (this.#written(session) === undefined) task();
    else this.#settle(session, () => this.#written(session), task, task);
  }

  /** Has the session's messages stored; the answer is absent when they are. */
  #written(session: Session): Promise<void> | undefined {
    if (session.writing > 0) this.#append();
    if (session.writing === 0) return undefined;
    return new Promise((resolve) => session.written = resolve);
  }

  // ---------------------------------------------------------------- the tick

  #tickSoon(): void {
    if (this.#tickDue) return;
    this.#tickDue = true;
    this.#gather(turnsMost);
  }

  /** Ends the tick with the first turn of the event loop that brings nothing more, and with the last of so many at the latest. */
  #gather(turns: number): void {
    const before = this.#received;
    this.#ports.scheduler.soon(() => {
      if (!this.#tickDue) return;
      if (turns > 1 && this.#received !== before) this.#gather(turns - 1);
      else this.#tick();
    });
  }

  /** Law 1: one commit, one encode, one frame. */
  #tick(): void {
    const { clock, meter } = this.#ports;
    const startedAt = clock.now();
    try {
      this.#append();
      this.#catchUp.serve();
      this.#flush();
    } finally {
      this.#tickDue = false;
      if (this.#touchedSessions.size + this.#touchedRooms.size > 0) {
        this.#tickSoon();
      }
      meter?.tick(clock.now() - startedAt, this.#framesSent);
      this.#framesSent = 0;
    }
  }

  #append(): void {
    if (this.#appending || this.#drafts.length === 0) return;
    const batch = this.#drafts;
    this.#drafts = [];
    this.#appending = true;
    const { clock, meter } = this.#ports;
    const startedAt = clock.now();
    const done = (results: readonly AppendResult[]) => {
      this.#appending = false;
      meter?.append(clock.now() - startedAt);
      for (const [i, { session, draft }] of batch.entries()) {
        this.#answerDraft(
          session,
          draft,
          results[i] ?? { kind: "unavailable" },
        );
      }
      if (this.#drafts.length > 0) this.#tickSoon();
      this.#appended?.();
    };
    this.#await(
      () => this.#ports.broker.append(batch.map(({ draft }) => draft)),
      done,
      (error) => {
        this.#ports.log.error("append", error, { messages: batch.length });
        done([]);
      },
    );
  }

  /** Answers the author of a draft, unless the message push does. */
  #answerDraft(session: Session, draft: Draft, result: AppendResult): void {
    const { room, nonce } = draft;
    if (--session.writing === 0) session.written?.();
    this.#ports.meter?.message(result.kind);
    switch (result.kind) {
      case "unavailable":
        return this.#refuse(
          session,
          storageUnavailable({ re: "message", nonce, room }),
        );
      case "rooms_full":
        return this.#refuse(session, roomsFull({ re: "message", nonce, room }));
      case "repeat":
      case "stored": {
        const { offset } = result;
        if (result.kind === "stored") this.#logMessage(session, draft, offset);
        if (result.kind === "stored" && offset === 1) {
          this.#charge(session, draft.member, newRoomCostBytes);
        }
        if (result.kind === "repeat" || !session.subscriptions.get(room)?.live) {
          this.#answer(session, { type: "ack", room, nonce, offset });
        }
      }
    }
  }

  #logMessage(session: Session, draft: Draft, offset: number): void {
    this.#ports.log.event("message", {
      session: session.id,
      room: draft.room,
      offset,
      name: draft.from,
      length: draft.text.length,
      text: this.#settings.logMessageText ? draft.text : undefined,
    });
  }

  /** Takes what the log has become; the only way in which a message reaches a room. */
  #deliver(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const room = this.#rooms.get(entry.room);
      if (room === undefined) continue;
      room.accept(entry);
      this.#touchRoom(room);
    }
  }

  #touchRoom(room: Room): void {
    this.#touchedRooms.add(room);
    this.#tickSoon();
  }

  /** Sends each session what this tick has for it, in one frame. */
  #flush(): void {
    const now = this.#ports.clock.now();
    const rooms = this.#touchedRooms;
    this.#touchedRooms = new Set();
    for (const room of rooms) {
      room.sayTyping(now);
      if (room.pushes.length > 0) this.#flushRoom(room);
      this.#letGo(room);
    }
    const sessions = this.#touchedSessions;
    this.#touchedSessions = new Set();
    for (const session of sessions) {
      this.#sendOwn(session);
      for (const { room, live } of session.subscriptions.values()) {
        if (live) room.live.add(session);
      }
    }
  }

  /** Forgets a room that nobody is in; what is being read of it is waited for. */
  #letGo(room: Room): void {
    if (room.presences.size > 0 || room.loading) return;
    if (this.#rooms.get(room.name) === room) this.#rooms.delete(room.name);
    if (!this.#rooms.has(room.name)) this.#ports.broker.forget?.(room.name);
  }

  #flushRoom(room: Room): void {
    const body = room.pushes.join(",");
    const frame = `[${body}]`;
    this.#ports.meter?.deliveries(room.pushes.length * room.live.size);
    room.pushes = [];
    for (const session of room.live) {
      // Most sessions are in one room and have nothing of their own: they share the string.
      if (session.privatePushes.length === 0 && session.subscriptions.size === 1) {
        this.#send(session, frame);
      } else this.#own(session, body);
    }
  }

  #sendOwn(session: Session): void {
    if (session.privatePushes.length === 0) return;
    const frame = `[${session.privatePushes.join(",")}]`;
    session.privatePushes = [];
    session.privateLength = 0;
    this.#send(session, frame);
  }

  #send(session: Session, frame: string): void {
    const { socket } = session;
    const { outboxMaxBytes } = this.#settings;
    // A code unit has at most three bytes: no need to count them.
    const bytes = frame.length * 3;
    // Asking the socket costs a tenth of sending: only when as much was sent as may wait.
    if (session.bufferedMax + bytes > outboxMaxBytes) {
      session.bufferedMax = socket.buffered;
      const isOver = () => session.bufferedMax + utf8Length(frame) > outboxMaxBytes;
      if (session.bufferedMax > 0 && session.bufferedMax + bytes > outboxMaxBytes && isOver()) {
        return this.#end(session, closeCode.slowConsumer, "too slow to keep up");
      }
    }
    session.bufferedMax += bytes;
    session.frameCount++;
    this.#framesSent++;
    socket.send(frame);
  }

  // ---------------------------------------------------------------- who is here

  /** Takes a session out of a room; its member with it when no other session of its is there. */
  #vacate(
    session: Session,
    member: Member,
    { room }: Subscription,
    reason: LeftReason | undefined,
  ): void {
    room.live.delete(session);
    const presence = room.presences.get(member.id);
    if (presence === undefined || !presence.sessions.delete(session)) return;
    if (presence.sessions.size > 0) return;
    if (reason !== undefined) this.#depart(presence, reason);
    else if (!this.#draining) this.#grace(presence);
  }

  #depart(presence: Presence, reason: LeftReason): void {
    const { room, member } = presence;
    this.#graces.delete(presence);
    member.presences.delete(room.name);
    room.removePresence(presence, reason);
    this.#touchRoom(room);
    this.#ports.broker.cluster?.leave(room.name, member.id, reason);
    this.#ports.log.event("leave", {
      name: member.username,
      member: member.id,
      room: room.name,
      reason,
    });
  }

  #grace(absent: Member | Presence): void {
    absent.until = this.#ports.clock.now() + this.#settings.graceMs;
    this.#graces.delete(absent);
    this.#graces.add(absent);
    this.#sweepLater();
  }

  /** Lets a member and its name go; later, while what it wrote is not stored yet or a new session of it is on its way. */
  #release(member: Member): void {
    this.#append();
    const isWriting = this.#drafts.some(({ draft }) => draft.member === member.id);
    if (isWriting || this.#claims.has(member.id)) return this.#grace(member);
    this.#graces.delete(member);
    this.#members.delete(member.id);
    this.#releaseName(member.id);
  }

  #releaseName(id: string): void {
    this.#await(
      () => this.#ports.broker.release(id),
      () => {},
      (error) => this.#ports.log.error("release", error),
    );
  }

  /** Whether everybody is just coming back. */
  get #isQuiet(): boolean {
    return this.#ports.clock.now() < this.#quietUntil;
  }

  // ---------------------------------------------------------------- what the broker tells

  #listener(): BrokerListener {
    const at = (name: string, change: (room: Room) => void) => {
      const room = this.#rooms.get(name);
      if (room === undefined) return;
      change(room);
      this.#touchRoom(room);
    };
    return {
      entries: (entries) => this.#deliver(entries),
      pruned: (room, first) => this.#rooms.get(room)?.prune(first),
      reset: () => this.#reset(),
      memberJoined: (room, member) =>
        at(room, (there) => there.addElsewhere(member, this.#isQuiet)),
      memberLeft: (room, member, reason) =>
        at(room, (there) => there.removeElsewhere(member, reason)),
      memberRenamed: (member, username) => void this.#renamed(member, username),
      tabMoved: (member, tab) => this.#replace(sessionsOf(this.#members.get(member), tab)),
      memberTyping: (room, member) =>
        at(room, (there) => there.type(member, this.#ports.clock.now())),
    };
  }

  /** Nothing that is known counts any more: everybody has to come again. */
  #reset(): void {
    this.#ports.log.warn("reset", { sessions: this.#sessions.size });
    const spreadMs = String(this.spreadMs);
    this.#drafts = [];
    for (const session of this.#sessions) this.#end(session, closeCode.restarting, spreadMs);
    this.#members.clear();
    this.#rooms.clear();
    this.#graces.clear();
    this.#touchedRooms.clear();
    this.#quietUntil = this.#ports.clock.now() + quietMs;
  }

  // ---------------------------------------------------------------- once a second

  #sweepLater(): void {
    if (this.#cancelSweep !== undefined || this.#draining) return;
    this.#cancelSweep = this.#ports.scheduler.later(sweepMs, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      const idle = this.#sessions.size === 0 && this.size.rates === 0 &&
        this.#members.size === 0;
      if (!idle) this.#sweepLater();
    });
  }

  #sweep(): void {
    const now = this.#ports.clock.now();
    for (const session of this.#sessions) this.#sweepSession(session, now);
    this.#endGraces();
    for (const room of this.#rooms.values()) {
      if (!room.countDue) continue;
      room.sayCount();
      this.#touchRoom(room);
    }
    this.#messageRate.sweep(now);
    this.#addressRate.sweep(now);
    this.#addressMessageRate.sweep(now);
    this.#renameRate.sweep(now);
    this.#accessRate.sweep(now);
    if (now - this.#seenAt >= seenMs) {
      this.#seenAt = now;
      this.#await(
        () => this.#ports.broker.renewHolds([...this.#members.keys()]),
        () => {},
        (error) => this.#ports.log.error("seen", error),
      );
    }
  }

  /** Those leave who did not come back. Where that is a crowd its names go by and by: each is something to be stored. */
  #endGraces(): void {
    const now = this.#ports.clock.now();
    let released = 0;
    for (const absent of this.#graces) {
      if (absent.until === undefined || absent.until > now) break;
      const isMember = !("room" in absent);
      if (isMember && absent.sessions.size === 0 && ++released > releasesMost) continue;
      this.#graces.delete(absent);
      if (!isMember) this.#depart(absent, "timeout");
      else if (absent.sessions.size === 0) this.#release(absent);
    }
    if (released > releasesMost) {
      this.#ports.scheduler.soon(() => this.#draining || this.#endGraces());
    }
  }

  #sweepSession(session: Session, now: number): void {
    const { state } = session;
    if (state.kind === "greeting" && now >= state.deadline) {
      this.#end(session, closeCode.noHello, "no good hello in time");
    } else if (now - session.heardAt >= silenceMs) {
      this.#end(session, closeCode.timeout, "nothing heard");
    } else if (now >= session.heartbeatAt) {
      session.heartbeatAt += heartbeatMs;
      session.pongsDue++;
      this.#send(session, "[]");
    }
  }

  // ---------------------------------------------------------------- brokers, at once or later

  #await<T>(
    ask: () => Outcome<T>,
    done: (value: T) => void,
    failed: (error: unknown) => void,
  ): void {
    whenDone(ask, done, failed, this.#ports.log);
  }

  /** The same for a command that later ones of its session must not overtake. */
  #settle<T>(
    session: Session,
    ask: () => Outcome<T>,
    done: (value: T) => void,
    failed: (error: unknown) => void,
  ): void {
    session.heldCommands = [];
    const release = () => {
      const held = session.heldCommands ?? [];
      session.heldCommands = undefined;
      return held;
    };
    const replay = (commands: readonly Command[]) => {
      for (const command of commands) this.#take(session, command);
    };
    this.#await(ask, (value) => {
      const held = release();
      done(value);
      replay(held);
    }, (error) => {
      const held = release();
      this.#ports.log.error("names", error);
      failed(error);
      replay(held);
    });
  }
}

// ------------------------------------------------------------------ small things

/** The sessions that are the same tab. */
function sessionsOf(member: Member | undefined, tab: string | undefined): readonly Session[] {
  if (member === undefined || tab === undefined) return [];
  return [...member.sessions].filter(({ state }) => state.kind === "active" && state.tab === tab);
}
