// A chat in the terminal. Each line that you type is sent, and Ctrl-D leaves:
//
//   deno run --allow-net docs/examples/terminal.ts URL ROOM NAME
//
// Your token stays in this program's local storage. Later runs keep the name of the first.
const [server = "http://localhost:8000/", room = "lobby", name = prompt("Name:")] = Deno.args;
const url = new URL(`r/${room}`, server);
const encoder = new TextEncoder();
const print = (line: string) => Deno.stdout.writeSync(encoder.encode(`${line}\n`));
const bytes = crypto.getRandomValues(new Uint8Array(32));
localStorage.token ??= bytes.toBase64({ alphabet: "base64url", omitPadding: true });
const authorization = `Basic ${encoder.encode(`${name}:${localStorage.token}`).toBase64()}`;

/** Sends a message, and repeats it with the same key until the server stores or refuses it. */
async function send(body: string, key = crypto.randomUUID()): Promise<void> {
  const headers = { authorization, "idempotency-key": key };
  const response = await fetch(url, { method: "POST", body, headers }).catch(() => undefined);
  if (response?.ok) return await response.body?.cancel();
  const { detail = "The chat cannot be reached. Retrying…" } = await response?.json() ?? {};
  print(`(${detail})`);
  const seconds = Number(response === undefined ? 1 : response.headers.get("retry-after"));
  if (seconds > 0) setTimeout(send, seconds * 1000, body, key);
}

function show(type: string, { from, text }: { from: string; text?: string }): void {
  if (text !== undefined) print(`${from}${type === "message" ? "" : ` (${type})`}: ${text}`);
}

const page = await fetch(url);
if (!page.ok) throw new Error(`Cannot open ${url}: ${await page.text()}`);
const { messages, position } = await page.json();
for (const entry of messages) if (entry.type === "message") show(entry.type, entry);
const events = new EventSource(`${url}?after=${position}`);
for (const type of ["message", "edit", "title"]) {
  events.addEventListener(type, ({ data }) => show(type, JSON.parse(data)));
}
events.addEventListener("gap", () => print("(Some messages are missing here.)"));
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  for (const line of text.split("\n")) if (line.trim() !== "") await send(line);
}
events.close();
