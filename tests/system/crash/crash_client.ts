// A plain client of the protocol, written from SPEC.md alone: it writes, comes back after every loss and keeps books. What it
// does, and when, is said by the test.

import { usernameKey } from "../../../app/protocol/text.ts";
import { mayRetry, subprotocol } from "../../../app/protocol/wire.ts";
import type {
  ErrorPush,
  HistoryPush,
  MessagePush,
  Position,
  Push,
  RoomPush,
} from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Books, Person, Written } from "./ledger.ts";

/** What a client is made of. */
export interface ClientOptions {
  /** Where the servers are; each connection is made to any of them. */
  readonly urls: readonly string[];
  readonly person: Person;
  /** Which of the person's tabs this is; the first one is who renames. */
  readonly tab: number;
  readonly username: string;
  readonly books: Books;
  readonly chance: SeededRandom;
}

/** A room as this client has it. */
interface View {
  readonly name: string;
  phase: "out" | "joining" | "live" | "leaving";
  /** The last message that it has. */
  position: Position | undefined;
  /** The position with which it asked to come in. */
  asked: Position | undefined;
  /** Offset of the oldest message of the range that ends at `position`. */
  first: number;
  historyBefore: number | undefined;
  readonly outbox: Written[];
  inFlight: boolean;
  count: number;
  /** Names by member, and members by the key of the name. */
  readonly nameOf: Map<string, string>;
  readonly memberOf: Map<string, string>;
}

const backoffLeastMs = 500;
const backoffMostMs = 20_000;
const settledMs = 10_000;
const restartingCode = 1012;
const abnormalCode = 1006;
const retryMs = 1_000;

/** One tab of a person. */
export class Client {
  readonly #options: ClientOptions;
  readonly id: string;
  readonly views = new Map<string, View>();
  /** Whether it comes back when its connection is lost. */
  isOn = false;
  #socket: WebSocket | undefined;
  /** Where its connection leads to. */
  url = "";
  #welcomed = false;
  /** Sockets whose close event has not come, abandoned ones among them. */
  readonly #open = new Map<WebSocket, Promise<void>>();
  /** Ends what waits for its time. */
  readonly #timers = new Set<() => void>();
  #cancelReconnect = () => {};
  #attempt = 0;
  #openedAt: number | undefined;
  #heardAt = 0;
  #silenceMs = 60_000;
  #tries = 0;
  /** Messages that may be stored by a try that was not answered, while another is under way: each may have its own answer. */
  readonly #retried = new Set<string>();
  /** Rooms that the hello named. */
  #greeted = new Set<View>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.id = `${options.person.id}/${options.tab}`;
  }

  // ---------------------------------------------------------------- what it is told to do

  /** Connects, and comes back until it says goodbye. */
  start(): void {
    this.isOn = true;
    if (this.#socket === undefined) this.#connect();
  }

  /** The network has returned: it goes at once. */
  hurry(): void {
    if (this.isOn && this.#socket === undefined) this.#connect();
  }

  /** Closes a connection that was silent for too long. */
  watch(): void {
    if (!this.#welcomed || performance.now() - this.#heardAt < this.#silenceMs) return;
    this.#options.books.violate(`${this.id} heard nothing for a minute`);
    this.abandon();
  }

  /** The public id of who it speaks for. */
  get member(): string {
    return this.#options.person.member ?? "";
  }

  get isHere(): boolean {
    return this.#welcomed;
  }

  /** True when it has everything and nothing waits to be sent. */
  get isSettled(): boolean {
    const { books } = this.#options;
    return this.#welcomed && [...this.views.values()].every((view) =>
      view.phase === "out" ||
      view.phase === "live" && view.outbox.length === 0 &&
        view.position?.offset === books.headOf(view.name)
    );
  }

  /** Rooms that it is in and can say something in. */
  get rooms(): readonly string[] {
    return [...this.views.values()].filter(({ phase }) => phase === "live" || phase === "joining")
      .map(({ name }) => name);
  }

  /** Puts a message into the outbox; it goes when it is its turn. */
  say(room: string, text: string): void {
    const { person, tab, books } = this.#options;
    const view = this.#view(room);
    // Others have the same nonces, and so has this one in other rooms: a repeat goes by all three.
    const written: Written = { person, room, text, nonce: `${tab}-${++view.count}` };
    books.writes(written);
    view.outbox.push(written);
    if (view.phase === "out") this.join(room);
    this.#sendNext(view);
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
    person.asks(username);
    this.#send({ type: "rename", username });
  }

  /** Asks for what is before the oldest message that it has. */
  scrollBack(room: string): void {
    const view = this.#view(room);
    if (view.phase !== "live" || view.historyBefore !== undefined || view.first <= 1) return;
    view.historyBefore = view.first;
    this.#send({ type: "history", room, before: view.first, limit: 100 });
  }

  /** The network is gone and nobody was told: the old connection stays as it is, and a new one is made. */
  abandon(): void {
    if (!this.#welcomed) return;
    this.#forget();
    this.#lost(abnormalCode, "");
    this.hurry();
  }

  /** Closes as a page does that is reloaded or torn off: not a goodbye. */
  drop(): void {
    if (!this.#welcomed) return;
    const socket = this.#socket;
    this.#forget();
    socket?.close(3000);
    this.#lost(abnormalCode, "");
  }

  /** Is gone for a time without a goodbye. */
  vanish(): void {
    this.isOn = false;
    const socket = this.#socket;
    this.#forget();
    socket?.close(3000);
    if (this.#options.tab === 0) this.#options.person.isAway(false);
  }

  /** Says goodbye, and does not come back before it is started. */
  goodbye(): void {
    const { person, tab } = this.#options;
    this.isOn = false;
    const socket = this.#socket;
    this.#forget();
    socket?.close(1000);
    if (tab === 0) person.isAway(true);
  }

  /** It is held for gone, and does not know it yet. */
  mayLoseItsName(): void {
    if (this.#options.tab === 0) this.#options.person.isAway(false);
  }

  /** Ends the use of the client; resolves when nothing of it is left. */
  async end(): Promise<void> {
    this.goodbye();
    for (const cancel of this.#timers) cancel();
    await Promise.all(this.#open.values());
  }

  // ---------------------------------------------------------------- the connection

  #connect(): void {
    this.#cancelReconnect();
    const { urls, books, chance } = this.#options;
    this.url = chance.pick(urls) ?? "";
    const socket = new WebSocket(this.url, subprotocol);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket = socket;
    this.#open.set(socket, promise);
    socket.addEventListener("open", () => {
      // Given up before it was open: it says no hello, and the server need not wait for one.
      if (socket !== this.#socket) return socket.close(3000);
      this.#openedAt = this.#heardAt = performance.now();
      this.#sayHello(this.#options.username);
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      books.frames++;
      this.#heardAt = performance.now();
      this.#take(JSON.parse(data));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#open.delete(socket);
      resolve();
      if (socket !== this.#socket) return;
      this.#ended(code, reason);
      this.#forget();
      this.#lost(code, reason);
    });
  }

  /** Looks whether the server had a right to end a connection, and how. */
  #ended(code: number, reason: string): void {
    if (!this.#welcomed) return;
    const { books } = this.#options;
    books.codes.set(code, (books.codes.get(code) ?? 0) + 1);
    if (!books.mayEndWith.get(this.url)?.includes(code)) {
      books.violate(`${this.id} was closed with ${code} ${reason}`);
    }
    if (code === restartingCode && !/^\d+$/.test(reason)) {
      books.violate(`${this.id} was told to come back within ${JSON.stringify(reason)}`);
    }
  }

  #forget(): void {
    this.#socket = undefined;
    this.#welcomed = false;
    this.#cancelReconnect();
    for (const view of this.views.values()) {
      view.inFlight = false;
      view.historyBefore = undefined;
      view.phase = view.phase === "out" || view.phase === "leaving" ? "out" : "joining";
    }
  }

  /** C2: when it comes back. */
  #lost(code: number, reason: string): void {
    const { person, tab, chance } = this.#options;
    if (tab === 0) person.isAway(false);
    if (!this.isOn) return;
    const now = performance.now();
    if (this.#openedAt !== undefined && now - this.#openedAt >= settledMs) this.#attempt = 0;
    this.#openedAt = undefined;
    const most = Math.min(backoffMostMs, 2 * backoffLeastMs * 2 ** this.#attempt++);
    const wait = code === restartingCode
      ? chance.next() * Number(reason)
      : backoffLeastMs + chance.next() * (most - backoffLeastMs);
    this.#cancelReconnect = this.#later(wait, () => this.hurry());
  }

  #later(ms: number, task: () => void): () => void {
    const timer = setTimeout(() => {
      this.#timers.delete(cancel);
      task();
    }, ms);
    const cancel = () => {
      clearTimeout(timer);
      this.#timers.delete(cancel);
    };
    this.#timers.add(cancel);
    return cancel;
  }

  #send(command: Readonly<Record<string, unknown>>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  // ---------------------------------------------------------------- what it is told

  #take(pushes: readonly Push[]): void {
    if (pushes.length === 0) this.#send({ type: "pong" });
    for (const push of pushes) this.#takePush(push);
  }

  #takePush(push: Push): void {
    const { person, tab, books } = this.#options;
    switch (push.type) {
      case "welcome":
        this.#welcomed = true;
        this.#tries = 0;
        this.#silenceMs = push.heartbeat.timeoutMs;
        books.counts.connections++;
        books.meets(person, push.member);
        if (tab === 0) person.isCalled(push.username);
        for (const view of this.views.values()) {
          if (view.phase === "joining" && !this.#greeted.has(view)) this.#sendJoin(view);
        }
        return;
      case "you":
        if (tab === 0) person.isCalled(push.username);
        return;
      case "room":
        return this.#takeRoom(push);
      case "message":
        return this.#takeMessage(push);
      case "ack":
        return this.#takeAnswer(push.room, push.nonce, push.offset, true);
      case "history":
        return this.#takeHistory(push);
      case "joined":
        return this.#isThere(this.#view(push.room), push.member, push.username);
      case "renamed":
        return this.#isThere(this.#view(push.room), push.member, push.to);
      case "left": {
        const view = this.#view(push.room);
        const name = view.nameOf.get(push.member);
        if (name !== undefined) view.memberOf.delete(usernameKey(name));
        view.nameOf.delete(push.member);
        if (push.member === person.member && view.phase === "leaving") view.phase = "out";
        return;
      }
      case "error":
        if (push.re === "hello" && push.code === "username_taken" && this.#tries++ < 3) {
          books.counts.taken++;
          return this.#sayHello(`${this.#options.username} ${this.#tries}`);
        }
        if (push.re === "rename" && ["username_taken", "rate_limited"].includes(push.code)) {
          return person.isRefused();
        }
        if (push.re === "message" && push.code === "draining") return;
        if (push.re === "message" && mayRetry(push.code)) {
          const view = this.#view(push.room ?? "");
          const socket = this.#socket;
          if (push.code === "storage_unavailable") {
            books.counts.unavailable++;
            this.#retried.add(`${push.room} ${push.nonce}`);
          }
          this.#later(push.retryAfter ?? retryMs, () => {
            if (socket !== this.#socket) return;
            view.inFlight = false;
            this.#sendNext(view);
          });
          return;
        }
        if (push.code === "storage_unavailable") return this.#takeUnavailable(push);
        return books.violate(`${this.id} was refused: ${JSON.stringify(push)}`);
    }
  }

  /** The log could not be reached; what was asked for is asked for again on this connection, unless it is gone by then. */
  #takeUnavailable({ re, room, retryAfter }: ErrorPush): void {
    const socket = this.#socket;
    const view = room === undefined ? undefined : this.#view(room);
    this.#options.books.counts.unavailable++;
    if (re === "history" && view !== undefined) view.historyBefore = undefined;
    // Whether a rename was done is told by what comes.
    this.#later(retryAfter ?? retryMs, () => {
      if (socket !== this.#socket) return;
      if (re === "hello" && !this.#welcomed) this.#sayHello(this.#options.username);
      if (re === "join" && view?.phase === "joining") this.#sendJoin(view);
    });
  }

  #sayHello(username: string): void {
    const { person, tab } = this.#options;
    person.names.add(username);
    this.#greeted = new Set([...this.views.values()].filter(({ phase }) => phase === "joining"));
    for (const view of this.#greeted) view.asked = view.position;
    const rooms = Array.from(this.#greeted, ({ name, asked }) => ({ room: name, ...asked }));
    this.#send({ type: "hello", username, token: person.token, tab: `tab${tab}`, rooms });
  }

  #sendJoin(view: View): void {
    view.asked = view.position;
    this.#send({ type: "join", room: view.name, ...view.position });
  }

  #takeRoom(push: RoomPush): void {
    const { books } = this.#options;
    const view = this.#view(push.room);
    const { asked } = view;
    const where = `${this.id} in ${push.room}`;
    if (view.phase !== "joining") {
      return books.violate(`${where} got a room that it did not ask for`);
    }
    const oldest = push.messages[0]?.offset ?? push.offset + 1;
    const missed = asked === undefined ? 0 : oldest - 1 - asked.offset;
    if (push.recovered) {
      books.counts.recovered++;
      if (asked === undefined || missed !== 0 || push.missed !== undefined) {
        books.violate(`${where} recovered ${asked?.offset} with ${oldest} to ${push.offset}`);
      }
    } else {
      view.first = oldest;
      // No log of this test is ever taken back, so every position is valid.
      if (asked !== undefined) {
        books.counts.notRecovered++;
        books.counts.missed += missed;
        if (push.offset - asked.offset <= 1_000 || push.missed !== missed || missed <= 0) {
          books.violate(
            `${where} lost ${asked.offset} with ${oldest} to ${push.offset}, missed ${push.missed}`,
          );
        }
      } else if (push.missed !== undefined || push.messages.length > 100) {
        books.violate(`${where} began with ${oldest} to ${push.offset}`);
      }
    }
    if (push.more) books.counts.pages++;
    const end = this.#takeRange(push, oldest, push.recovered ? asked?.epoch : undefined);
    if (end.offset !== push.offset || push.offset > 0 && (end.epoch ?? push.epoch) !== push.epoch) {
      books.violate(
        `${where} was brought to ${end.offset}, not to ${push.offset} of ${push.epoch}`,
      );
    }
    view.position = { epoch: push.epoch, offset: push.offset };
    if (push.more) return this.#sendJoin(view);
    view.phase = "live";
    view.nameOf.clear();
    view.memberOf.clear();
    for (const { member, username } of push.members ?? []) this.#isThere(view, member, username);
    this.#sendNext(view);
  }

  /** Takes messages that have to follow one another; answers where they end. */
  #takeRange(
    { room, messages }: RoomPush | HistoryPush,
    from: number,
    before: string | undefined,
  ): { offset: number; epoch: string | undefined } {
    const { books, person } = this.#options;
    let [epoch, offset] = [before, from - 1];
    for (const message of messages) {
      epoch = message.epoch ?? epoch;
      if (message.offset !== ++offset || message.room !== room) {
        books.violate(`${this.id} in ${room} got ${message.offset} of ${epoch} at ${offset}`);
      }
      books.received(this.id, message, epoch);
      // Half of the clients take their own message in the log for an answer; the others ask again, and have to be told so.
      if (message.member === person.member && this.#isTrusting) {
        this.#takeAnswer(room, message.nonce, message.offset, false);
      }
    }
    return { offset, epoch };
  }

  get #isTrusting(): boolean {
    return this.#options.tab % 2 === 1 || this.#attempt % 2 === 1;
  }

  #takeMessage(push: MessagePush): void {
    const { books, person } = this.#options;
    const view = this.#view(push.room);
    const { position } = view;
    const isLive = view.phase === "live" || view.phase === "leaving";
    if (!isLive || position === undefined || push.offset !== position.offset + 1) {
      return books.violate(
        `${this.id} in ${push.room} (${view.phase}) got ${push.offset} after ${position?.offset}`,
      );
    }
    const epoch = push.epoch ?? (position.offset === 0 ? "" : position.epoch);
    view.position = { epoch, offset: push.offset };
    books.received(this.id, push, epoch);
    if (push.member === person.member) this.#takeAnswer(push.room, push.nonce, push.offset, false);
  }

  #takeAnswer(room: string, nonce: string, offset: number, isAck: boolean): void {
    const { books } = this.#options;
    const view = this.#view(room);
    const [first] = view.outbox;
    if (first?.nonce !== nonce) {
      if (isAck && !this.#retried.has(`${room} ${nonce}`)) {
        books.violate(`${this.id} in ${room} got an answer to ${nonce} that it did not wait for`);
      }
      return;
    }
    if (isAck) books.counts.repeats++;
    view.outbox.shift();
    view.inFlight = false;
    books.acked(first, offset);
    this.#sendNext(view);
  }

  #takeHistory(push: HistoryPush): void {
    const { books } = this.#options;
    const view = this.#view(push.room);
    const before = view.historyBefore ?? 0;
    view.historyBefore = undefined;
    const oldest = push.messages[0]?.offset ?? before;
    const end = this.#takeRange(push, oldest, undefined);
    if (end.offset !== before - 1 || before > 1 && push.messages.length === 0) {
      books.violate(`${this.id} scrolled back in ${push.room} from ${before}, and got ${oldest}`);
    }
    if (view.first === before) view.first = oldest;
  }

  /** Two members of a room never have one name. */
  #isThere(view: View, member: string, username: string): void {
    const key = usernameKey(username);
    const before = view.nameOf.get(member);
    if (before !== undefined) view.memberOf.delete(usernameKey(before));
    if ((view.memberOf.get(key) ?? member) !== member) {
      this.#options.books.violate(`${this.id} sees two members of ${view.name} called ${username}`);
    }
    view.nameOf.set(member, username);
    view.memberOf.set(key, member);
  }

  /** M8: one message in flight in each room, none before the room is live. */
  #sendNext(view: View): void {
    const [next] = view.outbox;
    if (next === undefined || view.inFlight || view.phase !== "live") return;
    view.inFlight = true;
    // One server takes what an older connection sent before the newer one; several do not wait for each other.
    if (next.isTried && this.#options.urls.length > 1) {
      this.#retried.add(`${view.name} ${next.nonce}`);
    }
    next.isTried = true;
    this.#send({ type: "message", room: view.name, text: next.text, nonce: next.nonce });
  }

  #view(name: string): View {
    let view = this.views.get(name);
    if (view === undefined) {
      view = {
        name,
        phase: "out",
        position: undefined,
        asked: undefined,
        first: 1,
        historyBefore: undefined,
        outbox: [],
        inFlight: false,
        count: 0,
        nameOf: new Map(),
        memberOf: new Map(),
      };
      this.views.set(name, view);
    }
    return view;
  }
}
