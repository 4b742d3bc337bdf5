// A container engine of the tests' own: its daemon, its images and containers in one folder, nothing of the machine's. Knows
// nothing of the chat but the name of the image that it is built upon.

const socketWaitMs = 60_000;
const commandWaitMs = 300_000;
const decoder = new TextDecoder();
const certificates = "/etc/ssl/certs/ca-certificates.crt";

/** What a command said. */
export interface Said {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** A daemon that was started by hand, until the end of the scope. */
export class Engine implements AsyncDisposable {
  readonly #dir: string;
  readonly #daemon: Deno.ChildProcess;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(dir: string, daemon: Deno.ChildProcess, env: Record<string, string>) {
    this.#dir = dir;
    this.#daemon = daemon;
    this.#env = env;
  }

  /** Starts the daemon; installs it first where Debian's packages can be. */
  static async start(env: Record<string, string>): Promise<Engine> {
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
    const engine = new Engine(dir, daemon, { ...env, DOCKER_HOST: host, DOCKER_BUILDKIT: "0" });
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

  /**
   * Has the image that the chat is built upon: the real one where it can be fetched, and else a stand-in of its form, made of
   * Debian's packages and this Deno.
   */
  async provide(image: string): Promise<void> {
    if ((await this.try("docker", "pull", "-q", image)).success) return;
    const system = `${this.#dir}/debian`;
    await this.run("debootstrap", "--variant=minbase", "bookworm", system);
    await this.run("sh", "-c", `tar -C ${system} -c . | docker import - debian:stand-in`);
    const context = `${this.#dir}/context`;
    await Deno.mkdir(context);
    for (
      const [from, to] of [
        [Deno.execPath(), "deno"],
        ["/usr/bin/tini-static", "tini"],
        [certificates, "certificates.crt"],
      ] as const
    ) await Deno.copyFile(await Deno.realPath(from), `${context}/${to}`);
    await Deno.writeTextFile(`${context}/entrypoint.sh`, entrypoint);
    await Deno.writeTextFile(`${context}/Dockerfile`, standIn);
    await this.run("docker", "build", "-q", "-t", image, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon.kill("SIGTERM");
    await this.#daemon.status;
    await Deno.remove(this.#dir, { recursive: true });
  }
}

const root = new URL("../../", import.meta.url).pathname;

/** As that of the official image: verbs of Deno are its, anything else is a program. */
const entrypoint = `#!/bin/sh
set -e
if deno "$1" --help >/dev/null 2>&1; then exec deno "$@"; fi
exec "$@"
`;

/** The official image's user, folders, variables and first process; and the machine's certificates, for the network inside. */
const standIn = `FROM debian:stand-in
RUN useradd --uid 1993 --user-group deno && mkdir /deno-dir && chown deno:deno /deno-dir
ENV DENO_DIR=/deno-dir/ DENO_INSTALL_ROOT=/usr/local DENO_CERT=/etc/certificates.crt
COPY certificates.crt /etc/
COPY tini /tini
COPY deno /usr/bin/deno
COPY entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 755 /tini /usr/bin/deno /usr/local/bin/docker-entrypoint.sh
ENTRYPOINT ["/tini", "--", "docker-entrypoint.sh"]
CMD ["eval", "console.log('Welcome to Deno!')"]
`;

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
