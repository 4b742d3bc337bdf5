// A chat on Bun: forwards each message to the room named by the URL, with Bun's own publish.

const server = Bun.serve<{ room: string }>({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  fetch: (request, server) =>
    server.upgrade(request, { data: { room: new URL(request.url).pathname } })
      ? undefined
      : new Response("a chat"),
  websocket: {
    open: (socket) => socket.subscribe(socket.data.room),
    message: (socket, text) => void server.publish(socket.data.room, text),
  },
});
