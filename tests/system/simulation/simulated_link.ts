// A node's link to the simulated Redis. Commands stay in order and so does the feed; which of the
// two is faster is random.

import type {
  Link,
  RedisLinkOptions,
  StoredEvent,
  TypingSignal,
} from "../../../app/broker/redis/redis_link.ts";
import type {
  CommonArgs,
  ScriptArgs,
  ScriptName,
  ScriptReply,
  ScriptRow,
} from "../../../app/broker/redis/scripts.ts";
import type { SimulatedRedis } from "./simulated_redis.ts";

/** The state of the node at one end of a link. */
export interface LinkedNode {
  readonly isAlive: () => boolean;
  /** Whether the network between the node and Redis is down. */
  readonly isCut: () => boolean;
}

export class SimulatedLink implements Link {
  readonly #redis: SimulatedRedis;
  readonly #options: RedisLinkOptions;
  readonly #node: LinkedNode;
  /** Whether a delivery was lost. The link then delivers nothing more. */
  #isStuck = false;
  readonly #lost = Promise.withResolvers<Error>();
  readonly #pending = new Set<(error: Error) => void>();
  readonly #maxDelayMs: number;
  #arrivesAt = 0;
  #repliesAt = 0;
  #onFeed: (() => void) | undefined;
  isOpen = true;

  constructor(redis: SimulatedRedis, options: RedisLinkOptions, node: LinkedNode) {
    this.#redis = redis;
    this.#options = options;
    this.#node = node;
    this.#maxDelayMs = redis.random.delay(300);
    redis.links.add(this);
  }

  get name(): string {
    return this.#options.name;
  }

  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  run<Name extends ScriptName>(
    name: Name,
    args: CommonArgs & ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[],
  ): Promise<ScriptReply<Name>> {
    const { time } = this.#redis;
    const { promise, resolve, reject } = Promise.withResolvers<ScriptReply<Name>>();
    if (!this.isOpen) return Promise.reject(new Error("the link is closed"));
    this.#pending.add(reject);
    const cancel = time.later(this.#options.timeoutMs, () => {
      if (this.#node.isAlive()) this.lose(new Error("no reply in time"));
    });
    this.#arrivesAt = Math.max(this.#arrivesAt, time.ms + this.#delay());
    const arrive = (bufferedBy?: string) => {
      const isLost = bufferedBy === undefined
        ? !this.#passes()
        : !this.#redis.isUp || this.#redis.processId !== bufferedBy;
      if (isLost) return;
      const { hangsUntil, processId } = this.#redis;
      // After a pause, Redis runs the calls that it received, even if their link is lost by then.
      if (hangsUntil > time.ms) return void time.at(hangsUntil, () => arrive(processId));
      let settle: () => void;
      try {
        const reply = JSON.stringify(this.#redis.run(name, args, rows));
        settle = () => resolve(JSON.parse(reply));
      } catch (error) {
        settle = () => reject(error);
      }
      this.#repliesAt = Math.max(this.#repliesAt, time.ms + this.#delay());
      time.at(this.#repliesAt, () => {
        if (!this.#passes()) return;
        cancel();
        this.#pending.delete(reject);
        settle();
      });
    };
    time.at(this.#arrivesAt, () => arrive());
    return promise;
  }

  async *rooms(): AsyncGenerator<readonly string[]> {
    yield ["lobby", "design", "lunch", "notes"];
  }

  readFeed(after: number): Promise<readonly StoredEvent[]> {
    const { time } = this.#redis;
    const { promise, resolve, reject } = Promise.withResolvers<readonly StoredEvent[]>();
    if (!this.isOpen) return Promise.reject(new Error("the link is closed"));
    this.#pending.add(reject);
    const reply = () => {
      this.#onFeed = undefined;
      const at = Math.max(time.ms + this.#delay(), this.#redis.hangsUntil);
      time.at(at, () => {
        if (!this.#passes()) return;
        this.#pending.delete(reject);
        resolve(this.#redis.readFeed(after));
      });
    };
    if (this.#redis.readFeed(after).length > 0) reply();
    else this.#onFeed = reply;
    return promise;
  }

  /** Called when the feed has a new event. */
  onFeedEvent(): void {
    this.#onFeed?.();
  }

  publishTyping(signal: TypingSignal): void {
    const { time, random, links } = this.#redis;
    for (const link of links) {
      if (random.isTrue(0.9)) time.later(random.delay(500), () => link.receiveTyping(signal));
    }
  }

  lose(error: Error): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#redis.links.delete(this);
    if (!this.#node.isAlive()) return;
    for (const reject of this.#pending) reject(error);
    this.#lost.resolve(error);
  }

  close(): void {
    this.lose(new Error("the link was closed"));
  }

  receiveTyping(signal: TypingSignal): void {
    if (this.#passes()) this.#options.onTyping(signal);
  }

  /** Returns whether a delivery gets through now. */
  #passes(): boolean {
    this.#isStuck ||= this.#node.isCut();
    return this.isOpen && this.#node.isAlive() && !this.#isStuck;
  }

  #delay(): number {
    return this.#redis.random.delay(this.#maxDelayMs);
  }
}
