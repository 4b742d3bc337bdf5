// A bot that replies to !time, by default in the lobby of http://localhost:8000/:
//
//   deno run --allow-net docs/examples/bot.ts URL ROOM
import { Room } from "./room.ts";
const [server = "http://localhost:8000/", name = "lobby"] = Deno.args;
const room = new Room(new URL(`r/${name}`, server), "Clock", print);

room.follow(({ type, data }) => {
  const { text, offset } = JSON.parse(data);
  if (type === "room") print(`Listening in ${name}`);
  // A repeated reply has the same key, so it is stored once.
  if (type === "message" && text === "!time") {
    room.post(new Date().toISOString(), `reply-${offset}`);
  }
});

function print(line: string): void {
  // deno-lint-ignore no-console
  console.error(line);
}
