// A chat on socket.io: forwards each message to its room.

import { Server } from "socket.io";

const io = new Server(Number(process.env.PORT), { transports: ["websocket"] });
io.on("connection", (socket) => {
  const { room } = socket.handshake.query;
  socket.join(room);
  socket.on("say", (text) => io.to(room).emit("say", text));
});
