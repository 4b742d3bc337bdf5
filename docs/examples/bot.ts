// A program that takes part in a room: it answers !time. `deno run --allow-net docs/examples/bot.ts http://localhost:8000/ lobby`
// What was asked while it was away it does not hear; SPEC.md tells in R2 to R5 how it would.
const [server = "http://localhost:8000/", room = "lobby"] = Deno.args;

/** Whoever has this is the member: kept, so that the name is still its own when it comes back. */
let token: string | undefined;

function connect(): void {
  const socket = new WebSocket(new URL("ws", server.replace(/^http/, "ws")));
  const send = (command: unknown) => socket.send(JSON.stringify(command));
  socket.onopen = () => send({ type: "hello", username: "Clock", token, rooms: [{ room }] });
  socket.onmessage = ({ data }) => {
    const pushes = JSON.parse(data);
    if (pushes.length === 0) send({ type: "pong" });
    for (const push of pushes) {
      if (push.type === "welcome") token = push.token;
      if (push.type !== "message" || push.text !== "!time") continue;
      const nonce = `answer-${push.offset}`;
      send({ type: "message", room, text: new Date().toISOString(), nonce });
    }
  };
  socket.onclose = ({ code }) => {
    const mayReturn = code !== 1000 && (code < 4000 || code > 4099);
    if (mayReturn) setTimeout(connect, 500 + Math.random() * 1000);
  };
}

connect();
