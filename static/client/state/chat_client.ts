// The chat as the page uses it: verbs in, a picture of everything out. Joins connection, outbox and rooms. Pure: what touches
// the browser comes in through the ports.

import { cleanText, isRoomName } from "../../../app/protocol/text.ts";
import { closeCode, limits, mayRetry } from "../../../app/protocol/wire.ts";
import type {
  ErrorPush,
  MessagePush,
  Push,
  ServerLimits,
  WelcomePush,
} from "../../../app/protocol/wire.ts";
import { Connection } from "./connection.ts";
import type { ConnectionPorts, ConnectionStatus } from "./connection.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxMessage, OutboxPorts } from "./outbox.ts";
import { Room } from "./room.ts";
import type { Message } from "./room.ts";
import { findMentions } from "./formatting.ts";

/** Who this page speaks for. */
export interface Profile {
  /** The name to ask for; the server's word replaces it. */
  readonly username: string;
  /** 32 random bytes in base64url: whoever has them is the member. */
  readonly token: string;
  /** The code that the server asks everybody for, where it does. */
  readonly access?: string;
}

/** What the chat works with. */
export interface ChatClientPorts {
  readonly connection: ConnectionPorts;
  readonly outbox: OutboxPorts;
  /** Made at each load of the page and kept nowhere: two loads are two tabs. */
  readonly tab: string;
  /** Called after everything that changes the picture; draws may be gathered. */
  readonly onChange: () => void;
  /** A message of somebody else came in, live. */
  readonly onMessage?: (room: Room, message: Message, mentionsMe: boolean) => void;
}

/** Whether the person has a name here. */
export type SignInState =
  /** Nobody has entered yet, or the name or access code was refused: `problem` says why, `code` for the page. */
  | { readonly kind: "asking"; readonly problem?: string; readonly code?: string }
  | { readonly kind: "entering" }
  | { readonly kind: "in" };

const typingEveryMs = 3_000;
const typingLastsMs = 6_000;
const retryMs = 1_000;

/** One page's chat. */
export class ChatClient {
  readonly #ports: ChatClientPorts;
  readonly #connection: Connection;
  readonly outbox: Outbox;
  readonly #rooms = new Map<string, Room>();
  #entry: SignInState = { kind: "asking" };
  #profile: Profile | undefined;
  #member = "";
  #limits: ServerLimits | undefined;
  #welcomed = false;
  /** A sentence about the last thing that was refused and belongs to no message. */
  #problem: string | undefined;
  /** Rooms that the last `hello` named. */
  #greeted: readonly string[] = [];
  /** Rooms that had their `room` push on this connection: only then may a message go. */
  readonly #answered = new Set<string>();
  /** Rooms to which the server wants no further message until then. */
  readonly #waitUntil = new Map<string, number>();
  /** What is due later on this connection, by what it is for. */
  readonly #timers = new Map<string, () => void>();
  #typedAt = -Infinity;

  constructor(ports: ChatClientPorts) {
    this.#ports = ports;
    this.outbox = new Outbox(ports.outbox);
    this.#connection = new Connection(ports.connection, {
      onOpen: () => {
        if (this.#entry.kind !== "asking") this.#hello();
      },
      onPushes: (pushes) => {
        try {
          for (const push of pushes) {
            if (this.#connection.status.kind === "open") this.#take(push);
          }
        } catch {
          // A server that sends what makes no sense is as good as none.
          this.#connection.abort("a push makes no sense");
        }
        ports.onChange();
      },
      onLost: (code) => this.#lost(code),
      onStatusChange: () => ports.onChange(),
    });
    this.#openWaiting();
  }

  // ---------------------------------------------------------------- the picture

  get signInState(): SignInState {
    return this.#entry;
  }

  get status(): ConnectionStatus {
    return this.#connection.status;
  }

  /** True when the connection is there and the server has said who this is. */
  get isReady(): boolean {
    return this.#welcomed;
  }

  get username(): string {
    return this.#profile?.username ?? "";
  }

  /** Public id of the person, or empty before the first `welcome`. */
  get member(): string {
    return this.#member;
  }

  get limits(): ServerLimits | undefined {
    return this.#limits;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  /** The rooms that this page is in, in the order in which they were opened. */
  get rooms(): ReadonlyMap<string, Room> {
    return this.#rooms;
  }

  /** Until when the server wants no further message in a room, in the connection's ms; or nothing. */
  retryAt(room: string): number | undefined {
    const until = this.#waitUntil.get(room);
    return until !== undefined && until > this.#ports.connection.now() ? until : undefined;
  }

  /** Whether a message addresses this person. */
  isMention({ text, member }: Message): boolean {
    if (member === this.#member || this.username === "") return false;
    return findMentions(text, this.username).length > 0;
  }

  // ---------------------------------------------------------------- verbs

  /** Asks for a name, and connects when there is no connection yet. Who is in already stays who they are. */
  signIn(profile: Profile): void {
    if (this.#welcomed) return;
    this.#problem = undefined;
    this.#profile = profile;
    this.#entry = { kind: "entering" };
    if (this.#connection.status.kind === "open") this.#hello();
    else this.#connection.connect();
    this.#connection.retryNow();
    this.#ports.onChange();
  }

  /** Is in a room from now on. Answers false for what is no room's name, and when it would be one room too many. */
  openRoom(name: string): boolean {
    this.#problem = undefined;
    if (this.#rooms.has(name)) return true;
    if (!isRoomName(name) || this.#rooms.size >= limits.roomsPerSession) return false;
    const room = new Room(name);
    this.#rooms.set(name, room);
    if (this.#welcomed) this.#join(room);
    this.#ports.onChange();
    return true;
  }

  /** Is in a room no more. Answers false while a message waits to be sent there, which would go on, or fail, out of sight. */
  leaveRoom(name: string): boolean {
    this.#problem = undefined;
    if (this.outbox.messagesIn(name).length > 0) return false;
    if (!this.#rooms.delete(name)) return true;
    this.#cancel(`join ${name}`);
    this.#answered.delete(name);
    if (this.#welcomed) this.#send({ type: "leave", room: name });
    this.#openWaiting();
    this.#ports.onChange();
    return true;
  }

  /** Writes a message; it waits in the outbox until it is in the log. Answers why not when it cannot be sent. */
  send(name: string, text: string): string | undefined {
    const cleaned = cleanText(text);
    if (!cleaned.ok) return cleaned.message;
    this.outbox.add(name, cleaned.value);
    this.#problem = undefined;
    this.#typedAt = -Infinity;
    this.#go(name);
    this.#ports.onChange();
    return undefined;
  }

  /** Sends a message after all that failed, or that had become old. */
  retry({ nonce, room }: OutboxMessage): void {
    this.outbox.retry(nonce);
    this.#problem = undefined;
    this.#go(room);
    this.#ports.onChange();
  }

  /** Gives up a message that is not in flight. Answers what it was. */
  discard({ nonce }: OutboxMessage): OutboxMessage | undefined {
    const discarded = this.outbox.discard(nonce);
    this.#ports.onChange();
    return discarded;
  }

  /** Asks for the messages before those that are here. */
  loadOlder(name: string): void {
    const room = this.#rooms.get(name);
    if (room === undefined || room.phase !== "live" || room.isLoadingOlder || !room.hasOlder) {
      return;
    }
    room.isLoadingOlder = true;
    const limit = this.#limits?.historyMax ?? limits.historyDefault;
    this.#send({ type: "history", room: name, before: room.oldest, limit });
    this.#ports.onChange();
  }

  /** Another tab has shown a room up to there. */
  markReadUpTo(name: string, offset: number): void {
    const room = this.#rooms.get(name);
    if (room === undefined || offset <= room.readOffset) return;
    room.readOffset = offset;
    this.#recount(room);
    this.#ports.onChange();
  }

  /** Tells the room that the person types. */
  sendTyping(name: string): void {
    const now = this.#ports.connection.now();
    if (this.#rooms.get(name)?.phase !== "live" || now - this.#typedAt < typingEveryMs) return;
    this.#typedAt = now;
    this.#send({ type: "typing", room: name });
  }

  /** Asks for another name. */
  rename(username: string): void {
    this.#problem = undefined;
    if (this.#welcomed) this.#send({ type: "rename", username });
    else this.#problem = "Your name can be changed when the connection is back";
    this.#ports.onChange();
  }

  /** Tries to connect at once. */
  retryNow(): void {
    this.#connection.retryNow();
  }

  /** The page became visible, or the network came back. */
  checkConnection(): void {
    this.#connection.check();
  }

  /** Takes the chat back into this tab. */
  takeOver(): void {
    this.#connection.connect();
  }

  /** Says goodbye: the rooms are told at once. */
  signOut(): void {
    this.#connection.close();
    this.#lost(closeCode.left);
    this.#entry = { kind: "asking" };
    this.#ports.onChange();
  }

  // ---------------------------------------------------------------- what goes out

  #send(command: Record<string, unknown> & { readonly type: string }): void {
    this.#connection.send(JSON.stringify(command));
  }

  #hello(): void {
    if (this.#profile === undefined || this.#welcomed) return;
    this.#greeted = [...this.#rooms.keys()];
    const rooms = Array.from(this.#rooms.values(), ({ name, position }) => ({
      room: name,
      ...position,
    }));
    this.#send({ type: "hello", ...this.#profile, tab: this.#ports.tab, rooms });
  }

  /** Opens the rooms that messages wait for, as far as there is space; the others follow when a room is left. */
  #openWaiting(): void {
    for (const name of this.outbox.rooms) this.openRoom(name);
  }

  #join(room: Room): void {
    this.#cancel(`join ${room.name}`);
    room.phase = "behind";
    this.#send({ type: "join", room: room.name, ...room.position });
  }

  /** The person wants messages of a room to go: one that was refused is asked for again. */
  #go(name: string): void {
    const room = this.#rooms.get(name);
    const isRefused = room?.phase === "away" && !this.#timers.has(`join ${name}`);
    if (room !== undefined && isRefused && this.#welcomed) this.#join(room);
    this.#pump(name);
  }

  /** Sends the next message of a room, when it may go. */
  #pump(name: string): void {
    const room = this.#rooms.get(name);
    if (room === undefined || room.phase === "away" || !this.#welcomed) return;
    if (!this.#answered.has(name) || this.retryAt(name) !== undefined) return;
    const next = this.outbox.takeNext(name);
    if (next === undefined) return;
    this.#send({ type: "message", room: name, text: next.text, nonce: next.nonce });
  }

  /** Does something later, unless the connection is lost before. */
  #later(what: string, ms: number, task: () => void): void {
    this.#cancel(what);
    const cancel = this.#ports.connection.later(ms, () => {
      this.#timers.delete(what);
      task();
      this.#ports.onChange();
    });
    this.#timers.set(what, cancel);
  }

  #cancel(what: string): void {
    this.#timers.get(what)?.();
    this.#timers.delete(what);
  }

  #lost(code: number): void {
    // Without a name there is nothing to say hello with; the next name dials.
    if (this.#entry.kind === "asking") this.#connection.close();
    this.#welcomed = false;
    this.#answered.clear();
    this.#waitUntil.clear();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.outbox.connectionLost(code);
    for (const room of this.#rooms.values()) room.disconnect();
    this.#ports.onChange();
  }

  // ---------------------------------------------------------------- what comes in

  #take(push: Push): void {
    switch (push.type) {
      case "welcome":
        return this.#welcome(push);
      case "you":
        if (this.#profile === undefined) return;
        this.#profile = { ...this.#profile, username: push.username };
        this.#problem = undefined;
        return;
      case "ack":
        return this.#settle(push.room, push.nonce);
      case "error":
        return this.#refused(push);
    }
    const room = this.#rooms.get(push.room);
    if (room === undefined) return;
    const at = this.#ports.outbox.now();
    switch (push.type) {
      case "room": {
        // What was there before the first visit is not news.
        const isOld = room.isFirstVisit && room.readOffset === 0;
        if (room.applyPage(push) === "hole") return this.#connection.abort("a page has a hole");
        for (const message of push.messages) this.#settleOwn(message);
        if (!isOld) this.#recount(room);
        else if (!push.more) room.markRead();
        if (push.more) return this.#join(room);
        this.#answered.add(room.name);
        return this.#pump(room.name);
      }
      case "message":
        return this.#message(room, push);
      case "history":
        room.prepend(push);
        for (const message of push.messages) this.#settleOwn(message);
        return;
      case "joined":
        return room.addMember(push, at);
      case "left":
        // One's own goodbye, from another tab: this one is still here.
        return push.member === this.#member ? undefined : room.removeMember(push, at);
      case "renamed":
        return room.renameMember(push, at);
      case "count":
        return room.replaceMembers(push);
      case "typing":
        return this.#typing(room, push.usernames);
    }
  }

  #welcome(push: WelcomePush): void {
    this.#welcomed = true;
    this.#entry = { kind: "in" };
    this.#member = push.member;
    this.#limits = push.limits;
    this.#connection.timeoutMs = push.heartbeat.timeoutMs;
    this.#profile = { ...this.#profile, username: String(push.username), token: push.token };
    this.#problem = undefined;
    const greeted = new Set(this.#greeted);
    for (const room of this.#rooms.values()) {
      if (greeted.delete(room.name)) room.phase = "behind";
      else this.#join(room);
    }
    for (const room of greeted) this.#send({ type: "leave", room });
  }

  #message(room: Room, push: MessagePush): void {
    this.#settleOwn(push);
    // Until the room's page has come, what is live is left to it.
    if (room.phase !== "live") return;
    const accepted = room.append(push);
    if (accepted === "hole") return this.#join(room);
    if (accepted === "known" || push.member === this.#member) return;
    room.typingNames = room.typingNames.filter((name) => name !== push.from);
    const mentionsMe = this.isMention(push);
    room.countUnread(mentionsMe);
    this.#ports.onMessage?.(room, push, mentionsMe);
  }

  #recount(room: Room): void {
    room.recountUnread(this.#member, (message) => this.isMention(message));
  }

  #settleOwn(push: MessagePush): void {
    if (push.member === this.#member) this.#settle(push.room, push.nonce);
  }

  #settle(room: string, nonce: string): void {
    this.outbox.acknowledge(room, nonce);
    this.#pump(room);
  }

  #typing(room: Room, usernames: readonly string[]): void {
    const { name } = room;
    room.typingNames = usernames.map(String).filter((username) => username !== this.username);
    this.#later(`typing ${name}`, typingLastsMs, () => room.typingNames = []);
  }

  #refused(push: ErrorPush): void {
    const { re, code, message, room: name, nonce, retryAfter = retryMs } = push;
    const room = name === undefined ? undefined : this.#rooms.get(name);
    if (re === "hello") return this.#helloRefused(push);
    if (re === "message" && name !== undefined && nonce !== undefined) {
      const again = this.outbox.reject(name, nonce, code, message);
      if (!again) return this.#pump(name);
      if (code === "not_joined" && room !== undefined) {
        this.#answered.delete(name);
        return this.#join(room);
      }
      this.#waitUntil.set(name, this.#ports.connection.now() + retryAfter);
      return this.#later(`message ${name}`, retryAfter, () => {
        this.#waitUntil.delete(name);
        this.#pump(name);
      });
    }
    if (re === "history" && room !== undefined) room.isLoadingOlder = false;
    if (re === "join" && room !== undefined) {
      room.phase = "away";
      if (mayRetry(code)) {
        return this.#later(`join ${room.name}`, retryAfter, () => this.#join(room));
      }
      // What waits to be sent there stays in sight, with the reason; so does the only room.
      const waiting = this.outbox.messagesIn(room.name);
      for (const { nonce } of waiting) this.outbox.reject(room.name, nonce, code, message);
      if (waiting.length === 0 && this.#rooms.size > 1) this.#rooms.delete(room.name);
    }
    // What was left is left, also where it had not been joined.
    if (re !== "typing" && re !== "leave") this.#problem = String(message);
  }

  #helloRefused({ code, message, retryAfter = retryMs }: ErrorPush): void {
    if (this.#welcomed) return;
    if (mayRetry(code)) {
      this.#problem = message;
      return this.#later("hello", retryAfter, () => this.#hello());
    }
    this.#entry = { kind: "asking", problem: message, code };
  }
}
