// A bot that replies to !time, by default in the lobby of http://localhost:8000/:
//
//   deno run --allow-net --allow-read=. --allow-write=. docs/examples/bot.ts URL ROOM
//
// Its token is kept in clock.token, in the current folder. It misses messages sent while it is
// disconnected; R2 to R5 in SPEC.md say how clients catch up.
const [server = "http://localhost:8000/", room = "lobby"] = Deno.args;
const token = readToken("clock.token");

/** Returns the token that holds the bot's name. Without it, the name is taken for 24 hours (N8). */
function readToken(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const token = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
    Deno.writeTextFileSync(file, token, { mode: 0o600, createNew: true });
    return token;
  }
}

function connect(): void {
  const socket = new WebSocket(new URL("ws", server.replace(/^http/, "ws")));
  const send = (command: unknown) => socket.send(JSON.stringify(command));
  socket.onopen = () => send({ type: "hello", username: "Clock", token, rooms: [{ room }] });
  socket.onmessage = ({ data }) => {
    const pushes = JSON.parse(data);
    if (pushes.length === 0) send({ type: "pong" });
    for (const push of pushes) {
      if (push.type === "error") print(`Error: ${push.message}`);
      if (push.type === "room") print(`Listening in ${push.room}`);
      if (push.type !== "message" || push.text !== "!time") continue;
      // A repeated reply has the same nonce, so it is stored once.
      const nonce = `reply-${push.offset}`;
      send({ type: "message", room, text: new Date().toISOString(), nonce });
    }
  };
  socket.onerror = (event) => print(event instanceof ErrorEvent ? event.message : "Error");
  socket.onclose = ({ code, reason }) => {
    print(`Disconnected: ${reason || code}`);
    const mayReconnect = code !== 1000 && (code < 4000 || code > 4099);
    if (mayReconnect) setTimeout(connect, 1000 + Math.random() * 2000);
  };
}

function print(line: string): void {
  // deno-lint-ignore no-console
  console.error(line);
}

connect();
