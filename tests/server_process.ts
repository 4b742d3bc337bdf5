// The real server as a process of its own, on a free port and in a folder of its own, for tests that kill it.

const root = new URL("../", import.meta.url).pathname;

/** A running server. */
export class ServerProcess {
  readonly process: Deno.ChildProcess;
  /** Where it is, with a slash at the end. */
  readonly url: string;
  readonly #output: Promise<void>;
  readonly lines: string[];

  private constructor(
    process: Deno.ChildProcess,
    url: string,
    lines: string[],
    output: Promise<void>,
  ) {
    this.process = process;
    this.url = url;
    this.lines = lines;
    this.#output = output;
  }

  /** Starts a server and waits until it says where it is. */
  static async start(
    dir: string,
    { port = 0, env = {}, flags = [] }: {
      port?: number;
      env?: Record<string, string>;
      flags?: readonly string[];
    } = {},
  ): Promise<ServerProcess> {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-q",
        "--no-prompt",
        `--allow-read=${root},${dir}`,
        `--allow-write=${dir}`,
        "--allow-net=127.0.0.1",
        "--allow-env",
        `${root}main.ts`,
        ...flags,
      ],
      env: {
        HOST: "127.0.0.1",
        PORT: String(port),
        DATA_DIR: `${dir}/data`,
        LOG_DIR: `${dir}/logs`,
        ...env,
      },
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const lines: string[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      let rest = "";
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + text).split("\n");
        rest = parts.pop() ?? "";
        for (const line of parts) {
          lines.push(line);
          const [, url] = /^Parley is at (\S+)$/.exec(line) ?? [];
          if (url !== undefined) resolve(url);
        }
      }
    };
    const output = Promise.all([read(process.stdout), read(process.stderr)]).then(() => {
      reject(new Error(`Cannot start the server: ${lines.join("\n")}`));
    });
    return new ServerProcess(process, await promise, lines, output);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Sends a signal and waits for the end. Answers the exit status. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.process.kill(signal);
    const { code } = await this.process.status;
    await this.#output;
    return code;
  }
}
