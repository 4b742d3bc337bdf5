// The program as it is started: signals, flags and what only shows when all parts are together.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ServerProcess } from "./server_process.ts";
import { handshake } from "./web/fixture.ts";
import { firstCertificate, secondCertificate } from "./web/certificates.ts";

const root = new URL("../", import.meta.url).pathname;

/** A folder until the end of the scope; servers that still run in it are ended. */
async function scene() {
  const dir = await Deno.makeTempDir();
  const servers: ServerProcess[] = [];
  return {
    dir,
    async start(options: Parameters<typeof ServerProcess.start>[1] = {}) {
      const server = await ServerProcess.start(dir, options);
      servers.push(server);
      return server;
    },
    log: (name: string) => Deno.readTextFile(`${dir}/logs/${name}.log`),
    async [Symbol.asyncDispose]() {
      for (const { process } of servers) {
        try {
          process.kill("SIGKILL");
        } catch {
          // It has ended.
        }
        await process.status;
      }
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** A client that waits for pushes by their type. */
class Client {
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  readonly #pushes: { readonly type: string }[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(url: string) {
    this.socket = new WebSocket(new URL("ws", url.replace(/^http/, "ws")));
    this.closed = new Promise((resolve) => this.socket.addEventListener("close", resolve));
    this.socket.addEventListener("message", ({ data }) => {
      this.#pushes.push(...JSON.parse(data));
      for (const look of this.#waiting) look();
    });
  }

  async hello(username: string, more: object = {}): Promise<void> {
    await new Promise((resolve) => this.socket.addEventListener("open", resolve));
    this.send({ type: "hello", username, rooms: [{ room: "lobby" }], ...more });
  }

  send(command: object): void {
    this.socket.send(JSON.stringify(command));
  }

  /** The next push of a type, and what it has. */
  next(type: string): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const look = () => {
        const index = this.#pushes.findIndex((push) => push.type === type);
        if (index < 0) return;
        this.#waiting.delete(look);
        resolve({ ...this.#pushes.splice(index, 1)[0] });
      };
      this.#waiting.add(look);
      look();
    });
  }
}

async function enter(server: ServerProcess, username: string): Promise<Client> {
  const client = new Client(server.url);
  await client.hello(username);
  await client.next("room");
  return client;
}

/** A peer that neither reads nor answers. */
async function stuckPeer(server: ServerProcess): Promise<Deno.Conn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode(`${handshake().join("\r\n")}\r\n\r\n`));
  await server.said(/event=connect/);
  return connection;
}

Deno.test("main.ts says where it is in one line on the console, and nothing else until somebody comes", async () => {
  await using place = await scene();
  const server = await place.start();
  const client = await enter(server, "Ada");
  await server.said(/event=join/);
  const [first = "", second = ""] = server.lines;
  assertEquals(first, `Parley is at http://127.0.0.1:${server.port}/`);
  assertStringIncludes(second, "GET /ws");
  assertEquals(server.lines.filter((line) => /event=start\b/.test(line)), []);
  assertStringIncludes(await place.log("websocket"), "event=start");
  client.socket.close();
  await client.closed;
  assertEquals(await server.end(), 0);
});

Deno.test("main.ts ends at SIGTERM when all have been told 1012, within DRAIN_SECONDS though one does not read [C7]", async () => {
  await using place = await scene();
  const server = await place.start({ env: { DRAIN_SECONDS: "1" } });
  using _stuck = await stuckPeer(server);
  const clients = [await enter(server, "Ada"), await enter(server, "Ben")];
  clients[0]?.send({ type: "message", room: "lobby", text: "one last thing", nonce: "n1" });
  assertEquals((await clients[1]?.next("message"))?.text, "one last thing");
  assertEquals(await server.end("SIGTERM"), 0);
  for (const { closed } of clients) {
    const { code, reason } = await closed;
    assertEquals([code, reason], [1012, "1000"]);
  }
  assertStringIncludes(await place.log("websocket"), "event=stopped");
});

Deno.test("main.ts ends at once at a second signal after half a second, and takes two in one moment for one", async () => {
  await using place = await scene();
  const server = await place.start({ env: { DRAIN_SECONDS: "600" } });
  using _stuck = await stuckPeer(server);
  const client = await enter(server, "Ada");
  server.process.kill("SIGINT");
  server.process.kill("SIGINT");
  assertEquals((await client.closed).code, 1012);
  const again = setInterval(() => server.process.kill("SIGINT"), 100);
  const status = server.process.status.finally(() => clearInterval(again));
  assertEquals((await status).code, 0);
  await server.ended();
  const log = await place.log("websocket");
  assertEquals([log.includes("event=stop "), log.includes("event=stopped")], [true, false]);
});

Deno.test("main.ts asks for the access code, and writes it nowhere [N13]", async () => {
  await using place = await scene();
  const server = await place.start({ flags: ["--access-code", "open-sesame"] });
  const client = new Client(server.url);
  await client.hello("Ada", { access: "open-says-me" });
  assertEquals((await client.next("error")).code, "access_denied");
  client.send({ type: "hello", username: "Ada", rooms: [], access: "open-sesame" });
  await client.next("welcome");
  client.socket.close();
  await client.closed;
  assertEquals(await server.end(), 0);
  const all = server.lines.join() + await place.log("websocket") + await place.log("error");
  assertStringIncludes(all, "access_denied");
  assert(!/open-s/.test(all), all);
});

Deno.test("main.ts counts what happens, and shows it to who has the token", async () => {
  await using place = await scene();
  const token = "a-token-of-the-operator";
  const server = await place.start({ env: { METRICS_TOKEN: token } });
  const client = await enter(server, "Ada");
  client.send({ type: "message", room: "lobby", text: "hello", nonce: "n1" });
  await client.next("message");
  client.send({ type: "message", room: "elsewhere", text: "hello", nonce: "n2" });
  await client.next("error");
  const get = async (path: string, headers: HeadersInit = {}) => {
    const response = await fetch(new URL(path, server.url), { headers });
    return { status: response.status, text: await response.text() };
  };
  const headers = { authorization: `Bearer ${token}` };
  const { text } = await get("metrics", headers);
  for (
    const line of [
      "parley_connections 1",
      "parley_sessions 1",
      "parley_rooms 1",
      `parley_messages_total{result="stored"} 1`,
      `parley_refusals_total{code="not_joined"} 1`,
      `parley_joins_total{outcome="new"} 1`,
      "parley_append_seconds_count 1",
      "parley_log_failures_total 0",
    ]
  ) assertStringIncludes(text, `${line}\n`);
  for (const name of ["frames_total", "deliveries_total", "tick_seconds_count"]) {
    assert(new RegExp(`^parley_${name} [1-9]`, "m").test(text), name);
  }
  assertStringIncludes((await get("status", headers)).text, "<dt>Messages</dt><dd>1</dd>");
  assertEquals((await get("metrics")).status, 401);
  assertEquals([(await get("readyz")).text, (await get("healthz")).text], ["ok", "ok"]);
  client.socket.close();
  await client.closed;
  assertEquals(await server.end(), 0);
});

Deno.test("main.ts listens anew at SIGHUP when the certificate is another one, and only then", async () => {
  await using place = await scene();
  const [cert, key] = [`${place.dir}/cert.pem`, `${place.dir}/key.pem`];
  await Deno.writeTextFile(cert, firstCertificate.cert);
  await Deno.writeTextFile(key, firstCertificate.key);
  const server = await place.start({ env: { TLS_CERT: cert, TLS_KEY: key } });
  assert(server.url.startsWith("https://"), server.url);
  const get = async ({ cert }: { readonly cert: string }) => {
    using client = Deno.createHttpClient({ caCerts: [cert] });
    return await (await fetch(`https://localhost:${server.port}/healthz`, { client })).text();
  };
  assertEquals(await get(firstCertificate), "ok");
  await Deno.writeTextFile(cert, secondCertificate.cert);
  server.process.kill("SIGHUP");
  await server.said(/event=certificate .*KeyMismatch/);
  assertEquals(await get(firstCertificate), "ok");
  await Deno.writeTextFile(key, secondCertificate.key);
  server.process.kill("SIGHUP");
  await server.said(/event=certificate sessions/);
  // It says so before it closes the old listener.
  let answer: string | undefined;
  while (answer === undefined) answer = await get(secondCertificate).catch(() => undefined);
  assertEquals(answer, "ok");
  assertEquals(await server.end(), 0);
});

Deno.test("main.ts backs up, exports and restores from the command line, the first two while a server serves", async () => {
  await using place = await scene();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", "-A", `${root}main.ts`, ...args],
      env: { DATA_DIR: `${place.dir}/data` },
    }).output();
    return { code, said: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  };
  const copy = `${place.dir}/copy.db`;
  const server = await place.start();
  const client = await enter(server, "Ada");
  const say = async (text: string) => {
    client.send({ type: "message", room: "lobby", text, nonce: text });
    await client.next("message");
  };
  await say("before");
  assertEquals(await run("backup", copy), {
    code: 0,
    said: `${place.dir}/data/parley.db is copied to ${copy}\n`,
  });
  await say("after");
  const exported = await run("export", "lobby");
  const texts = exported.said.trimEnd().split("\n").map((line) => JSON.parse(line).text);
  assertEquals(texts, ["before", "after"]);
  assertEquals((await run("export", "lobby", `${place.dir}/lobby.txt`)).code, 0);
  const text = await Deno.readTextFile(`${place.dir}/lobby.txt`);
  assert(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d Ada: before\n.*Ada: after\n$/.test(text), text);
  const refused = await run("restore", copy);
  assertEquals(refused.code, 1);
  assertStringIncludes(refused.said, "stop it first");
  client.socket.close();
  await client.closed;
  assertEquals(await server.end(), 0);
  assertEquals((await run("restore", copy)).code, 0);
  const restored = await run("export", "lobby");
  assertEquals(restored.said.trimEnd().split("\n").length, 1);
  const wrong = await run("backup");
  assertEquals(wrong, { code: 2, said: "Usage: parley backup FILE [flags]\n" });
});
