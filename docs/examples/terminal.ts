// A chat in the terminal. Enter sends the line, and Ctrl-C or Ctrl-D leaves:
//
//   deno run --allow-net docs/examples/terminal.ts URL ROOM NAME
//
// Your token stays in this program's local storage. Later runs keep the name of the first.
import process from "node:process";
import { createInterface } from "node:readline";
const [server = "http://localhost:8000/", room = "lobby", name = prompt("Name:")] = Deno.args;
const url = new URL(`r/${room}`, server);
const bytes = crypto.getRandomValues(new Uint8Array(32));
localStorage.token ??= bytes.toBase64({ alphabet: "base64url", omitPadding: true });
const pair = new TextEncoder().encode(`${name}:${localStorage.token}`);
const { stdin: input, stdout: output } = process;
const terminal = createInterface({ input, output });

function print(text: string): void {
  if (!output.isTTY) return void output.write(`${text}\n`);
  const { line } = terminal; // Is being typed. Remove it, and write it again below the text.
  for (const name of ["e", "u"]) terminal.write(null, { ctrl: true, name });
  output.write(`\r\x1b[J${text}\n`);
  terminal.prompt();
  terminal.write(line);
}

async function send(body: string, key = crypto.randomUUID()): Promise<void> {
  const headers = { authorization: `Basic ${pair.toBase64()}`, "idempotency-key": key };
  const response = await fetch(url, { method: "POST", body, headers }).catch(() => undefined);
  if (response?.ok) return await response.body?.cancel();
  const { detail = "The chat cannot be reached. Retrying…" } = await response?.json() ?? {};
  print(`(${detail})`);
  const seconds = Number(response === undefined ? 1 : response.headers.get("retry-after"));
  if (seconds > 0) setTimeout(send, seconds * 1000, body, key); // With the same key: stored once.
}

function follow(after: string): void {
  const events = new EventSource(`${url}?after=${after}`);
  const show = ({ type, data, lastEventId }: MessageEvent) => {
    after = lastEventId || after;
    const { from, text, missed } = JSON.parse(data);
    if (text) print(`${from}${type === "message" ? "" : ` (${type})`}: ${text}`);
    if (type === "gap") print(`(${missed ?? "Some"} messages are missing here.)`);
  };
  for (const type of ["message", "edit", "title", "gap"]) events.addEventListener(type, show);
  events.onerror = () => { // It reconnects by itself, except after an HTTP error.
    if (events.readyState === EventSource.CLOSED) setTimeout(follow, 2000, after);
  };
}

const { messages, position } = await (await fetch(url)).json();
for (const { from, text } of messages) if (text) print(`${from}: ${text}`);
follow(position);
for await (const line of terminal) {
  if (output.isTTY) {
    const rows = Math.ceil((line.length + 2) / output.columns);
    output.write(`\x1b[${rows}A\r\x1b[J`); // The stream shows the line once it is stored.
    terminal.prompt();
  }
  if (line.trim() !== "") await send(line);
}
Deno.exit();
