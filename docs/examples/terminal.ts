// A chat in the terminal. Enter sends the line, and Ctrl-C or Ctrl-D leaves:
//
//   deno run --allow-net docs/examples/terminal.ts URL ROOM NAME
import { stdin as input, stdout as output } from "node:process";
import { createInterface } from "node:readline";
import { Room } from "./room.ts";
const [server = "http://localhost:8000/", path = "lobby", name = prompt("Name:")] = Deno.args;
const room = new Room(new URL(`r/${path}`, server), name ?? "", print);
const { messages, position, detail } = await (await fetch(room.url)).json();
if (detail) throw new Error(detail);
const terminal = createInterface({ input, output });

function print(text: string): void {
  if (!output.isTTY) return void output.write(`${text}\n`);
  const { rows } = terminal.getCursorPos(); // Of the line that is being typed.
  output.write(`${"\x1b[A".repeat(rows)}\r\x1b[J${text}${"\n".repeat(rows + 1)}`);
  terminal.prompt(true);
}

for (const { from, text } of messages) if (text) print(`${from}: ${text}`);
room.follow(({ type, data }) => {
  const { from, text, missed } = JSON.parse(data);
  if (text) print(`${from}${type === "message" ? "" : ` (${type})`}: ${text}`);
  if (type === "gap") print(`(${missed ?? "Some"} messages are missing here.)`);
}, position);
for await (const line of terminal) {
  if (output.isTTY) { // The stream shows the line once it is stored.
    output.write("\x1b[A".repeat(Math.ceil((line.length + 2) / output.columns)) + "\r\x1b[J");
    terminal.prompt();
  }
  if (line.trim() !== "") await room.post(line);
}
Deno.exit();
