// docs/examples/bot.ts against a real server.

import { assertMatch } from "@std/assert";
import { ServerProcess } from "../support/server_process.ts";

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

Deno.test("docs/examples/bot.ts answers, and reconnects after the server was killed", async () => {
  const dir = await Deno.makeTempDir();
  let server = await ServerProcess.start(dir);
  const { url, port } = server;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "--allow-net=127.0.0.1", bot, url, "lobby"],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    assertMatch(await askTime(url, "Ada"), isoTime);
    await server.end("SIGKILL");
    server = await ServerProcess.start(dir, { port });
    assertMatch(await askTime(url, "Grace"), isoTime);
  } finally {
    process.kill("SIGKILL");
    await process.status;
    await server.end();
    await Deno.remove(dir, { recursive: true });
  }
});
