// One server on its SQLite file, which dies in each round and is started again.

import { ServerProcess } from "../../support/server_process.ts";
import {
  abnormalCodes,
  errorsIn,
  freePort,
  jitterMs,
  restartingCode,
  urlOf,
} from "./crash_target.ts";
import type { Site, Surroundings } from "./crash_target.ts";

/** A server that is killed, stopped, or killed while it stops. */
export class OneServer implements Site {
  readonly #around: Surroundings;
  readonly #port = freePort();
  readonly urls = [urlOf(this.#port)];
  readonly startMs: number[] = [];
  readonly faults = new Map<string, number>();
  #server: ServerProcess | undefined;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  async start(): Promise<void> {
    const { dir, plan, books } = this.#around;
    const startedAt = performance.now();
    this.#server = await ServerProcess.start(dir, {
      port: this.#port,
      env: { RATE_PER_SECOND: "0", DURABILITY: plan.durability },
    });
    this.startMs.push(performance.now() - startedAt);
    books.mayEndWith.clear();
  }

  async fail(): Promise<void> {
    await this.#stop();
    await this.start();
  }

  async judge(): Promise<number> {
    await this.#stop();
    return this.#around.books.judge(`${this.#around.dir}/data/parley.db`);
  }

  async end(): Promise<void> {
    await this.#server?.end("SIGKILL").catch(() => {});
  }

  /** No part of the server may find that something went wrong in it. */
  errors(): Promise<readonly string[]> {
    return errorsIn(`${this.#around.dir}/logs`);
  }

  /** Ends the server in the way that is this round's turn. */
  async #stop(): Promise<void> {
    const { plan: { signal }, chance, books, pause, until, clients } = this.#around;
    const server = this.#server;
    const ways = signal === "mixed" ? ["KILL", "TERM", "both"] : [signal];
    const way = chance.pick(ways);
    // Deno forgets the close frame when it reads something of the client before that has gone (1006 then).
    const codes = way === "KILL" ? abnormalCodes : [restartingCode, ...abnormalCodes];
    for (const url of this.urls) books.mayEndWith.set(url, codes);
    if (way === "both") {
      server?.process.kill("SIGTERM");
      await pause(chance.next() * jitterMs);
    }
    const code = await server?.end(way === "TERM" ? "SIGTERM" : "SIGKILL").catch(() => undefined);
    if (way === "TERM" && code !== 0) books.violate(`a server that was stopped ended with ${code}`);
    await until(() => clients().every(({ isHere }) => !isHere), "connections do not end");
  }
}
