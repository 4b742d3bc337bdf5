// `deno task cluster`, the way a person uses it: started, tried out, and ended with Ctrl-C.

import { assert, assertEquals } from "@std/assert";
import { ChatClient } from "../support/chat_client.ts";
import { hasRedis } from "../support/redis_process.ts";
import { until, withDeadline } from "../support/waiting.ts";

const root = new URL("../../", import.meta.url).pathname;

/** A running task, which has started its servers. */
interface ClusterTask {
  readonly process: Deno.ChildProcess;
  readonly servers: readonly { readonly url: string; readonly pid: number }[];
  /** Everything printed, once the task has ended. */
  readonly output: Promise<string>;
}

async function startTask(
  tempDir: string,
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> },
): Promise<ClusterTask> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "-A", "scripts/cluster.ts", ...args],
    cwd: root,
    env: { TMPDIR: tempDir, ...env },
    stdout: "piped",
  }).spawn();
  let printed = "";
  const started = Promise.withResolvers<void>();
  const output = (async () => {
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      printed += text;
      if (printed.includes("Ctrl-C")) started.resolve();
    }
    started.reject(new Error(`The cluster did not start: ${printed}`));
    return printed;
  })();
  await withDeadline("the cluster prints its addresses", started.promise);
  const servers = [...printed.matchAll(/is at (\S+) \(pid (\d+)\)/g)]
    .map(([, url = "", pid]) => ({ url, pid: Number(pid) }));
  return { process, servers, output };
}

/** Ends a task with Ctrl-C, and checks that it leaves nothing behind. */
async function interrupt({ process, servers, output }: ClusterTask, tempDir: string) {
  process.kill("SIGINT");
  const { code } = await withDeadline("the cluster ends", process.status);
  assertEquals(code, 0, await output);
  for (const { pid } of servers) assertEquals(isRunning(pid), false);
  assertEquals(Array.from(Deno.readDirSync(tempDir), ({ name }) => name), []);
}

function isRunning(pid: number): boolean {
  try {
    return Deno.statSync(`/proc/${pid}`).isDirectory;
  } catch {
    return false;
  }
}

/** Returns the pid of the redis-server that runs in a subfolder of `tempDir`. */
function redisPidIn(tempDir: string): number {
  for (const { name } of Deno.readDirSync("/proc")) {
    try {
      const isRedis = Deno.readTextFileSync(`/proc/${name}/comm`).trim() === "redis-server";
      if (isRedis && Deno.readLinkSync(`/proc/${name}/cwd`).startsWith(tempDir)) {
        return Number(name);
      }
    } catch {
      // Not a process, or one that has just ended.
    }
  }
  throw new Error(`No redis-server runs in ${tempDir}`);
}

function test(promise: string, run: (tempDir: string) => Promise<void>): void {
  const fn = async () => {
    const tempDir = await Deno.realPath(await Deno.makeTempDir());
    try {
      await run(tempDir);
    } finally {
      await Deno.remove(tempDir, { recursive: true });
    }
  };
  Deno.test({ name: `deno task cluster ${promise}`, ignore: !hasRedis, fn });
}

test("starts servers that form one chat, and stops everything it started", async (tempDir) => {
  const task = await startTask(tempDir, { args: ["--port", "0"] });
  assertEquals(task.servers.length, 3);
  const [ada, ben] = task.servers.slice(1).map(({ url }, i) => new ChatClient(url, `Client ${i}`));
  await Promise.all([ada?.joined(), ben?.joined()]);
  await ada?.sendMessage("hello");
  await ben?.waitFor((push) => push.type === "message" && push.text === "hello");
  await interrupt(task, tempDir);
  assertEquals(await Promise.all([ada?.closed, ben?.closed]), [1012, 1012]);
});

test("stops everything it started after its Redis has died", async (tempDir) => {
  const task = await startTask(tempDir, { env: { PORT: "0" } });
  assert(task.servers.every(({ url }) => !/:800[1-3]/.test(url)), "PORT has no effect");
  const redis = redisPidIn(tempDir);
  Deno.kill(redis, "SIGKILL");
  await until(() => !isRunning(redis), "Redis ends");
  await interrupt(task, tempDir);
});
