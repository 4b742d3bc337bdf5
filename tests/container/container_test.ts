// The container, proven in a real engine on the unchanged files. It installs that engine, so it runs only where DOCKER=1 asks.

import { assertEquals, assertMatch } from "@std/assert";
import { Engine, until } from "./engine.ts";

const root = new URL("../../", import.meta.url);
const port = freePort();
const url = `http://127.0.0.1:${port}/`;

const ignore = Deno.env.get("DOCKER") !== "1";

Deno.test("docker-compose up", { ignore }, async (t) => {
  const dockerfile = await Deno.readTextFile(new URL("Dockerfile", root));
  const bases = dockerfile.matchAll(/^FROM (\S+)/gm).map(([, image = ""]) => image);
  await using engine = await Engine.start({ PORT: String(port) });
  for (const image of new Set(bases)) await engine.provide(image);
  const compose = (...args: string[]) => engine.run("docker-compose", ...args);
  const inside = (...args: string[]) => compose("exec", "-T", "chat", ...args);
  const id = async () => (await compose("ps", "-q", "chat")).trim();
  const inspect = async (template: string, what?: string) =>
    (await engine.run("docker", "inspect", "-f", template, what ?? await id())).trim();
  const healthy = (what?: string) =>
    until(
      "the chat is healthy",
      async () => await inspect("{{.State.Health.Status}}", what) === "healthy",
    );

  await t.step("builds, starts and turns healthy", async () => {
    await compose("up", "--build", "-d");
    await healthy();
  });

  await t.step("serves the page", async () => {
    const page = await (await fetch(url)).text();
    const [, script = ""] = /src="([^"]*main[^"]*)"/.exec(page) ?? [];
    const response = await fetch(new URL(script, url));
    assertEquals([response.status, (await response.text()).length > 10_000], [200, true]);
  });

  await t.step("carries a chat", async () => {
    await using ada = await Caller.dial("Ada");
    await using ben = await Caller.dial("Ben");
    ada.say("Good morning", "n1");
    assertEquals((await ben.hears("n1")).text, "Good morning");
  });

  await t.step("shows the access log of the running container", async () => {
    const tail = engine.follow(
      /GET \/healthz\?tail .* 200/,
      "docker-compose",
      ..."exec -T chat tail -f /app/logs/access.log".split(" "),
    );
    await (await fetch(`${url}healthz?tail`)).body?.cancel();
    assertMatch(await tail, /"GET \/healthz\?tail HTTP\/1\.1" 200 2 /);
  });

  await t.step("shows all three logs in docker-compose logs -f", async () => {
    await (await fetch(url, { headers: { "x-forwarded-for": "203.0.113.9" } })).body?.cancel();
    const all = /^(?=[^]*"GET \/ HTTP)(?=[^]*event=message)(?=[^]*event=untrusted_proxy)/;
    const text = await engine.follow(all, "docker-compose", "logs", "-f", "--no-color");
    assertMatch(text, all);
  });

  await t.step("runs as deno, with nothing that it does not need", async () => {
    const status = await inside("cat", "/proc/1/status");
    for (
      const line of [/^Uid:\s1993\s/m, /^CapEff:\s0+$/m, /^CapBnd:\s0+$/m, /^NoNewPrivs:\s1$/m]
    ) {
      assertMatch(status, line);
    }
    assertEquals(
      await inspect("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}"),
      "true 1073741824",
    );
    const touched = await engine.try("docker-compose", "exec", "-T", "chat", "touch", "/app/x");
    assertMatch(touched.stderr + touched.stdout, /Read-only file system/);
    const here =
      (await inside("sh", "-c", "ls static/client; find / -name '*esbuild*' 2>/dev/null; true"))
        .split("\n");
    assertEquals(here.filter((name) => name !== ""), ["deno.json"]);
  });

  await t.step("keeps every message over down and up", async () => {
    await compose("down");
    await compose("up", "-d");
    await healthy();
    await using ada = await Caller.dial("Ida");
    assertEquals((await ada.hears("n1")).text, "Good morning");
  });

  await t.step("stops by itself when it is told to", async () => {
    await compose("stop");
    const stopped = (await compose("ps", "-aq", "chat")).trim();
    assertEquals(await inspect("{{.State.ExitCode}}", stopped), "0");
    await compose("down", "-v");
  });

  await t.step("starts without a network", async () => {
    const name = (await engine.run(
      "docker",
      ..."run -d --network none --read-only --tmpfs /tmp --cap-drop ALL --memory 256m parley".split(
        " ",
      ),
    )).trim();
    await healthy(name);
    await engine.run("docker", "rm", "-f", "-v", name);
  });
});

/** A connection to the chat in the container. */
class Caller implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #messages: { nonce: string; text: string }[] = [];
  #wake = () => {};

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async dial(username: string): Promise<Caller> {
    const socket = new WebSocket(`${url.replace("http", "ws")}ws`);
    const caller = new Caller(socket);
    const joined = Promise.withResolvers<void>();
    socket.onopen = () =>
      socket.send(JSON.stringify({ type: "hello", username, rooms: [{ room: "lobby" }] }));
    socket.onclose = () => joined.reject(new Error("Cannot join: the connection was closed"));
    socket.onmessage = ({ data }) => {
      for (const push of JSON.parse(data)) {
        if (push.type === "error") joined.reject(new Error(`Cannot join: ${push.message}`));
        if (push.type === "message") caller.#messages.push(push);
        if (push.type !== "room") continue;
        caller.#messages.push(...push.messages);
        joined.resolve();
      }
      caller.#wake();
    };
    await joined.promise;
    return caller;
  }

  say(text: string, nonce: string): void {
    this.#socket.send(JSON.stringify({ type: "message", room: "lobby", text, nonce }));
  }

  /** The message of a nonce, when it has come. */
  async hears(nonce: string): Promise<{ text: string }> {
    for (;;) {
      const found = this.#messages.find((message) => message.nonce === nonce);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#socket.onclose = () => closed.resolve();
    this.#socket.close(1000);
    await closed.promise;
  }
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}
