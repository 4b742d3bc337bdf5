// One life of the connections to Redis: one for commands, one that waits for the feed, one that hears what may be lost.
// When any fails, all are given up, and nothing sent through them is sent again; who wants to go on opens another link.

import { createClient, ErrorReply } from "@redis/client";
import type { RedisScript } from "./scripts.ts";

/** The little that is used of a client: its typed commands are not needed beside the scripts. */
interface Client {
  readonly isOpen: boolean;
  connect(): Promise<unknown>;
  sendCommand(args: readonly string[]): Promise<unknown>;
  subscribe(name: string, hear: (text: string) => void): Promise<unknown>;
  destroy(): void;
}

/** Answers after which this Redis is of no use: another one may have taken over, or it has only just started. */
const useless = /^(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|MOVED|UNBLOCKED|NOAUTH|NOPERM)/;
/** How long one reading waits for the feed; so that a connection that is dead without a word is found out. */
const feedWaitMs = 2_000;
const feedCount = 128;

/** Something that every node hears. Ids rise; `after` is the id of the one before. */
export interface FeedEvent {
  readonly id: number;
  readonly after: number;
  readonly json: string;
}

/** What a link is made of; times in ms. */
export interface RedisLinkOptions {
  /** What no other link is called. */
  readonly name: string;
  readonly url: string;
  /** What all keys begin with. */
  readonly prefix: string;
  /** After so long without an answer the link is given up. */
  readonly timeoutMs: number;
  /** Told what any node whispered, this one too. */
  readonly hear: (text: string) => void;
}

/** The connections to one Redis, as they are used. */
export type Link = Pick<RedisLink, keyof RedisLink>;

/** What may be lost: who types. */
const whispers = "typing";

/** The connections to one Redis. */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  readonly #commands: Client;
  readonly #feed: Client;
  readonly #whispers: Client;
  readonly #lost = Promise.withResolvers<Error>();
  #isOpen = true;

  /**
   * Connects.
   *
   * @throws {Error} If Redis cannot be reached, or is not fit to keep a chat; the message says why.
   */
  static async open(options: RedisLinkOptions): Promise<RedisLink> {
    const link = new RedisLink(options);
    try {
      await Promise.all(link.#clients.map((client) => client.connect()));
      const [commands, feed] = await Promise.all(
        [link.#commands, link.#feed].map((client) => link.#ask(client, ["INFO"])),
      );
      requireFit(fieldsOf(commands), fieldsOf(feed));
      await link.#whispers.subscribe(options.prefix + whispers, options.hear);
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
        .on("end", () => this.lose(new Error("the connection has ended")));
    this.#commands = client();
    this.#feed = client();
    this.#whispers = client();
  }

  get #clients(): readonly Client[] {
    return [this.#commands, this.#feed, this.#whispers];
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

  /** Runs a script; answers the JSON that it answers. Rejects when that cannot be done, or takes too long. */
  async run(script: RedisScript, args: readonly string[]): Promise<string> {
    const rest = ["1", this.#options.prefix, ...args];
    try {
      return String(await this.#ask(this.#commands, ["EVALSHA", script.sha1, ...rest]));
    } catch (error) {
      // It has never run in this life of Redis.
      if (!isUnknownScript(error)) throw error;
      return String(await this.#ask(this.#commands, ["EVAL", script.text, ...rest]));
    }
  }

  /** The members of the set `name`, a few hundred at a time. */
  async *members(name: string): AsyncGenerator<readonly string[]> {
    let cursor = "0";
    do {
      const args = ["SSCAN", this.#options.prefix + name, cursor, "COUNT", "500"];
      const [next, found] = await this.#ask(this.#commands, args) as [string, string[]];
      cursor = next;
      yield found;
    } while (cursor !== "0");
  }

  /** What the feed has after an id: waits a while for something, and answers nothing when nothing came. */
  async feed(after: number): Promise<readonly FeedEvent[]> {
    const { prefix, timeoutMs } = this.#options;
    const block = ["BLOCK", String(feedWaitMs), "COUNT", String(feedCount)];
    const args = ["XREAD", ...block, "STREAMS", `${prefix}feed`, `${after}-0`];
    const reply = await this.#ask(this.#feed, args, feedWaitMs + timeoutMs);
    if (reply === null) return [];
    const [[, events]] = reply as [[string, [string, string[]][]]];
    return events.map(([id, [, before, , json = ""]]) => ({
      id: Number.parseInt(id),
      after: Number(before),
      json,
    }));
  }

  /** Gives the link up: everything that still waits for an answer is rejected. */
  lose(error: Error): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const client of this.#clients) {
      if (client.isOpen) client.destroy();
    }
    this.#lost.resolve(error);
  }

  /** Tells all nodes something that may be lost. */
  whisper(text: string): void {
    // Whether the link is lost is seen to by what matters.
    this.#ask(this.#commands, ["PUBLISH", this.#options.prefix + whispers, text]).catch(() => {});
  }

  /** Ends the connections. */
  close(): void {
    this.lose(new Error("the link was closed"));
  }

  async #ask(
    client: Client,
    args: readonly string[],
    timeoutMs = this.#options.timeoutMs,
  ): Promise<unknown> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error("no answer in time")), timeoutMs);
    try {
      return await Promise.race([client.sendCommand(args), late.promise]);
    } catch (error) {
      if (!(error instanceof ErrorReply) || useless.test(error.message)) {
        this.lose(error instanceof Error ? error : new Error(String(error)));
      }
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

type Fields = ReadonlyMap<string, string>;

function fieldsOf(info: unknown): Fields {
  const lines = String(info).split("\r\n").filter((line) => line.includes(":"));
  return new Map(lines.map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at), line.slice(at + 1)];
  }));
}

function requireFit(commands: Fields, feed: Fields): void {
  const version = commands.get("redis_version") ?? "";
  if (Number.parseInt(version) < 7) throw new Error(`it is ${version}, and 7 or newer is needed`);
  const policy = commands.get("maxmemory_policy");
  if (policy !== "noeviction") {
    throw new Error(
      `its maxmemory-policy is ${policy}, which throws messages away: set it to noeviction`,
    );
  }
  if (commands.get("run_id") !== feed.get("run_id")) {
    throw new Error("two connections led to two of them");
  }
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
