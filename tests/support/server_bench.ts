// Servers in a temporary folder and their clients, for tests that start a server.

import { join } from "@std/path";
import { ChatClient } from "./chat_client.ts";
import type { ChatClientOptions } from "./chat_client.ts";
import { ServerProcess } from "./server_process.ts";

/** A folder, servers and clients that exist until the end of a test. */
export interface Bench {
  /** Holds `data` and `logs`. */
  readonly dir: string;
  readonly database: string;
  start(options?: Parameters<typeof ServerProcess.start>[1]): Promise<ServerProcess>;
  /** Connects and joins a room. */
  join(
    server: ServerProcess,
    username: string,
    options?: ChatClientOptions,
  ): Promise<ChatClient>;
  /** Returns the text of a log; empty if there is none. */
  log(name: string): string;
}

/** Runs `use` with a bench, and cleans up. */
export async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const servers: ServerProcess[] = [];
  const clients: ChatClient[] = [];
  try {
    await use({
      dir,
      database: join(dir, "data", "parley.db"),
      async start({ env = {}, ...options } = {}) {
        const all = { RATE_PER_SECOND: "0", GRACE_SECONDS: "0", ...env };
        const server = await ServerProcess.start(dir, { ...options, env: all });
        servers.push(server);
        return server;
      },
      async join(server, username, options) {
        const client = new ChatClient(server.url, username, options);
        clients.push(client);
        await client.joined();
        return client;
      },
      log(name) {
        try {
          return Deno.readTextFileSync(join(dir, "logs", name));
        } catch {
          return "";
        }
      },
    });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    for (const server of servers) {
      try {
        server.process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await server.ended();
    }
    await Deno.remove(dir, { recursive: true });
  }
}

/** Returns the output and status of a start that fails. */
export async function refusal(start: Promise<ServerProcess>): Promise<string> {
  try {
    await start;
  } catch (error) {
    return String(error);
  }
  throw new Error("The server started instead of refusing");
}

/** Returns the status of `/readyz`. */
export async function readiness(server: ServerProcess): Promise<number> {
  const response = await fetch(`${server.url}readyz`);
  await response.body?.cancel();
  return response.status;
}

/** Starts a server on the same folder and returns the texts a new member sees in the lobby. */
export async function textsAfterwards({ start, join }: Bench): Promise<readonly string[]> {
  const server = await start();
  const { texts } = await join(server, "Zoe");
  await server.end();
  return texts;
}

/** Returns the names of a folder's files, sorted. */
export function namesIn(dir: string): readonly string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}
