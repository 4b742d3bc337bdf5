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
    { tree = root, port = 0, env = {}, flags = [] }: {
      /** Where the program is, with a slash at the end. */
      tree?: string;
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
        `--allow-read=${tree},${dir}`,
        `--allow-write=${dir}`,
        "--allow-net=127.0.0.1",
        "--allow-env",
        `${tree}main.ts`,
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
    const output = Promise.all([read(process.stdout), read(process.stderr)])
      .then(() => {
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

/** The program in a folder of its own, until the end of the scope; `path` has no slash at the end. */
export async function copyOfTree() {
  const path = await Deno.realPath(await Deno.makeTempDir());
  const copy = async (name: string) => {
    const from = `${root}${name}`;
    if ((await Deno.stat(from)).isFile) {
      return await Deno.copyFile(from, `${path}/${name}`);
    }
    await Deno.mkdir(`${path}/${name}`);
    for await (const entry of Deno.readDir(from)) {
      if (entry.name !== "dist") await copy(`${name}/${entry.name}`);
    }
  };
  for (
    const name of ["deno.json", "deno.lock", "main.ts", "app", "static", "std"]
  ) {
    await copy(name);
  }
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
