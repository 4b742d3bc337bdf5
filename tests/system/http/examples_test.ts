// The programs in docs/examples, against a real server.

import { assert, assertEquals } from "@std/assert";
import { freePort } from "../../support/free_port.ts";
import { withBench } from "../../support/server_bench.ts";
import { until, withDeadline } from "../../support/waiting.ts";

const token = "e".repeat(43);
/** A rate limit for which posts must wait. */
const slow = { RATE_BURST: "1", RATE_PER_SECOND: "20" };
const folder = new URL("../../../docs/examples/", import.meta.url);

/** A running example. */
class Example implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  output = "";
  readonly #reading: Promise<unknown>;

  constructor(file: string, args: readonly string[], env: Record<string, string> = {}) {
    const path = new URL(file, folder).pathname;
    this.process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-q",
        "--no-prompt",
        "--no-config",
        "--allow-net",
        "--allow-env",
        path,
        ...args,
      ],
      env: { TOKEN: token, NO_COLOR: "1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr } = this.process;
    this.#reading = Promise.all([stdout, stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.output += text;
    }));
  }

  async type(text: string): Promise<void> {
    const writer = this.process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    writer.releaseLock();
  }

  async waitForOutput(text: string): Promise<void> {
    await until(() => this.output.includes(text), `the example prints ${text}: ${this.output}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stdin.close().catch(() => {});
    try {
      this.process.kill();
    } catch {
      // It has ended.
    }
    await this.process.status;
    await this.#reading;
  }
}

async function textsOf(url: string, room: string): Promise<readonly string[]> {
  const { messages } = await (await fetch(`${url}r/${room}`)).json();
  return messages.map(({ from, text }: Record<string, string>) => `${from}: ${text}`);
}

/** Posts a webhook until its receiver listens. Returns the status. */
async function call(port: number, body: string, headers: Record<string, string> = {}) {
  for (;;) {
    try {
      const init = { method: "POST", body, headers };
      const response = await fetch(`http://127.0.0.1:${port}/`, init);
      await response.body?.cancel();
      return response.status;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

Deno.test("docs/examples have fewer than 40 lines each", async () => {
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".ts")) continue;
    const text = await Deno.readTextFile(new URL(name, folder));
    assert(text.trimEnd().split("\n").length < 40, name);
  }
});

Deno.test("docs/examples/github_webhook.ts posts signed deliveries once", async () => {
  await withBench(async ({ start }) => {
    const { url } = await start();
    const [port, secret] = [freePort(), "webhook secret"];
    await using _example = new Example("github_webhook.ts", [url, "code", String(port)], {
      SECRET: secret,
    });
    const encoder = new TextEncoder();
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const raw = encoder.encode(secret);
    const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["sign"]);
    const deliver = async (event: string, payload: unknown, id: string) => {
      const body = JSON.stringify(payload);
      const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(body));
      return await call(port, body, {
        "x-github-event": event,
        "x-github-delivery": id,
        "x-hub-signature-256": `sha256=${new Uint8Array(signature).toHex()}`,
      });
    };
    const issue = { html_url: "https://github.com/o/r/issues/1", title: "It crashes" };
    const id = crypto.randomUUID();
    for (let i = 0; i < 2; i++) {
      assertEquals(await deliver("issues", { action: "opened", issue }, id), 201);
    }
    const push = { ref: "refs/heads/main", commits: [{}, {}], compare: "https://github.com/c" };
    assertEquals(await deliver("push", push, crypto.randomUUID()), 201);
    assertEquals(await deliver("ping", {}, crypto.randomUUID()), 200);
    const forged = { "x-hub-signature-256": `sha256=${"0".repeat(64)}` };
    assertEquals(await call(port, "{}", forged), 401);
    assertEquals(await call(port, "{}"), 401);
    assertEquals(await textsOf(url, "code"), [
      "GitHub: opened: It crashes\nhttps://github.com/o/r/issues/1",
      "GitHub: push to refs/heads/main, commits: 2\nhttps://github.com/c",
    ]);
  });
});

Deno.test("docs/examples/alertmanager.ts posts each change of an alert once", async () => {
  await withBench(async ({ start }) => {
    const { url } = await start({ env: slow });
    const port = freePort();
    await using _example = new Example("alertmanager.ts", [url, "alerts", String(port)]);
    const alert = {
      status: "firing",
      labels: { alertname: "DiskFull", instance: "db1" },
      annotations: { summary: "3 % left" },
      startsAt: "2026-11-26T10:00:00Z",
      fingerprint: "0123456789abcdef",
    };
    const notify = (...alerts: unknown[]) => call(port, JSON.stringify({ alerts }));
    assertEquals(await notify(alert), 200);
    assertEquals(await notify(alert, { ...alert, status: "resolved" }), 200);
    assertEquals(await textsOf(url, "alerts"), [
      "Alertmanager: 🔥 DiskFull db1\n3 % left",
      "Alertmanager: ✅ DiskFull db1\n3 % left",
    ]);
  });
});

Deno.test("docs/examples/feed.ts posts new RSS and Atom items once", async () => {
  await withBench(async ({ start }) => {
    const { url } = await start({ env: slow });
    const now = new Date().toUTCString();
    const feeds: Record<string, string> = {
      "/rss": `<rss><channel><title>Feed</title>
        <item><title><![CDATA[Second & last]]></title><link>https://a/2</link><guid>2</guid>
        <pubDate>${now}</pubDate></item>
        <item><title>First</title><link>https://a/1</link><guid>1</guid><pubDate>${now}</pubDate></item>
        <item><title>Old</title><link>https://a/0</link><pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate></item>
        </channel></rss>`,
      "/atom":
        `<feed><entry><title type="html">A &lt; B</title><link rel="alternate" href="https://b/1"/>
        <id>urn:1</id><updated>${new Date().toISOString()}</updated></entry></feed>`,
    };
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        const xml = feeds[new URL(request.url).pathname];
        return new Response(xml, { status: xml === undefined ? 404 : 200 });
      },
    );
    for (const path of ["/rss", "/rss", "/atom"]) {
      const feed = `http://127.0.0.1:${server.addr.port}${path}`;
      await using example = new Example("feed.ts", [feed, url, "news"]);
      assertEquals((await example.process.status).code, 0, example.output);
    }
    const missing = `http://127.0.0.1:${server.addr.port}/none`;
    await using example = new Example("feed.ts", [missing, url, "news"]);
    await example.waitForOutput(`Cannot read ${missing}: it returns 404`);
    assertEquals((await example.process.status).code, 1);
    await server.shutdown();
    assertEquals(await textsOf(url, "news"), [
      "Feed: First\nhttps://a/1",
      "Feed: Second & last\nhttps://a/2",
      "Feed: A < B\nhttps://b/1",
    ]);
  });
});

/** Posts a message as Ben. */
async function say(url: string, body: string): Promise<void> {
  const authorization = `Basic ${btoa(`Ben:${"b".repeat(43)}`)}`;
  const init = { method: "POST", body, headers: { authorization } };
  const response = await fetch(`${url}r/lobby`, init);
  await response.body?.cancel();
  assertEquals(response.status, 201);
}

/** Responds like the proxy of a stopped server, until it has received a message. */
async function serveErrors(port: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const proxy = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, ({ method }) => {
    if (method === "POST") resolve();
    return new Response("<h1>502 Bad Gateway</h1>", { status: 502 });
  });
  await withDeadline("the example posts", promise);
  await proxy.shutdown();
}

Deno.test("docs/examples/terminal.ts chats under each name, even across a kill and restart", async () => {
  await using storage = await temporaryFolder();
  await withBench(async ({ start }) => {
    const server = await start();
    const { url, port } = server;
    await say(url, "before");
    const env = { DENO_DIR: storage.path };
    await using example = new Example("terminal.ts", [url, "lobby", "Ada"], env);
    await example.waitForOutput("Ben: before\n");
    await example.type("Hello\n");
    await example.waitForOutput("Ada: Hello\n");
    await say(url, "after");
    await example.waitForOutput("Ben: after\n");
    await example.type(`${"x".repeat(4_001)}\n`);
    await example.waitForOutput("(Messages can have up to 4,000 characters)\n");
    await server.end("SIGKILL");
    await example.type("Written in the dark\nThen this\n");
    await example.waitForOutput("(The chat is unreachable. Retrying…)\n");
    await serveErrors(port);
    await start({ port });
    await example.waitForOutput("Ada: Then this\n");
    await say(url, "last");
    await example.waitForOutput("Ben: last\n");
    const texts = ["Ben: before", "Ada: Hello", "Ben: after", "Ada: Written in the dark"];
    texts.push("Ada: Then this", "Ben: last");
    assertEquals(await textsOf(url, "lobby"), texts);
    assertEquals(example.output.match(/^\w+: .*$/gm), texts);
    const path = new URL("terminal.ts", folder).pathname;
    const line = `echo From a pipe | "$0" run -q --no-config --allow-net "$@"`;
    for (const name of ["Ada", "Bea"]) {
      const { code } = await new Deno.Command("sh", {
        args: ["-c", line, Deno.execPath(), path, url, "lobby", name],
        env,
      }).output();
      assertEquals(code, 0);
      texts.push(`${name}: From a pipe`);
    }
    assertEquals(await textsOf(url, "lobby"), texts);
  });
});

Deno.test("docs/examples/bot.ts replies once, and keeps its name across restarts of the bot and the server", async () => {
  await using storage = await temporaryFolder();
  await using otherStorage = await temporaryFolder();
  await withBench(async ({ start }) => {
    const server = await start();
    const { url, port } = server;
    const startBot = async ({ path }: { readonly path: string }) => {
      const bot = new Example("bot.ts", [url, "lobby"], { DENO_DIR: path });
      await bot.waitForOutput("Listening in lobby\n");
      return bot;
    };
    const replies = async () =>
      (await textsOf(url, "lobby")).filter((line) =>
        /^Clock: \d{4}-\d\d-\d\dT[\d:.]+Z$/.test(line)
      );
    const hasReplied = (count: number) =>
      until(async () => (await replies()).length === count, `the bot replies ${count} times`);
    {
      await using _bot = await startBot(storage);
      await say(url, "!time");
      await hasReplied(1);
    }
    {
      await using bot = await startBot(otherStorage);
      await say(url, "!time");
      await bot.waitForOutput("Clock is taken");
    }
    await using bot = await startBot(storage);
    await say(url, "!time");
    await hasReplied(2);
    await server.end("SIGKILL");
    await bot.waitForOutput(`(${url}r/lobby cannot be followed. Retrying…)\n`);
    await start({ port });
    await say(url, "!time");
    await hasReplied(3);
    assertEquals(bot.output.match(/Clock is taken/), null);
  });
});

async function temporaryFolder() {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
