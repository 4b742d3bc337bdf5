// The target of the crash test with one node: a server on SQLite that dies and restarts in each
// round.

import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/free_port.ts";
import { ServerProcess } from "../../support/server_process.ts";
import { abnormalCodes, restartingCode } from "./close_codes.ts";
import { jitterMs, readErrorLog, urlOf } from "./crash_target.ts";
import type { CrashTarget, TargetOptions } from "./crash_target.ts";
import { moderatorCode } from "./crash_moderator.ts";
import { checkDatabase } from "./stored_log.ts";
import { checkErased } from "./erased_text.ts";

/** A server that is killed, stopped, or killed while it drains. */
export class SingleNode implements CrashTarget {
  readonly #options: TargetOptions;
  readonly #port = freePort();
  readonly urls = [urlOf(this.#port)];
  readonly startMs: number[] = [];
  readonly faults = new Map<string, number>();
  #server: ServerProcess | undefined;

  constructor(options: TargetOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { dir, plan, ledger } = this.#options;
    const startedAt = performance.now();
    this.#server = await ServerProcess.start(dir, {
      port: this.#port,
      env: { RATE_PER_SECOND: "0", DURABILITY: plan.durability, MODERATOR_CODE: moderatorCode },
    });
    this.startMs.push(performance.now() - startedAt);
    ledger.allowedCloseCodes.clear();
  }

  async fail(): Promise<void> {
    await this.#stop();
    await this.start();
  }

  async check(): Promise<number> {
    await this.#stop();
    const { dir, ledger } = this.#options;
    const copy = `${dir}/parley.db`;
    for (const end of ["", "-wal"]) {
      await Deno.copyFile(`${dir}/data/parley.db${end}`, `${copy}${end}`).catch(() => {});
    }
    const count = checkDatabase(copy, ledger);
    // A kill within a second of a deletion leaves text in the journal. A restart removes it.
    await this.start();
    await checkErased(() => Promise.resolve([`${dir}/data`, `${dir}/logs`]), ledger);
    await this.#stop();
    return count;
  }

  async end(): Promise<void> {
    await this.#server?.end("SIGKILL").catch(() => {});
  }

  /** Returns every line of the error log: none is expected. */
  unexpectedErrors(): Promise<readonly string[]> {
    return readErrorLog(`${this.#options.dir}/logs`);
  }

  /** Ends the server in one of the ways of `signal`. */
  async #stop(): Promise<void> {
    const { plan: { signal }, random, ledger, waitUntil, clients } = this.#options;
    const server = this.#server;
    const ways = signal === "mixed" ? ["KILL", "TERM", "both"] : [signal];
    const way = random.pick(ways);
    // Deno drops its close frame if it reads from the client before sending it; the code is then
    // 1006.
    const codes = way === "KILL" ? abnormalCodes : [restartingCode, ...abnormalCodes];
    for (const url of this.urls) ledger.allowedCloseCodes.set(url, codes);
    if (way === "both") {
      server?.process.kill("SIGTERM");
      await sleep(random.next() * jitterMs);
    }
    const code = await server?.end(way === "TERM" ? "SIGTERM" : "SIGKILL").catch(() => undefined);
    if (way === "TERM" && code !== 0) {
      ledger.addViolation(`a stopped server exited with status ${code}`);
    }
    await waitUntil(
      () => clients().every(({ isConnected }) => !isConnected),
      "connections stay open",
    );
  }
}
