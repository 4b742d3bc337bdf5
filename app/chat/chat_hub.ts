// The hub: executes each session's commands in order and runs the tick. It is pure (law 6):
// sockets, broker, clock, scheduler, identities and log are passed in.

import { decodeCommand } from "../protocol/decode.ts";
import { closeCode, hubLimits, limits, protocolVersion } from "../protocol/wire.ts";
import type {
  Command,
  ErrorPush,
  HelloCommand,
  HistoryCommand,
  Position,
  Push,
  ResultsPush,
  RoomRequest,
  SearchCommand,
  ServerLimits,
} from "../protocol/wire.ts";
import type { BrokerListener, Entry } from "./broker.ts";
import { firstHeartbeatAt, idleHeartbeatMs, silenceMs } from "./heartbeats.ts";
import { HubParts } from "./hub_parts.ts";
import { whenDone } from "./outcome.ts";
import type { HubPorts, HubSettings } from "./ports.ts";
import {
  nameTaken,
  notJoined,
  rateLimited,
  refusal,
  sanctioned,
  storageUnavailable,
} from "./refusals.ts";
import type { About } from "./refusals.ts";
import type { Roster } from "./roster.ts";
import { ActiveSession, newMember, Session } from "./session.ts";
import type { Payer, PeerAddress, Socket } from "./session.ts";
import { readerOf, Visitors } from "./visitors.ts";

const helloTimeoutMs = 5_000;
const sweepMs = 1_000;
/** Max commands held back per session while the broker is slow. */
const maxHeld = 256;

/** The chat without its network and disk: all sessions of this node, and their commands. */
export class ChatHub {
  /** Reads for clients without a session. */
  readonly visitors: Visitors;
  readonly #parts: HubParts;
  #sessionCount = 0;
  #cancelSweep: (() => void) | undefined;
  #isDraining = false;

  constructor(ports: HubPorts, settings: HubSettings) {
    const parts = new HubParts(
      ports,
      settings,
      () => this.#tick(),
      (session, command) => this.#handle(session, command),
    );
    this.#parts = parts;
    this.visitors = new Visitors(parts);
    ports.broker.subscribe(this.#listener());
  }

  /** Accepts a new connection. */
  connect(socket: Socket, peer: PeerAddress, isPost = false): Session {
    const { ports: { clock, log }, sessions, settings } = this.#parts;
    const now = clock.now();
    const count = ++this.#sessionCount;
    const id = `${settings.sessionPrefix}${count}`;
    const heartbeatAt = firstHeartbeatAt(now, count);
    const deadline = now + helloTimeoutMs;
    const session = new Session({ id, socket, peer, now, deadline, heartbeatAt, isPost });
    // A post is frequent, and its `hello` and its entry are logged anyway.
    if (!isPost) log.event("connect", { session: id, address: peer.address }, peer.network);
    if (this.#isDraining) {
      sessions.end(session, closeCode.restarting, "0");
      return session;
    }
    sessions.add(session);
    this.#scheduleSweep();
    return session;
  }

  /**
   * Connects a session that writes one entry to a room it needn't have joined. It is sent that
   * entry, an `ack` or an `error`, but no `welcome`.
   */
  post(socket: Socket, peer: PeerAddress, hello: Command, command: Command): Session {
    const session = this.connect(socket, peer, true);
    for (const each of [hello, command]) {
      if (this.#isReceiving(session)) this.#handle(session, each);
    }
    return session;
  }

  /** Handles one frame from a session. Never throws, whatever the client sends. */
  receive(session: Session, frame: unknown): void {
    if (!this.#isReceiving(session)) return;
    const { nameChanges, sessions } = this.#parts;
    // The frame may depend on the claim, or end a session whose earlier commands are held back.
    if (session.held !== undefined) nameChanges.commit();
    if (typeof frame !== "string") {
      return sessions.end(session, closeCode.protocolError, "frames must be JSON text");
    }
    const isGreeting = session.state.kind === "greeting";
    const maxBytes = isGreeting ? hubLimits.greetingFrameMaxBytes : hubLimits.frameMaxBytes;
    const decoded = decodeCommand(frame, maxBytes);
    if (decoded.ok) this.#handle(session, decoded.command);
    else if (decoded.push !== undefined) sessions.refuse(session, decoded.push);
    else sessions.end(session, decoded.code, decoded.reason);
  }

  /** Counts a frame or command. Returns false if it must be ignored. */
  #isReceiving(session: Session): boolean {
    if (session.state.kind === "closing" || this.#isDraining) return false;
    this.#parts.ticker.frameReceived();
    session.commandCount++;
    return true;
  }

  /** Handles the close event of a session's socket. Further calls for the session do nothing. */
  disconnect(session: Session, code: number): void {
    const { ports: { clock, log }, sessions } = this.#parts;
    if (session.isDisconnected) return;
    session.isDisconnected = true;
    const reason = code === closeCode.left ? "quit" : undefined;
    const forget = () => sessions.forget(session, reason);
    if (reason === undefined || session.state.kind !== "active") forget();
    else sessions.afterCommands(session, forget);
    if (session.isPost) return;
    log.event("disconnect", {
      session: session.id,
      name: session.username,
      code: session.closed?.code ?? code,
      reason: session.closed?.reason,
      ms: Math.round(clock.now() - session.openedAt),
      commands: session.commandCount,
      frames: session.frameCount,
    }, session.peer.network);
  }

  /**
   * Commits and delivers everything received, then closes all sessions with 1012, so that clients
   * reconnect. No member leaves and no name is released.
   */
  async drain(): Promise<void> {
    const { members, moderation, sessions, writer } = this.#parts;
    this.#isDraining = true;
    members.freeze();
    moderation.stop();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#tick();
    while (writer.isAppending || writer.canAppend || sessions.isHolding) {
      if (writer.isAppending) await writer.whenAppended();
      else if (!writer.canAppend) await sessions.whenReleased();
      this.#tick();
    }
    sessions.endAll();
  }

  /** Whether `drain` has been called. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Time over which clients should spread their attempts when all reconnect. */
  get reconnectSpreadMs(): number {
    return this.#parts.sessions.reconnectSpreadMs;
  }

  /** Returns how many members are in a room, and the usernames of at most `max` of them. */
  membersOf(name: string, max: number) {
    const usernames = [...this.#parts.rooms.get(name)?.roster.usernames ?? []];
    return { count: usernames.length, usernames: usernames.slice(0, max) };
  }

  /**
   * Accepts a connection that only receives a room's pushes, from `position` or the newest messages
   * on. It has no member and is not listed. Returns an error push if access is denied.
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
    const active = new ActiveSession(session, newMember("", "", payer), undefined, payer);
    session.state = active;
    this.#enter(active, room, position);
    return session;
  }

  /**
   * Runs a command of the operator, who gives the moderator code: `delete` or a moderator's
   * command. Returns the reply. Rejects while storage is unavailable.
   */
  operate(peer: PeerAddress, code: string, command: Command): Promise<Push> {
    return this.#parts.moderation.operate(peer, code, command);
  }

  /** Current counts, for operators and tests. */
  get size() {
    const { access, members, moderation, quotas, rooms, sessions } = this.#parts;
    return {
      sessions: sessions.size,
      ...members.size,
      rooms: rooms.size,
      rates: quotas.size + access.size + moderation.size,
    };
  }

  #handle(session: Session, command: Command): void {
    const { entries, heartbeats, moderation, sessions } = this.#parts;
    const { state } = session;
    if (state.kind === "closing") return;
    // Not held back like other commands, so that a slow broker doesn't look like a dead link.
    if (command.type === "ping") return heartbeats.ping(session);
    if (session.held !== undefined) {
      session.held.push(command);
      if (session.held.length > maxHeld) {
        sessions.end(session, closeCode.flooding, "too many commands at once");
      }
      return;
    }
    if (command.type === "pong") return heartbeats.pong(session);
    if (state.kind === "greeting") {
      if (command.type === "hello") this.#hello(session, command);
      // The `hello` of a post was refused, and that is its reply.
      else if (!session.isPost) {
        sessions.refuse(session, refusal({ re: command.type }, "hello_required"));
      }
      return;
    }
    switch (command.type) {
      case "hello":
        return sessions.refuse(session, refusal({ re: "hello" }, "already_greeted"));
      case "join":
        return this.#join(state, command);
      case "leave":
        return this.#leave(state, command.room);
      case "message":
      case "edit":
      case "delete":
      case "title":
        return entries.write(state, command);
      case "history":
        return this.#history(state, command);
      case "search":
        return this.#search(state, command);
      case "typing":
        return this.#typing(state, command.room);
      case "rename":
        return this.#rename(state, command.username);
      case "moderate":
        return moderation.appoint(state, command.code);
      default:
        return moderation.moderate(state, command);
    }
  }

  /** Checks the access code, then claims the name. */
  #hello(session: Session, command: HelloCommand): void {
    const { access, members, ports: { identity, log }, sessions } = this.#parts;
    const token = command.token ?? identity.newToken();
    const payer = { ...session.peer, member: identity.memberOf(token) };
    const check = (isKnown: boolean) => {
      const denied = access.check(payer, command.access, isKnown);
      if (denied === undefined) return this.#claim(session, command, token, payer);
      if (denied.code === "access_denied") {
        const { id, peer: { address, network } } = session;
        log.warn("access_denied", { session: id, address }, network);
      }
      sessions.refuse(session, denied);
    };
    if (command.access === undefined || !access.isLocked(payer)) return check(false);
    const isKnown = () => members.isKnown(payer);
    sessions.hold(session, "claim_failed", isKnown, check, () => check(false));
  }

  /** Claims the member's name, then welcomes the session. */
  #claim(session: Session, command: HelloCommand, token: string, payer: Payer): void {
    const { members, moderation, nameChanges, ports: { broker }, sessions } = this.#parts;
    const about = { re: "hello" };
    const { member: id } = payer;
    if (!sessions.tryCharge(session, payer, about)) return;
    members.claimStarted(id);
    const network = moderation.networkOf(session.peer);
    const claim = () => broker.claim(id, command.username, command.tab, network);
    const onClaimed = (username: Awaited<ReturnType<typeof claim>>) => {
      members.claimEnded(id);
      if (username === undefined) {
        const push = command.username === undefined
          ? refusal(about, "username_empty")
          : nameTaken("hello", command.username);
        return sessions.refuse(session, push);
      }
      if (typeof username === "object") {
        return sessions.refuse(session, sanctioned(about, "banned", username.retryAfter));
      }
      if (session.state.kind === "closing") return members.abandonClaim(payer);
      const older = members.sessionsOf(id, command.tab);
      const member = members.admit(payer, username);
      this.#welcome(new ActiveSession(session, member, command.tab, payer), command, token);
      // After the new session is active, so that the member's presence has no gap.
      this.#replace(older);
    };
    const present = members.get(id);
    // Posts often follow each other, and most need no claim.
    if (session.isPost && present?.payer.network === payer.network) {
      return onClaimed(present.username);
    }
    const onError = () => {
      members.claimEnded(id);
      members.abandonClaim(payer);
      sessions.refuse(session, storageUnavailable(about));
    };
    sessions.hold(session, "claim_failed", claim, onClaimed, onError, nameChanges.add);
  }

  #welcome(active: ActiveSession, { rooms }: HelloCommand, token: string): void {
    const { moderation, outbound, ports: { log }, settings } = this.#parts;
    const { session, member } = active;
    const { id, username } = member;
    member.sessions.add(active);
    session.state = active;
    log.event("hello", {
      session: session.id,
      address: session.peer.address,
      name: username,
      member: id,
      rooms: rooms.map(({ room }) => room).join(",") || undefined,
    }, session.peer.network);
    if (session.isPost) return;
    outbound.queue(session, {
      type: "welcome",
      protocol: protocolVersion,
      member: id,
      username,
      token,
      limits: serverLimits(settings),
      heartbeat: { intervalMs: idleHeartbeatMs, timeoutMs: silenceMs },
    });
    for (const { room, position } of rooms) this.#enter(active, room, position);
    moderation.greet(active);
  }

  /** Closes the sessions of members that were banned; they leave at once. */
  #expel(banned: readonly string[], until: number): void {
    const { members, sessions } = this.#parts;
    for (const id of banned) {
      for (const { session } of members.allSessionsOf(id)) {
        sessions.end(session, closeCode.banned, String(until));
      }
      members.expel(id);
    }
  }

  #replace(older: readonly ActiveSession[]): void {
    for (const { session } of older) {
      this.#parts.sessions.end(session, closeCode.replaced, "this tab has a newer connection");
    }
  }

  /** Adds a session to a room. Charges for the `joined` push to the room's members. */
  #enter(active: ActiveSession, name: string, position: Position | undefined): void {
    const { members, quotas, reader, rooms } = this.#parts;
    if (members.has(active.member) && !active.member.presences.has(name)) {
      quotas.chargeAnnouncement(active.payer, rooms.get(name)?.roster.audience ?? 0);
    }
    reader.join(members.subscribe(active, name), position);
  }

  #join(active: ActiveSession, { room, position }: RoomRequest): void {
    const { session, subscriptions } = active;
    const about = { re: "join", room };
    if (!subscriptions.has(room) && subscriptions.size >= limits.roomsPerSession) {
      return this.#parts.sessions.refuse(session, refusal(about, "too_many_rooms"));
    }
    if (this.#mayRead(active, about)) this.#enter(active, room, position);
  }

  #leave(active: ActiveSession, room: string): void {
    const { members, outbound, sessions } = this.#parts;
    const { session, member: { id: member, username } } = active;
    sessions.afterCommands(session, () => {
      const subscription = active.subscriptions.get(room);
      if (subscription === undefined) {
        return sessions.refuse(session, notJoined({ re: "leave", room }));
      }
      // These include the replies to the entries that the session has just written.
      outbound.queuePushes(subscription);
      outbound.queue(session, { type: "left", room, member, username, reason: "quit" });
      members.unsubscribe(subscription, "quit");
    });
  }

  #history(active: ActiveSession, command: HistoryCommand): void {
    const { reader, sessions } = this.#parts;
    const { session, subscriptions } = active;
    const about = { re: "history", room: command.room };
    if (!subscriptions.has(command.room)) return sessions.refuse(session, notJoined(about));
    if (session.queuedLength >= hubLimits.helloMaxBytes) {
      return sessions.refuse(session, rateLimited(about, "bytes", sweepMs));
    }
    if (this.#mayRead(active, about)) reader.history(active, command);
  }

  /**
   * Charges a command that reads the log. Refuses it if a quota is used up, or if the session has
   * too many pages pending.
   */
  #mayRead({ session, pages, payer }: ActiveSession, about: About): boolean {
    const { sessions } = this.#parts;
    if (pages.length < limits.roomsPerSession) return sessions.tryCharge(session, payer, about);
    sessions.refuse(session, rateLimited(about, "bytes", sweepMs));
    return false;
  }

  #search(active: ActiveSession, command: SearchCommand): void {
    const { outbound, ports: { log }, searches, sessions } = this.#parts;
    const { session, payer } = active;
    const about = { re: "search" };
    if (active.isSearching) {
      return sessions.refuse(session, rateLimited(about, "bytes", sweepMs));
    }
    if (!sessions.tryCharge(session, payer, about)) return;
    active.isSearching = true;
    const finish = (push: ResultsPush | ErrorPush) => {
      active.isSearching = false;
      if (push.type === "error") sessions.refuse(session, push);
      else outbound.queue(session, push);
    };
    const search = () => searches.run(payer, command);
    whenDone(log, "search_failed", search, finish, () => finish(storageUnavailable(about)));
  }

  #typing(active: ActiveSession, name: string): void {
    const { outbound, ports: { broker, clock }, quotas, sessions, settings } = this.#parts;
    const { session, member, payer, subscriptions } = active;
    const room = subscriptions.get(name)?.room;
    const about = { re: "typing", room: name };
    if (room === undefined) return sessions.refuse(session, notJoined(about));
    if (this.#isMuted(active, about) || !settings.typing) return;
    const maySend = quotas.hasBytes(payer) && room.roster.type(member.id, clock.now());
    if (!maySend) return sessions.countRefusal(session);
    quotas.chargeAnnouncement(payer, room.roster.audience);
    outbound.touch(room);
    broker.cluster?.typing(name, member.id);
  }

  /** Refuses a command if its member is muted. */
  #isMuted({ session, member }: ActiveSession, about: About): boolean {
    const { moderation, sessions } = this.#parts;
    const mutedFor = moderation.mutedFor(member.id);
    if (mutedFor > 0) sessions.refuse(session, sanctioned(about, "muted", mutedFor));
    return mutedFor > 0;
  }

  #rename(active: ActiveSession, username: string): void {
    const { members, outbound, ports: { broker, log }, quotas, sessions, writer } = this.#parts;
    const { session, member, payer } = active;
    const about = { re: "rename" };
    if (this.#isMuted(active, about) || !sessions.tryCharge(session, payer, about)) return;
    const retryAfter = quotas.takeRename(member.id);
    if (retryAfter > 0) {
      return sessions.refuse(session, rateLimited(about, "renames", retryAfter));
    }
    const from = member.username;
    for (const { room } of member.presences.values()) {
      quotas.chargeAnnouncement(payer, room.roster.audience);
    }
    const isWanted = () => session.state === active;
    // Before a pending claim of the member, whose `welcome` has the name (N9).
    const rename = () => broker.rename(member.id, username, isWanted);
    const renameAfterWriting = () => writer.written(active)?.then(rename) ?? rename();
    const onRefused = (error: ErrorPush) => {
      quotas.refund("renames", member.id);
      sessions.refuse(session, error);
    };
    const onRenamed = (isRenamed: boolean) => {
      if (!members.has(member)) return;
      if (!isRenamed) return onRefused(nameTaken("rename", username));
      // In a cluster, the broker has already announced this rename here, and perhaps a later one.
      const isAnnounced = broker.cluster === undefined && members.rename(member.id, username);
      if (!isAnnounced) outbound.queue(session, { type: "you", username: member.username });
      if (from === username) return;
      log.event("rename", { session: session.id, from, to: username }, payer.network);
    };
    sessions.hold(session, "rename_failed", renameAfterWriting, onRenamed, () => {
      onRefused(storageUnavailable(about));
    });
  }

  /** Commits this tick's names and messages, then encodes and sends all pushes (law 1). */
  #tick(): void {
    const { nameChanges, outbound, ports, reader, ticker, writer } = this.#parts;
    const { clock, meter, scheduler } = ports;
    const startedAt = clock.now();
    try {
      nameChanges.commit();
      writer.append();
      reader.serve();
      outbound.flush();
    } finally {
      ticker.finish();
      if (outbound.isPending || nameChanges.hasPending) ticker.schedule();
      else if (writer.canAppend) scheduler.later(1, () => ticker.schedule());
      meter?.tick(clock.now() - startedAt, outbound.takeFramesSent());
    }
  }

  #listener(): BrokerListener {
    const { members, moderation, outbound, ports: { clock }, rooms } = this.#parts;
    const change = (name: string, apply: (roster: Roster) => void) => {
      const room = rooms.get(name);
      if (room === undefined) return;
      apply(room.roster);
      outbound.touch(room);
    };
    return {
      entries: (entries) => this.#deliver(entries),
      pruned: (name, first) => rooms.get(name)?.prune(first),
      reset: () => this.#reset(),
      memberJoined: (name, member) =>
        change(name, (roster) => roster.add("remote", member, members.isQuiet)),
      memberLeft: (name, { member }, reason) =>
        change(name, (roster) => roster.remove("remote", member, reason)),
      memberRenamed: (member, username) => void members.rename(member, username),
      tabMoved: (member, tab) => this.#replace(members.sessionsOf(member, tab)),
      membersBanned: (banned, until) => this.#expel(banned, until),
      sweepPending: () => moderation.continueSweep(),
      memberTyping: (name, member) => change(name, (roster) => roster.type(member, clock.now())),
    };
  }

  /** Adds new log entries to their rooms: the only delivery path (law 2). */
  #deliver(entries: readonly Entry[]): void {
    const { entries: commands, outbound, rooms } = this.#parts;
    commands.delivered(entries);
    for (const entry of entries) {
      const room = rooms.get(entry.room);
      if (room === undefined) continue;
      room.accept(entry);
      outbound.touch(room);
    }
  }

  /** Starts over after the log has forked: forgets everything and has all clients reconnect. */
  #reset(): void {
    const { members, ports: { log }, rooms, sessions, writer } = this.#parts;
    log.warn("reset", { sessions: sessions.size });
    writer.clear();
    sessions.endAll();
    members.clear();
    rooms.clear();
  }

  #scheduleSweep(): void {
    if (this.#cancelSweep !== undefined || this.#isDraining) return;
    this.#cancelSweep = this.#parts.ports.scheduler.later(sweepMs, () => {
      this.#cancelSweep = undefined;
      this.#sweep();
      const { sessions, members, rates } = this.size;
      const { hasUnreleased } = this.#parts.members;
      if (sessions + members + rates > 0 || hasUnreleased) this.#scheduleSweep();
    });
  }

  /** Runs every second: checks timeouts, graces, counts of crowded rooms, and quotas. */
  #sweep(): void {
    const { access, heartbeats, members, moderation, outbound, ports: { clock }, quotas } =
      this.#parts;
    const now = clock.now();
    for (const session of this.#parts.sessions) heartbeats.check(session, now);
    members.sweep();
    for (const room of this.#parts.rooms.values()) {
      if (room.roster.pushCount()) outbound.touch(room);
    }
    for (const limiter of [quotas, access, moderation]) limiter.sweep();
  }
}

function serverLimits(settings: HubSettings): ServerLimits {
  const { frameMaxBytes, historyMax } = hubLimits;
  const { textMaxLength, usernameMaxLength, roomsPerSession } = limits;
  const { rateBurst, ratePerSecond, retentionDays, retentionMessages, typing } = settings;
  return {
    frameMaxBytes,
    textMaxLength,
    usernameMaxLength,
    roomsPerSession,
    historyMax,
    rateBurst,
    ratePerSecond,
    retentionDays,
    retentionMessages,
    typing,
  };
}
