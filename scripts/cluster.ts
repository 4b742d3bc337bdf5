// Starts several servers on one Redis, to try out a cluster: `deno task cluster --nodes 3
// --port 8001`. Uses the Redis at REDIS_URL, or starts its own.

import { parseArgs } from "node:util";
import { RedisProcess, redisServerPath } from "../tests/support/redis_process.ts";
import { ServerProcess } from "../tests/support/server_process.ts";

const usage = `Usage: deno task cluster [--nodes N] [--port P]

  --nodes N  number of servers (default: 3)
  --port P   port of the first server; the others follow (default: PORT, or 8001; 0: any free
             ports)

REDIS_URL names the Redis to use. Without it, the task starts its own redis-server.
`;

interface Flags {
  readonly nodes: number;
  readonly port: number;
}

async function main(): Promise<number> {
  const flags = readFlags(Deno.args);
  if (flags === undefined) {
    print(usage);
    return 2;
  }
  const redisUrl = Deno.env.get("REDIS_URL") ?? "";
  if (redisUrl === "" && redisServerPath === undefined) {
    print("Cannot start a cluster: install redis-server, or set REDIS_URL\n");
    return 2;
  }
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);
  const dir = await Deno.makeTempDir({ prefix: "parley-cluster-" });
  const redis = redisUrl === "" ? await RedisProcess.startDetached() : undefined;
  const servers: ServerProcess[] = [];
  try {
    await startServers(flags, redis?.url ?? redisUrl, dir, servers);
    const host = new URL(redis?.url ?? redisUrl).host;
    print(
      `They form one chat on ${redis === undefined ? "the" : "their own"} Redis at ${host}.
If you kill a server, its pages wait for it, and the others carry on. The logs are in ${dir}/logs.
Ctrl-C stops everything.
`,
    );
    await interrupted;
    return 0;
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    // Some may have exited already.
    await Promise.all(servers.map((server) => server.end().catch(() => {})));
    await redis?.[Symbol.asyncDispose]();
    await Deno.remove(dir, { recursive: true });
  }
}

/** Returns the flags, or `undefined` if they are invalid. */
function readFlags(args: readonly string[]): Flags | undefined {
  const integer = { type: "string" } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { nodes: integer, port: integer } });
    const nodes = Number(values.nodes ?? 3);
    // The message about a port in use says to set PORT.
    const port = Number(values.port ?? (Deno.env.get("PORT") || 8001));
    const isValid = Number.isInteger(nodes) && nodes > 0 && Number.isInteger(port) && port >= 0 &&
      port + nodes <= 65_536;
    return isValid ? { nodes, port } : undefined;
  } catch {
    return undefined;
  }
}

/** Starts the servers one by one, and adds each to `servers`. */
async function startServers(
  flags: Flags,
  redisUrl: string,
  dir: string,
  servers: ServerProcess[],
): Promise<void> {
  for (let i = 0; i < flags.nodes; i++) {
    const server = await ServerProcess.start(dir, {
      port: flags.port === 0 ? 0 : flags.port + i,
      env: { REDIS_URL: redisUrl, LOG_DIR: `${dir}/logs/${i + 1}` },
      hosts: [new URL(redisUrl).host],
    });
    servers.push(server);
    void reportEnd(server);
    print(`Server ${i + 1} is at ${server.url} (pid ${server.process.pid})\n`);
  }
}

/** Reports a server that exits unexpectedly. */
async function reportEnd(server: ServerProcess): Promise<void> {
  const { code, signal } = await server.process.status;
  if (code !== 0) print(`The server at ${server.url} has ended: ${signal ?? `status ${code}`}\n`);
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}

if (import.meta.main) Deno.exit(await main());
