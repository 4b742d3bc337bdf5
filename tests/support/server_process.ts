// Runs the real server as a process with its own folder and port.

import { withDeadline } from "./waiting.ts";

const root = new URL("../../", import.meta.url).pathname;
/** The copy that `tests/run.ts` has bundled, since that starts faster. */
const bundled = Deno.env.get("BUNDLED_TREE");
const program = bundled === undefined ? root : `${bundled}/`;

/** A running server. */
export class ServerProcess {
  readonly process: Deno.ChildProcess;
  /** The address, with a trailing slash. */
  readonly url: string;
  readonly #output: Promise<void>;
  readonly lines: string[];
  /** Called after new output. */
  readonly #listeners: Set<() => void>;

  private constructor(
    process: Deno.ChildProcess,
    url: string,
    lines: string[],
    output: Promise<void>,
    listeners: Set<() => void>,
  ) {
    this.process = process;
    this.url = url;
    this.lines = lines;
    this.#output = output;
    this.#listeners = listeners;
  }

  /** Starts a server and waits until it prints its address. */
  static async start(
    dir: string,
    { tree = program, port = 0, env = {}, flags = [], under = [], hosts = [] }: {
      /** The folder of the program, with a trailing slash. */
      tree?: string;
      port?: number;
      env?: Record<string, string>;
      flags?: readonly string[];
      /** A command that runs the server, such as `sh -c …`. */
      under?: readonly string[];
      /** Hosts that it may reach in addition to localhost. */
      hosts?: readonly string[];
    } = {},
  ): Promise<ServerProcess> {
    const [command = "", ...words] = [...under, Deno.execPath()];
    const process = new Deno.Command(command, {
      args: [
        ...words,
        "run",
        "-q",
        "--no-prompt",
        `--allow-read=${tree},${dir}`,
        `--allow-write=${dir}`,
        "--allow-sys=hostname,uid",
        `--allow-net=${["127.0.0.1", ...hosts].join(",")}`,
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
    const listeners = new Set<() => void>();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      let rest = "";
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + text).split("\n");
        rest = parts.pop() ?? "";
        for (const line of parts) {
          lines.push(line);
          const [, url] = /^Parley is running at (\S+)$/.exec(line) ?? [];
          if (url !== undefined) resolve(url);
        }
        for (const listener of listeners) listener();
      }
    };
    const output = Promise.all([read(process.stdout), read(process.stderr)])
      .then(() => {
        reject(new Error(`Cannot start the server: ${lines.join("\n")}`));
      });
    try {
      const url = await withDeadline("the server prints its address", promise);
      return new ServerProcess(process, url, lines, output, listeners);
    } catch (error) {
      try {
        process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await process.status;
      throw error;
    }
  }

  /** Waits for a line of output that matches. It may already have been printed. */
  waitForLine(pattern: RegExp): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const check = () => {
      const line = this.lines.find((line) => pattern.test(line));
      if (line !== undefined) resolve(line);
    };
    this.#listeners.add(check);
    check();
    void this.#output.then(() =>
      reject(new Error(`The server never printed ${pattern}: ${this.lines.join("\n")}`))
    );
    return withDeadline(`the server prints ${pattern}`, promise)
      .finally(() => this.#listeners.delete(check));
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Sends a signal and waits for the server to exit. Returns the exit status. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.process.kill(signal);
    return await this.ended();
  }

  /** Waits for the server to exit. Returns the exit status. */
  async ended(): Promise<number> {
    const { code } = await withDeadline("the server ends", this.process.status);
    await this.#output;
    return code;
  }
}

/** Copies the program to a folder that is removed at the end of the scope. */
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
    const name of ["deno.json", "deno.lock", "main.ts", "app", "scripts", "static", "std"]
  ) {
    await copy(name);
  }
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/**
 * Copies the program to a folder and bundles its page there, so that servers start in half the
 * time. The folder is removed at the end of the scope. If `path` is given, returns that instead.
 */
export async function bundledTree(path?: string) {
  if (path !== undefined) return { path, [Symbol.asyncDispose]: () => Promise.resolve() };
  const tree = await copyOfTree();
  const args = ["run", "-q", "-A", "scripts/build_page.ts"];
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd: tree.path }).output();
  if (!success) throw new Error("Cannot bundle the page");
  // Without its sources, the server serves the bundle.
  await Deno.remove(`${tree.path}/static/client/main.ts`);
  return tree;
}
