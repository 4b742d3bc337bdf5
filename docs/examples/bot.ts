// A bot that answers !time: deno run --allow-net docs/examples/bot.ts http://localhost:8000/ lobby
// It misses what is asked while it is away. R2 to R5 in SPEC.md say how a client catches up.
const [server = "http://localhost:8000/", room = "lobby"] = Deno.args;

/** Kept over reconnects, so that the bot is the same member and keeps its name. */
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
      // A repeated answer has the same nonce, so it is stored once.
      const nonce = `answer-${push.offset}`;
      send({ type: "message", room, text: new Date().toISOString(), nonce });
    }
  };
  socket.onclose = ({ code }) => {
    const mayReconnect = code !== 1000 && (code < 4000 || code > 4099);
    if (mayReconnect) setTimeout(connect, 500 + Math.random() * 1000);
  };
}

connect();
