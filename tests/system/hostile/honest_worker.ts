// The worker with honest clients: they send at a steady rate, reconnect after every loss, and check
// everything they receive.

import { mayRetry } from "../../../app/protocol/wire.ts";
import type { MessagePush, Position, Push, RoomPush } from "../../../app/protocol/wire.ts";

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
  readonly #outbox: { readonly text: string; readonly nonce: string }[] = [];
  #inFlight = false;
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
    const at = performance.now();
    this.#outbox.push({ text: `honest ${this.name} ${n} ${at}`, nonce: `n${n}` });
    counts.sent++;
    this.#sendNext();
  }

  /** Describes the event that it is waiting for; `undefined` if there is none. */
  get awaited(): string | undefined {
    if (!this.#isLive) return `${this.name} is not in the room`;
    if (this.#outbox.length > 0) return `${this.name} has ${this.#outbox.length} unsent`;
    const missing = clients.filter(({ name, sentCount }) =>
      this.lastNumbers.get(name) !== sentCount
    );
    if (missing.length === 0) return undefined;
    return `${this.name} lacks messages from ${missing.map(({ name }) => name).join(", ")}`;
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
    this.#sendCommand({ type: "message", room, ...next });
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
        return this.#receive(push);
      case "ack":
        return this.#onAcknowledged(push.nonce);
      case "error":
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
    for (const message of push.messages) {
      if (message.type === "message") this.#receive({ ...message, epoch: push.epoch });
    }
    this.#position = { epoch: push.epoch, offset: push.offset };
    if (push.more) return this.#sendCommand({ type: "join", room, ...this.#position });
    this.#isLive = true;
    this.#sendNext();
  }

  #receive({ offset, epoch, text = "", member, nonce }: MessagePush): void {
    const before = this.#position;
    if (before !== undefined && offset !== before.offset + 1) {
      addViolation(`${this.name} got ${offset} after ${before.offset}`);
    }
    this.#position = { epoch: epoch ?? before?.epoch ?? "", offset };
    if (!text.isWellFormed()) addViolation(`${this.name} got a text that is not well-formed`);
    const [, from = "", n = "", at = ""] = /^honest (\w+) (\d+) ([\d.]+)$/.exec(text) ?? [];
    if (from === "") return void counts.foreign++;
    const last = this.lastNumbers.get(from);
    if (last !== undefined && Number(n) !== last + 1) {
      addViolation(`${this.name} got number ${n} of ${from} after ${last}`);
    }
    this.lastNumbers.set(from, Number(n));
    counts.latencies.push(performance.now() - Number(at));
    if (member === this.#member) this.#onAcknowledged(nonce);
  }

  #onAcknowledged(nonce: string): void {
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
  const sorted = Float64Array.from(counts.latencies).sort();
  const percentile = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  const { sent, foreign, closes, reconnects, violations } = counts;
  counts = newCounts();
  thread.postMessage({
    kind: "settled",
    report: {
      sent,
      received: sorted.length,
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
