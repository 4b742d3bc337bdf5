// A container engine for the tests: a daemon that keeps its images and containers in one folder,
// separate from the machine's own engine.

import { errorMessage } from "../../../app/core/error_message.ts";

const socketWaitMs = 60_000;
const commandWaitMs = 300_000;
const decoder = new TextDecoder();

/** The result of a command. */
export interface Output {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running daemon; disposing it stops the daemon and deletes its folder. */
export class Engine implements AsyncDisposable {
  /** Contains everything the daemon creates. */
  readonly dir: string;
  readonly #daemon: Deno.ChildProcess;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(dir: string, daemon: Deno.ChildProcess, env: Record<string, string>) {
    this.dir = dir;
    this.#daemon = daemon;
    this.#env = env;
  }

  /** Starts the daemon. Installs it from Debian's packages first if it is missing. */
  static async start(): Promise<Engine> {
    await install();
    const dir = await Deno.makeTempDir({ prefix: "engine" });
    const host = `unix://${dir}/socket`;
    const daemon = new Deno.Command("sh", {
      args: [
        "-c",
        `exec dockerd --host=${host} --data-root=${dir}/data --exec-root=${dir}/exec \
          --pidfile=${dir}/pid 2>${dir}/log`,
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const engine = new Engine(dir, daemon, { DOCKER_HOST: host, DOCKER_BUILDKIT: "0" });
    let hasEnded = false;
    daemon.status.then(() => hasEnded = true);
    let info: Output | undefined;
    const isDecided = async () => {
      info = await engine.try("docker", "info");
      return info.success || hasEnded;
    };
    try {
      await until("the engine is ready", isDecided, socketWaitMs);
      if (!info?.success) throw new Error("Cannot start dockerd");
    } catch (error) {
      const log = await Deno.readTextFile(`${dir}/log`);
      await engine[Symbol.asyncDispose]();
      const reasons = `${info?.stderr ?? ""}${log.split("\n").slice(-10).join("\n")}`;
      throw new Error(`${errorMessage(error)}: ${reasons}`);
    }
    return engine;
  }

  /** Runs a command in the project's folder, against this engine. */
  async try(command: string, ...args: readonly string[]): Promise<Output> {
    const { success, stdout, stderr } = await this.command(command, args).output();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a command like `try`, but returns its output and throws if it fails. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await this.try(command, ...args);
    if (success) return stdout;
    throw new Error(`Cannot run ${command} ${args.join(" ")}: ${stderr}${stdout}`);
  }

  /** Runs a command that doesn't end until its output matches. Returns the output up to then. */
  async follow(
    pattern: RegExp,
    command: string,
    ...args: readonly string[]
  ): Promise<string> {
    const process = this.command(command, args).spawn();
    const timer = setTimeout(() => process.kill(), commandWaitMs);
    let output = "";
    for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
      output += part;
      if (pattern.test(output)) break;
    }
    clearTimeout(timer);
    try {
      process.kill();
    } catch {
      // It has already ended.
    }
    await process.stderr.cancel();
    await process.status;
    return output;
  }

  command(command: string, args: readonly string[]): Deno.Command {
    return new Deno.Command(command, {
      args: [...args],
      cwd: root,
      env: this.#env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#daemon.kill("SIGTERM");
    } catch {
      // It has already ended.
    }
    await this.#daemon.status;
    await Deno.remove(this.dir, { recursive: true });
  }
}

const root = new URL("../../../", import.meta.url).pathname;

/** Programs and their Debian packages. */
const requirements: Readonly<Record<string, string>> = {
  dockerd: "docker.io",
  docker: "docker.io",
  "docker-compose": "docker-compose",
  debootstrap: "debootstrap",
  "tini-static": "tini",
};

async function install(): Promise<void> {
  const programs = Object.keys(requirements);
  const missing: string[] = [];
  for (const name of programs) if (!await isInstalled(name)) missing.push(name);
  if (missing.length === 0) return;
  const packages = new Set(missing.map((name) => requirements[name]));
  const line = `apt-get install -y -qq ${[...packages].join(" ")}`;
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", `apt-get update -qq && ${line}`],
    env: { DEBIAN_FRONTEND: "noninteractive" },
  }).output();
  if (success) return;
  throw new Error(
    `Cannot find ${missing.join(", ")}. Run ${line} as root: ${decoder.decode(stderr)}`,
  );
}

async function isInstalled(program: string): Promise<boolean> {
  const args = ["-c", `command -v ${program}`];
  return (await new Deno.Command("sh", { args, stdout: "null" }).output()).success;
}

/** Polls until `isDone` returns true. `what` names the condition in the error. */
export async function until(
  what: string,
  isDone: () => Promise<boolean>,
  waitMs = 60_000,
): Promise<void> {
  const deadline = Date.now() + waitMs;
  while (!await isDone()) {
    if (Date.now() > deadline) throw new Error(`Timed out waiting until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
