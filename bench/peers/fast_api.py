"""A chat on FastAPI: forwards each message to the room named by the URL."""

import os

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
rooms: dict[str, set[WebSocket]] = {}


@app.websocket("/{name}")
async def chat(socket: WebSocket, name: str) -> None:
    await socket.accept()
    room = rooms.setdefault(name, set())
    room.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for other in list(room):
                await other.send_text(text)
    except WebSocketDisconnect:
        room.discard(socket)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
