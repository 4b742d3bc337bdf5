// A chat on Deno: forwards each message to the room named by the URL, with one send per reader.

const rooms = new Map<string, Set<WebSocket>>();
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")) }, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  const { pathname } = new URL(request.url);
  const room = rooms.get(pathname) ?? new Set();
  rooms.set(pathname, room);
  socket.onopen = () => void room.add(socket);
  socket.onclose = () => void room.delete(socket);
  socket.onmessage = ({ data }) => {
    for (const other of room) if (other.readyState === WebSocket.OPEN) other.send(data);
  };
  return response;
});
