// A server under attack: runs attacks one by one and measures honest clients and the server's
// memory.

import { SeededRandom } from "../../support/seeded_random.ts";
import { ServerProcess } from "../../support/server_process.ts";
import { withDeadline } from "../../support/waiting.ts";
import { moderatorCode, resetHandshakes } from "./attack.ts";
import type { Attack } from "./attack.ts";
import { HonestClients } from "./honest_clients.ts";
import { addressAttacks, proxiedEnv } from "./address_attacks.ts";
import { frameAttacks } from "./frame_attacks.ts";
import type { HonestReport } from "./honest_worker.ts";
import { httpAttacks } from "./http_attacks.ts";
import { loadAttacks } from "./load_attacks.ts";

/** Attacks that share a server. */
export interface AttackGroup {
  readonly env: Readonly<Record<string, string>>;
  readonly attacks: readonly Attack[];
}

/** Max sockets of this machine that have not opened; see app/web/connection_limits.ts. */
const loopbackUnopenedMax = 1_024;

/** All attacks. */
export const attackGroups: readonly AttackGroup[] = [
  {
    env: { MODERATOR_CODE: moderatorCode },
    attacks: [...httpAttacks, ...frameAttacks, ...loadAttacks],
  },
  // The server then refuses this machine's handshakes for an hour.
  { env: {}, attacks: [resetHandshakes({ short: 400, long: 20_000 }, loopbackUnopenedMax)] },
  { env: proxiedEnv, attacks: addressAttacks },
];

/** The result of an attack. */
export interface AttackResult {
  readonly name: string;
  readonly count: number;
  readonly seconds: number;
  readonly report: HonestReport;
  /** How long the server's main thread ran, and how long it waited for a processor, in ms. */
  readonly ran: number;
  readonly waited: number;
  /** Resident memory of the server, in MiB. */
  readonly before: number;
  readonly peak: number;
  readonly after: number;
  /** Problems found, one sentence each. */
  readonly problems: readonly string[];
}

/** Duration and size of the attacks. */
export interface Plan {
  readonly seed: number;
  /** Whether attacks may take minutes and run at their long size. */
  readonly isPatient: boolean;
  /** Min duration of an attack; it is repeated until then. */
  readonly minMs: number;
  /** Memory that the server need not release, in MiB. */
  readonly keptMib: number;
  /** Max time for the server to release the rest. */
  readonly restMs: number;
}

const honestCount = 20;
const pollMs = 250;
/** Max duration of a repetition. The longest waits for a timeout of the server. */
const attackMaxMs = 300_000;

/** A server with honest clients. */
export class AttackedServer implements AsyncDisposable {
  readonly server: ServerProcess;
  readonly honest: HonestClients;
  readonly #plan: Plan;
  readonly #dir: string;
  readonly #random: SeededRandom;

  private constructor(plan: Plan, dir: string, server: ServerProcess, honest: HonestClients) {
    this.#plan = plan;
    this.#dir = dir;
    this.server = server;
    this.honest = honest;
    this.#random = new SeededRandom(plan.seed);
  }

  /** Starts a server with 20 honest clients that each send a message every `everyMs`. */
  static async start(plan: Plan, everyMs: number, env = {}): Promise<AttackedServer> {
    const dir = await Deno.realPath(await Deno.makeTempDir());
    const server = await ServerProcess.start(dir, { env });
    return new AttackedServer(
      plan,
      dir,
      server,
      await HonestClients.join(server.url, honestCount, everyMs),
    );
  }

  /** Runs one attack. */
  async run(attack: Attack): Promise<AttackResult> {
    const { isPatient, minMs, keptMib, restMs } = this.#plan;
    const target = {
      port: this.server.port,
      honestNames: Array.from({ length: honestCount }, (_, index) => `Honest${index}`),
      random: this.#random,
      isPatient,
      countDescriptors: () => [...Deno.readDirSync(`/proc/${this.server.process.pid}/fd`)].length,
      waitForHonest: () => this.honest.catchUp(),
    };
    const problems: string[] = [];
    await this.honest.settle();
    const before = this.#memory("VmRSS");
    this.#resetPeak();
    const startedAt = performance.now();
    const [ranBefore, waitedBefore] = this.#mainThreadTimes();
    const minCount = isPatient ? attack.long : attack.short;
    let count = 0;
    try {
      while (count < minCount || performance.now() - startedAt < minMs) {
        const attacked = attack.run(target, Math.max(1, minCount - count));
        count += await withDeadline("the attack ends", attacked, attackMaxMs);
      }
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    this.honest.send();
    const report = await this.honest.settle();
    const seconds = (performance.now() - startedAt) / 1000;
    const [ranAfter, waitedAfter] = this.#mainThreadTimes();
    const peak = this.#memory("VmHWM");
    const after = await this.#waitForMemory(before + keptMib, restMs);
    if (report.received !== report.sent * honestCount) {
      problems.push(`${report.sent} sent, ${report.received} received`);
    }
    if (report.closes.length > 0) problems.push(`closed with ${[...new Set(report.closes)]}`);
    problems.push(...report.violations);
    const [ran, waited] = [ranAfter - ranBefore, waitedAfter - waitedBefore];
    return {
      name: attack.name,
      count,
      seconds,
      report,
      ran,
      waited,
      before,
      peak,
      after,
      problems,
    };
  }

  /** Returns the errors in the server's log. */
  loggedErrors(): readonly string[] {
    const lines = Deno.readTextFileSync(`${this.#dir}/logs/error.log`).split("\n");
    return lines.filter((line) => line.includes("level=error"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.honest[Symbol.asyncDispose]();
    this.server.process.kill("SIGKILL");
    await this.server.ended();
    await Deno.remove(this.#dir, { recursive: true });
  }

  /**
   * Waits until memory is down to `maxMib`, for at most `ms`. Only the honest clients make the
   * server collect garbage.
   */
  async #waitForMemory(maxMib: number, ms: number): Promise<number> {
    const deadline = performance.now() + ms;
    while (this.#memory("VmRSS") > maxMib && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    return this.#memory("VmRSS");
  }

  /** Returns how long the main thread has run, and waited for a processor, in ms. */
  #mainThreadTimes(): [ran: number, waited: number] {
    const text = Deno.readTextFileSync(`/proc/${this.server.process.pid}/schedstat`);
    const [ran = 0, waited = 0] = text.split(" ").map((ns) => Number(ns) / 1e6);
    return [ran, waited];
  }

  #memory(field: "VmRSS" | "VmHWM"): number {
    const status = Deno.readTextFileSync(`/proc/${this.server.process.pid}/status`);
    const [, kib = "0"] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(status) ?? [];
    return Math.round(Number(kib) / 1024);
  }

  #resetPeak(): void {
    Deno.writeTextFileSync(`/proc/${this.server.process.pid}/clear_refs`, "5");
  }
}
