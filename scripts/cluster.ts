// Three nodes on one Redis, to try by hand what many nodes are like: `deno task cluster --nodes 3 --port 8001`. The Redis is
// the one of REDIS_URL, or one that is started for the time.

import { RedisProcess, redisServer } from "../tests/support/redis_process.ts";
import { ServerProcess } from "../tests/support/server_process.ts";

const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

async function main(): Promise<number> {
  const flag = (name: string, fallback: number) => {
    const at = Deno.args.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(Deno.args[at + 1]);
  };
  const [count, firstPort] = [flag("nodes", 3), flag("port", 8001)];
  const given = Deno.env.get("REDIS_URL") ?? "";
  if (given === "" && redisServer === undefined) {
    say("Cannot start a cluster: set REDIS_URL, or install redis-server");
    return 2;
  }
  const { promise: told, resolve: stop } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, stop);
  const dir = await Deno.makeTempDir({ prefix: "parley-cluster-" });
  const redis = given === "" ? await RedisProcess.startApart() : undefined;
  const url = redis?.url ?? given;
  const nodes: ServerProcess[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const port = firstPort === 0 ? 0 : firstPort + i;
      const env = { REDIS_URL: url, LOG_DIR: `${dir}/logs/${i + 1}` };
      const hosts = [new URL(url).host];
      const node = await ServerProcess.start(dir, { port, env, hosts });
      nodes.push(node);
      void report(node);
      say(`Node ${i + 1} is at ${node.url} (pid ${node.process.pid})`);
    }
    say(
      `They are one chat on Redis at ${new URL(url).host}${
        redis === undefined ? "" : ", started for it alone"
      }.`,
    );
    say(`Kill a node, and its pages wait for it; the others go on. Their logs are in ${dir}/logs.`);
    say("Ctrl-C ends all.");
    await told;
    return 0;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    await Promise.all(nodes.map((node) => node.end().catch(() => {})));
    await redis?.[Symbol.asyncDispose]();
    await Deno.remove(dir, { recursive: true });
  }
}

async function report(node: ServerProcess): Promise<void> {
  const { code, signal } = await node.process.status;
  if (code !== 0) say(`The node at ${node.url} has ended: ${signal ?? `status ${code}`}`);
}

if (import.meta.main) Deno.exit(await main());
