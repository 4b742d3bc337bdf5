// A process with connections to the lobby, for a test that suspends it. Takes a port and a number
// of connections, and prints a line once all are open.

const [port, count] = Deno.args.map(Number);
let open = 0;
for (let i = 0; i < (count ?? 0); i++) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  socket.onopen = () =>
    socket.send(JSON.stringify({
      type: "hello",
      username: `Stuck ${Deno.pid} ${i}`,
      rooms: [{ room: "lobby" }],
    }));
  socket.onmessage = () => {
    socket.onmessage = null;
    if (++open === count) Deno.stdout.writeSync(new TextEncoder().encode("open\n"));
  };
  socket.onerror = (event) => event.preventDefault();
}
