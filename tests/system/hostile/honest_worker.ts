// A thread of honest clients: they write at a steady pace, come back after every loss, and look at everything that they get. A
// thread of its own, so that what they measure is the server and not the attacks.

import { mayRetry } from "../../../app/protocol/wire.ts";
import type { MessagePush, Position, Push, RoomPush } from "../../../app/protocol/wire.ts";

/** What the thread is told. */
export type Order =
  | {
    readonly kind: "start";
    readonly url: string;
    readonly count: number;
    readonly everyMs: number;
  }
  /** Write once more each. */
  | { readonly kind: "write" }
  /** Whether a lost connection is to be expected from now on. */
  | { readonly kind: "expect"; readonly mayClose: boolean }
  /** Write nothing more until all have everything; then go on. */
  | { readonly kind: "catch_up" }
  /** The same, with a report, and counts from zero. */
  | { readonly kind: "settle" }
  | { readonly kind: "stop" };

/** How it went since the last time. */
export interface Findings {
  /** Messages that were written, and that arrived, at all clients together. */
  readonly written: number;
  readonly arrived: number;
  /** From the wish to write until a client has it, in ms. */
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
  /** Messages of others, the attackers. */
  readonly strange: number;
  /** How connections ended that should not have. */
  readonly closes: readonly number[];
  readonly returns: number;
  /** Broken promises, a sentence each. */
  readonly violations: readonly string[];
}

/** What the thread answers. */
export type Answer = { readonly kind: "ready" | "caught_up" } | {
  readonly kind: "settled";
  readonly findings: Findings;
};

const room = "lobby";
const returnMs = 100;
const violationsMost = 10;

/** The part of a worker's global scope that is used here; the server's types have none of it. */
const thread = globalThis as unknown as {
  onmessage: (event: MessageEvent<Order>) => void;
  postMessage(answer: Answer): void;
  close(): void;
};

let clients: Client[] = [];
let mayClose = false;
/** What is waited for until all have everything. */
let waiting: "catch_up" | "settle" | undefined;
let timer: ReturnType<typeof setInterval> | undefined;
let tally = newTally();

function newTally() {
  return {
    written: 0,
    strange: 0,
    returns: 0,
    latencies: [] as number[],
    closes: [] as number[],
    violations: [] as string[],
  };
}

function violate(sentence: string): void {
  if (tally.violations.length < violationsMost) tally.violations.push(sentence);
}

/** One honest person. */
class Client {
  readonly #url: string;
  readonly name: string;
  readonly #token = crypto.getRandomValues(new Uint8Array(32))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  readonly #tab = crypto.randomUUID().slice(0, 36);
  #socket: WebSocket | undefined;
  #member: string | undefined;
  #position: Position | undefined;
  #isLive = false;
  isOff = false;
  /** How many messages it wrote, and of these arrived at itself. */
  count = 0;
  readonly #outbox: { readonly text: string; readonly nonce: string }[] = [];
  #inFlight = false;
  /** The last number that it has of each. */
  readonly heard = new Map<string, number>();

  constructor(url: string, index: number) {
    this.#url = new URL("ws", url.replace("http", "ws")).href;
    this.name = `Honest${index}`;
    this.#connect();
  }

  get isReady(): boolean {
    return this.#isLive;
  }

  get isIdle(): boolean {
    return this.#isLive && this.#outbox.length === 0;
  }

  write(): void {
    const n = ++this.count;
    const at = performance.now();
    this.#outbox.push({ text: `honest ${this.name} ${n} ${at}`, nonce: `n${n}` });
    tally.written++;
    this.#sendNext();
  }

  stop(): void {
    this.isOff = true;
    this.#socket?.close(1000);
  }

  #connect(): void {
    const socket = this.#socket = new WebSocket(this.#url);
    socket.onopen = () => {
      const { epoch, offset } = this.#position ?? {};
      this.#send({
        type: "hello",
        username: this.name,
        token: this.#token,
        tab: this.#tab,
        rooms: [{ room, epoch, offset }],
      });
    };
    socket.onmessage = ({ data }) => {
      const pushes: Push[] = JSON.parse(data);
      if (pushes.length === 0) this.#send({ type: "pong" });
      for (const push of pushes) this.#take(push);
      look();
    };
    socket.onerror = (event) => event.preventDefault();
    socket.onclose = ({ code }) => {
      this.#isLive = false;
      this.#inFlight = false;
      if (this.isOff) return look();
      if (!mayClose) tally.closes.push(code);
      setTimeout(() => {
        if (!this.isOff) this.#connect();
      }, returnMs);
    };
  }

  #send(command: Readonly<Record<string, unknown>>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(command));
  }

  #sendNext(): void {
    const next = this.#outbox[0];
    if (next === undefined || this.#inFlight || !this.#isLive) return;
    this.#inFlight = true;
    this.#send({ type: "message", room, ...next });
  }

  #take(push: Push): void {
    switch (push.type) {
      case "welcome":
        if (push.username !== this.name) violate(`${this.name} was called ${push.username}`);
        this.#member = push.member;
        return;
      case "room":
        return this.#enter(push);
      case "message":
        return this.#hear(push);
      case "ack":
        return this.#sent(push.nonce);
      case "error":
        if (push.nonce === undefined || !mayRetry(push.code)) {
          return violate(`${this.name} was refused: ${push.message}`);
        }
        setTimeout(() => {
          this.#inFlight = false;
          this.#sendNext();
        }, push.retryAfter ?? returnMs);
    }
  }

  #enter(push: RoomPush): void {
    if (this.#position !== undefined) {
      tally.returns++;
      if (!push.recovered) violate(`${this.name} lost its place`);
    } else {
      // Whoever comes later than others has not heard their first words.
      const before = push.offset - push.messages.length;
      this.#position = { epoch: push.epoch, offset: before };
    }
    for (const message of push.messages) this.#hear({ ...message, epoch: push.epoch });
    this.#position = { epoch: push.epoch, offset: push.offset };
    if (push.more) return this.#send({ type: "join", room, ...this.#position });
    this.#isLive = true;
    this.#sendNext();
  }

  #hear({ offset, epoch, text, member, nonce }: MessagePush): void {
    const before = this.#position;
    if (before !== undefined && offset !== before.offset + 1) {
      violate(`${this.name} got ${offset} after ${before.offset}`);
    }
    this.#position = { epoch: epoch ?? before?.epoch ?? "", offset };
    if (!text.isWellFormed()) violate(`${this.name} got a text that is not well-formed`);
    const [, from = "", n = "", at = ""] = /^honest (\w+) (\d+) ([\d.]+)$/.exec(text) ?? [];
    if (from === "") return void tally.strange++;
    const last = this.heard.get(from);
    if (last !== undefined && Number(n) !== last + 1) {
      violate(`${this.name} got number ${n} of ${from} after ${last}`);
    }
    this.heard.set(from, Number(n));
    tally.latencies.push(performance.now() - Number(at));
    if (member === this.#member) this.#sent(nonce);
  }

  #sent(nonce: string): void {
    if (this.#outbox[0]?.nonce !== nonce) return;
    this.#outbox.shift();
    this.#inFlight = false;
    this.#sendNext();
  }
}

/** Whether everybody has everything, or is here at all. */
function look(): void {
  if (clients.every(({ isReady }) => isReady) && timer === undefined) {
    for (const client of clients) client.write();
    return ready();
  }
  const isComplete = clients.every(({ isIdle, heard }) =>
    isIdle && clients.every(({ name, count }) => heard.get(name) === count)
  );
  if (waiting === undefined || !isComplete) return;
  const isReport = waiting === "settle";
  waiting = undefined;
  if (!isReport) return thread.postMessage({ kind: "caught_up" });
  const sorted = Float64Array.from(tally.latencies).sort();
  const part = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  const { written, strange, closes, returns, violations } = tally;
  tally = newTally();
  thread.postMessage({
    kind: "settled",
    findings: {
      written,
      arrived: sorted.length,
      p50: part(0.5),
      p99: part(0.99),
      most: part(1),
      strange,
      closes,
      returns,
      violations,
    },
  });
}

let ready = () => {};

thread.onmessage = ({ data: order }) => {
  switch (order.kind) {
    case "start": {
      const { url, count, everyMs } = order;
      let turn = 0;
      ready = () => {
        // One after the other, so that there is always somebody who writes.
        timer = setInterval(() => {
          if (waiting === undefined) clients[turn++ % count]?.write();
        }, everyMs / count);
        thread.postMessage({ kind: "ready" });
      };
      clients = Array.from({ length: count }, (_, index) => new Client(url, index));
      return;
    }
    case "expect":
      mayClose = order.mayClose;
      return;
    case "write":
      for (const client of clients) client.write();
      return;
    case "catch_up":
    case "settle":
      waiting = order.kind;
      return look();
    case "stop":
      clearInterval(timer);
      for (const client of clients) client.stop();
      thread.close();
  }
};
