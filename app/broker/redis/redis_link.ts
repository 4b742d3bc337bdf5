// A link to one Redis: a connection for commands, one that waits for the feed, and one for typing
// signals. If one of them fails, the whole link is lost. Nothing is resent.

import { createClient, ErrorReply } from "@redis/client";
import { requireUsable, typingChannel } from "./connect_error.ts";
import { scripts } from "./scripts.ts";
import type { CommonArgs, ScriptArgs, ScriptName, ScriptReply, ScriptRow } from "./scripts.ts";

/** The part of a Redis client that the link uses. */
interface Client {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
  destroy(): void;
}

/** Errors that make this Redis unusable, for example after a failover or while it starts. */
const fatalErrors =
  /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|MOVED|UNBLOCKED|NOAUTH|NOPERM|NOSCRIPT)/;
/** Max wait of one feed read, which bounds how long a dead connection goes unnoticed. */
const feedWaitMs = 2_000;
const feedMaxEvents = 128;
const scanCount = 500;

/** A stored event of the feed. Ids increase; `after` is the id of the previous event. */
export interface StoredEvent {
  readonly id: number;
  readonly after: number;
  readonly json: string;
}

/** A member is typing in a room through a node. None of the fields contains a space. */
export interface TypingSignal {
  readonly node: string;
  readonly room: string;
  readonly member: string;
}

export interface RedisLinkOptions {
  /** Unique among the links of all nodes. */
  readonly name: string;
  readonly url: string;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Timeout of a reply. When it expires, the link is lost. */
  readonly timeoutMs: number;
  /** Called with the signals of all nodes, this one included. */
  readonly onTyping: (signal: TypingSignal) => void;
}

export type Link = Omit<RedisLink, "send">;

export class RedisLink {
  readonly name: string;
  readonly #options: RedisLinkOptions;
  readonly #typingChannel: string;
  readonly #commands: Client;
  readonly #feed: Client;
  readonly #typing: Client;
  readonly #clients: readonly Client[];
  readonly #lost = Promise.withResolvers<Error>();
  /** The scripts that have run over this link, so Redis has cached them. */
  readonly #cached = new Set<ScriptName>();
  #isOpen = true;

  /**
   * Connects.
   *
   * @throws {Error} If Redis cannot be reached or cannot store a chat; the message says why.
   */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    try {
      // Connecting includes several replies, which the client awaits forever. If the first client
      // cannot connect, the others don't try: their lookups of the name would outlive this call.
      const connecting = link.#commands.connect()
        .then(() => Promise.all([link.#feed.connect(), link.#typing.connect()]));
      await link.#inTime(connecting, 3 * options.timeoutMs);
      const [commands, feed] = await Promise.all(
        [link.#commands, link.#feed].map((client) => link.#send(client, ["INFO"])),
      );
      requireUsable(commands, feed);
      await link.#requireRights();
      await link.#inTime(link.#typing.subscribe(link.#typingChannel, (text) => {
        const [node = "", room = "", member] = text.split(" ");
        // Ignore what other programs send on the channel.
        if (member !== undefined) options.onTyping({ node, room, member });
      }));
      return link;
    } catch (error) {
      // The first error is the cause of the others.
      link.lose(error);
      throw await link.lost;
    }
  }

  /** Rejects if the user lacks the right to run a command that is needed only later. */
  async #requireRights(): Promise<void> {
    const { prefix } = this.#options;
    const commands = [
      ["EVAL", "return 1", "0"],
      // The hash of that script.
      ["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"],
      ["SSCAN", `${prefix}rooms`, "0", "COUNT", "1"],
      ["XREAD", "COUNT", "1", "STREAMS", `${prefix}feed`, "$"],
      ["PUBLISH", this.#typingChannel, ""],
    ];
    await Promise.allSettled(commands.map((command) => this.#send(this.#commands, command)));
    if (!this.#isOpen) throw await this.#lost.promise;
  }

  private constructor(options: RedisLinkOptions) {
    this.#options = options;
    this.name = options.name;
    this.#typingChannel = typingChannel(options.prefix, options.url);
    const client = (): Client =>
      createClient({
        url: options.url,
        disableOfflineQueue: true,
        socket: { reconnectStrategy: false, connectTimeout: options.timeoutMs },
      })
        .on("error", (error: Error) => this.lose(error))
        .on("end", () => this.lose(new Error("the connection was closed")));
    this.#clients = [
      this.#commands = client(),
      this.#feed = client(),
      this.#typing = client(),
    ];
  }

  /** True until the link is lost or closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves with the reason when the link is lost or closed. */
  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  /**
   * Runs a script. Rejects if it fails, or if its reply takes longer than the timeout.
   *
   * Scripts run in the order of the calls. So a script that Redis has flushed is not sent again, as
   * it would run after later calls, but the link is lost.
   */
  async run<Name extends ScriptName>(
    name: Name,
    args: CommonArgs & ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[],
  ): Promise<ScriptReply<Name>> {
    const { text, sha1 } = scripts[name];
    const script = this.#cached.has(name) ? ["EVALSHA", sha1] : ["EVAL", text];
    const rest = ["1", this.#options.prefix, JSON.stringify(args), ...rows.flat()];
    const reply = await this.#send(this.#commands, [...script, ...rest]);
    this.#cached.add(name);
    return JSON.parse(String(reply));
  }

  /** Yields the rooms that have messages, a few hundred at a time, possibly with repeats. */
  async *rooms(): AsyncGenerator<readonly string[]> {
    let cursor = "0";
    do {
      const args = ["SSCAN", `${this.#options.prefix}rooms`, cursor, "COUNT", String(scanCount)];
      const [next, rooms] = await this.#send(this.#commands, args) as [string, string[]];
      cursor = next;
      yield rooms;
    } while (cursor !== "0");
  }

  /** Returns the events after an id. Waits up to `feedWaitMs` for the first one. */
  async readFeed(after: number): Promise<readonly StoredEvent[]> {
    const { prefix, timeoutMs } = this.#options;
    const block = ["BLOCK", String(feedWaitMs), "COUNT", String(feedMaxEvents)];
    const args = ["XREAD", ...block, "STREAMS", `${prefix}feed`, `${after}-0`];
    const reply = await this.#send(this.#feed, args, feedWaitMs + timeoutMs);
    if (reply === null) return [];
    const [[, events]] = reply as [[string, [string, string[]][]]];
    return events.map(([id, [, before, , json = ""]]) => ({
      id: Number.parseInt(id),
      after: Number(before),
      json,
    }));
  }

  /** Sends a typing signal to all nodes. Delivery is not guaranteed. */
  publishTyping({ node, room, member }: TypingSignal): void {
    // A lost link is reported by the commands that matter.
    this.#send(this.#commands, ["PUBLISH", this.#typingChannel, `${node} ${room} ${member}`])
      .catch(() => {});
  }

  /** Sends one command. Rejects as `run` does. */
  send(...args: readonly string[]): Promise<unknown> {
    return this.#send(this.#commands, args);
  }

  /** Gives up the link, and rejects every pending call. */
  lose(error: unknown): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const client of this.#clients) {
      try {
        if (client.isOpen) client.destroy();
      } catch {
        // The client has no socket yet; its `connect` rejects.
      }
    }
    this.#lost.resolve(error instanceof Error ? error : new Error(String(error)));
  }

  close(): void {
    this.lose(new Error("the link was closed"));
  }

  async #send(
    client: Client,
    args: readonly string[],
    timeoutMs = this.#options.timeoutMs,
  ): Promise<unknown> {
    try {
      return await this.#inTime(client.sendCommand(args), timeoutMs);
    } catch (error) {
      if (!(error instanceof ErrorReply) || fatalErrors.test(error.message)) {
        this.lose(error);
      }
      throw error;
    }
  }

  /** Returns the result of `pending`. Rejects if it takes longer than the timeout. */
  async #inTime<T>(pending: Promise<T>, timeoutMs = this.#options.timeoutMs): Promise<T> {
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      timeout.reject(new Error(`no reply within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await Promise.race([pending, timeout.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
