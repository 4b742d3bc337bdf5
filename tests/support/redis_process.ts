// Starts a redis-server for a test, on a free port and in a temporary folder.

import { freePort } from "./free_port.ts";
import { withDeadline } from "./waiting.ts";

/** The path of redis-server; `undefined` if it is not on PATH. */
export const redisServerPath: string | undefined = (Deno.env.get("PATH") ?? "").split(":")
  .map((folder) => `${folder}/redis-server`).find(isFile);

/** Whether tests with Redis run. With REDIS=1 they always do, and fail without a redis-server. */
export const hasRedis = redisServerPath !== undefined || Deno.env.get("REDIS") === "1";

/** Returns the URL of a Redis, or of a proxy to it, at a local port. */
export function redisUrl(port: number): string {
  return `redis://127.0.0.1:${port}/`;
}

/** A running Redis. */
export class RedisProcess {
  readonly port: number;
  readonly dir: string;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess;

  private constructor(
    port: number,
    dir: string,
    args: readonly string[],
    process: Deno.ChildProcess,
  ) {
    this.port = port;
    this.dir = dir;
    this.#args = args;
    this.#process = process;
  }

  /** Starts a Redis that loses nothing (`appendfsync always`), and waits until it is ready. */
  static start(...args: readonly string[]): Promise<RedisProcess> {
    return RedisProcess.#start(args, false);
  }

  /** Starts a Redis in a separate process group, which Ctrl-C in the terminal doesn't reach. */
  static startDetached(...args: readonly string[]): Promise<RedisProcess> {
    return RedisProcess.#start(args, true);
  }

  static async #start(args: readonly string[], isDetached: boolean): Promise<RedisProcess> {
    const dir = await Deno.makeTempDir({ prefix: "parley-redis-" });
    for (;;) {
      const port = freePort();
      try {
        return new RedisProcess(port, dir, args, await spawn(port, dir, args, isDetached));
      } catch (error) {
        // Another process took the port after `freePort` closed it.
        if (!(error instanceof PortTakenError)) throw error;
      }
    }
  }

  get url(): string {
    return redisUrl(this.port);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Sends a signal: SIGSTOP makes it hang, SIGCONT ends that. */
  signal(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Kills Redis, unless it has ended already. Keeps its folder. */
  async kill(): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      const hasEnded = error instanceof TypeError;
      if (!hasEnded) throw error;
    }
    await this.#process.status;
  }

  /** Starts Redis again, with the same port and folder. */
  async restart(): Promise<void> {
    this.#process = await spawn(this.port, this.dir, this.#args);
  }

  /** Runs a command and returns what redis-cli prints. */
  async cli(...args: readonly string[]): Promise<string> {
    const { stdout } = await new Deno.Command("redis-cli", {
      args: ["-p", String(this.port), ...args],
    }).output();
    return new TextDecoder().decode(stdout).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await Deno.remove(this.dir, { recursive: true });
  }
}

class PortTakenError extends Error {}

async function spawn(
  port: number,
  dir: string,
  args: readonly string[],
  isDetached = false,
): Promise<Deno.ChildProcess> {
  const persistence = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const process = new Deno.Command(redisServerPath ?? "redis-server", {
    args: ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, ...persistence, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: isDetached,
  }).spawn();
  const ready = Promise.withResolvers<void>();
  void (async () => {
    let output = "";
    // Read to the end, as a full pipe would block the server.
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (output.includes("Ready to accept connections")) ready.resolve();
    }
    const isTaken = output.includes("Address already in use");
    ready.reject(
      isTaken ? new PortTakenError() : new Error(`Cannot start redis-server: ${output}`),
    );
  })();
  await withDeadline("Redis is ready", ready.promise);
  return process;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
