// The worker with honest clients: they write, edit, delete and set titles at a steady rate,
// reconnect after every loss, and check everything they receive.

import { hubLimits, mayRetry } from "../../../app/protocol/wire.ts";
import type {
  EntryCommand,
  EntryPush,
  Position,
  Push,
  RoomPush,
} from "../../../app/protocol/wire.ts";

/** A command to the worker. */
export type WorkerCommand =
  | {
    readonly kind: "start";
    readonly url: string;
    readonly count: number;
    readonly everyMs: number;
  }
  /** Send one more message from every client. */
  | { readonly kind: "send" }
  /** Set whether connections may be lost. */
  | { readonly kind: "expect"; readonly mayClose: boolean }
  /** Pause sending until all clients have received all messages. */
  | { readonly kind: "catch_up" }
  /** Do the same, send a report, and reset the counts. */
  | { readonly kind: "settle" }
  | { readonly kind: "stop" };

/** The clients' measurements since the last report. */
export interface HonestReport {
  /** Messages sent, and received by all clients together. */
  readonly sent: number;
  readonly received: number;
  /** Edits, deletions and titles sent. */
  readonly amended: number;
  /** Time from queueing a message until a client receives it, in ms. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Messages of the attackers. */
  readonly foreign: number;
  /** Close codes of connections that should not have closed. */
  readonly closes: readonly number[];
  readonly reconnects: number;
  /** Broken promises, one sentence each. */
  readonly violations: readonly string[];
}

/** A reply of the worker. */
export type WorkerReply = { readonly kind: "ready" | "caught_up" } | {
  readonly kind: "settled";
  readonly report: HonestReport;
};

/** The access code that all honest clients have. Servers without one ignore it. */
export const honestCode = "correct-horse-battery";
const room = "lobby";
const reconnectMs = 100;
const maxViolations = 10;
/** Intervals, in messages, at which a client also edits or deletes one, or sets the title. */
const editEvery = 3;
const deleteEvery = 5;
const titleEvery = 50;
/** Number of its newest messages that a client may edit or delete. */
const maxCandidates = 8;
/** Messages that each client keeps between two reports. */
const maxKept = 500;
/** Max time for all clients to connect, or to receive everything. */
const completeMaxMs = 60_000;

/** The part of a worker's global scope used here. The project's types don't include it. */
const thread = globalThis as unknown as {
  onmessage: (event: MessageEvent<WorkerCommand>) => void;
  postMessage(reply: WorkerReply): void;
  close(): void;
};

let clients: Client[] = [];
let mayClose = false;
/** The command that is pending until all clients have received everything. */
let pending: "catch_up" | "settle" | undefined;
let timer: ReturnType<typeof setInterval> | undefined;
let deadline: ReturnType<typeof setTimeout> | undefined;
let counts = newCounts();

function newCounts() {
  return {
    sent: 0,
    received: 0,
    amended: 0,
    foreign: 0,
    reconnects: 0,
    latencies: [] as number[],
    closes: [] as number[],
    violations: [] as string[],
  };
}

function addViolation(sentence: string): void {
  if (counts.violations.length < maxViolations) counts.violations.push(sentence);
}

/** A message in its current state. */
interface ShownMessage {
  text: string | undefined;
  amended: number;
}

/** One honest client. */
class Client {
  readonly #url: string;
  readonly name: string;
  /** Its address. Servers without a trusted proxy ignore it. */
  readonly #headers: Readonly<Record<string, string>>;
  readonly #token = crypto.getRandomValues(new Uint8Array(32))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  readonly #tab = crypto.randomUUID().slice(0, 36);
  #socket: WebSocket | undefined;
  #member: string | undefined;
  #position: Position | undefined;
  #isLive = false;
  isStopped = false;
  /** Number of messages it queued. */
  sentCount = 0;
  #entryCount = 0;
  readonly #outbox: EntryCommand[] = [];
  #inFlight = false;
  /** Its messages, with the text that they must have once the outbox is empty. */
  readonly own = new Map<number, { text: string | undefined; edits: number }>();
  /** Offset of its last acknowledged entry. */
  acknowledged = 0;
  /** Messages of honest clients, by offset. */
  readonly messages = new Map<number, ShownMessage>();
  title: string | undefined;
  /** The last message number received, by sender. */
  readonly lastNumbers = new Map<string, number>();

  constructor(url: string, index: number) {
    this.#url = new URL("ws", url.replace("http", "ws")).href;
    this.name = `Honest${index}`;
    this.#headers = { "X-Forwarded-For": `198.51.100.${index + 1}` };
    this.#connect();
  }

  get isReady(): boolean {
    return this.#isLive;
  }

  send(): void {
    const n = ++this.sentCount;
    const text = `honest ${performance.now()}`;
    this.#outbox.push({ type: "message", room, text, nonce: `${this.name}-${n}` });
    counts.sent++;
    if (n % editEvery === 0) this.#edit();
    if (n % deleteEvery === 0) this.#delete();
    if (n % titleEvery === 1) {
      this.#amend({
        type: "title",
        room,
        text: `Title ${n} of ${this.name}`,
        nonce: this.#newNonce(),
      });
    }
    this.#sendNext();
  }

  #edit(): void {
    const [offset, message] = this.#candidates.at(-1) ?? [];
    if (offset === undefined || message === undefined) return;
    message.edits++;
    const text = message.text = `edited ${this.name} ${this.sentCount}`;
    this.#amend({ type: "edit", room, offset, text, nonce: this.#newNonce() });
  }

  #delete(): void {
    const [offset, message] = this.#candidates[0] ?? [];
    if (offset === undefined || message === undefined) return;
    message.text = undefined;
    this.#amend({ type: "delete", room, offset, nonce: this.#newNonce() });
  }

  /** Its newest messages that it has not deleted, and may still edit. */
  get #candidates() {
    return [...this.own].slice(-maxCandidates)
      .filter(([, { text, edits }]) => text !== undefined && edits < hubLimits.editsMax);
  }

  #amend(command: EntryCommand): void {
    this.#outbox.push(command);
    counts.amended++;
  }

  #newNonce(): string {
    return `e${++this.#entryCount}`;
  }

  /** Describes the event that it is waiting for; `undefined` if there is none. */
  get awaited(): string | undefined {
    if (!this.#isLive) return `${this.name} is not in the room`;
    if (this.#outbox.length > 0) return `${this.name} has ${this.#outbox.length} unsent`;
    const missing = clients.filter(({ name, sentCount }) =>
      this.lastNumbers.get(name) !== sentCount
    );
    if (missing.length > 0) {
      return `${this.name} lacks messages from ${missing.map(({ name }) => name).join(", ")}`;
    }
    const head = Math.max(...clients.map(({ acknowledged }) => acknowledged));
    return (this.#position?.offset ?? 0) < head ? `${this.name} is behind ${head}` : undefined;
  }

  /** Compares the texts it shows with those of another client, and with what it has sent itself. */
  compare(other: Client): void {
    for (const [offset, { text, amended }] of this.messages) {
      const shown = other.messages.get(offset);
      if (shown === undefined || shown.text === text && shown.amended === amended) continue;
      addViolation(
        `${this.name} shows ${text} (${amended}) at ${offset}, ` +
          `${other.name} ${shown.text} (${shown.amended})`,
      );
    }
    for (const [offset, { text }] of this.own) {
      const shown = this.messages.get(offset);
      if (shown === undefined || shown.text === text) continue;
      addViolation(`${this.name} shows ${shown.text} at ${offset}, but sent ${text}`);
    }
    if (this.title !== other.title) {
      addViolation(`${this.name} shows the title ${this.title}, ${other.name} ${other.title}`);
    }
  }

  /** Forgets old messages. */
  trim(): void {
    for (const map of [this.own, this.messages]) {
      for (const offset of [...map.keys()].slice(0, -maxKept)) map.delete(offset);
    }
  }

  stop(): void {
    this.isStopped = true;
    this.#socket?.close(1000);
  }

  #connect(): void {
    const socket = this.#socket = new WebSocket(this.#url, { headers: this.#headers });
    socket.onopen = () => this.#sayHello();
    socket.onmessage = ({ data }) => {
      const pushes: Push[] = JSON.parse(data);
      if (pushes.length === 0) this.#sendCommand({ type: "pong" });
      for (const push of pushes) this.#handle(push);
      checkComplete();
    };
    socket.onerror = (event) => event.preventDefault();
    socket.onclose = ({ code }) => {
      this.#isLive = false;
      this.#inFlight = false;
      if (this.isStopped) return checkComplete();
      if (!mayClose) counts.closes.push(code);
      setTimeout(() => {
        if (!this.isStopped) this.#connect();
      }, reconnectMs);
    };
  }

  #sayHello(): void {
    this.#sendCommand({
      type: "hello",
      username: this.name,
      token: this.#token,
      tab: this.#tab,
      access: honestCode,
      rooms: [{ room, ...this.#position }],
    });
  }

  #sendCommand(command: Readonly<Record<string, unknown>>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  #sendNext(): void {
    const next = this.#outbox[0];
    if (next === undefined || this.#inFlight || !this.#isLive) return;
    this.#inFlight = true;
    this.#sendCommand({ ...next });
  }

  #handle(push: Push): void {
    switch (push.type) {
      case "welcome":
        if (push.username !== this.name) addViolation(`${this.name} was called ${push.username}`);
        this.#member = push.member;
        return;
      case "room":
        return this.#enterRoom(push);
      case "message":
      case "edit":
      case "delete":
      case "title":
        return this.#receive(push);
      case "ack":
        return this.#onAcknowledged(push.nonce, push.offset);
      case "error":
        // A client drops a title rather than have messages wait for it.
        if (push.re === "title" && push.code === "rate_limited") return this.#shift(push.nonce);
        if (!mayRetry(push.code)) {
          return addViolation(`${this.name} was refused: ${push.message}`);
        }
        setTimeout(() => {
          if (push.re === "hello") return this.#sayHello();
          if (push.re === "join") {
            return this.#sendCommand({ type: "join", room, ...this.#position });
          }
          this.#inFlight = false;
          this.#sendNext();
        }, push.retryAfter ?? reconnectMs);
    }
  }

  #enterRoom(push: RoomPush): void {
    if (this.#position !== undefined) {
      counts.reconnects++;
      if (!push.recovered) addViolation(`${this.name} lost its position`);
    } else {
      // Clients that join later have missed earlier messages.
      const before = push.offset - push.messages.length;
      this.#position = { epoch: push.epoch, offset: before };
    }
    for (const entry of push.messages) this.#receive({ ...entry, epoch: push.epoch });
    this.#position = { epoch: push.epoch, offset: push.offset };
    this.title = push.title;
    if (push.more) return this.#sendCommand({ type: "join", room, ...this.#position });
    this.#isLive = true;
    this.#sendNext();
  }

  #receive(push: EntryPush): void {
    const { offset, epoch, member, nonce } = push;
    const before = this.#position;
    if (before !== undefined && offset !== before.offset + 1) {
      addViolation(`${this.name} got ${offset} after ${before.offset}`);
    }
    this.#position = { epoch: epoch ?? before?.epoch ?? "", offset };
    switch (push.type) {
      case "message":
        this.#receiveMessage(push);
        break;
      case "title":
        this.title = push.text;
        break;
      case "edit":
        if (push.text !== undefined) this.#apply(push.target, push.text, offset);
        break;
      case "delete":
        for (const target of push.targets) this.#apply(target, undefined, offset);
        if (push.untitled) this.title = undefined;
    }
    if (member === this.#member) this.#onAcknowledged(nonce, offset);
  }

  #receiveMessage({ offset, nonce, text, amended = 0 }: EntryPush & { type: "message" }): void {
    if (text?.isWellFormed() === false) {
      addViolation(`${this.name} got a text that is not well-formed`);
    }
    const [, from = "", n = ""] = /^(Honest\d+)-(\d+)$/.exec(nonce) ?? [];
    if (from === "") return void counts.foreign++;
    const last = this.lastNumbers.get(from);
    if (last !== undefined && Number(n) !== last + 1) {
      addViolation(`${this.name} got number ${n} of ${from} after ${last}`);
    }
    this.lastNumbers.set(from, Number(n));
    counts.received++;
    const [, at] = /^honest ([\d.]+)$/.exec(text ?? "") ?? [];
    if (at !== undefined) counts.latencies.push(performance.now() - Number(at));
    this.messages.set(offset, { text, amended });
  }

  /** Applies an edit or a deletion, by rule E7. */
  #apply(target: number, text: string | undefined, offset: number): void {
    const message = this.messages.get(target);
    if (message === undefined || message.amended >= offset) return;
    message.text = text;
    message.amended = offset;
  }

  #onAcknowledged(nonce: string, offset: number): void {
    const [first] = this.#outbox;
    if (first?.nonce !== nonce) return;
    if (first.type === "message") this.own.set(offset, { text: first.text, edits: 0 });
    this.acknowledged = Math.max(this.acknowledged, offset);
    this.#shift(nonce);
  }

  #shift(nonce: string | undefined): void {
    if (this.#outbox[0]?.nonce !== nonce) return;
    this.#outbox.shift();
    this.#inFlight = false;
    this.#sendNext();
  }
}

/**
 * Starts once all clients are connected, and replies to the pending command once all have
 * everything.
 */
function checkComplete(): void {
  if (clients.every(({ isReady }) => isReady) && timer === undefined) {
    for (const client of clients) client.send();
    return onReady();
  }
  const isComplete = clients.every(({ awaited }) => awaited === undefined);
  if (pending === undefined || !isComplete) return;
  const isReport = pending === "settle";
  pending = undefined;
  clearTimeout(deadline);
  if (!isReport) return thread.postMessage({ kind: "caught_up" });
  for (const client of clients) if (clients[0] !== undefined) client.compare(clients[0]);
  for (const client of clients) client.trim();
  const sorted = Float64Array.from(counts.latencies).sort();
  const percentile = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  const { sent, received, amended, foreign, closes, reconnects, violations } = counts;
  counts = newCounts();
  thread.postMessage({
    kind: "settled",
    report: {
      sent,
      received,
      amended,
      p50: percentile(0.5),
      p99: percentile(0.99),
      max: percentile(1),
      foreign,
      closes,
      reconnects,
      violations,
    },
  });
}

let onReady = () => {};

/** Throws an error if the clients are not complete in time. */
function setDeadline(): void {
  clearTimeout(deadline);
  deadline = setTimeout(() => {
    const awaited = clients.flatMap((client) => client.awaited ?? []);
    throw new Error(`Timed out after ${completeMaxMs / 1000} s: ${awaited.join("; ")}`);
  }, completeMaxMs);
}

thread.onmessage = ({ data: command }) => {
  switch (command.kind) {
    case "start": {
      const { url, count, everyMs } = command;
      let turn = 0;
      onReady = () => {
        // Clients take turns, so that messages are evenly spread.
        timer = setInterval(() => {
          if (pending === undefined) clients[turn++ % count]?.send();
        }, everyMs / count);
        clearTimeout(deadline);
        thread.postMessage({ kind: "ready" });
      };
      clients = Array.from({ length: count }, (_, index) => new Client(url, index));
      return setDeadline();
    }
    case "expect":
      mayClose = command.mayClose;
      return;
    case "send":
      for (const client of clients) client.send();
      return;
    case "catch_up":
    case "settle":
      pending = command.kind;
      setDeadline();
      return checkComplete();
    case "stop":
      clearInterval(timer);
      clearTimeout(deadline);
      for (const client of clients) client.stop();
      thread.close();
  }
};
