// The hub: executes each session's commands in order, through the classes in this folder that own
// the state. It is pure (law 6): sockets, broker, clock, scheduler, identities and log are passed
// in.

import { decodeCommand } from "../protocol/decode.ts";
import { closeCode, hubLimits, limits, protocolVersion } from "../protocol/wire.ts";
import type {
  Command,
  ErrorPush,
  HelloCommand,
  HistoryCommand,
  LeftReason,
  Position,
  Push,
  ResultsPush,
  RoomRequest,
  SearchCommand,
  ServerLimits,
} from "../protocol/wire.ts";
import { AccessGuard } from "./access.ts";
import type { AppendResult, BrokerListener, Entry, Outcome } from "./broker.ts";
import { Directory } from "./directory.ts";
import { EntryCommands } from "./entry_commands.ts";
import { firstHeartbeatAt, Heartbeats, idleHeartbeatMs, silenceMs } from "./heartbeats.ts";
import { LogReader } from "./log_reader.ts";
import { Members } from "./members.ts";
import { Moderation } from "./moderation.ts";
import { whenDone } from "./outcome.ts";
import { Outbound } from "./outbound.ts";
import type { HubPorts, HubSettings } from "./ports.ts";
import { Quotas } from "./quotas.ts";
import {
  nameTaken,
  notJoined,
  rateLimited,
  refusal,
  sanctioned,
  storageUnavailable,
} from "./refusals.ts";
import type { About } from "./refusals.ts";
import type { Room } from "./room.ts";
import { Rooms } from "./rooms.ts";
import { runSearch } from "./searches.ts";
import { ActiveSession, Session } from "./session.ts";
import type { Member, Payer, PeerAddress, Socket } from "./session.ts";
import { Ticker } from "./ticker.ts";
import { readerOf, Visitors } from "./visitors.ts";
import { Writer } from "./writer.ts";
import type { Sent } from "./writer.ts";

const helloTimeoutMs = 5_000;
/** Timeout after a refused `hello`, while a person chooses another name. */
const nextHelloTimeoutMs = 60_000;
/** Max refused hellos before a session is closed. */
const maxRefusedHellos = 5;
const sweepMs = 1_000;
/** Time per thousand sessions over which clients spread their attempts to reconnect. */
const spreadMsPerThousand = 1_000;
/** Max commands held back per session while the broker is slow. */
const maxHeld = 256;

/** The chat without its network and disk: all sessions of this node, and what they send. */
export class ChatHub {
  /** Reads for clients without a session. */
  readonly visitors: Visitors;
  readonly #ports: HubPorts;
  readonly #settings: HubSettings;
  readonly #sessions = new Set<Session>();
  readonly #rooms: Rooms;
  readonly #access: AccessGuard;
  readonly #quotas: Quotas;
  readonly #ticker: Ticker;
  readonly #outbound: Outbound;
  readonly #writer: Writer;
  readonly #entries: EntryCommands;
  readonly #heartbeats: Heartbeats;
  readonly #members: Members;
  readonly #reader: LogReader;
  readonly #moderation: Moderation;
  #sessionCount = 0;
  #cancelSweep: (() => void) | undefined;
  #isDraining = false;

  constructor(ports: HubPorts, settings: HubSettings) {
    const { broker, clock, meter, scheduler } = ports;
    const { graceMs, nameHoldMs, outboxMaxBytes } = settings;
    this.#ports = ports;
    this.#settings = settings;
    this.#access = new AccessGuard(clock, ports.access);
    const quotas = this.#quotas = new Quotas(clock, settings);
    const rooms = this.#rooms = new Rooms(broker, settings.joinLines);
    const ticker = this.#ticker = new Ticker(scheduler, () => this.#tick());
    const outbound = this.#outbound = new Outbound({
      clock,
      meter,
      ticker,
      rooms,
      outboxMaxBytes,
      onSlowConsumer: (session) =>
        this.#end(session, closeCode.slowConsumer, "too slow to keep up"),
    });
    const onResult = (sent: Sent, result: AppendResult) => this.#entries.appended(sent, result);
    const writer = this.#writer = new Writer(ports, ticker, onResult);
    const members = this.#members = new Members({
      ports,
      graceMs,
      nameHoldMs,
      rooms,
      outbound,
      writer,
    });
    const refuse = (session: Session, push: ErrorPush) => this.#refuse(session, push);
    this.#reader = new LogReader({ ports, ticker, outbound, quotas, members, refuse });
    this.#entries = new EntryCommands({
      ports,
      rooms,
      quotas,
      outbound,
      writer,
      logMessageText: settings.logMessageText,
      refuse,
      settle: (...call) => this.#settle(...call),
    });
    this.#heartbeats = new Heartbeats({
      clock,
      outbound,
      end: (session, code, reason) => this.#end(session, code, reason),
      countRefusal: (session) => this.#countRefusal(session),
    });
    const directory = new Directory(broker, clock, rooms);
    this.visitors = new Visitors({ broker, quotas, directory, access: this.#access });
    this.#moderation = new Moderation({
      ports,
      outbound,
      refuse,
      mayRun: ({ session, payer }, re) => this.#mayRun(session, payer, { re }),
      settle: (session, callBroker, onResult, onError) =>
        this.#settle(session, "moderation_failed", callBroker, onResult, onError),
    });
    broker.subscribe(this.#listener());
  }

  /** Accepts a new connection. */
  connect(socket: Socket, peer: PeerAddress, isPost = false): Session {
    const now = this.#ports.clock.now();
    const count = ++this.#sessionCount;
    const id = `${this.#settings.sessionPrefix}${count}`;
    const heartbeatAt = firstHeartbeatAt(now, count);
    const deadline = now + helloTimeoutMs;
    const session = new Session({ id, socket, peer, now, deadline, heartbeatAt, isPost });
    // Of a post, `hello` and its entry say the same, and posts are many.
    if (!isPost) this.#ports.log.event("connect", { session: id, address: peer.address });
    if (this.#isDraining) {
      this.#end(session, closeCode.restarting, "0");
      return session;
    }
    this.#sessions.add(session);
    this.#sweepLater();
    return session;
  }

  /**
   * Connects a session that writes one entry, to a room that it needn't have joined. It is sent
   * that entry, an `ack` or an `error`, but no `welcome`.
   */
  post(socket: Socket, peer: PeerAddress, hello: Command, command: Command): Session {
    const session = this.connect(socket, peer, true);
    for (const each of [hello, command]) {
      if (this.#isReceiving(session)) this.#take(session, each);
    }
    return session;
  }

  /** Handles one frame from a session. Never throws, whatever the client sends. */
  receive(session: Session, frame: unknown): void {
    if (!this.#isReceiving(session)) return;
    if (typeof frame !== "string") {
      return this.#end(session, closeCode.protocolError, "frames must be JSON text");
    }
    const isGreeting = session.state.kind === "greeting";
    const maxBytes = isGreeting ? hubLimits.greetingFrameMaxBytes : hubLimits.frameMaxBytes;
    const decoded = decodeCommand(frame, maxBytes);
    if (decoded.ok) this.#take(session, decoded.command);
    else if (decoded.failure.kind === "close") {
      this.#end(session, decoded.failure.code, decoded.failure.reason);
    } else this.#refuse(session, decoded.failure.push);
  }

  /** Counts a frame or command. Returns false if it must be ignored. */
  #isReceiving(session: Session): boolean {
    if (session.state.kind === "closing" || this.#isDraining) return false;
    this.#ticker.frameReceived();
    session.heartbeat.heardAt = this.#ports.clock.now();
    session.commandCount++;
    return true;
  }

  /** Handles the close event of a session's socket. Further calls for the session do nothing. */
  disconnect(session: Session, code: number): void {
    if (session.isDisconnected) return;
    session.isDisconnected = true;
    const reason = code === closeCode.left ? "quit" : undefined;
    if (reason === undefined || this.#isDraining) this.#forget(session, reason);
    else this.#afterWriting(session, () => this.#forget(session, reason));
    if (session.isPost) return;
    this.#ports.log.event("disconnect", {
      session: session.id,
      name: session.username,
      code: session.closed?.code ?? code,
      reason: session.closed?.reason,
      ms: Math.round(this.#ports.clock.now() - session.openedAt),
      commands: session.commandCount,
      frames: session.frameCount,
    });
  }

  /**
   * Commits and delivers everything received, then closes all sessions with 1012, so that clients
   * reconnect. No member leaves and no name is released.
   */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#members.freeze();
    this.#moderation.stop();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#tick();
    while (this.#writer.isAppending) {
      await this.#writer.whenAppended();
      this.#tick();
    }
    this.#endAll();
  }

  /** Whether `drain` has been called. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The time over which clients spread their attempts when all must reconnect. */
  get reconnectSpreadMs(): number {
    return Math.ceil(this.#sessions.size / 1_000) * spreadMsPerThousand;
  }

  /** Returns how many members are in a room, and the usernames of at most `max` of them. */
  here(name: string, max: number) {
    const usernames = [...this.#rooms.get(name)?.roster.usernames ?? []];
    return { count: usernames.length, usernames: usernames.slice(0, max) };
  }

  /**
   * Sends a connection a room's pushes from `position` on, or from the newest messages. It is not a
   * member and not listed. Returns an error push if the client is denied access.
   */
  follow(
    socket: Socket,
    peer: PeerAddress,
    accessCode: string | undefined,
    room: string,
    position: Position | undefined,
  ): Session | ErrorPush {
    const payer = readerOf(peer);
    const denied = this.visitors.refusal(payer, accessCode, { re: "join", room });
    if (denied !== undefined) return denied;
    const session = this.connect(socket, peer);
    if (session.state.kind === "closing") return session;
    const active = new ActiveSession(session, followerOf(payer), undefined, payer);
    session.state = active;
    this.#enter(active, room, position);
    return session;
  }

  /**
   * Carries out a command of the operator, who has the moderator code: `delete` or one of a
   * moderator. Returns the reply. Rejects while storage is unavailable.
   */
  operate(peer: PeerAddress, code: string, command: Command): Promise<Push> {
    return this.#moderation.operate(peer, code, command);
  }

  /** Current counts, for operators and tests. */
  get size() {
    return {
      sessions: this.#sessions.size,
      ...this.#members.size,
      rooms: this.#rooms.size,
      rates: this.#quotas.size + this.#access.size + this.#moderation.size,
    };
  }

  /** Closes a session and forgets it at once: the close event of a stuck peer may never come. */
  #end(session: Session, code: number, reason: string): void {
    // Send this tick's refusals and acks first, except to a peer that does not read.
    if (code !== closeCode.slowConsumer) this.#outbound.sendQueued(session);
    if (session.state.kind === "closing") return;
    const { log, meter } = this.#ports;
    const { id, peer: { address }, username: name } = session;
    if (code === closeCode.replaced) log.event("session_replaced", { session: id, name });
    else if (code !== closeCode.restarting) {
      log.warn("close", { session: id, address, name, code, reason });
    }
    meter?.close(code);
    this.#forget(session, undefined);
    session.closed = { code, reason };
    session.socket.close(code, reason);
  }

  /** Closes all sessions; their clients reconnect. */
  #endAll(): void {
    const spreadMs = String(this.reconnectSpreadMs);
    for (const session of this.#sessions) this.#end(session, closeCode.restarting, spreadMs);
  }

  /** Removes a session. With a reason, its member leaves; without one, the grace period begins. */
  #forget(session: Session, reason: LeftReason | undefined): void {
    const { state } = session;
    if (state.kind === "closing") return;
    session.state = { kind: "closing", username: session.username };
    session.heldCommands = undefined;
    this.#sessions.delete(session);
    this.#outbound.drop(session);
    if (state.kind !== "active") return;
    this.#reader.drop(state);
    for (const subscription of state.subscriptions.values()) {
      this.#members.unsubscribe(subscription, reason);
    }
    this.#members.removeSession(state, reason);
  }

  #take(session: Session, command: Command): void {
    // Not held back like other commands, so that a slow broker doesn't look like a dead link.
    if (command.type === "ping") return this.#heartbeats.ping(session);
    if (session.heldCommands !== undefined) {
      session.heldCommands.push(command);
      if (session.heldCommands.length > maxHeld) {
        this.#end(session, closeCode.flooding, "too many commands at once");
      }
      return;
    }
    const { state } = session;
    if (state.kind === "closing") return;
    if (command.type === "pong") return this.#heartbeats.pong(session);
    if (state.kind === "greeting") {
      if (command.type === "hello") this.#hello(session, command);
      // The `hello` of a post was refused, and that is its reply.
      else if (!session.isPost) {
        this.#refuse(session, refusal({ re: command.type }, "hello_required"));
      }
      return;
    }
    switch (command.type) {
      case "hello":
        return this.#refuse(session, refusal({ re: "hello" }, "already_greeted"));
      case "join":
        return this.#join(state, command);
      case "leave":
        return this.#leave(state, command.room);
      case "message":
      case "edit":
      case "delete":
      case "title":
        return this.#entries.write(state, command);
      case "history":
        return this.#history(state, command);
      case "search":
        return this.#search(state, command);
      case "typing":
        return this.#typing(state, command.room);
      case "rename":
        return this.#rename(state, command.username);
      case "moderate":
        return this.#moderation.appoint(state, command.code);
      default:
        return this.#moderation.moderate(state, command);
    }
  }

  #hello(session: Session, command: HelloCommand): void {
    const { identity, log } = this.#ports;
    const token = command.token ?? identity.newToken();
    const payer = { ...session.peer, member: identity.memberOf(token) };
    const check = (isKnown: boolean) => {
      const denied = this.#access.check(payer, command.access, isKnown);
      if (denied === undefined) return this.#claim(session, command, token, payer);
      if (denied.code === "access_denied") {
        log.warn("access_denied", { session: session.id, address: payer.address });
      }
      this.#refuse(session, denied);
    };
    if (command.access === undefined || !this.#access.isLocked(payer)) return check(false);
    const isKnown = () => this.#members.isKnown(payer);
    this.#settle(session, "claim_failed", isKnown, check, () => check(false));
  }

  /** Claims the member's name, then welcomes the session. */
  #claim(session: Session, command: HelloCommand, token: string, payer: Payer): void {
    const { broker } = this.#ports;
    const id = payer.member;
    if (!this.#mayRun(session, payer, { re: "hello" })) return;
    this.#members.claimStarted(id);
    const claim = () => {
      const present = this.#members.get(id);
      // Posts come one after the other, and each claim is a transaction.
      if (session.isPost && present?.payer.network === payer.network) return present.username;
      const network = this.#moderation.networkOf(session.peer);
      return broker.claim(id, command.username, command.tab, network);
    };
    this.#settle(
      session,
      "claim_failed",
      claim,
      (username) => {
        this.#members.claimEnded(id);
        if (username === undefined) {
          return this.#refuse(
            session,
            command.username === undefined
              ? refusal({ re: "hello" }, "username_empty")
              : nameTaken("hello", command.username),
          );
        }
        if (typeof username === "object") {
          return this.#refuse(session, sanctioned({ re: "hello" }, "banned", username.retryAfter));
        }
        if (session.state.kind === "closing") return this.#members.abandonClaim(payer);
        const older = this.#members.sessionsOf(id, command.tab);
        const member = this.#members.admit(payer, username);
        const active = new ActiveSession(session, member, command.tab, payer);
        this.#welcome(active, command, token);
        // After the new session is active, so that the member's presence has no gap.
        this.#replace(older);
      },
      () => {
        this.#members.claimEnded(id);
        this.#members.abandonClaim(payer);
        this.#refuse(session, storageUnavailable({ re: "hello" }));
      },
    );
  }

  #welcome(active: ActiveSession, { rooms }: HelloCommand, token: string): void {
    const { session, member } = active;
    const { id, username } = member;
    member.sessions.add(active);
    session.state = active;
    this.#ports.log.event("hello", {
      session: session.id,
      address: session.peer.address,
      name: username,
      member: id,
      rooms: rooms.map(({ room }) => room).join(",") || undefined,
    });
    if (session.isPost) return;
    this.#outbound.queue(session, {
      type: "welcome",
      protocol: protocolVersion,
      member: id,
      username,
      token,
      limits: serverLimits(this.#settings),
      heartbeat: { intervalMs: idleHeartbeatMs, timeoutMs: silenceMs },
    });
    for (const { room, position } of rooms) {
      this.#enter(active, room, position);
    }
    this.#moderation.greet(active);
  }

  /** Closes the sessions of members that were banned; they leave at once. */
  #banned(members: readonly string[], until: number): void {
    for (const id of members) {
      for (const { session } of this.#members.allSessionsOf(id)) {
        this.#end(session, closeCode.banned, String(until));
      }
      this.#members.expel(id);
    }
  }

  /** Adds a session to a room. Charges for the `joined` push to the room's members. */
  #enter(active: ActiveSession, name: string, position: Position | undefined): void {
    if (this.#members.has(active.member) && !active.member.presences.has(name)) {
      const audience = this.#rooms.get(name)?.roster.audience ?? 0;
      this.#quotas.chargeAnnouncement(active.payer, audience);
    }
    this.#reader.join(this.#members.subscribe(active, name), position);
  }

  #replace(older: readonly ActiveSession[]): void {
    for (const { session } of older) {
      this.#end(session, closeCode.replaced, "this tab has a newer connection");
    }
  }

  #join(active: ActiveSession, { room, position }: RoomRequest): void {
    const { session, payer, subscriptions } = active;
    if (!subscriptions.has(room) && subscriptions.size >= limits.roomsPerSession) {
      return this.#refuse(session, refusal({ re: "join", room }, "too_many_rooms"));
    }
    const about = { re: "join", room };
    if (!this.#mayRead(active, about) || !this.#mayRun(session, payer, about)) return;
    this.#enter(active, room, position);
  }

  #leave(active: ActiveSession, room: string): void {
    const { session, member } = active;
    this.#afterWriting(session, () => {
      const subscription = active.subscriptions.get(room);
      if (subscription === undefined) {
        return this.#refuse(session, notJoined({ re: "leave", room }));
      }
      const { id, username } = member;
      this.#outbound.queue(session, { type: "left", room, member: id, username, reason: "quit" });
      this.#members.unsubscribe(subscription, "quit");
    });
  }

  #history(active: ActiveSession, command: HistoryCommand): void {
    const { session, payer, subscriptions } = active;
    const about = { re: "history", room: command.room };
    if (!subscriptions.has(command.room)) return this.#refuse(session, notJoined(about));
    if (session.queuedLength >= hubLimits.helloMaxBytes) {
      return this.#refuse(session, rateLimited(about, "bytes", sweepMs));
    }
    if (!this.#mayRead(active, about) || !this.#mayRun(session, payer, about)) return;
    this.#reader.history(active, command);
  }

  #search(active: ActiveSession, command: SearchCommand): void {
    const { session, payer } = active;
    const about = { re: "search" };
    if (active.isSearching) return this.#refuse(session, rateLimited(about, "bytes", sweepMs));
    if (!this.#mayRun(session, payer, about)) return;
    const { broker, log } = this.#ports;
    active.isSearching = true;
    const finish = (push: ResultsPush | ErrorPush) => {
      active.isSearching = false;
      if (session.state !== active) return;
      if (push.type === "error") this.#refuse(session, push);
      else this.#outbound.queue(session, push);
    };
    const search = () => runSearch(broker, this.#quotas, payer, command);
    whenDone(log, "search_failed", search, finish, () => finish(storageUnavailable(about)));
  }

  #typing({ session, member, payer, subscriptions }: ActiveSession, name: string): void {
    const { broker, clock } = this.#ports;
    const room = subscriptions.get(name)?.room;
    const about = { re: "typing", room: name };
    if (room === undefined) return this.#refuse(session, notJoined(about));
    const mutedFor = this.#moderation.mutedFor(member.id);
    if (mutedFor > 0) return this.#refuse(session, sanctioned(about, "muted", mutedFor));
    if (!this.#settings.typing) return;
    const maySend = this.#quotas.hasBytes(payer) && room.roster.type(member.id, clock.now());
    if (!maySend) return this.#countRefusal(session);
    this.#quotas.chargeAnnouncement(payer, room.roster.audience);
    this.#outbound.touch(room);
    broker.cluster?.typing(name, member.id);
  }

  #rename(active: ActiveSession, username: string): void {
    const { session, member, payer } = active;
    const about = { re: "rename" };
    const mutedFor = this.#moderation.mutedFor(member.id);
    if (mutedFor > 0) return this.#refuse(session, sanctioned(about, "muted", mutedFor));
    if (!this.#mayRun(session, payer, about)) return;
    const retryAfter = this.#quotas.takeRename(member.id);
    if (retryAfter > 0) return this.#refuse(session, rateLimited(about, "renames", retryAfter));
    const { broker, log } = this.#ports;
    const from = member.username;
    for (const { room } of member.presences.values()) {
      this.#quotas.chargeAnnouncement(payer, room.roster.audience);
    }
    this.#settle(
      session,
      "rename_failed",
      () => {
        const isWanted = () => session.state === active;
        const rename = () => broker.rename(member.id, username, isWanted);
        const written = this.#writer.written(active);
        return written === undefined ? rename() : written.then(rename);
      },
      (isRenamed) => {
        if (!this.#members.has(member)) return;
        if (!isRenamed) return this.#refuse(session, nameTaken("rename", username));
        // In a cluster, the broker has already announced this rename here, and perhaps a later one.
        const isAnnounced = broker.cluster === undefined &&
          this.#members.rename(member.id, username);
        if (!isAnnounced) {
          this.#outbound.queue(session, { type: "you", username: member.username });
        }
        if (from !== username) log.event("rename", { session: session.id, from, to: username });
      },
      () => this.#refuse(session, storageUnavailable(about)),
    );
  }

  #refuse(session: Session, push: ErrorPush): void {
    const { state } = session;
    if (state.kind === "closing") return;
    this.#ports.meter?.refusal(push.code);
    this.#outbound.queue(session, push);
    if (state.kind === "greeting" && push.re === "hello") {
      const { id, peer: { address } } = session;
      this.#ports.log.event("hello_refused", { session: id, address, code: push.code });
      const refusals = state.refusals + 1;
      if (refusals >= maxRefusedHellos) {
        return this.#end(session, closeCode.noHello, "too many refused hellos");
      }
      const deadline = this.#ports.clock.now() + nextHelloTimeoutMs;
      session.state = { kind: "greeting", deadline, refusals };
    }
    this.#countRefusal(session);
  }

  #countRefusal(session: Session): void {
    if (!this.#quotas.countRefusal(session)) return;
    this.#end(session, closeCode.flooding, "too many refused commands");
  }

  /** Charges a command, or refuses it if the payer's quota is used up. */
  #mayRun(session: Session, payer: Payer, about: About): boolean {
    const retryAfter = this.#quotas.takeCommandBytes(payer);
    if (retryAfter > 0) this.#refuse(session, rateLimited(about, "bytes", retryAfter));
    return retryAfter === 0;
  }

  /** Refuses a command that reads the log if the session has too many pages pending. */
  #mayRead({ session, pages }: ActiveSession, about: About): boolean {
    if (pages.length < limits.roomsPerSession) return true;
    this.#refuse(session, rateLimited(about, "bytes", sweepMs));
    return false;
  }

  /** Runs a task once the session's messages are stored, because rooms must receive them first. */
  #afterWriting(session: Session, task: () => void): void {
    const { state } = session;
    const written = state.kind === "active" ? this.#writer.written(state) : undefined;
    if (written === undefined) task();
    else this.#settle(session, "internal", () => written, task, task);
  }

  /** Commits this tick's messages, then encodes and sends all pushes (law 1). */
  #tick(): void {
    const { clock, meter } = this.#ports;
    const startedAt = clock.now();
    try {
      this.#writer.append();
      this.#reader.serve();
      this.#outbound.flush();
    } finally {
      this.#ticker.finish();
      if (this.#outbound.isPending) this.#ticker.soon();
      meter?.tick(clock.now() - startedAt, this.#outbound.takeFramesSent());
    }
  }

  #listener(): BrokerListener {
    const change = (name: string, apply: (room: Room) => void) => {
      const room = this.#rooms.get(name);
      if (room === undefined) return;
      apply(room);
      this.#outbound.touch(room);
    };
    return {
      entries: (entries) => this.#deliver(entries),
      pruned: (name, first) => this.#rooms.get(name)?.prune(first),
      reset: () => this.#reset(),
      memberJoined: (name, member) =>
        change(name, ({ roster }) => roster.addRemote(member, this.#members.isQuiet)),
      memberLeft: (name, member, reason) =>
        change(name, ({ roster }) => roster.removeRemote(member, reason)),
      memberRenamed: (member, username) => void this.#members.rename(member, username),
      tabMoved: (member, tab) => this.#replace(this.#members.sessionsOf(member, tab)),
      membersBanned: (members, until) => this.#banned(members, until),
      sweepPending: () => this.#moderation.continueSweep(),
      memberTyping: (name, member) =>
        change(name, ({ roster }) => roster.type(member, this.#ports.clock.now())),
    };
  }

  /** Adds new log entries to their rooms: the only delivery path (law 2). */
  #deliver(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const room = this.#rooms.get(entry.room);
      if (room === undefined) continue;
      room.accept(entry);
      this.#outbound.touch(room);
    }
  }

  /** Starts over after the log has forked: forgets everything and has all clients reconnect. */
  #reset(): void {
    this.#ports.log.warn("reset", { sessions: this.#sessions.size });
    this.#writer.clear();
    this.#endAll();
    this.#members.clear();
    this.#rooms.clear();
    this.#outbound.clear();
  }

  #sweepLater(): void {
    if (this.#cancelSweep !== undefined || this.#isDraining) return;
    this.#cancelSweep = this.#ports.scheduler.later(sweepMs, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      const { sessions, members, rates } = this.size;
      if (sessions + members + rates > 0) this.#sweepLater();
    });
  }

  #sweep(): void {
    const now = this.#ports.clock.now();
    for (const session of this.#sessions) this.#heartbeats.check(session, now);
    this.#members.sweep();
    for (const room of this.#rooms.values()) {
      if (room.roster.pushCount()) this.#outbound.touch(room);
    }
    this.#quotas.sweep();
    this.#access.sweep();
    this.#moderation.forgetGuesses();
  }

  /**
   * Calls the broker and holds back the session's further commands until its result is handled.
   * Logs an error as `event`.
   */
  #settle<T>(
    session: Session,
    event: string,
    callBroker: () => Outcome<T>,
    onResult: (value: T) => void,
    onError: () => void,
  ): void {
    session.heldCommands = [];
    const finish = (task: () => void) => {
      const held = session.heldCommands ?? [];
      session.heldCommands = undefined;
      task();
      for (const command of held) this.#take(session, command);
    };
    const finishWith = (value: T) => finish(() => onResult(value));
    whenDone(this.#ports.log, event, callBroker, finishWith, () => finish(onError));
  }
}

function serverLimits(settings: HubSettings): ServerLimits {
  return {
    frameMaxBytes: hubLimits.frameMaxBytes,
    textMaxLength: limits.textMaxLength,
    usernameMaxLength: limits.usernameMaxLength,
    roomsPerSession: limits.roomsPerSession,
    historyMax: hubLimits.historyMax,
    rateBurst: settings.rateBurst,
    ratePerSecond: settings.ratePerSecond,
    retentionDays: settings.retentionDays,
    retentionMessages: settings.retentionMessages,
    typing: settings.typing,
  };
}

/** Returns a stand-in for the member of a session that only follows a room. */
function followerOf(payer: Payer): Member {
  return {
    id: "",
    username: "",
    payer,
    hasWritten: false,
    sessions: new Set(),
    presences: new Map(),
  };
}
