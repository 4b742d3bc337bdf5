// One server, honest people in it, and the attacks one after the other: how each went for the people and for the memory.

import { SeededRandom } from "../../support/seeded_random.ts";
import { ServerProcess } from "../../support/server_process.ts";
import type { Attack } from "./attack.ts";
import { Crowd } from "./crowd.ts";
import { frameAttacks } from "./frame_attacks.ts";
import type { Findings } from "./honest_worker.ts";
import { httpAttacks } from "./http_attacks.ts";
import { loadAttacks } from "./load_attacks.ts";

/** Everything that clients may try. */
export const attacks: readonly Attack[] = [...httpAttacks, ...frameAttacks, ...loadAttacks];

/** How an attack went. */
export interface Verdict {
  readonly name: string;
  readonly count: number;
  readonly seconds: number;
  readonly findings: Findings;
  /** Resident memory of the server in MiB. */
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** What went wrong, a sentence each. */
  readonly wrongs: readonly string[];
}

/** How long and how hard. */
export interface Plan {
  readonly seed: number;
  /** Whether attacks have the time and the mass that they need to do harm. */
  readonly isPatient: boolean;
  /** An attack is repeated until it has lasted for so long. */
  readonly leastMs: number;
  /** Memory has this long to come back, in ms. */
  readonly restMs: number;
}

const people = 20;
const lookMs = 250;

/** A server under attack, and the people in it. */
export class Siege implements AsyncDisposable {
  readonly server: ServerProcess;
  readonly crowd: Crowd;
  readonly #plan: Plan;
  readonly #dir: string;
  readonly #chance: SeededRandom;

  private constructor(plan: Plan, dir: string, server: ServerProcess, crowd: Crowd) {
    this.#plan = plan;
    this.#dir = dir;
    this.server = server;
    this.crowd = crowd;
    this.#chance = new SeededRandom(plan.seed);
  }

  /** Starts a server with 20 people who each write once in `everyMs`. */
  static async start(plan: Plan, everyMs: number, env = {}): Promise<Siege> {
    const dir = await Deno.realPath(await Deno.makeTempDir());
    const server = await ServerProcess.start(dir, { env });
    return new Siege(plan, dir, server, await Crowd.join(server.url, people, everyMs));
  }

  /** Lets one attack happen. */
  async stand(attack: Attack): Promise<Verdict> {
    const { isPatient, leastMs, restMs } = this.#plan;
    const target = {
      port: this.server.port,
      people: Array.from({ length: people }, (_, index) => `Honest${index}`),
      chance: this.#chance,
      isPatient,
      heard: () => this.crowd.catchUp(),
    };
    const wrongs: string[] = [];
    await this.crowd.settle();
    const before = this.#memory("VmRSS");
    this.#forgetPeak();
    const startedAt = performance.now();
    const least = isPatient ? attack.long : attack.short;
    let count = 0;
    try {
      while (count < least || performance.now() - startedAt < leastMs) {
        count += await attack.strike(target, Math.max(1, least - count));
      }
    } catch (error) {
      wrongs.push(error instanceof Error ? error.message : String(error));
    }
    this.crowd.write();
    const findings = await this.crowd.settle();
    const seconds = (performance.now() - startedAt) / 1000;
    const peak = this.#memory("VmHWM");
    const after = await this.#rest(before, restMs);
    if (findings.arrived !== findings.written * people) {
      wrongs.push(`${findings.written} written, ${findings.arrived} arrived`);
    }
    if (findings.closes.length > 0) wrongs.push(`closed ${[...new Set(findings.closes)]}`);
    wrongs.push(...findings.violations);
    return { name: attack.name, count, seconds, findings, before, peak, after, wrongs };
  }

  /** What the error log says of faults inside the server. */
  faults(): readonly string[] {
    const lines = Deno.readTextFileSync(`${this.#dir}/logs/error.log`).split("\n");
    return lines.filter((line) => line.includes("level=error"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crowd[Symbol.asyncDispose]();
    this.server.process.kill("SIGKILL");
    await this.server.ended();
    await Deno.remove(this.#dir, { recursive: true });
  }

  /** Waits until memory is at `most` MiB again, or the time is over; nothing but the people's talk makes the server collect. */
  async #rest(most: number, ms: number): Promise<number> {
    const until = performance.now() + ms;
    while (this.#memory("VmRSS") > most && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    return this.#memory("VmRSS");
  }

  #memory(field: "VmRSS" | "VmHWM"): number {
    const status = Deno.readTextFileSync(`/proc/${this.server.process.pid}/status`);
    const [, kib = "0"] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(status) ?? [];
    return Math.round(Number(kib) / 1024);
  }

  #forgetPeak(): void {
    Deno.writeTextFileSync(`/proc/${this.server.process.pid}/clear_refs`, "5");
  }
}
