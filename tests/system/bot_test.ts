import { assertMatch } from "@std/assert";
import { ServerProcess } from "../support/server_process.ts";

const bot = new URL("../../docs/examples/bot.ts", import.meta.url).pathname;

/** Asks the room for the time as soon as the bot is there, and gives its answer. */
async function ask(url: string, username: string): Promise<string> {
  const socket = new WebSocket(`${url.replace("http", "ws")}ws`);
  const send = (command: unknown) => socket.send(JSON.stringify(command));
  const closed = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<string>();
  const question = { type: "message", room: "lobby", text: "!time", nonce: "question" };
  socket.onopen = () => send({ type: "hello", username, rooms: [{ room: "lobby" }] });
  socket.onclose = () => {
    answered.reject(new Error("Cannot ask: the connection ended"));
    closed.resolve();
  };
  socket.onmessage = ({ data }) => {
    for (const push of JSON.parse(data)) {
      if (push.type === "error") answered.reject(new Error(push.message));
      const here = push.type === "room" ? push.members : push.type === "joined" ? [push] : [];
      if (here.some((member: { username: string }) => member.username === "Clock")) send(question);
      if (push.type === "message" && push.from === "Clock") answered.resolve(push.text);
    }
  };
  try {
    return await answered.promise;
  } finally {
    socket.close(1000);
    await closed.promise;
  }
}

Deno.test("docs/bot.ts answers, and comes back when the server was killed", async () => {
  const dir = await Deno.makeTempDir();
  let server = await ServerProcess.start(dir);
  const { url, port } = server;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "--allow-net=127.0.0.1", bot, url, "lobby"],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    assertMatch(await ask(url, "Ada"), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    await server.end("SIGKILL");
    server = await ServerProcess.start(dir, { port });
    assertMatch(await ask(url, "Grace"), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  } finally {
    process.kill("SIGKILL");
    await process.status;
    await server.end();
    await Deno.remove(dir, { recursive: true });
  }
});
