// A client of the crash test that uses plain HTTP: it repeats each post, edit and deletion until it
// has a result, and follows one room as an event stream.

import type { EntryPush } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Ledger } from "./ledger.ts";
import type { Person } from "./person.ts";
import type { PresentMessage } from "./present_room.ts";
import type { SentEntry } from "./recorded_entry.ts";
import { applyEntry } from "./room_view.ts";

const retryMs = 20;
/** Why an edit or a deletion is refused for good. */
const refusals: readonly string[] = ["not_found", "edits_exhausted"];

export interface HttpClientOptions {
  /** The WebSocket URLs of the nodes. After each failure, it uses the next one. */
  readonly urls: readonly string[];
  readonly person: Person;
  readonly username: string;
  readonly room: string;
  readonly ledger: Ledger;
}

export class HttpClient {
  readonly #options: HttpClientOptions;
  readonly #outbox: SentEntry[] = [];
  /** Offsets of its messages. */
  readonly #own: number[] = [];
  readonly #ended = new AbortController();
  #work: Promise<unknown> = Promise.resolve();
  #isPosting = false;
  #urlIndex = 0;
  #entryCount = 0;
  #isLive = false;
  /** A gap that was announced, until the next entry shows its end. */
  #gap: { readonly after: number; readonly count: number | undefined } | undefined;
  /** The id of the last event, and its offset. */
  #lastEventId: string | undefined;
  #offset: number | undefined;
  /** The messages that the stream has brought, in their current state. */
  readonly #messages = new Map<number, PresentMessage>();

  constructor(options: HttpClientOptions) {
    this.#options = options;
  }

  /** Whether everything is sent and received. */
  get isSettled(): boolean {
    const { ledger, room } = this.#options;
    const head = ledger.headOf(room);
    return this.#outbox.length === 0 && this.#isLive && (this.#offset ?? 0) >= head;
  }

  /** Records its view of its room, once it has caught up. */
  recordView(): void {
    const { ledger, person, room } = this.#options;
    ledger.addView(person.id, room, this.#messages);
  }

  start(): void {
    this.#work = this.#follow();
  }

  async end(): Promise<void> {
    this.#ended.abort();
    await this.#work;
  }

  send(text: string): void {
    this.#put("message", text);
  }

  /** Edits or deletes one of its messages. */
  amend(random: SeededRandom, text: string): void {
    const target = random.pick(this.#own);
    if (target === undefined) return;
    if (random.isTrue(0.7)) this.#put("edit", text, target);
    else this.#put("delete", "", target);
  }

  #put(type: "message" | "edit" | "delete", text: string, target?: number): void {
    const { person, room, ledger } = this.#options;
    // The ledger expects the number of the tab.
    const nonce = `0-http${++this.#entryCount}`;
    const entry: SentEntry = { type, person, room, text, target, nonce };
    ledger.onSent(entry);
    this.#outbox.push(entry);
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

  /** Sends one request. Throws if it must be repeated with the same key. */
  async #postOnce(entry: SentEntry): Promise<void> {
    const { person, username, ledger } = this.#options;
    const { type, text, target } = entry;
    const method = type === "message" ? "POST" : type === "edit" ? "PATCH" : "DELETE";
    const response = await fetch(target === undefined ? this.#url : `${this.#url}/${target}`, {
      method,
      body: method === "DELETE" ? null : text,
      headers: {
        authorization: `Basic ${btoa(`${username}:${person.token}`)}`,
        "idempotency-key": entry.nonce,
      },
      signal: this.#ended.signal,
    });
    if (response.status === 204) return ledger.onDone(entry);
    const body = await response.json();
    if (response.headers.has("retry-after")) throw new Error(body.detail);
    if (type !== "message" && refusals.includes(body.code)) return ledger.onRefused(entry);
    if (response.status !== (type === "message" ? 201 : 200)) {
      return ledger.addViolation(`${person.id} got ${response.status} ${body.detail}`);
    }
    if (type === "edit") return ledger.onDone(entry);
    const offset = Number(response.headers.get("location")?.split("/").at(-1));
    this.#own.push(offset);
    ledger.onAcknowledged(entry, offset);
    // The entry was stored, but Redis failed before it could be read.
    if (body.offset === undefined) return;
    ledger.onWelcome(person, body.member);
    if (person.name !== body.from) person.onNameConfirmed(body.from);
    // A moderator may have deleted it before a repeat.
    if (body.text !== text && body.deletedBy === undefined) {
      ledger.addViolation(`${person.id} sent ${text}, and the server stored ${body.text}`);
    }
  }

  /** Follows the room, and resumes after the last event. */
  async #follow(): Promise<void> {
    while (!this.#hasEnded) {
      try {
        await this.#followOnce();
      } catch {
        // The server is down, or this client has ended.
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
    if (type === "gap") this.#onGap(JSON.parse(data));
    if (type === "room") {
      this.#isLive = true;
      // Only entries move the position of a stream that resumes.
      this.#offset ??= Number(id?.split(":")[1]);
      this.#lastEventId ??= id;
    }
    if (type !== "gap" && type !== "room") this.#onEntry(JSON.parse(data), id);
  }

  /** Records a gap: the position is valid, so too much was missed. */
  #onGap({ missed }: { readonly missed?: number }): void {
    this.#gap = { after: this.#offset ?? 0, count: missed };
    this.#offset = undefined;
    this.#messages.clear();
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
    if (this.#gap !== undefined) {
      ledger.onMissed({ who: person.id, room, before: offset, ...this.#gap });
      if (offset - this.#gap.after <= 1_000) {
        ledger.addViolation(`${person.id} missed ${this.#gap.after} to ${offset} of ${room}`);
      }
      this.#gap = undefined;
    }
    applyEntry(this.#messages, entry);
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
