// Several simulated servers on one simulated Redis: the real hubs on the real Redis broker, which die, hang and are cut off one
// by one.

import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import type { RedisLinkOptions } from "../../../app/broker/redis/connections.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import type { HubSettings } from "../../../app/chat/ports.ts";
import { SimulatedLink, SimulatedRedis } from "./simulated_redis.ts";
import { Process, setBack, Violation } from "./deployment.ts";
import type { Site } from "./deployment.ts";
import type { Acceptor, Chance, Timeline } from "./world.ts";

const leaseMs = 15_000;
const timeoutMs = 3_000;

/** One place where a server runs, or does not. */
interface Node {
  /** Tells this life of the server from the next. */
  life: { isAlive: boolean; broker?: RedisBroker; process?: Process } | undefined;
  isCut: boolean;
}

/** What a world has decided about its servers. */
export interface ClusterSettings {
  readonly retentionMessages: number;
  readonly hub: HubSettings;
}

/** Three servers and their Redis. */
export class Cluster implements Site {
  readonly #time: Timeline;
  readonly #chance: Chance;
  readonly #settings: ClusterSettings;
  readonly #redis: SimulatedRedis;
  readonly #nodes: readonly Node[] = Array.from(
    { length: 3 },
    () => ({ life: undefined, isCut: false }),
  );
  readonly log = new Map<string, Entry[]>();
  readonly lost = new Set<string>();
  crashes = 0;
  violation: Violation | undefined;
  #backup: { readonly state: unknown; readonly log: Map<string, Entry[]> } | undefined;

  constructor(time: Timeline, chance: Chance, settings: ClusterSettings) {
    this.#time = time;
    this.#chance = chance;
    this.#settings = settings;
    this.#redis = new SimulatedRedis(time, chance, (entries) => this.#commit(entries));
    for (const node of this.#nodes) this.#startNode(node);
  }

  get #up(): readonly Process[] {
    return this.#nodes.flatMap(({ life }) => life?.process === undefined ? [] : [life.process]);
  }

  get isUp(): boolean {
    return this.#nodes.every(({ life }) => life?.process !== undefined);
  }

  get sizes(): Site["sizes"] {
    return this.#up.map(({ hub }) => hub.size);
  }

  get acceptor(): Acceptor | undefined {
    return this.#chance.pick(this.#up)?.acceptor;
  }

  // ---------------------------------------------------------------- nodes

  start(): void {
    const node = this.#nodes.find(({ life }) => life === undefined);
    if (node !== undefined) this.#startNode(node);
  }

  #startNode(node: Node): void {
    const life: NonNullable<Node["life"]> = { isAlive: true };
    node.life = life;
    const time = this.#time;
    const opened = RedisBroker.open({
      url: "redis://redis/",
      prefix: "",
      randomName: () => `x${this.#chance.below(1e9)}`,
      nameHoldMs: 86_400_000,
      retentionDays: 0,
      retentionMessages: this.#settings.retentionMessages,
      maxRooms: 0,
      leaseMs,
      timeoutMs,
      report: () => {},
      connect: (options) => this.#connect(node, life, options),
      later: (ms, task) =>
        time.later(ms, () => {
          if (life.isAlive) task();
        }),
      random: () => this.#chance.next(),
    });
    opened.then((broker) => {
      if (!life.isAlive) return;
      life.broker = broker;
      life.process = new Process({
        time,
        chance: this.#chance,
        settings: this.#settings.hub,
        broker: () => broker,
        logged: () => {},
        fail: (promise) => this.#fail(promise),
        die: () => this.#kill(node),
      });
    }, () => {
      // It says why, and ends; somebody starts it again.
      if (node.life === life) node.life = undefined;
    });
  }

  #connect(
    node: Node,
    life: { readonly isAlive: boolean },
    options: RedisLinkOptions,
  ): Promise<SimulatedLink> {
    const { promise, resolve, reject } = Promise.withResolvers<SimulatedLink>();
    this.#time.later(this.#chance.delay(1_000), () => {
      if (!life.isAlive) return;
      if (!this.#redis.isUp || node.isCut) reject(new Error("nobody answers"));
      else resolve(new SimulatedLink(this.#redis, options, () => life.isAlive, () => node.isCut));
    });
    return promise;
  }

  stop(): void {
    const node = this.#chance.pick(this.#nodes);
    const process = node?.life?.process;
    if (node === undefined || process === undefined) return;
    const { life } = node;
    void process.hub.drain().then(() => {
      if (node.life !== life || life === undefined) return;
      life.isAlive = false;
      process.end();
      node.life = undefined;
    });
  }

  crash(): void {
    const node = this.#chance.pick(this.#nodes);
    if (node !== undefined) this.#kill(node);
  }

  crashSoon(): void {
    this.#chance.pick(this.#up)?.dieSoon();
  }

  #kill(node: Node): void {
    const { life } = node;
    if (life === undefined) return;
    this.crashes++;
    life.isAlive = false;
    node.life = undefined;
    life.process?.vanish();
  }

  close(): void {
    for (const { life } of this.#nodes) if (life !== undefined) life.isAlive = false;
  }

  // ---------------------------------------------------------------- Redis

  /** Redis dies or hangs, or one node is cut off from it. */
  refuse(): void {
    const chance = this.#chance;
    const node = chance.pick(this.#nodes);
    if (chance.isTrue(0.3)) this.#redis.kill();
    else if (chance.isTrue(0.4)) this.#redis.hangsUntil = this.#time.ms + chance.delay(10_000);
    else if (node !== undefined) {
      node.isCut = true;
    }
  }

  repair(): void {
    this.#redis.restart();
    for (const node of this.#nodes) node.isCut = false;
  }

  takeBackup(): void {
    const log = new Map([...this.log].map(([room, entries]) => [room, [...entries]]));
    this.#backup = { state: this.#redis.copy(), log };
  }

  restoreBackup(): void {
    if (this.#backup === undefined) return;
    this.#redis.kill(this.#backup.state);
    for (const nonce of setBack(this.log, this.#backup.log)) this.lost.add(nonce);
    this.#time.later(this.#chance.delay(3_000), () => this.#redis.restart());
  }

  prune(): void {
    void this.#chance.pick(this.#nodes)?.life?.broker?.prune().catch(() => {});
  }

  // ---------------------------------------------------------------- the log

  #commit(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const log = this.log.get(entry.room) ?? [];
      this.log.set(entry.room, log);
      if (entry.offset !== log.length + 1) {
        this.#fail(`${entry.room}: offset ${entry.offset} follows ${log.length}`);
      }
      log.push(entry);
    }
  }

  #fail(promise: string): void {
    this.violation ??= new Violation(promise);
  }
}
