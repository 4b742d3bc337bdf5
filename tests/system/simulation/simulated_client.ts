// A simulated user with one tab: the page's real chat client on a simulated network.

import { ChatClient } from "../../../static/client/state/chat_client.ts";
import { mentions } from "../../../static/client/state/formatting.ts";
import type { OutboxMessage, OutboxStore } from "../../../static/client/state/outbox.ts";
import type { Message } from "../../../static/client/state/message.ts";
import type { Room } from "../../../static/client/state/room.ts";
import { TabOutbox } from "../../../static/client/state/tab_outbox.ts";
import type { KeyValue } from "../../../static/client/state/storage.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { ClientLedger } from "./client_ledger.ts";
import type { Deployment } from "./deployment.ts";
import { SimulatedConnection } from "./network.ts";
import type { Timeline } from "./timeline.ts";
import { Violation } from "./violation.ts";

export interface ClientOptions {
  readonly time: Timeline;
  readonly random: SeededRandom;
  readonly deployment: Deployment;
  readonly ledger: ClientLedger;
  /** Names this client in violations. */
  readonly id: string;
  readonly username: string;
  readonly token: string;
  /** The storage of the browser, and that of the tab. */
  readonly browserStorage: KeyValue;
  readonly tabStorage: KeyValue;
}

export class SimulatedClient {
  readonly chat: ChatClient;
  readonly outboxStore: TabOutbox;
  readonly options: ClientOptions;
  connection: SimulatedConnection | undefined;
  isClosed = false;
  /** The head of each room when it was checked last. */
  readonly #heads = new WeakMap<Room, number>();

  constructor(options: ClientOptions) {
    this.options = options;
    const { time, random, browserStorage, tabStorage } = options;
    const newId = () => `x${random.below(2 ** 31)}y${random.below(2 ** 31)}`;
    this.outboxStore = new TabOutbox(browserStorage, tabStorage, newId, () => time.wall());
    this.chat = new ChatClient({
      connection: {
        dial: (_subprotocol, events) => {
          const connection = new SimulatedConnection(time, random, {
            onOpen: () => this.isClosed || events.onOpen(),
            onFrame: (frame) => this.isClosed || events.onFrame(frame),
            onClose: (code, reason) => this.isClosed || events.onClose(code, reason),
          });
          this.connection = connection;
          connection.connect(options.deployment.acceptor);
          return {
            send: (frame) => connection.sendToServer(frame),
            close: (code) => connection.closeFromClient(code),
          };
        },
        probe: (done) => done(undefined),
        now: () => time.now(),
        later: (ms, task) => time.later(ms, () => this.isClosed || task()),
        random: () => random.next(),
      },
      outbox: {
        store: this.#recorded(this.outboxStore),
        now: () => time.wall(),
        newNonce: newId,
      },
      tab: newId(),
      mentions,
      onChange: () => this.check(false),
    });
  }

  signIn(): void {
    const { username, token } = this.options;
    this.chat.signIn({ username, token });
  }

  send(room: string, text: string): void {
    const { ledger, id, tabStorage } = this.options;
    const before = new Set(this.chat.outbox.messagesIn(room).map(({ nonce }) => nonce));
    if (this.chat.send(room, text) !== undefined) return;
    const sent = ledger.sent.get(id) ?? [];
    ledger.sent.set(id, sent);
    // The network has a latency, so the message cannot have been acknowledged yet.
    for (const { nonce } of this.chat.outbox.messagesIn(room)) {
      if (before.has(nonce)) continue;
      sent.push({ room, nonce });
      ledger.origins.set(nonce, tabStorage);
    }
  }

  /** Sends or discards every message that the page asks the user about. */
  answerPrompts(): void {
    for (const room of this.chat.outbox.rooms) {
      for (const message of this.chat.outbox.messagesIn(room)) this.#answerPrompt(message);
    }
  }

  #answerPrompt(message: OutboxMessage): void {
    if (message.state === "stale") this.chat.retry(message);
    if (message.state !== "failed") return;
    this.options.ledger.discarded.add(message.nonce);
    this.chat.discard(message);
  }

  /** Closes, reloads or crashes the tab: its pending work stops. */
  close(isCrash = false): void {
    if (!isCrash) this.outboxStore.release();
    this.isClosed = true;
    this.connection?.closeFromClient(1001);
  }

  /** Records the messages that enter and leave the outbox. */
  #recorded(store: TabOutbox): OutboxStore {
    const { ledger, tabStorage } = this.options;
    return {
      load: (heardSince) => {
        const messages = store.load(heardSince);
        for (const { nonce } of messages) {
          if (ledger.origins.get(nonce) !== tabStorage) ledger.adopted.add(nonce);
        }
        return messages;
      },
      put: (message) => store.put(message),
      remove: (nonce) => {
        store.remove(nonce);
        if (!ledger.discarded.has(nonce)) ledger.acknowledged.add(nonce);
      },
    };
  }

  /**
   * Checks that the page has a range of each room's log and announces the holes in it.
   *
   * @param isThorough Whether to look at each message.
   * @throws {Violation} If a room fails the check.
   */
  check(isThorough: boolean): void {
    // The client calls this from its constructor too.
    if (this.isClosed || this.chat === undefined) return;
    for (const room of this.chat.rooms.values()) this.#checkRoom(room, isThorough);
  }

  #checkRoom(room: Room, isThorough: boolean): void {
    const { oldest, head, messages, missingCount, wasReset } = room.log;
    const where = `${this.options.id} at ${Math.round(this.options.time.ms)} in ${room.name}`;
    if (messages.length > 0 && messages.at(-1)?.offset !== head) {
      throw new Violation(`${where}: the last message is not the head`);
    }
    const before = this.#heads.get(room);
    if (before !== undefined) {
      if (oldest > before + 1 && missingCount === 0 && !wasReset && before > 0) {
        throw new Violation(`${where}: a hole from ${before} to ${oldest} is not announced`);
      }
      if (head < before && !wasReset) throw new Violation(`${where}: the log became shorter`);
    }
    this.#heads.set(room, head);
    if (!isThorough) return;
    for (const [i, { offset }] of messages.entries()) {
      if (offset !== oldest + i) throw new Violation(`${where}: offset ${offset} at ${i}`);
    }
  }

  /**
   * Compares the rooms that the page has with the log.
   *
   * @throws {Violation} If they differ.
   */
  compare(logs: ReadonlyMap<string, readonly Entry[]>): void {
    for (const room of this.chat.rooms.values()) this.#compareRoom(room, logs.get(room.name) ?? []);
  }

  #compareRoom(room: Room, log: readonly Entry[]): void {
    const differs = (message: Message) => {
      const entry = log[message.offset - 1];
      return entry?.nonce !== message.nonce || entry.text !== message.text;
    };
    const wrong = room.log.messages.find(differs);
    const { id } = this.options;
    if (wrong !== undefined) {
      throw new Violation(`${id}: ${room.name} has another message at ${wrong.offset}`);
    }
    if (room.log.head !== log.length) {
      throw new Violation(`${id}: ${room.name} ends at ${room.log.head}, its log at ${log.length}`);
    }
  }
}
