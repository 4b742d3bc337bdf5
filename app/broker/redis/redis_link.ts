// A link to one Redis: a connection for commands, one that waits for the feed, and one for typing
// signals. When one of them fails the link is lost as a whole; nothing is sent again.

import { createClient, ErrorReply } from "@redis/client";
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

/** Errors after which this Redis is of no use: another may have taken over, or it is starting. */
const fatalErrors = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|MOVED|UNBLOCKED|NOAUTH|NOPERM)/;
/** How long one read waits for the feed. It bounds how long a dead connection goes unnoticed. */
const feedWaitMs = 2_000;
const feedMaxEvents = 128;
const scanCount = 500;
const minVersion = 7;

/** An event of the feed as it is stored. Ids increase; `after` is the id of the event before. */
export interface StoredEvent {
  readonly id: number;
  readonly after: number;
  readonly json: string;
}

/** A member is typing in a room through a node. */
export interface TypingSignal {
  readonly node: string;
  readonly room: string;
  readonly member: string;
}

export interface RedisLinkOptions {
  /** Unique among the links of all nodes. */
  readonly name: string;
  readonly url: string;
  /** The start of every key. */
  readonly prefix: string;
  /** A reply that takes longer loses the link. */
  readonly timeoutMs: number;
  /** Called with the signals of all nodes, this one included. */
  readonly onTyping: (signal: TypingSignal) => void;
}

/** What the broker uses of a link. */
export type Link = Pick<RedisLink, keyof RedisLink>;

/** The connections to one Redis. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #commands: Client;
  readonly #feed: Client;
  readonly #typing: Client;
  readonly #lost = Promise.withResolvers<Error>();
  #isOpen = true;

  /**
   * Connects.
   *
   * @throws {Error} If Redis cannot be reached or cannot store a chat; the message says why.
   */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    try {
      await Promise.all(link.#clients.map((client) => client.connect()));
      const [commands, feed] = await Promise.all(
        [link.#commands, link.#feed].map((client) => link.#send(client, ["INFO"])),
      );
      requireUsable(parseInfo(commands), parseInfo(feed));
      await link.#typing.subscribe(
        link.#typingChannel,
        (text) => options.onTyping(JSON.parse(text)),
      );
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  private constructor(options: RedisLinkOptions) {
    this.#options = options;
    const client = (): Client =>
      createClient({
        url: options.url,
        disableOfflineQueue: true,
        socket: { reconnectStrategy: false, connectTimeout: options.timeoutMs },
      })
        .on("error", (error: Error) => this.lose(error))
        .on("end", () => this.lose(new Error("the connection was closed")));
    this.#commands = client();
    this.#feed = client();
    this.#typing = client();
  }

  get #clients(): readonly Client[] {
    return [this.#commands, this.#feed, this.#typing];
  }

  get #typingChannel(): string {
    return `${this.#options.prefix}typing`;
  }

  get name(): string {
    return this.#options.name;
  }

  /** True until the link is lost or closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves with the reason when the link is lost or closed. */
  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  /** Runs a script. Rejects if it fails, or if its reply takes longer than the timeout. */
  async run<Name extends ScriptName>(
    name: Name,
    args: CommonArgs & ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[],
  ): Promise<ScriptReply<Name>> {
    const { text, sha1 } = scripts[name];
    const rest = ["1", this.#options.prefix, JSON.stringify(args), ...rows.flat()];
    const reply = await this.#send(this.#commands, ["EVALSHA", sha1, ...rest])
      .catch((error) => {
        // The first call since Redis started.
        if (!isUnknownScript(error)) throw error;
        return this.#send(this.#commands, ["EVAL", text, ...rest]);
      });
    return JSON.parse(String(reply));
  }

  /** Yields the rooms that have messages, a few hundred at a time, some of them maybe twice. */
  async *rooms(): AsyncGenerator<readonly string[]> {
    let cursor = "0";
    do {
      const args = ["SSCAN", `${this.#options.prefix}rooms`, cursor, "COUNT", String(scanCount)];
      const [next, rooms] = await this.#send(this.#commands, args) as [string, string[]];
      cursor = next;
      yield rooms;
    } while (cursor !== "0");
  }

  /** Returns the events after an id. Waits for a while if there are none, then returns none. */
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

  /** Sends a typing signal to all nodes. It may get lost. */
  publishTyping(signal: TypingSignal): void {
    // A lost link shows in the commands that matter.
    this.#send(this.#commands, ["PUBLISH", this.#typingChannel, JSON.stringify(signal)])
      .catch(() => {});
  }

  /** Gives the link up: every pending call is rejected. */
  lose(error: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const client of this.#clients) {
      if (client.isOpen) client.destroy();
    }
    this.#lost.resolve(error);
  }

  close(): void {
    this.lose(new Error("the link was closed"));
  }

  async #send(
    client: Client,
    args: readonly string[],
    timeoutMs = this.#options.timeoutMs,
  ): Promise<unknown> {
    const timeout = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      timeout.reject(new Error(`no reply within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      return await Promise.race([client.sendCommand(args), timeout.promise]);
    } catch (error) {
      if (!(error instanceof ErrorReply) || fatalErrors.test(error.message)) {
        this.lose(error instanceof Error ? error : new Error(String(error)));
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

type Info = ReadonlyMap<string, string>;

/** Reads the reply to INFO: lines `name:value`. */
function parseInfo(info: unknown): Info {
  const lines = String(info).split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at), line.slice(at + 1)];
  }));
}

/** Throws if a chat cannot be stored there, seen from two connections. */
function requireUsable(commands: Info, feed: Info): void {
  const version = commands.get("redis_version") ?? "";
  if (Number.parseInt(version) < minVersion) {
    throw new Error(`its version is ${version}; it must be ${minVersion} or later`);
  }
  const policy = commands.get("maxmemory_policy");
  if (policy !== "noeviction") {
    throw new Error(`its maxmemory-policy is ${policy}, which evicts messages; set noeviction`);
  }
  if (commands.get("run_id") !== feed.get("run_id")) {
    throw new Error("its address leads to more than one server");
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
