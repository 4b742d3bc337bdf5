// The keys of a chat in Redis, for commands.

import { connectError } from "../broker/redis/connect_error.ts";
import { RedisLink } from "../broker/redis/redis_link.ts";

const timeoutMs = 10_000;
const scanCount = 1_000;

/** The keys of one chat. */
export class ChatKeys {
  readonly link: RedisLink;
  readonly #prefix: string;

  private constructor(link: RedisLink, prefix: string) {
    this.link = link;
    this.#prefix = prefix;
  }

  /**
   * Connects.
   *
   * @throws {Error} If Redis cannot be used, or servers use a chat that should be `unserved`.
   */
  static async open(url: string, prefix: string, state?: "unserved"): Promise<ChatKeys> {
    let link: RedisLink | undefined;
    try {
      const onTyping = () => {};
      link = await RedisLink.open({ name: "archive", url, prefix, timeoutMs, onTyping });
      const keys = new ChatKeys(link, prefix);
      if (state === "unserved" && await keys.isServed()) {
        throw new Error("servers use it, or did a moment ago; stop them all, and wait a minute");
      }
      return keys;
    } catch (error) {
      link?.close();
      throw connectError(url, prefix, error);
    }
  }

  send(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.link.send(command, ...args.map(String));
  }

  key(...parts: readonly string[]): string {
    return this.#prefix + parts.join(":");
  }

  /** Returns fields of a hash; `undefined` where one is missing. */
  async fields(key: string, ...names: readonly string[]): Promise<readonly (string | undefined)[]> {
    const values = await this.send("HMGET", key, ...names) as readonly (string | null)[];
    return values.map((value) => value ?? undefined);
  }

  async isServed(): Promise<boolean> {
    for await (const found of this.scan("lease:*")) if (found.length > 0) return true;
    return false;
  }

  /** Yields the chat's keys, possibly with repeats. `pattern` is without the prefix. */
  async *scan(pattern: string): AsyncGenerator<readonly string[]> {
    const match = this.#prefix.replaceAll(/[*?[\]\\]/g, "\\$&") + pattern;
    let cursor = "0";
    do {
      const reply = await this.send("SCAN", cursor, "MATCH", match, "COUNT", scanCount);
      const [next, keys] = reply as readonly [string, readonly string[]];
      cursor = next;
      yield keys;
    } while (cursor !== "0");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link.close();
  }
}
