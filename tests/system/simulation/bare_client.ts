// A simulated client without the page. It writes, replies, edits and deletes in one room, sometimes
// without permission, and applies the room's entries as SPEC.md says.

import type { EntryCommand, Push } from "../../../app/protocol/wire.ts";
import { mayRetry } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Deployment } from "./deployment.ts";
import { LogView } from "./log_view.ts";
import { SimulatedConnection } from "./network.ts";
import type { ReferenceLog } from "./reference_log.ts";
import type { Timeline } from "./timeline.ts";
import { Violation } from "./violation.ts";

export interface BareClientOptions {
  readonly time: Timeline;
  readonly random: SeededRandom;
  readonly deployment: Deployment;
  readonly room: string;
  /** Names its tab, and is a part of its nonces and texts. */
  readonly id: string;
  /** Names the member, which can have several clients. */
  readonly member: string;
  readonly network: string;
  /** Whether its entries in a page count as acknowledged. If not, they are sent again. */
  readonly acceptsPages: boolean;
}

const silenceMs = 60_000;
const maxOutbox = 4;
/** History requests per scroll, and max messages that may be amended during one. */
const scrollRequests = 4;
const maxAmendable = 10;
/** Max time between two tries to return from a ban, which may be lifted. */
const banRetryMs = 10_000;

export class BareClient {
  readonly options: BareClientOptions;
  readonly #view = new LogView();
  readonly #outbox: EntryCommand[] = [];
  /** Nonces of entries that were finally refused. */
  readonly #refused = new Set<string>();
  #connection: SimulatedConnection | undefined;
  #connections = 0;
  #isLive = false;
  #isSending = false;
  /** Whether the first command of its outbox may be stored, because a try had no clear result. */
  #mayBeStored = false;
  #heardAt = 0;
  #count = 0;

  constructor(options: BareClientOptions) {
    this.options = options;
    this.#connect();
    this.#watch();
  }

  get #member(): string {
    return `id-${this.options.member}`;
  }

  /** Puts a random command into the outbox, requests older entries, or loses the connection. */
  act(): void {
    const { random, room, id } = this.options;
    const kind = random.below(20);
    if (kind === 0) return this.#connection?.cut(random.isTrue(0.7), random.isTrue(0.7));
    if (kind === 1) return this.#view.trim(random.below(10));
    if (kind < 4) return this.#loadOlder(this.#view.oldest);
    if (this.#outbox.length >= maxOutbox) return;
    const nonce = `${id}n${++this.#count}`;
    const text = `bare-${id}-${this.#count}.`;
    const [target] = random.pick([...this.#view.messages]) ?? [];
    const own = [...this.#view.messages].filter(([, { member }]) => member === this.#member);
    const [ownTarget = target] = random.pick(own) ?? [];
    const offset = random.isTrue(0.8) ? ownTarget : target;
    if (kind < 8 || offset === undefined) this.#put({ type: "message", room, text, nonce });
    else if (kind < 10) this.#put({ type: "message", room, text, nonce, reply: offset });
    else if (kind < 15) this.#put({ type: "edit", room, offset, text, nonce });
    else if (kind < 19) this.#put({ type: "delete", room, offset, nonce });
    else this.#put({ type: "title", room, text: `Title ${text}`, nonce });
  }

  /**
   * Requests older entries several times, so that others can amend them while they are read.
   * Returns the offset before which it requests them.
   */
  scrollBack(): number {
    const { random } = this.options;
    this.#view.trim(1 + random.below(5));
    const { oldest } = this.#view;
    for (let i = 0; i < scrollRequests; i++) this.#loadOlder(oldest);
    return oldest;
  }

  /** Edits or deletes one of its newest messages before an offset, unless it is busy. */
  amendBefore(before: number): void {
    const { random, room, id } = this.options;
    if (!this.isAtRest) return;
    const own = [...this.#view.messages].filter(([offset, { member, text }]) =>
      offset < before && member === this.#member && text !== undefined
    );
    const [offset] = random.pick(own.slice(-maxAmendable)) ?? [];
    if (offset === undefined) return;
    const nonce = `${id}n${++this.#count}`;
    const text = `bare-${id}-${this.#count}.`;
    if (random.isTrue(0.5)) this.#put({ type: "edit", room, offset, text, nonce });
    else this.#put({ type: "delete", room, offset, nonce });
  }

  /** Puts a message into the outbox, and returns its nonce. */
  write(): string {
    const { room, id } = this.options;
    const nonce = `${id}n${++this.#count}`;
    this.#put({ type: "message", room, text: `bare-${id}-${this.#count}.`, nonce });
    return nonce;
  }

  /** Whether it is in its room. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** Offset of the oldest entry that the room keeps, as far as it knows. */
  get first(): number {
    return this.#view.first;
  }

  /** Whether it has caught up and nothing waits to be sent. */
  get isAtRest(): boolean {
    return this.#isLive && this.#outbox.length === 0;
  }

  /**
   * Compares its messages with the log.
   *
   * @throws {Violation} If they differ.
   */
  compare(log: ReferenceLog): void {
    const { id, room } = this.options;
    const { messages, head, title, first, oldest } = this.#view;
    const present = log.present(room);
    const fail = (what: string) => new Violation(`${id} in ${room}: ${what}`);
    if (head !== (log.rooms.get(room)?.length ?? 0)) throw fail(`ends at ${head}`);
    for (const [offset, { text, amended }] of messages) {
      // The log no longer has the text of edits that this client has missed.
      if (offset < first) continue;
      const expected = present.messages.get(offset);
      if (text !== expected?.text || amended !== expected?.amended) {
        throw fail(`shows ${text} (${amended}) at ${offset}, not ${JSON.stringify(expected)}`);
      }
    }
    const missing = [...present.messages.keys()].find((offset) =>
      offset >= Math.max(first, oldest) && !messages.has(offset)
    );
    if (missing !== undefined) throw fail(`lacks ${missing}`);
    const stored = log.rooms.get(room)?.find(({ nonce }) => this.#refused.has(nonce));
    if (stored !== undefined) throw fail(`has ${stored.nonce}, which was refused`);
    if (title !== present.title) throw fail(`has the title ${title}, not ${present.title}`);
  }

  #connect(): void {
    const { time, random, deployment, room, id, member } = this.options;
    this.#mayBeStored ||= this.#isSending;
    this.#isLive = this.#isSending = false;
    this.#heardAt = time.ms;
    const number = ++this.#connections;
    const ifCurrent = (task: () => void) => {
      if (number === this.#connections) task();
    };
    const connection = new SimulatedConnection(time, random, {
      onOpen: () =>
        ifCurrent(() =>
          this.#send({
            type: "hello",
            username: `Bare ${member}`,
            token: member.padEnd(43, "-"),
            tab: id,
            rooms: [{ room, ...this.#view.position }],
          })
        ),
      onFrame: (frame) =>
        ifCurrent(() => {
          this.#heardAt = time.ms;
          const pushes = JSON.parse(String(frame)) as readonly Push[];
          if (pushes.length === 0) this.#send({ type: "pong" });
          for (const push of pushes) this.#take(push);
        }),
      onClose: () =>
        ifCurrent(() => {
          this.#isLive = false;
          void time.later(random.delay(5_000), () => this.#reconnect(number));
        }),
    });
    this.#connection = connection;
    connection.connect(deployment.acceptor, this.options.network);
  }

  #reconnect(number: number): void {
    if (number === this.#connections) this.#connect();
  }

  /** Reconnects when the connection seems dead. */
  #watch(): void {
    const { time } = this.options;
    if (time.ms - this.#heardAt > silenceMs) this.#connect();
    time.later(silenceMs / 6, () => this.#watch());
  }

  #send(command: object): void {
    this.#connection?.sendToServer(JSON.stringify(command));
  }

  #join(): void {
    const { room } = this.options;
    this.#isLive = false;
    this.#send({ type: "join", room, ...this.#view.position });
  }

  #loadOlder(before: number): void {
    const { random, room } = this.options;
    if (!this.#isLive || before <= this.#view.first) return;
    this.#send({ type: "history", room, before, limit: 1 + random.below(20) });
  }

  #put(command: EntryCommand): void {
    this.#outbox.push(command);
    this.#sendNext();
  }

  #sendNext(): void {
    const [next] = this.#outbox;
    if (!this.#isLive || this.#isSending || next === undefined) return;
    this.#isSending = true;
    this.#send(next);
  }

  #acknowledge(nonce: string): void {
    if (this.#outbox[0]?.nonce !== nonce) return;
    this.#outbox.shift();
    this.#isSending = this.#mayBeStored = false;
    this.#sendNext();
  }

  #take(push: Push): void {
    const { room, id, acceptsPages } = this.options;
    if (push.type === "error") return this.#onError(push.code, push.nonce, push.retryAfter);
    if (!("room" in push) || push.room !== room) return;
    switch (push.type) {
      case "room":
        if (!this.#view.load(push)) throw new Violation(`${id}: a page of ${room} leaves a hole`);
        for (const { member, nonce } of acceptsPages ? push.messages : []) {
          if (member === this.#member) this.#acknowledge(nonce);
        }
        if (push.more) return this.#join();
        this.#isLive = true;
        return this.#sendNext();
      case "history":
        if (!this.#view.prepend(push)) throw new Violation(`${id}: history of ${room} has a hole`);
        return;
      case "ack":
        return this.#acknowledge(push.nonce);
      case "message":
      case "edit":
      case "delete":
      case "title":
        if (push.member === this.#member) this.#acknowledge(push.nonce);
        if (this.#isLive && this.#view.append(push) === "gap") this.#join();
    }
  }

  #onError(code: string, nonce: string | undefined, retryAfter = 1_000): void {
    const { time, id, room, deployment } = this.options;
    const number = this.#connections;
    if (code === "not_joined" || nonce === undefined) {
      this.#connection?.closeFromClient(1001);
      const waitMs = Math.min(retryAfter, banRetryMs);
      return void time.later(waitMs, () => this.#reconnect(number));
    }
    const [first] = this.#outbox;
    if (first?.nonce !== nonce) return;
    const isRateLimited = code === "rate_limited";
    this.#mayBeStored ||= code === "storage_unavailable";
    // Rate limits of titles last minutes, so give up.
    if (mayRetry(code) && !(first.type === "title" && isRateLimited)) {
      time.later(retryAfter, () => {
        if (number !== this.#connections) return;
        this.#isSending = false;
        this.#sendNext();
      });
      return;
    }
    if (code === "title_locked" && !deployment.log.locked.has(room)) {
      throw new Violation(`${id}: nobody locked the title of ${room}`);
    }
    // The rate limit comes before the nonce, so it hides that an earlier try was stored.
    if (!isRateLimited || !this.#mayBeStored) this.#refused.add(nonce);
    this.#acknowledge(nonce);
  }
}
