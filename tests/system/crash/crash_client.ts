// A plain client of the protocol, written from SPEC.md alone. It checks what it receives, and
// records it in the ledger. The test decides what it does and when.

import { mayRetry } from "../../../app/protocol/wire.ts";
import type {
  EntryPush,
  ErrorPush,
  HistoryPush,
  Push,
  RoomPush,
} from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { abnormalCodes, bannedCode, floodingCode, restartingCode } from "./close_codes.ts";
import { Connection } from "./connection.ts";
import { CrashOutbox, isFinal } from "./crash_outbox.ts";
import type { EntryFields } from "./crash_outbox.ts";
import type { Ledger } from "./ledger.ts";
import type { Person } from "./person.ts";
import { checkJoin } from "./join_check.ts";
import { applyEntry, applyToRoom, emptyRoomView, removeMember, setMember } from "./room_view.ts";
import type { RoomView } from "./room_view.ts";

/** Options of a client. */
export interface ClientOptions {
  /** The nodes' URLs. Each connection goes to a random one. */
  readonly urls: readonly string[];
  readonly person: Person;
  /** The number of the person's tab. Only tab 0 renames. */
  readonly tab: number;
  readonly username: string;
  readonly ledger: Ledger;
  readonly random: SeededRandom;
  /** Called after each `welcome`. */
  readonly onWelcome?: () => void;
  /** Called with each push. Returns true if it handled the push. */
  readonly onPush?: (push: Push) => boolean;
  readonly onDisconnect?: () => void;
}

const retryMs = 1_000;
const lostCode = 1006;
const entryTypes: ReadonlySet<string> = new Set(["message", "edit", "delete", "title"]);
/** How many of the newest messages are edited and deleted: few, so that clients often collide. */
const maxCandidates = 20;

/** One tab of a person. */
export class Client {
  readonly #options: ClientOptions;
  readonly #connection: Connection;
  readonly #outbox: CrashOutbox;
  readonly id: string;
  readonly views = new Map<string, RoomView>();
  #welcomed = false;
  #silenceMs = 60_000;
  #helloTries = 0;
  /** When it sent its last `hello` and `rename`, in ms since 1970. */
  #helloAt = 0;
  #renameAt = 0;
  /** Rooms named in the last `hello`. */
  #helloRooms = new Set<RoomView>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.id = `${options.person.id}/${options.tab}`;
    this.#outbox = new CrashOutbox({
      ...options,
      id: this.id,
      send: (command) => this.#send(command),
    });
    this.#connection = new Connection({
      ...options,
      onOpen: () => this.#sendHello(options.username),
      onFrame: (pushes) => {
        options.ledger.frameCount++;
        this.#receive(pushes);
      },
      onClose: (code, reason) => {
        this.#checkClose(code, reason);
        this.#reconnectLater(code, reason);
      },
    });
  }

  /** Connects, and reconnects until `goodbye` or `vanish`. */
  start(): void {
    this.#connection.isStarted = true;
    this.#connection.connectNow();
  }

  /** Reconnects at once, as when the network returns. */
  reconnectNow(): void {
    this.#connection.connectNow();
  }

  /** Abandons a connection that was silent for too long. */
  checkSilence(): void {
    if (!this.#welcomed || this.#connection.silentMs < this.#silenceMs) return;
    this.#options.ledger.addViolation(`${this.id} received nothing for ${this.#silenceMs} ms`);
    this.abandon();
  }

  get person(): Person {
    return this.#options.person;
  }

  /** Whether it reconnects after losing its connection. */
  get isStarted(): boolean {
    return this.#connection.isStarted;
  }

  /** URL of its current connection. */
  get url(): string {
    return this.#connection.url;
  }

  /** The public id of its person. */
  get member(): string {
    return this.#options.person.member ?? "";
  }

  get isConnected(): boolean {
    return this.#welcomed;
  }

  /** Whether it has every message and an empty outbox. */
  get isSettled(): boolean {
    const { ledger } = this.#options;
    return this.#welcomed && [...this.views.values()].every((view) =>
      view.phase === "out" ||
      view.phase === "live" && view.outbox.length === 0 &&
        view.position?.offset === ledger.headOf(view.name)
    );
  }

  /** The rooms that it is in or joining. */
  get rooms(): readonly string[] {
    return [...this.views.values()].filter(({ phase }) => phase === "live" || phase === "joining")
      .map(({ name }) => name);
  }

  /** Puts a message into the outbox. */
  send(room: string, text: string): void {
    this.#put(this.#view(room), { type: "message", text });
  }

  /** Puts an edit or a deletion into the outbox, sometimes of another person's message. */
  amend(room: string, type: "edit" | "delete", text = ""): void {
    const { random, person } = this.#options;
    const view = this.#view(room);
    const isAny = random.isTrue(0.05);
    const candidates = [...view.messages].filter(([, { member }]) =>
      isAny || member === person.member
    );
    const [target] = random.pick(candidates.slice(-maxCandidates)) ?? [];
    if (target !== undefined) this.#put(view, { type, text, target });
  }

  /** Puts a title into the outbox. Only a moderator can lock it, or remove it with an empty one. */
  title(room: string, text: string, locked?: true): void {
    this.#put(this.#view(room), { type: "title", text, locked });
  }

  /** Deletes anyone's message, as a moderator can. */
  remove(room: string): void {
    const view = this.#view(room);
    const [target] = this.#options.random.pick([...view.messages].slice(-maxCandidates)) ?? [];
    if (target !== undefined) this.#put(view, { type: "delete", text: "", target });
  }

  /** Sends a command other than an entry. */
  command(command: Readonly<Record<string, unknown>>): void {
    this.#send(command);
  }

  #put(view: RoomView, fields: EntryFields): void {
    this.#outbox.add(view, fields);
    if (view.phase === "out") this.join(view.name);
    this.#outbox.sendNext(view);
  }

  /** Records its view of each room, once it has caught up. */
  recordViews(): void {
    const { ledger } = this.#options;
    for (const { name, phase, messages, title } of this.views.values()) {
      if (phase !== "live") continue;
      ledger.addView(this.id, name, messages);
      ledger.addTitle(this.id, name, title);
    }
  }

  join(room: string): void {
    const view = this.#view(room);
    if (view.phase !== "out") return;
    view.phase = "joining";
    if (this.#welcomed) this.#sendJoin(view);
  }

  leave(room: string): void {
    const view = this.#view(room);
    if (!this.#welcomed || view.phase !== "live" || view.outbox.length > 0) return;
    view.phase = "leaving";
    this.#send({ type: "leave", room });
  }

  rename(username: string): void {
    const { person, tab } = this.#options;
    if (!this.#welcomed || tab !== 0 || person.isRenaming || username === person.name) return;
    person.requestName(username);
    this.#renameAt = Date.now();
    this.#send({ type: "rename", username });
  }

  /** Requests the page before its oldest message. */
  scrollBack(room: string): void {
    const view = this.#view(room);
    if (view.phase !== "live" || view.pendingHistory !== undefined || view.oldest <= 1) return;
    view.pendingHistory = view.oldest;
    this.#send({ type: "history", room, before: view.oldest, limit: 100 });
  }

  /** Leaves its connection half-open and makes a new one, as after a network change. */
  abandon(): void {
    if (!this.#welcomed) return;
    this.#reconnectLater(lostCode, "");
    this.reconnectNow();
  }

  /** Closes without a goodbye, as a reloaded page does, and reconnects. */
  drop(): void {
    if (!this.#welcomed) return;
    this.#reconnectLater(lostCode, "", 3000);
  }

  /** Closes without a goodbye and stays away until it is started. */
  vanish(): void {
    this.#connection.isStarted = false;
    this.#detach(3000);
    if (this.#options.tab === 0) this.#options.person.onDisconnect(false);
  }

  /** Says goodbye and stays away until it is started. */
  goodbye(): void {
    const { person, tab } = this.#options;
    this.#connection.isStarted = false;
    this.#detach(1000);
    if (tab === 0) person.onDisconnect(true);
  }

  /** Allows for the loss of its name, because its node may already have been declared dead. */
  expectNameLoss(): void {
    if (this.#options.tab === 0) this.#options.person.onDisconnect(false);
  }

  /** Says goodbye, and resolves when all its sockets and timers are gone. */
  async end(): Promise<void> {
    this.goodbye();
    await this.#connection.end();
  }

  /** Checks that the server was allowed to close a connection with this code. */
  #checkClose(code: number, reason: string): void {
    if (!this.#welcomed) return;
    const { ledger } = this.#options;
    ledger.closeCodes.set(code, (ledger.closeCodes.get(code) ?? 0) + 1);
    // Deno may drop the close frame of a ban.
    const isBanned = (code === bannedCode || abnormalCodes.includes(code)) &&
      ledger.sanctions.isPossible("ban", this.member, Date.now());
    // Without rate limits, a muted client can send its whole outbox at once, and each is refused.
    const isMuted = code === floodingCode &&
      ledger.sanctions.isPossible("mute", this.member, Date.now());
    if (!isBanned && !isMuted && !ledger.allowedCloseCodes.get(this.url)?.includes(code)) {
      ledger.addViolation(`${this.id} was closed with ${code} ${reason}`);
    }
    if (code === restartingCode && !/^\d+$/.test(reason)) {
      ledger.addViolation(
        `${this.id} was closed with 1012 and the reason ${JSON.stringify(reason)}`,
      );
    }
  }

  /** Detaches from the socket, and closes it if there is a code. */
  #detach(code?: number): void {
    if (this.#welcomed) this.#options.onDisconnect?.();
    this.#welcomed = false;
    this.#connection.detach(code);
    for (const view of this.views.values()) {
      view.hasInFlight = false;
      view.pendingHistory = undefined;
      view.phase = view.phase === "out" || view.phase === "leaving" ? "out" : "joining";
    }
  }

  /** Detaches, and reconnects as after a close with `code` and `reason`. */
  #reconnectLater(code: number, reason: string, closeWith?: number): void {
    const { person, tab } = this.#options;
    this.#detach(closeWith);
    if (tab === 0) person.onDisconnect(false);
    this.#connection.scheduleReconnect(code, reason);
  }

  #send(command: Readonly<Record<string, unknown>>): void {
    this.#connection.send(command);
  }

  #receive(pushes: readonly Push[]): void {
    if (pushes.length === 0) this.#send({ type: "pong" });
    for (const push of pushes) this.#handlePush(push);
  }

  #handlePush(push: Push): void {
    const { person, tab, ledger, onWelcome, onPush } = this.#options;
    if (onPush?.(push)) return;
    switch (push.type) {
      case "welcome":
        this.#welcomed = true;
        this.#helloTries = 0;
        this.#silenceMs = push.heartbeat.timeoutMs;
        ledger.counts.connections++;
        ledger.onWelcome(person, push.member);
        ledger.sanctions.checkWelcome(push.member, this.#helloAt);
        onWelcome?.();
        if (tab === 0) person.onNameConfirmed(push.username);
        for (const view of this.views.values()) {
          if (view.phase === "joining" && !this.#helloRooms.has(view)) this.#sendJoin(view);
        }
        return;
      case "you":
        if (tab === 0) person.onNameConfirmed(push.username);
        return;
      case "room":
        return this.#handleRoom(push);
      case "message":
      case "edit":
      case "delete":
      case "title":
        return this.#handleEntry(push);
      case "ack":
        return this.#outbox.onAck(this.#view(push.room), push.nonce, push.offset, true);
      case "history":
        return this.#handleHistory(push);
      case "joined":
        return this.#setMember(this.#view(push.room), push.member, push.username);
      case "renamed":
        return this.#setMember(this.#view(push.room), push.member, push.to);
      case "left": {
        const view = this.#view(push.room);
        removeMember(view, push.member);
        if (push.member === person.member && view.phase === "leaving") view.phase = "out";
        return;
      }
      case "error":
        if (push.re === "hello" && push.code === "username_taken" && this.#helloTries++ < 3) {
          ledger.counts.namesTaken++;
          return this.#sendHello(`${this.#options.username} ${this.#helloTries}`);
        }
        if (push.re === "hello" && push.code === "banned") return this.#returnLater();
        if (push.re === "rename" && push.code === "muted") {
          ledger.sanctions.checkRefusal("mute", this.member, this.#renameAt);
          return person.onNameRefused();
        }
        // The broker refused the command just before the ban closed the session.
        if (push.code === "banned" && !entryTypes.has(push.re)) return;
        if (push.re === "rename" && ["username_taken", "rate_limited"].includes(push.code)) {
          return person.onNameRefused();
        }
        if (entryTypes.has(push.re) && push.code === "draining") return;
        if (entryTypes.has(push.re) && isFinal(push)) {
          return this.#outbox.onRefusal(this.#view(push.room ?? ""), push);
        }
        if (entryTypes.has(push.re) && mayRetry(push.code)) {
          const view = this.#view(push.room ?? "");
          if (push.code === "storage_unavailable") {
            ledger.counts.unavailable++;
            this.#outbox.expectAck(view, push.nonce);
          }
          this.#connection.laterOnSocket(push.retryAfter ?? retryMs, () => {
            view.hasInFlight = false;
            this.#outbox.sendNext(view);
          });
          return;
        }
        if (push.code === "storage_unavailable") return this.#retryUnavailable(push);
        return ledger.addViolation(`${this.id} was refused: ${JSON.stringify(push)}`);
    }
  }

  /** Connects again later: a moderator may have lifted the ban. */
  #returnLater(): void {
    const { ledger } = this.#options;
    ledger.counts.banned++;
    ledger.sanctions.checkRefusal("ban", this.member, this.#helloAt);
    this.#reconnectLater(bannedCode, "", 3000);
  }

  /** Repeats a refused command later, if the connection still exists then. */
  #retryUnavailable({ re, room, retryAfter }: ErrorPush): void {
    const view = room === undefined ? undefined : this.#view(room);
    this.#options.ledger.counts.unavailable++;
    if (re === "history" && view !== undefined) view.pendingHistory = undefined;
    // A `you` push shows whether a rename took effect.
    this.#connection.laterOnSocket(retryAfter ?? retryMs, () => {
      if (re === "hello" && !this.#welcomed) this.#sendHello(this.#options.username);
      if (re === "join" && view?.phase === "joining") this.#sendJoin(view);
    });
  }

  #sendHello(username: string): void {
    const { person, tab } = this.#options;
    person.names.add(username);
    this.#helloAt = Date.now();
    this.#helloRooms = new Set([...this.views.values()].filter(({ phase }) => phase === "joining"));
    for (const view of this.#helloRooms) view.requested = view.position;
    const rooms = Array.from(
      this.#helloRooms,
      ({ name, requested }) => ({ room: name, ...requested }),
    );
    this.#send({ type: "hello", username, token: person.token, tab: `tab${tab}`, rooms });
  }

  #sendJoin(view: RoomView): void {
    view.requested = view.position;
    this.#send({ type: "join", room: view.name, ...view.position });
  }

  #handleRoom(push: RoomPush): void {
    const { ledger } = this.#options;
    const view = this.#view(push.room);
    const { requested } = view;
    const where = `${this.id} in ${push.room}`;
    if (view.phase !== "joining") {
      return ledger.addViolation(`${where} got a room that it did not join`);
    }
    const oldest = push.messages[0]?.offset ?? push.offset + 1;
    checkJoin(ledger, this.id, push, requested);
    if (!push.recovered) {
      view.oldest = oldest;
      view.messages.clear();
    }
    if (push.more) ledger.counts.pages++;
    const end = this.#checkRange(push, oldest, push.recovered ? requested?.epoch : undefined);
    if (end.offset !== push.offset || push.offset > 0 && (end.epoch ?? push.epoch) !== push.epoch) {
      ledger.addViolation(
        `${where} was brought to ${end.offset}, not to ${push.offset} of ${push.epoch}`,
      );
    }
    view.position = { epoch: push.epoch, offset: push.offset };
    view.title = push.title;
    if (push.more) return this.#sendJoin(view);
    view.phase = "live";
    view.usernames.clear();
    view.members.clear();
    for (const { member, username } of push.members ?? []) this.#setMember(view, member, username);
    this.#outbox.sendNext(view);
  }

  /** Checks that messages are consecutive. Returns the position after them. */
  #checkRange(
    { room, messages }: RoomPush | HistoryPush,
    from: number,
    previousEpoch: string | undefined,
  ): { offset: number; epoch: string | undefined } {
    const { ledger, person } = this.#options;
    let [epoch, offset] = [previousEpoch, from - 1];
    for (const entry of messages) {
      epoch = entry.epoch ?? epoch;
      if (entry.offset !== ++offset || entry.room !== room) {
        ledger.addViolation(`${this.id} in ${room} got ${entry.offset} of ${epoch} at ${offset}`);
      }
      ledger.onReceived(this.id, entry, epoch);
      applyEntry(this.#view(room).messages, entry);
      // Some clients treat their own message as an ack. The others send it again and must get an
      // ack.
      if (entry.member === person.member && this.#acceptsOwnMessageAsAck) {
        this.#outbox.onAck(this.#view(room), entry.nonce, entry.offset, false);
      }
    }
    return { offset, epoch };
  }

  get #acceptsOwnMessageAsAck(): boolean {
    return this.#options.tab % 2 === 1 || this.#connection.attempt % 2 === 1;
  }

  #handleEntry(push: EntryPush): void {
    const { ledger, person } = this.#options;
    const view = this.#view(push.room);
    const { position } = view;
    const isLive = view.phase === "live" || view.phase === "leaving";
    if (!isLive || position === undefined || push.offset !== position.offset + 1) {
      return ledger.addViolation(
        `${this.id} in ${push.room} (${view.phase}) got ${push.offset} after ${position?.offset}`,
      );
    }
    const epoch = push.epoch ?? (position.offset === 0 ? "" : position.epoch);
    view.position = { epoch, offset: push.offset };
    ledger.onReceived(this.id, push, epoch);
    applyToRoom(view, push);
    if (push.member === person.member) {
      this.#outbox.onAck(view, push.nonce, push.offset, false);
    }
  }

  #handleHistory(push: HistoryPush): void {
    const { ledger } = this.#options;
    const view = this.#view(push.room);
    const before = view.pendingHistory ?? 0;
    view.pendingHistory = undefined;
    const oldest = push.messages[0]?.offset ?? before;
    const end = this.#checkRange(push, oldest, undefined);
    if (end.offset !== before - 1 || before > 1 && push.messages.length === 0) {
      ledger.addViolation(
        `${this.id} requested ${push.room} before ${before} and got ${oldest}`,
      );
    }
    if (view.oldest === before) view.oldest = oldest;
  }

  #setMember(view: RoomView, member: string, username: string): void {
    if (setMember(view, member, username)) return;
    this.#options.ledger.addViolation(
      `${this.id} sees two members called ${username} in ${view.name}`,
    );
  }

  #view(name: string): RoomView {
    let view = this.views.get(name);
    if (view === undefined) {
      view = emptyRoomView(name);
      this.views.set(name, view);
    }
    return view;
  }
}
