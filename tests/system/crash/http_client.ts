// A program of the crash test that uses plain HTTP: it posts each message until it is stored, and
// follows one room as an event stream.

import type { EntryPush } from "../../../app/protocol/wire.ts";
import type { Ledger, SentEntry } from "./ledger.ts";
import type { Person } from "./person.ts";

const retryMs = 20;

export interface HttpClientOptions {
  /** The WebSocket URLs of the nodes, of which it uses the next one after each failure. */
  readonly urls: readonly string[];
  readonly person: Person;
  readonly username: string;
  readonly room: string;
  readonly ledger: Ledger;
}

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #outbox: SentEntry[] = [];
  readonly #ended = new AbortController();
  #work: Promise<unknown> = Promise.resolve();
  #isPosting = false;
  #urlIndex = 0;
  #messageCount = 0;
  #isLive = false;
  /** The id of the last event, and its offset. */
  #lastEventId: string | undefined;
  #offset: number | undefined;

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** Whether everything is sent and received. */
  get isSettled(): boolean {
    const { ledger, room } = this.#options;
    const head = ledger.headOf(room);
    return this.#outbox.length === 0 && this.#isLive && (this.#offset ?? 0) >= head;
  }

  start(): void {
    this.#work = this.#follow();
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#work;
  }

  send(text: string): void {
    const { person, room, ledger } = this.#options;
    // The ledger expects the number of the tab.
    const message: SentEntry = {
      type: "message",
      person,
      room,
      text,
      nonce: `0-http${++this.#messageCount}`,
    };
    ledger.onSent(message);
    this.#outbox.push(message);
    if (!this.#isPosting) this.#work = Promise.all([this.#work, this.#post()]);
  }

  async #post(): Promise<void> {
    this.#isPosting = true;
    while (!this.#hasEnded) {
      const [message] = this.#outbox;
      if (message === undefined) break;
      try {
        await this.#postOnce(message);
        this.#outbox.shift();
      } catch {
        await this.#retryLater();
      }
      message.wasSent = true;
    }
    this.#isPosting = false;
  }

  /** Posts a message. Throws if it must be repeated. */
  async #postOnce(message: SentEntry): Promise<void> {
    const { person, username, ledger } = this.#options;
    const response = await fetch(this.#url, {
      method: "POST",
      body: message.text,
      headers: {
        authorization: `Basic ${btoa(`${username}:${person.token}`)}`,
        "idempotency-key": message.nonce,
      },
      signal: this.#ended.signal,
    });
    const body = await response.json();
    if (response.headers.has("retry-after")) throw new Error(body.detail);
    if (response.status !== 201) {
      return ledger.addViolation(`${person.id} got ${response.status} ${body.detail}`);
    }
    ledger.onWelcome(person, body.member);
    if (person.name !== body.from) person.onNameConfirmed(body.from);
    if (body.text !== message.text) {
      ledger.addViolation(`${person.id} sent ${message.text}, and the server stored ${body.text}`);
    }
    ledger.onAcknowledged(message, body.offset);
  }

  /** Follows the room, and resumes after the last event. */
  async #follow(): Promise<void> {
    while (!this.#hasEnded) {
      try {
        await this.#followOnce();
      } catch {
        // The server is away, or has ended.
      }
      this.#isLive = false;
      await this.#retryLater();
    }
  }

  async #followOnce(): Promise<void> {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (this.#lastEventId !== undefined) headers["last-event-id"] = this.#lastEventId;
    const response = await fetch(this.#url, { headers, signal: this.#ended.signal });
    if (response.status !== 200 || response.body === null) return await response.body?.cancel();
    let rest = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const events = (rest + text).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) this.#onEvent(event);
    }
  }

  #onEvent(lines: string): void {
    const fieldOf = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(lines)?.[1];
    const [type = "message", id, data] = ["event", "id", "data"].map(fieldOf);
    if (data === undefined) return;
    if (type === "gap") this.#offset = undefined;
    if (type === "room") {
      this.#isLive = true;
      // Only entries move the position of a stream that resumes.
      this.#offset ??= Number(id?.split(":")[1]);
      this.#lastEventId ??= id;
    }
    if (type !== "gap" && type !== "room") this.#onEntry(JSON.parse(data), id);
  }

  #onEntry(entry: EntryPush, id: string | undefined): void {
    const { ledger, person, room } = this.#options;
    const { offset, epoch } = entry;
    if (this.#offset !== undefined && offset !== this.#offset + 1) {
      ledger.addViolation(`${person.id} got event ${offset} of ${room} after ${this.#offset}`);
    }
    if (id !== undefined && id !== `${epoch}:${offset}`) {
      ledger.addViolation(`${person.id} got event ${offset} of ${room} with the id ${id}`);
    }
    this.#offset = offset;
    this.#lastEventId = id ?? this.#lastEventId;
    ledger.onReceived(person.id, entry, epoch);
  }

  get #url(): string {
    const { urls, room } = this.#options;
    const url = urls[this.#urlIndex % urls.length] ?? "";
    return url.replace(/^ws/, "http").replace(/ws$/, `r/${room}`);
  }

  get #hasEnded(): boolean {
    return this.#ended.signal.aborted;
  }

  async #retryLater(): Promise<void> {
    this.#urlIndex++;
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}
