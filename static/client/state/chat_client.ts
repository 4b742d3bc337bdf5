// The chat of one page: its connection, outbox and rooms, and the commands of the person. Pure:
// everything that belongs to the browser is injected.

import { cleanText, isPrivateRoom, isRoomName } from "../../../app/protocol/text.ts";
import { closeCode, limits, mayRetry } from "../../../app/protocol/wire.ts";
import type {
  DeletePush,
  EntryPush,
  ErrorPush,
  ModeratorCommand,
  Push,
  RoomPush,
  WelcomePush,
} from "../../../app/protocol/wire.ts";
import { Connection } from "./connection.ts";
import type { ConnectionPorts, ConnectionStatus } from "./connection.ts";
import type { TextReader } from "./formatting.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxDraft, OutboxMessage, OutboxPorts } from "./outbox.ts";
import type { Problem } from "./problem.ts";
import type { Profile } from "./profile.ts";
import { Room } from "./room.ts";
import { Session } from "./session.ts";
import type { Message } from "./message.ts";

export interface ChatClientPorts {
  readonly connection: ConnectionPorts;
  readonly outbox: OutboxPorts;
  /** Identifies this load of the page; never stored. */
  readonly tab: string;
  readonly mentions: (text: string, reader: TextReader) => boolean;
  /** The state changed. Called often, so debounce redraws. */
  readonly onChange: () => void;
  /** Another member's message arrived, live or in the page of messages missed while offline. */
  readonly onMessage?: (room: Room, message: Message, isMention: boolean) => void;
  /** Messages of a room were deleted; they may not be loaded. */
  readonly onDelete?: (room: Room, offsets: readonly number[]) => void;
}

const typingIntervalMs = 3_000;
const typingTimeoutMs = 6_000;
const defaultRetryMs = 1_000;

/** A command on its way to the server. */
export interface SentCommand {
  readonly type: string;
  readonly room?: string;
  readonly rooms?: readonly { readonly room: string }[];
  readonly text?: string | undefined;
  readonly nonce?: string;
  readonly [field: string]: unknown;
}

/** Opens and seals the texts of private rooms. */
export interface PrivateTexts {
  hasKey(room: string): boolean;
  /** Delivers pushes to the client, in order, with their texts opened. */
  receive(pushes: readonly Push[]): void;
  /** Passes on a command, with its text sealed. */
  send(command: SentCommand, pass: (command: SentCommand) => void): void;
  /** Discards pending work because the connection is lost. */
  reset(): void;
}

export class ChatClient {
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly session = new Session();
  /** The open rooms by name, in the order in which they were opened. */
  readonly rooms = new Map<string, Room>();
  /** Why the last command was refused, unless a message in the outbox says so. */
  problem: Problem | undefined;
  /** The members whose messages never count as unread. */
  hidden: Pick<ReadonlySet<string>, "has" | "size"> = new Set();
  /** Without it, no private room can be opened. */
  privateRooms: PrivateTexts | undefined;
  readonly #ports: ChatClientPorts;
  /** The rooms named in the last `hello`. */
  #helloRooms: readonly string[] = [];
  /** Functions that cancel the timers of this connection, by purpose. */
  readonly #timers = new Map<string, () => void>();
  #lastTypingAt = -Infinity;

  constructor(ports: ChatClientPorts) {
    this.#ports = ports;
    this.outbox = new Outbox(ports.outbox);
    this.connection = new Connection(ports.connection, {
      onOpen: () => this.#hello(),
      onPushes: (pushes) => {
        if (this.privateRooms) this.privateRooms.receive(pushes);
        else this.deliver(pushes);
      },
      onLost: (code) => this.#onLost(code),
      onStatusChange: () => ports.onChange(),
    });
    this.#openOutboxRooms();
  }

  get status(): ConnectionStatus {
    return this.connection.status;
  }

  /** Returns this person as the reader of a room's messages. */
  readerOf({ roster, log }: Room): TextReader {
    return {
      name: this.session.username,
      names: {
        *[Symbol.iterator]() {
          yield* roster.members.values();
          for (const { from } of log.messages) yield from;
        },
      },
    };
  }

  isMention(room: Room, { text = "", member }: Message): boolean {
    return member !== this.session.member && this.#ports.mentions(text, this.readerOf(room));
  }

  /** Recounts unread mentions, once the script that finds them has loaded. */
  recountMentions(): void {
    for (const room of this.rooms.values()) {
      if (!room.unread.isEmpty) this.#recountUnread(room);
    }
    this.#ports.onChange();
  }

  deliver(pushes: readonly Push[]): void {
    try {
      for (const push of pushes) {
        if (this.connection.status.kind === "open") this.#onPush(push);
      }
    } catch {
      this.connection.abort("invalid push");
    }
    this.#ports.onChange();
  }

  /** Asks the server for a name, connecting first if necessary. Does nothing once welcomed. */
  signIn(profile: Profile): void {
    if (this.session.isReady) return;
    this.problem = undefined;
    this.session.signIn(profile);
    if (this.connection.status.kind === "open") this.#hello();
    else this.connection.connect();
    this.#ports.onChange();
  }

  /** Disconnects, so that the member leaves its rooms at once. */
  signOut(): void {
    this.connection.close();
    this.#onLost(closeCode.left);
    this.session.state = { kind: "required" };
    this.#ports.onChange();
  }

  /** Opens a room. Returns false if there are too many, or if its texts can't be opened. */
  openRoom(name: string): boolean {
    this.problem = undefined;
    if (this.rooms.has(name)) return true;
    if (!isRoomName(name) || this.rooms.size >= limits.roomsPerSession) return false;
    if (isPrivateRoom(name) && !this.privateRooms) return false;
    const room = new Room(name);
    this.rooms.set(name, room);
    if (this.session.isReady) this.#join(room);
    this.#ports.onChange();
    return true;
  }

  /** Closes a room. Returns false if it has unsent entries, whose failure would go unnoticed. */
  leaveRoom(name: string): boolean {
    this.problem = undefined;
    if (this.outbox.messagesIn(name).length > 0) return false;
    if (!this.rooms.delete(name)) return true;
    this.#cancel(`join ${name}`);
    if (this.session.isReady) this.#send({ type: "leave", room: name });
    this.#openOutboxRooms();
    this.#ports.onChange();
    return true;
  }

  /** Adds a message or an edit to the outbox. Returns a problem if its text is invalid. */
  send(name: string, text: string, draft?: Omit<OutboxDraft, "text">): Problem | undefined {
    const cleaned = cleanText(text);
    if (!cleaned.ok) return cleaned;
    this.#lastTypingAt = -Infinity;
    this.post(name, { ...draft, text: cleaned.value });
    return undefined;
  }

  /** Adds an entry to the outbox, and sends it as soon as possible. */
  post(name: string, draft: OutboxDraft): void {
    this.outbox.add(name, draft);
    this.#flush(name);
  }

  /** Changes the text of an entry that has not been sent. Returns a problem if it is invalid. */
  change({ nonce, room }: OutboxMessage, text: string): Problem | undefined {
    const cleaned = cleanText(text);
    if (!cleaned.ok) return cleaned;
    this.outbox.change(nonce, cleaned.value);
    this.#flush(room);
    return undefined;
  }

  /** Retries a failed message, or sends a stale one. */
  retry({ nonce, room }: OutboxMessage): void {
    this.outbox.retry(nonce);
    this.#flush(room);
  }

  /** Removes a message from the outbox unless it is in flight, and returns it. */
  discard({ nonce }: OutboxMessage): OutboxMessage | undefined {
    const discarded = this.outbox.discard(nonce);
    this.#ports.onChange();
    return discarded;
  }

  /** Adopts the unsent messages of tabs without a heartbeat since `heardSince`. */
  adopt(heardSince: number): void {
    this.outbox.adopt(heardSince);
    this.#openOutboxRooms();
    for (const name of this.outbox.rooms) this.#sendNext(name);
    this.#ports.onChange();
  }

  /** Asks for the messages before those loaded. */
  loadOlder(name: string): void {
    const room = this.rooms.get(name);
    if (room?.log.hasOlder) {
      this.loadHistory(room, room.log.oldest, (push) => room.log.prepend(push));
    }
  }

  /** Asks for the newest messages before an offset, unless other messages are loading. */
  loadHistory(room: Room, before: number, onHistory: Room["onHistory"]): void {
    if (room.phase !== "live" || room.isLoadingOlder) return;
    room.isLoadingOlder = true;
    room.onHistory = onHistory;
    const limit = this.session.limits?.historyMax ?? limits.historyDefault;
    this.#send({ type: "history", room: room.name, before, limit });
    this.#ports.onChange();
  }

  /** Marks a room read up to an offset that another tab has read. */
  markReadUpTo(name: string, offset: number): void {
    const room = this.rooms.get(name);
    if (room === undefined || offset <= room.unread.readOffset) return;
    room.unread.readOffset = offset;
    this.#recountUnread(room, true);
    this.#ports.onChange();
  }

  /** Sends that the person is typing, at most every three seconds, if the server allows it. */
  sendTyping(name: string): void {
    const now = this.#ports.connection.now();
    const isWanted = this.session.limits?.typing && this.rooms.get(name)?.phase === "live";
    if (!isWanted || now - this.#lastTypingAt < typingIntervalMs) return;
    this.#lastTypingAt = now;
    this.#send({ type: "typing", room: name });
  }

  /** Sends a moderation command, unless the connection is lost. */
  command(command: ModeratorCommand | { readonly type: "moderate"; readonly code: string }): void {
    if (this.session.isReady) this.#send({ ...command });
  }

  /** Asks the server for another name. It must be valid. */
  rename(username: string): void {
    this.problem = this.session.isReady ? undefined : renameOffline;
    if (this.session.isReady) this.#send({ type: "rename", username });
    this.#ports.onChange();
  }

  #send(command: SentCommand): void {
    const pass = (sent: SentCommand) =>
      this.connection.send(JSON.stringify(sent), sent.type !== "typing");
    if (this.privateRooms) this.privateRooms.send(command, pass);
    else pass(command);
  }

  #hello(): void {
    if (this.session.profile === undefined || this.session.isReady) return;
    this.#helloRooms = [...this.rooms.keys()];
    const rooms = [...this.rooms.values()].map(({ name, log }) => ({
      room: name,
      ...log.position,
    }));
    this.#send({ type: "hello", ...this.session.profile, tab: this.#ports.tab, rooms });
  }

  /** Opens the rooms of unsent messages, up to the limit on open rooms. */
  #openOutboxRooms(): void {
    for (const name of this.outbox.rooms) this.openRoom(name);
  }

  #join(room: Room): void {
    this.#cancel(`join ${room.name}`);
    room.suspend("catching_up");
    this.#send({ type: "join", room: room.name, ...room.log.position });
  }

  /** Sends the pending messages of a room, joining it again if that was refused. */
  #flush(name: string): void {
    this.problem = undefined;
    const room = this.rooms.get(name);
    const isRefused = room?.phase === "not_joined" && !this.#timers.has(`join ${name}`);
    if (room !== undefined && isRefused && this.session.isReady) this.#join(room);
    this.#sendNext(name);
    this.#ports.onChange();
  }

  /** Sends the next pending message of a room, if the server accepts it now. */
  #sendNext(name: string): void {
    const room = this.rooms.get(name);
    if (room === undefined || !room.isJoined || room.waitReason) return;
    const next = this.outbox.takeNext(name);
    if (next === undefined) return;
    const { type = "message", text, nonce, reply, offset, locked } = next;
    const body = type === "delete" ? {} : { text };
    this.#send({ type, room: name, ...body, nonce, reply, offset, locked });
  }

  /** Runs a task later, unless the connection is lost first. Replaces the timer of that purpose. */
  #schedule(purpose: string, ms: number, task: () => void): void {
    this.#cancel(purpose);
    const cancel = this.#ports.connection.later(ms, () => {
      this.#timers.delete(purpose);
      task();
      this.#ports.onChange();
    });
    this.#timers.set(purpose, cancel);
  }

  #cancel(purpose: string): void {
    this.#timers.get(purpose)?.();
    this.#timers.delete(purpose);
  }

  #onLost(code: number): void {
    this.problem = undefined;
    this.session.end(code);
    // The next sign-in reconnects.
    if (this.session.state.kind === "required") this.connection.close();
    for (const purpose of this.#timers.keys()) this.#cancel(purpose);
    this.outbox.connectionLost(code);
    this.privateRooms?.reset();
    for (const room of this.rooms.values()) room.disconnect();
    this.#ports.onChange();
  }

  #onPush(push: Push): void {
    const { session } = this;
    switch (push.type) {
      case "welcome":
        return this.#onWelcome(push);
      case "you":
        session.rename(push.username);
        this.problem = undefined;
        return;
      case "ack":
        return this.#acknowledge(push);
      case "error":
        return this.#onError(push);
    }
    if (!("room" in push)) {
      return void (session.moderation = { ...session.moderation, [push.type]: push });
    }
    const room = this.rooms.get(push.room);
    if (room === undefined) return;
    // Includes entries of unknown types (E9).
    if ("nonce" in push && "offset" in push) return this.#onEntry(room, push);
    switch (push.type) {
      case "room":
        return this.#onPage(room, push);
      case "history":
        room.isLoadingOlder = false;
        room.onHistory?.(push);
        if (!room.unread.isEmpty) this.#recountUnread(room);
        return this.#acknowledgeOwn(push.messages);
      case "joined":
        return room.roster.add(push, room.log.head);
      case "left":
        // Sent when another tab of this member signs out, too.
        return push.member === session.member ? undefined : room.roster.remove(push, room.log.head);
      case "renamed":
        return room.roster.rename(push, room.log.head);
      case "count":
        return room.roster.replace(push.count, push.members);
      case "typing":
        room.roster.typing = push.usernames.map(String).filter((name) => name !== session.username);
        return this.#schedule(`typing ${room.name}`, typingTimeoutMs, () => {
          room.roster.typing = [];
        });
    }
  }

  #onWelcome(push: WelcomePush): void {
    this.problem = this.session.welcome(push);
    this.connection.timeoutMs = push.heartbeat.timeoutMs;
    // Rooms may have been opened and closed since the hello.
    const greeted = new Set(this.#helloRooms);
    for (const room of this.rooms.values()) {
      if (greeted.delete(room.name)) room.phase = "catching_up";
      else this.#join(room);
    }
    for (const room of greeted) this.#send({ type: "leave", room });
  }

  #onPage(room: Room, push: RoomPush): void {
    // Messages from before the first visit don't count as unread.
    const isKnown = !room.isFirstVisit || room.unread.readOffset > 0;
    if (!room.applyPage(push)) return this.connection.abort("a page leaves a hole");
    this.#acknowledgeOwn(push.messages);
    for (const entry of push.messages) if (entry.type === "delete") this.#onDelete(room, entry);
    if (isKnown) this.#recountUnread(room, true);
    else if (!push.more) room.unread.markRead();
    if (push.more) return this.#join(room);
    room.isJoined = true;
    const missed = room.unread.takeMissed();
    if (missed !== undefined) this.#ports.onMessage?.(room, missed.message, missed.isMention);
    this.#sendNext(room.name);
  }

  #onEntry(room: Room, push: EntryPush): void {
    this.#acknowledgeOwn([push]);
    // While the room is catching up, its pages bring this entry too.
    if (room.phase !== "live") return;
    const result = room.append(push);
    if (result === "gap") return this.#join(room);
    if (result === "duplicate") return;
    if (push.type === "delete") this.#onDelete(room, push);
    const message = room.log.messages.at(-1);
    if (push.type !== "message" || message === undefined) return;
    room.roster.stopTyping(push.from);
    if (this.#isIgnored(push.member)) return;
    const isMention = this.isMention(room, message);
    room.unread.add(isMention);
    this.#ports.onMessage?.(room, message, isMention);
  }

  #onDelete(room: Room, { targets }: DeletePush): void {
    this.outbox.forget(room.name, targets);
    this.#ports.onDelete?.(room, targets);
  }

  /** Recounts a room's unread messages, and moves its line "new since" if there are new ones. */
  #recountUnread(room: Room, hasNews = false): void {
    room.unread.recount(
      (member) => this.#isIgnored(member),
      (message) => this.isMention(room, message),
      hasNews,
    );
  }

  /** Whether a member's messages never count as unread. */
  #isIgnored(member: string): boolean {
    return member === this.session.member || this.hidden.has(member);
  }

  #acknowledgeOwn(messages: readonly EntryPush[]): void {
    for (const entry of messages) {
      if (entry.member === this.session.member) this.#acknowledge(entry);
    }
  }

  #acknowledge({ room, nonce, offset }: Pick<EntryPush, "room" | "nonce" | "offset">): void {
    if (this.problem?.code === "storage_unavailable") this.problem = undefined;
    this.outbox.acknowledge(room, nonce, offset);
    this.#sendNext(room);
  }

  #onError(push: ErrorPush): void {
    const { re, room: name = "", nonce, retryAfter = defaultRetryMs } = push;
    const problem = toProblem(push);
    const room = this.rooms.get(name);
    if (re === "hello") return this.#onHelloRefused(problem);
    if (nonce !== undefined && room !== undefined) {
      const state = this.outbox.reject(name, nonce, problem);
      if (state === "dropped") this.problem = problem;
      if (state !== "pending") return this.#sendNext(name);
      if (problem.code === "not_joined") {
        room.isJoined = false;
        return this.#join(room);
      }
      if (problem.code === "storage_unavailable") this.problem = problem;
      room.waitReason = problem;
      return this.#schedule(`message ${name}`, retryAfter, () => {
        room.waitReason = undefined;
        this.#sendNext(name);
      });
    }
    if (re === "history" && room !== undefined) room.isLoadingOlder = false;
    if (re === "join" && room !== undefined) {
      room.phase = "not_joined";
      room.isJoined = false;
      if (mayRetry(problem.code)) {
        return this.#schedule(`join ${name}`, retryAfter, () => this.#join(room));
      }
      // A room with unsent messages stays open and shows the reason; so does the only room.
      const unsent = this.outbox.messagesIn(name);
      for (const { nonce } of unsent) this.outbox.reject(name, nonce, problem);
      if (unsent.length === 0 && this.rooms.size > 1) this.rooms.delete(name);
    }
    // If a leave is refused, the room was not joined in the first place.
    if (re !== "typing" && re !== "leave") this.problem = problem;
  }

  #onHelloRefused(problem: Problem): void {
    if (this.session.isReady) return;
    if (mayRetry(problem.code)) {
      this.problem = problem;
      return this.#schedule("hello", problem.retryAfter ?? defaultRetryMs, () => this.#hello());
    }
    this.session.state = { kind: "required", problem };
  }
}

const renameOffline: Problem = { code: "rename_offline", message: "" };

function toProblem({ code, message, re, retryAfter }: ErrorPush): Problem {
  return { code, message: String(message), re, ...(retryAfter !== undefined && { retryAfter }) };
}
