// Three simulated servers on one simulated Redis: real hubs and Redis brokers that die, hang and
// are cut off one by one.

import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import type { RedisLinkOptions } from "../../../app/broker/redis/redis_link.ts";
import type { HubSettings } from "../../../app/chat/ports.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Deployment } from "./deployment.ts";
import type { Acceptor } from "./network.ts";
import { ReferenceLog } from "./reference_log.ts";
import type { RoomLogs } from "./reference_log.ts";
import { SimulatedLink } from "./simulated_link.ts";
import { SimulatedProcess } from "./simulated_process.ts";
import { SimulatedRedis } from "./simulated_redis.ts";
import type { Timeline } from "./timeline.ts";
import { recordViolation, Violation } from "./violation.ts";

const nodeCount = 3;
const leaseMs = 15_000;
const timeoutMs = 3_000;

/** One run of a node's process, from its start to its end. */
interface NodeRun {
  isAlive: boolean;
  broker?: RedisBroker;
  process?: SimulatedProcess;
}

interface Node {
  /** Absent while the node does not run. */
  run: NodeRun | undefined;
  isCut: boolean;
}

export interface RedisDeploymentSettings {
  readonly retentionMessages: number;
  readonly hub: HubSettings;
}

export class RedisDeployment implements Deployment {
  readonly #time: Timeline;
  readonly #random: SeededRandom;
  readonly #settings: RedisDeploymentSettings;
  readonly #redis: SimulatedRedis;
  readonly #nodes: readonly Node[] = Array.from(
    { length: nodeCount },
    () => ({ run: undefined, isCut: false }),
  );
  readonly log = new ReferenceLog();
  crashes = 0;
  violation: Violation | undefined;
  #backup: { readonly redis: unknown; readonly log: RoomLogs } | undefined;

  constructor(time: Timeline, random: SeededRandom, settings: RedisDeploymentSettings) {
    this.#time = time;
    this.#random = random;
    this.#settings = settings;
    this.#redis = new SimulatedRedis(time, random, (entries) => {
      recordViolation(this, () => {
        for (const entry of entries) this.log.append(entry);
      });
    });
    for (const node of this.#nodes) this.#startNode(node);
  }

  get #processes(): readonly SimulatedProcess[] {
    return this.#nodes.flatMap(({ run }) => run?.process === undefined ? [] : [run.process]);
  }

  get isUp(): boolean {
    return this.#processes.length === nodeCount;
  }

  get hubSizes(): Deployment["hubSizes"] {
    return this.#processes.map(({ hub }) => hub.size);
  }

  namesIn(room: string): readonly string[] {
    return this.#processes.flatMap(({ hub }) => hub.membersOf(room, Infinity).usernames);
  }

  get acceptor(): Acceptor | undefined {
    return this.#random.pick(this.#processes)?.acceptor;
  }

  start(): void {
    const node = this.#nodes.find(({ run }) => run === undefined);
    if (node !== undefined) this.#startNode(node);
  }

  #startNode(node: Node): void {
    const run: NodeRun = { isAlive: true };
    node.run = run;
    const opened = RedisBroker.open({
      url: "redis://redis/",
      prefix: "",
      randomName: () => `x${this.#random.below(1e9)}`,
      nameHoldMs: 86_400_000,
      retentionDays: 0,
      retentionMessages: this.#settings.retentionMessages,
      maxRooms: 0,
      leaseMs,
      timeoutMs,
      report: () => {},
      connect: (options) => this.#connect(node, run, options),
      later: (ms, task) =>
        this.#time.later(ms, () => {
          if (run.isAlive) task();
        }),
      random: () => this.#random.next(),
      now: () => this.#time.wall(),
      moderatorMac: (member) => `mac-${member}`,
      sweepEntries: 1 + this.#random.below(20),
    });
    opened.then((broker) => {
      if (!run.isAlive) return;
      run.broker = broker;
      run.process = new SimulatedProcess({
        time: this.#time,
        random: this.#random,
        settings: this.#settings.hub,
        broker: () => broker,
        onLog: (event, fields) => {
          if (event !== "hello") return;
          recordViolation(this, () => this.log.watch?.checkHello(String(fields.member)));
        },
        onViolation: (message) => this.violation ??= new Violation(message),
        onCrash: () => this.#kill(node),
      });
    }, () => {
      // Like main.ts, the process exits if it cannot use Redis.
      if (node.run === run) node.run = undefined;
    });
  }

  #connect(node: Node, run: NodeRun, options: RedisLinkOptions): Promise<SimulatedLink> {
    const { promise, resolve, reject } = Promise.withResolvers<SimulatedLink>();
    this.#time.later(this.#random.delay(1_000), () => {
      if (!run.isAlive) return;
      const isPaused = this.#redis.hangsUntil > this.#time.ms;
      if (!this.#redis.isUp || isPaused || node.isCut) return reject(new Error("no reply"));
      const linked = { isAlive: () => run.isAlive, isCut: () => node.isCut };
      resolve(new SimulatedLink(this.#redis, options, linked));
    });
    return promise;
  }

  stop(): void {
    const node = this.#random.pick(this.#nodes);
    const run = node?.run;
    const process = run?.process;
    if (node === undefined || run === undefined || process === undefined) return;
    void process.hub.drain().then(() => {
      if (node.run !== run) return;
      run.isAlive = false;
      process.end();
      node.run = undefined;
    });
  }

  crash(): void {
    const node = this.#random.pick(this.#nodes);
    if (node !== undefined) this.#kill(node);
  }

  crashSoon(): void {
    this.#random.pick(this.#processes)?.crashSoon();
  }

  #kill(node: Node): void {
    const { run } = node;
    if (run === undefined) return;
    this.crashes++;
    run.isAlive = false;
    node.run = undefined;
    run.process?.kill();
  }

  close(): void {
    for (const { run } of this.#nodes) if (run !== undefined) run.isAlive = false;
  }

  /** Kills Redis, makes it hang, fills it, corrupts a room, or cuts one node off from it. */
  failStorage(): void {
    const random = this.#random;
    const redis = this.#redis;
    const node = random.pick(this.#nodes);
    const room = random.pick([...this.log.rooms.keys()]);
    const failures: readonly (() => void)[] = [
      () => redis.kill(),
      () => redis.diesInScript = true,
      () => redis.hangsUntil = this.#time.ms + random.delay(40_000),
      () => redis.isFull = true,
      () => room !== undefined && redis.corruptRooms.add(room),
      () => node !== undefined && (node.isCut = true),
    ];
    random.pick(failures)?.();
  }

  repairStorage(): void {
    this.#redis.repair();
    for (const node of this.#nodes) node.isCut = false;
  }

  takeBackup(): void {
    this.#backup = { redis: this.#redis.backup(), log: this.log.backup() };
  }

  restoreBackup(): void {
    if (this.#backup === undefined) return;
    this.#redis.kill(this.#backup.redis);
    this.log.restore(this.#backup.log);
    this.#time.later(this.#random.delay(3_000), () => this.#redis.restart());
  }

  checkStorage(): void {
    const { contents } = this.#redis;
    for (const text of this.log.deleted) {
      if (contents.includes(text)) throw new Violation(`Redis still has the deleted text ${text}`);
    }
  }

  prune(): void {
    void this.#random.pick(this.#nodes)?.run?.broker?.prune().catch(() => {});
  }
}
