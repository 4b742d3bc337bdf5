// A chat on the ws package: forwards each message to the room named by the URL.

import { WebSocketServer } from "ws";

const rooms = new Map();
new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT) })
  .on("connection", (socket, { url }) => {
    const room = rooms.get(url) ?? new Set();
    rooms.set(url, room.add(socket));
    socket.on("message", (data) => {
      for (const other of room) other.send(data, { binary: false });
    });
    socket.on("close", () => room.delete(socket));
  });
