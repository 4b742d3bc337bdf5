// A floor: the minimum cost of a chat on Deno that stores its messages. Like bare.ts, but it parses
// commands, stores the messages of a turn in one SQLite transaction, and encodes each once. It has
// no names, retries, limits, history or logs: of Parley's promises, it keeps only durability.

import { DatabaseSync } from "node:sqlite";

/** A stored message. */
interface Message {
  readonly room: string;
  readonly offset: number;
  readonly member: string;
  readonly text: string;
  readonly at: number;
  readonly nonce: string;
}

const database = new DatabaseSync(`${Deno.env.get("DATA_DIR")}/floor.db`);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE messages (
    room TEXT NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL,
    member TEXT NOT NULL, text TEXT NOT NULL, nonce TEXT NOT NULL,
    PRIMARY KEY (room, offset)
  ) WITHOUT ROWID;
`);
const insert = database.prepare("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)");
const begin = database.prepare("BEGIN IMMEDIATE");
const commit = database.prepare("COMMIT");

const rooms = new Map<string, Set<WebSocket>>();
const heads = new Map<string, number>();
let pending: Message[] = [];

function flush(): void {
  const messages = pending;
  pending = [];
  begin.run();
  for (const { room, offset, at, member, text, nonce } of messages) {
    insert.run(room, offset, at, member, text, nonce);
  }
  commit.run();
  const frames = new Map<string, string[]>();
  for (const message of messages) {
    const json = JSON.stringify({ type: "message", ...message });
    const frame = frames.get(message.room);
    if (frame === undefined) frames.set(message.room, [json]);
    else frame.push(json);
  }
  for (const [room, jsons] of frames) {
    const frame = `[${jsons.join(",")}]`;
    for (const socket of rooms.get(room) ?? []) {
      if (socket.readyState === WebSocket.OPEN) socket.send(frame);
    }
  }
}

let connections = 0;
Deno.serve({ hostname: "127.0.0.1", port: Number(Deno.env.get("PORT")) }, (request) => {
  const room = new URL(request.url).pathname.slice(1);
  const member = `member-${++connections}`;
  const sockets = rooms.get(room) ?? new Set();
  rooms.set(room, sockets);
  const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
  socket.onopen = () => void sockets.add(socket);
  socket.onclose = () => void sockets.delete(socket);
  socket.onmessage = ({ data }) => {
    const { text, nonce } = JSON.parse(data);
    const offset = (heads.get(room) ?? 0) + 1;
    heads.set(room, offset);
    if (pending.push({ room, offset, member, text, at: Date.now(), nonce }) === 1) {
      setImmediate(flush);
    }
  };
  return response;
});
