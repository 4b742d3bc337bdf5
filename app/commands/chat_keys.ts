// Reads and writes the Redis keys of a chat, for commands.

import { connectError } from "../broker/redis/connect_error.ts";
import { RedisLink } from "../broker/redis/redis_link.ts";

const timeoutMs = 10_000;
const scanCount = 1_000;

export class ChatKeys {
  readonly link: RedisLink;
  readonly #prefix: string;

  private constructor(link: RedisLink, prefix: string) {
    this.link = link;
    this.#prefix = prefix;
  }

  /**
   * Connects to a chat in Redis.
   *
   * @throws {Error} If Redis cannot be used, or servers are using a chat that must be `offline`.
   */
  static async open(url: string, prefix: string, state?: "offline"): Promise<ChatKeys> {
    let link: RedisLink | undefined;
    try {
      const onTyping = () => {};
      link = await RedisLink.open({ name: "archive", url, prefix, timeoutMs, onTyping });
      const keys = new ChatKeys(link, prefix);
      if (state === "offline" && await keys.hasServers()) {
        throw new Error("servers are using it or were a moment ago; stop them and wait a minute");
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

  /** Returns fields of a hash, with `undefined` for each missing one. */
  async fields(key: string, ...names: readonly string[]): Promise<readonly (string | undefined)[]> {
    const values = await this.send("HMGET", key, ...names) as readonly (string | null)[];
    return values.map((value) => value ?? undefined);
  }

  async hasServers(): Promise<boolean> {
    for await (const found of this.scan("lease:*")) if (found.length > 0) return true;
    return false;
  }

  /** Yields the chat's keys that match `pattern`, which excludes the prefix. Keys may repeat. */
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
