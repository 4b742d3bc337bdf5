// A floor: the minimum cost of a chat on Deno. Collects the frames of an event-loop turn and
// sends each reader of a room one frame with all of them. Decodes and stores nothing.

/** A room's readers, and the frames of this turn. */
interface Room {
  readonly sockets: Set<WebSocket>;
  pending: string[];
}

const rooms = new Map<string, Room>();

function roomAt(pathname: string): Room {
  let room = rooms.get(pathname);
  if (room === undefined) rooms.set(pathname, room = { sockets: new Set(), pending: [] });
  return room;
}

function flush(room: Room): void {
  const frame = room.pending.join(",");
  room.pending = [];
  for (const socket of room.sockets) {
    if (socket.readyState === WebSocket.OPEN) socket.send(frame);
  }
}

Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")) }, (request) => {
  const room = roomAt(new URL(request.url).pathname);
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.onopen = () => void room.sockets.add(socket);
  socket.onclose = () => void room.sockets.delete(socket);
  socket.onmessage = ({ data }) => {
    if (room.pending.push(data) === 1) setImmediate(() => flush(room));
  };
  return response;
});
