// A Redis of its own for tests that need one: Debian's redis-server on a free port and in a folder of its own, ended by pid.

import { join } from "@std/path";

/** Where redis-server is; `undefined` on a machine without it. */
export const redisServer: string | undefined = (Deno.env.get("PATH") ?? "").split(":")
  .map((folder) => join(folder, "redis-server")).find(isFile);

/** Whether tests with Redis run: always with REDIS=1, which fails on a machine without it. */
export const hasRedis = redisServer !== undefined || Deno.env.get("REDIS") === "1";

/** A running Redis. */
export class RedisProcess {
  readonly port: number;
  readonly dir: string;
  readonly #args: readonly string[];
  #process: Deno.ChildProcess;
  #isRunning = true;

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

  /** Starts a Redis that keeps everything (`appendfsync always`), with further arguments, and waits until it answers. */
  static start(...args: readonly string[]): Promise<RedisProcess> {
    return RedisProcess.#start(args, false);
  }

  /** The same, for one that a Ctrl-C in the terminal does not reach. */
  static startApart(...args: readonly string[]): Promise<RedisProcess> {
    return RedisProcess.#start(args, true);
  }

  static async #start(args: readonly string[], isApart: boolean): Promise<RedisProcess> {
    const dir = await Deno.makeTempDir({ prefix: "parley-redis-" });
    for (;;) {
      const port = freePort();
      try {
        return new RedisProcess(port, dir, args, await spawn(port, dir, args, isApart));
      } catch (error) {
        // Somebody was quicker to take the port.
        if (!(error instanceof PortTaken)) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/`;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Sends a signal: SIGSTOP and SIGCONT make it hang and go on. */
  signal(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Kills it, as a loss of the machine would. What it had written to its folder stays. */
  async kill(): Promise<void> {
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }

  /** Starts it again where it was, with the folder as it is. */
  async restart(): Promise<void> {
    this.#process = await spawn(this.port, this.dir, this.#args);
    this.#isRunning = true;
  }

  /** Runs one command in it, and answers what redis-cli prints. */
  async ask(...args: readonly string[]): Promise<string> {
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

class PortTaken extends Error {}

async function spawn(
  port: number,
  dir: string,
  args: readonly string[],
  isApart = false,
): Promise<Deno.ChildProcess> {
  const kept = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""];
  const process = new Deno.Command(redisServer ?? "redis-server", {
    args: ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, ...kept, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    detached: isApart,
  }).spawn();
  const ready = Promise.withResolvers<void>();
  void (async () => {
    let output = "";
    // It is read to its end, so that a full pipe never stops the server.
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (output.includes("Ready to accept connections")) ready.resolve();
    }
    const isTaken = output.includes("Address already in use");
    ready.reject(
      isTaken ? new PortTaken() : new Error(`Cannot start redis-server: ${output}`),
    );
  })();
  await ready.promise;
  return process;
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
