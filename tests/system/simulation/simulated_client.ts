// A simulated person's tab: the page's real chat on a simulated network, and the books that are kept of what it was told.

import { ChatClient } from "../../../static/client/state/chat_client.ts";
import type { OutboxMessage, OutboxStore } from "../../../static/client/state/outbox.ts";
import type { Message, Room } from "../../../static/client/state/room.ts";
import { TabOutbox } from "../../../static/client/state/storage.ts";
import type { KeyValue } from "../../../static/client/state/storage.ts";
import { Violation } from "./deployment.ts";
import type { Site } from "./deployment.ts";
import { Link } from "./world.ts";
import type { Chance, Timeline } from "./world.ts";

/** What all tabs together were told, and wrote. */
export class Books {
  /** Nonces in the order in which each tab wrote them. */
  readonly written = new Map<string, string[]>();
  /** Nonces that a tab was told are in the log. */
  readonly told = new Set<string>();
  /** Which storage of a tab wrote a nonce. */
  readonly writers = new Map<string, KeyValue>();
  /** Nonces that another tab took over: two clocks may then have put them in another order. */
  readonly adopted = new Set<string>();
  /** Nonces that a tab gave up. */
  readonly discarded = new Set<string>();
}

/** One tab. */
export class Person {
  readonly chat: ChatClient;
  readonly store: TabOutbox;
  readonly #time: Timeline;
  readonly #books: Books;
  readonly token: string;
  readonly id: string;
  readonly #own: KeyValue;
  link: Link | undefined;
  isGone = false;
  /** What was seen of each room, to notice when it changes behind one's back. */
  readonly #seen = new WeakMap<Room, { readonly head: number }>();

  constructor(
    time: Timeline,
    chance: Chance,
    site: Site,
    books: Books,
    { id, token, shared, own }: { id: string; token: string; shared: KeyValue; own: KeyValue },
  ) {
    this.#time = time;
    this.#books = books;
    this.token = token;
    this.id = id;
    const newId = () => `x${chance.below(2 ** 31)}y${chance.below(2 ** 31)}`;
    this.store = new TabOutbox(shared, own, newId, () => time.wall());
    this.#own = own;
    this.chat = new ChatClient({
      connection: {
        dial: (_subprotocol, events) => {
          const link = new Link(time, chance, {
            onOpen: () => this.isGone || events.onOpen(),
            onFrame: (frame) => this.isGone || events.onFrame(frame),
            onClose: (code, reason) => this.isGone || events.onClose(code, reason),
          });
          this.link = link;
          link.connect(site.acceptor);
          return {
            send: (frame) => link.sendToServer(frame),
            close: (code) => link.clientCloses(code),
          };
        },
        probe: (done) => done(undefined),
        now: () => time.now(),
        later: (ms, task) => time.later(ms, () => this.isGone || task()),
        random: () => chance.next(),
      },
      outbox: { store: this.#watched(this.store), now: () => time.wall(), newNonce: newId },
      tab: newId(),
      onChange: () => this.check(false),
    });
  }

  /** Tells of every message that leaves the outbox. */
  #watched(store: TabOutbox): OutboxStore {
    return {
      load: () => {
        const messages = store.load();
        for (const { nonce } of messages) {
          if (this.#books.writers.get(nonce) !== this.#own) this.#books.adopted.add(nonce);
        }
        return messages;
      },
      put: (message) => store.put(message),
      remove: (nonce) => {
        store.remove(nonce);
        if (!this.#books.discarded.has(nonce)) this.#books.told.add(nonce);
      },
    };
  }

  say(room: string, text: string): void {
    const before = new Set(this.chat.outbox.messagesIn(room).map(({ nonce }) => nonce));
    if (this.chat.send(room, text) !== undefined) return;
    const written = this.#books.written.get(this.id) ?? [];
    this.#books.written.set(this.id, written);
    // It may have been answered at once; then it is no longer there, but it never is in this world.
    for (const { nonce } of this.chat.outbox.messagesIn(room)) {
      if (before.has(nonce)) continue;
      written.push(`${room} ${nonce}`);
      this.#books.writers.set(nonce, this.#own);
    }
  }

  /** Answers the questions that the page asks of messages which did not go by themselves. */
  answerQuestions(): void {
    for (const room of this.chat.outbox.rooms) {
      for (const message of this.chat.outbox.messagesIn(room)) this.#answer(message);
    }
  }

  #answer(message: OutboxMessage): void {
    if (message.state === "asks") this.chat.retry(message);
    if (message.state !== "failed") return;
    this.#books.discarded.add(message.nonce);
    this.chat.discard(message);
  }

  /** The tab is closed, or the page reloaded: nothing of it happens any more. */
  vanish(isClosed: boolean): void {
    if (isClosed) this.store.release();
    this.isGone = true;
    this.link?.clientCloses(1001);
  }

  /** Looks at what the page has; `all` at every message of it. */
  check(all: boolean): void {
    if (this.isGone || this.chat === undefined) return;
    for (const room of this.chat.rooms.values()) this.#checkRoom(room, all);
  }

  #checkRoom(room: Room, all: boolean): void {
    const { oldest, head, messages, wasReset } = room;
    const where = `${this.id} at ${Math.round(this.#time.ms)} in ${room.name}`;
    if (messages.length > 0 && messages.at(-1)?.offset !== head) {
      throw new Violation(`${where}: the last message is not the head`);
    }
    const before = this.#seen.get(room);
    if (before !== undefined) {
      if (oldest > before.head + 1 && room.missingCount === 0 && !wasReset && before.head > 0) {
        throw new Violation(`${where}: a hole from ${before.head} to ${oldest} is not announced`);
      }
      if (head < before.head && !wasReset) throw new Violation(`${where}: the log became shorter`);
    }
    this.#seen.set(room, { head });
    if (!all) return;
    for (const [i, { offset }] of messages.entries()) {
      if (offset !== oldest + i) throw new Violation(`${where}: offset ${offset} at ${i}`);
    }
  }

  /** Compares what the page has with the log. */
  compare(room: Room, log: readonly { readonly nonce: string; readonly text: string }[]): void {
    const differs = (message: Message) => {
      const entry = log[message.offset - 1];
      return entry?.nonce !== message.nonce || entry.text !== message.text;
    };
    const wrong = room.messages.find(differs);
    if (wrong !== undefined) {
      throw new Violation(`${this.id}: ${room.name} has another message at ${wrong.offset}`);
    }
    if (room.head !== log.length) {
      throw new Violation(`${this.id}: ${room.name} ends at ${room.head}, not at ${log.length}`);
    }
  }
}
