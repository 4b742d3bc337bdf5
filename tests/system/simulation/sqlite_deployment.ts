// One simulated server: the real hub on the real SQLite broker, on a disk that fails, in a process
// that dies between any two steps.

import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { Broker } from "../../../app/chat/broker.ts";
import type { HubSettings } from "../../../app/chat/ports.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Deployment } from "./deployment.ts";
import { faultyBroker, slowBroker } from "./faulty_broker.ts";
import { GraceInvariant, NameInvariant } from "./invariants.ts";
import type { Acceptor } from "./network.ts";
import { ReferenceLog } from "./reference_log.ts";
import type { RoomLogs } from "./reference_log.ts";
import { SimulatedProcess } from "./simulated_process.ts";
import type { Timeline } from "./timeline.ts";
import { recordViolation, Violation } from "./violation.ts";

export interface SqliteDeploymentSettings {
  /** An empty folder. */
  readonly dir: string;
  readonly retentionMessages: number;
  readonly recentNonces: number;
  /** Whether messages are indexed for search. */
  readonly isIndexed: boolean;
  /** Whether the broker's calls take time. */
  readonly isSlow: boolean;
  readonly hub: HubSettings;
}

export class SqliteDeployment implements Deployment {
  readonly #time: Timeline;
  readonly #random: SeededRandom;
  readonly #settings: SqliteDeploymentSettings;
  readonly log = new ReferenceLog();
  #runs = 0;
  /** Number of the folder in use. Each run has its own, as a dead process keeps its files open. */
  #disk = 0;
  #broker: SqliteBroker | undefined;
  #process: SimulatedProcess | undefined;
  #isFailing = false;
  #backup: { readonly disk: string; readonly log: RoomLogs } | undefined;
  crashes = 0;
  violation: Violation | undefined;

  constructor(time: Timeline, random: SeededRandom, settings: SqliteDeploymentSettings) {
    this.#time = time;
    this.#random = random;
    this.#settings = settings;
    Deno.mkdirSync(this.#diskDir, { recursive: true });
  }

  get isUp(): boolean {
    return this.#process !== undefined;
  }

  get hubSizes(): Deployment["hubSizes"] {
    return this.#process === undefined ? [] : [this.#process.hub.size];
  }

  namesIn(room: string): readonly string[] {
    return this.#process?.hub.membersOf(room, Infinity).usernames ?? [];
  }

  get acceptor(): Acceptor | undefined {
    return this.#process?.acceptor;
  }

  failStorage(): void {
    this.#isFailing = true;
  }

  repairStorage(): void {
    this.#isFailing = false;
  }

  start(): void {
    if (this.#process !== undefined) return;
    const run = ++this.#runs;
    const { hub, isSlow, retentionMessages, recentNonces } = this.#settings;
    const names = new NameInvariant();
    const grace = new GraceInvariant(this.#time, hub.graceMs);
    let workedMs = 0;
    const broker = new SqliteBroker({
      path: `${this.#diskDir}/parley.db`,
      durability: "normal",
      now: () => this.#time.wall(),
      // Each step takes 0 to 10 ms, which changes the size of the next.
      monotonic: () => workedMs += this.#random.delay(10),
      randomName: () => `epoch${run}x${this.#random.below(1e9)}`,
      nameHoldMs: 86_400_000,
      graceMs: hub.graceMs,
      retentionDays: 0,
      retentionMessages,
      maxRooms: 0,
      maxDataBytes: 0,
      report: () => {},
      recentNonces,
      search: this.#settings.isIndexed,
      moderatorMac: (member) => `mac-${member}`,
    });
    this.#broker = broker;
    const brokerOf = (process: SimulatedProcess): Broker => {
      const faulty = faultyBroker({
        broker,
        process,
        isFailing: () => this.#isFailing,
        log: this.log,
        names,
        check: (run) => recordViolation(this, run),
      });
      return isSlow ? slowBroker(faulty, process, this.#time, this.#random) : faulty;
    };
    this.#process = new SimulatedProcess({
      time: this.#time,
      random: this.#random,
      settings: hub,
      broker: brokerOf,
      onLog: (event, fields) =>
        recordViolation(this, () => {
          grace.onLog(event, fields);
          if (event === "hello") this.log.watch?.checkHello(String(fields.member));
        }),
      onFrame: (session, frame) => grace.onFrame(session.id, frame),
      onSend: (frame) => recordViolation(this, () => this.log.checkFrame(frame)),
      onViolation: (message) =>
        recordViolation(this, () => {
          throw new Violation(message);
        }),
      onCrash: () => this.crash(),
    });
  }

  /** Kills the process. Committed messages are on the disk, everything else is gone. */
  crash(): void {
    if (this.#process === undefined) return;
    this.crashes++;
    this.#copyToNewDisk(this.#diskDir);
    this.#kill();
  }

  /** Returns to the last backup, as after a power failure or when an operator restores it. */
  restoreBackup(): void {
    if (this.#backup === undefined || this.#process === undefined) return;
    const { disk, log } = this.#backup;
    this.#copyToNewDisk(disk);
    this.#kill();
    this.log.restore(log);
  }

  takeBackup(): void {
    if (this.#process === undefined) return;
    const disk = `${this.#settings.dir}/backup${this.#runs}-${this.#random.below(1e9)}`;
    copyDatabase(this.#diskDir, disk);
    this.#backup = { disk, log: this.log.backup() };
  }

  stop(): void {
    const process = this.#process;
    if (process === undefined) return;
    const drained = process.hub.drain();
    if (this.#settings.isSlow) void drained.then(() => this.#end(process));
    else this.#end(process);
  }

  #end(process: SimulatedProcess): void {
    if (this.#process !== process) return;
    this.#copyToNewDisk(this.#diskDir);
    this.#process = undefined;
    process.end();
    this.#broker?.close();
  }

  crashSoon(): void {
    this.#process?.crashSoon();
  }

  prune(): void {
    if (this.#process === undefined || this.#isFailing) return;
    this.#broker?.prune();
    this.#broker?.index();
    this.#broker?.eraseDeleted();
  }

  checkStorage(): void {
    this.#broker?.eraseDeleted();
    const files = ["parley.db", "parley.db-wal"].map((name) => `${this.#diskDir}/${name}`);
    const bytes = files.map((file) => new TextDecoder("latin1").decode(Deno.readFileSync(file)));
    for (const text of this.log.deleted) {
      if (bytes.some((each) => each.includes(text))) {
        throw new Violation(`the database still has the deleted text ${text}`);
      }
    }
  }

  close(): void {
    this.#process?.end();
    this.#process = undefined;
    this.#broker?.close();
  }

  #kill(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#broker?.close();
    this.#broker = undefined;
    process?.kill();
  }

  get #diskDir(): string {
    return `${this.#settings.dir}/disk${this.#disk}`;
  }

  #copyToNewDisk(from: string): void {
    this.#disk++;
    copyDatabase(from, this.#diskDir);
  }
}

function copyDatabase(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const name of ["parley.db", "parley.db-wal"]) {
    try {
      Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
