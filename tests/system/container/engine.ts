// A container engine of the tests' own: its daemon, its images and containers in one folder, nothing of the machine's. Knows
// nothing of the chat but where its files are.

const socketWaitMs = 60_000;
const commandWaitMs = 300_000;
const decoder = new TextDecoder();

/** What a command said. */
export interface Said {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** A daemon that was started by hand, until the end of the scope. */
export class Engine implements AsyncDisposable {
  /** Everything that it makes is in here, and goes with it. */
  readonly dir: string;
  readonly #daemon: Deno.ChildProcess;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(dir: string, daemon: Deno.ChildProcess, env: Record<string, string>) {
    this.dir = dir;
    this.#daemon = daemon;
    this.#env = env;
  }

  /** Starts the daemon; installs it first where Debian's packages can be. */
  static async start(): Promise<Engine> {
    await install();
    const dir = await Deno.makeTempDir({ prefix: "engine" });
    const host = `unix://${dir}/socket`;
    const daemon = new Deno.Command("dockerd", {
      args: [
        `--host=${host}`,
        `--data-root=${dir}/data`,
        `--exec-root=${dir}/exec`,
        `--pidfile=${dir}/pid`,
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const engine = new Engine(dir, daemon, { DOCKER_HOST: host, DOCKER_BUILDKIT: "0" });
    const isUp = async () => (await engine.try("docker", "info")).success;
    try {
      await until("the engine answers", isUp, socketWaitMs);
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
    return engine;
  }

  /** Runs a command of the engine in the folder of the project. */
  async try(command: string, ...args: readonly string[]): Promise<Said> {
    const { success, stdout, stderr } = await this.command(command, args).output();
    return { success, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** The same, for what has to succeed. Answers what it printed. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await this.try(command, ...args);
    if (success) return stdout;
    throw new Error(`Cannot run ${command} ${args.join(" ")}: ${stderr}${stdout}`);
  }

  /** Runs a command that goes on, until it prints what matches. Answers what it printed until then. */
  async follow(
    pattern: RegExp,
    command: string,
    ...args: readonly string[]
  ): Promise<string> {
    const process = this.command(command, args).spawn();
    const timer = setTimeout(() => process.kill(), commandWaitMs);
    let text = "";
    for await (const part of process.stdout.pipeThrough(new TextDecoderStream())) {
      text += part;
      if (pattern.test(text)) break;
    }
    clearTimeout(timer);
    try {
      process.kill();
    } catch {
      // It ended by itself.
    }
    await process.stderr.cancel();
    await process.status;
    return text;
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
    this.#daemon.kill("SIGTERM");
    await this.#daemon.status;
    await Deno.remove(this.dir, { recursive: true });
  }
}

const root = new URL("../../../", import.meta.url).pathname;

async function install(): Promise<void> {
  const script = "command -v dockerd docker-compose debootstrap && test -x /usr/bin/tini-static" +
    " || { apt-get update -qq && apt-get install -y -qq docker.io docker-compose debootstrap tini; }";
  const { success, stderr } = await new Deno.Command("sh", {
    args: ["-c", script],
    env: { DEBIAN_FRONTEND: "noninteractive" },
  }).output();
  if (!success) throw new Error(`Cannot install an engine: ${decoder.decode(stderr)}`);
}

/** Asks again and again until something is so. */
export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  waitMs = 60_000,
): Promise<void> {
  const end = Date.now() + waitMs;
  while (!await isSo()) {
    if (Date.now() > end) throw new Error(`Cannot wait any longer: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
