// docs/examples/bot.ts against a real server.

import { assertMatch } from "@std/assert";
import { ServerProcess } from "../support/server_process.ts";
import { withDeadline } from "../support/waiting.ts";

const bot = new URL("../../docs/examples/bot.ts", import.meta.url).pathname;
const isoTime = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** Joins the room, waits for the bot, asks it for the time and returns its answer. */
async function askTime(url: string, username: string): Promise<string> {
  const socket = new WebSocket(`${url.replace("http", "ws")}ws`);
  const send = (command: unknown) => socket.send(JSON.stringify(command));
  const closed = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  const question = { type: "message", room: "lobby", text: "!time", nonce: "question" };
  socket.onopen = () => send({ type: "hello", username, rooms: [{ room: "lobby" }] });
  socket.onclose = () => {
    answer.reject(new Error("Cannot ask: the connection closed"));
    closed.resolve();
  };
  socket.onmessage = ({ data }) => {
    for (const push of JSON.parse(data)) {
      if (push.type === "error") answer.reject(new Error(push.message));
      const present = push.type === "room" ? push.members : push.type === "joined" ? [push] : [];
      const isHere = present.some((member: { username: string }) => member.username === "Clock");
      if (isHere) send(question);
      if (push.type === "message" && push.from === "Clock") answer.resolve(push.text);
    }
  };
  try {
    return await answer.promise;
  } finally {
    socket.close(1000);
    await closed.promise;
  }
}

/** A running bot, which keeps its token in a folder. */
class Bot {
  readonly #process: Deno.ChildProcess;
  readonly #output: ReadableStreamDefaultReader<string>;

  constructor(dir: string, url: string) {
    const access = ["--allow-net=127.0.0.1", "--allow-read=.", "--allow-write=."];
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-q", "--no-prompt", "--no-config", ...access, bot, url, "lobby"],
      cwd: dir,
      stderr: "piped",
    }).spawn();
    this.#output = this.#process.stderr.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Waits until new output matches. */
  prints(pattern: RegExp): Promise<void> {
    return withDeadline(`the bot prints ${pattern}`, this.#read(pattern));
  }

  async #read(pattern: RegExp): Promise<void> {
    for (let output = ""; !pattern.test(output);) {
      const { value, done } = await this.#output.read();
      if (done) throw new Error(`It ended without ${pattern}: ${output}`);
      output += value;
    }
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#output.cancel();
    await this.#process.status;
  }
}

Deno.test("docs/examples/bot.ts replies, and keeps its name across restarts of the bot and the server", async () => {
  const dir = await Deno.makeTempDir();
  const otherDir = await Deno.makeTempDir();
  let server = await ServerProcess.start(dir);
  const { url, port } = server;
  const bots: Bot[] = [];
  const start = (dir: string) => {
    const started = new Bot(dir, url);
    bots.push(started);
    return started;
  };
  try {
    const first = start(dir);
    await first.prints(/^Listening in lobby$/m);
    assertMatch(await askTime(url, "Ada"), isoTime);
    await first.kill();
    await start(otherDir).prints(/^Error: Clock is taken/m);

    const second = start(dir);
    await second.prints(/^Listening in lobby$/m);
    assertMatch(await askTime(url, "Ben"), isoTime);

    await server.end("SIGKILL");
    server = await ServerProcess.start(dir, { port });
    await second.prints(/^Disconnected: \d+\n(.*\n)*Listening in lobby$/m);
    assertMatch(await askTime(url, "Grace"), isoTime);
  } finally {
    await Promise.all(bots.slice(1).map((bot) => bot.kill()));
    await server.end();
    await Deno.remove(dir, { recursive: true });
    await Deno.remove(otherDir, { recursive: true });
  }
});
