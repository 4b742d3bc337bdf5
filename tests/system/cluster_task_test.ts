import { assertEquals } from "@std/assert";
import { Talker } from "./faults/fault_harness.ts";
import { hasRedis } from "../support/redis_process.ts";

Deno.test({
  name: "deno task cluster starts nodes that are one chat, and ends all that it started",
  ignore: !hasRedis,
  fn: async () => {
    const task = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", "-A", "tests/cluster.ts", "--port", "0"],
      cwd: new URL("../../", import.meta.url),
      stdout: "piped",
    }).spawn();
    let output = "";
    const { promise: isUp, resolve } = Promise.withResolvers<void>();
    const read = (async () => {
      for await (const text of task.stdout.pipeThrough(new TextDecoderStream())) {
        output += text;
        if (output.includes("Ctrl-C")) resolve();
      }
      resolve();
    })();
    await isUp;
    const nodes = [...output.matchAll(/is at (\S+) \(pid (\d+)\)/g)];
    assertEquals(nodes.length, 3, output);
    const [ada, ben] = nodes.slice(1).map(([, url = ""], i) => new Talker(url, `Talker ${i}`));
    await Promise.all([ada?.joined(), ben?.joined()]);
    await ada?.says("hello");
    await ben?.hears((push) => push.type === "message" && push.text === "hello");
    task.kill("SIGINT");
    assertEquals(await Promise.all([ada?.closed, ben?.closed]), [1012, 1012]);
    assertEquals((await task.status).code, 0);
    await read;
    for (const [, , pid] of nodes) {
      assertEquals(await Deno.stat(`/proc/${pid}`).catch(() => undefined), undefined);
    }
  },
});
