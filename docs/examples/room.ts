// A room over HTTP, for bot.ts and terminal.ts: posts each message once, and follows the room
// across lost connections. Deno's local storage keeps the token of each name, which holds it.
import { setTimeout as sleep } from "node:timers/promises";

export class Room {
  /** `print` shows why a message is delayed or refused. */
  constructor(readonly url: URL, readonly name: string, readonly print: (line: string) => void) {}

  /** Posts a message, and repeats it until there is a response. A key's message is stored once. */
  async post(body: string, key: string = crypto.randomUUID()): Promise<void> {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const newToken = bytes.toBase64({ alphabet: "base64url", omitPadding: true });
    const token = localStorage[`token of ${this.name}`] ??= newToken;
    const pair = new TextEncoder().encode(`${this.name}:${token}`);
    const headers = { authorization: `Basic ${pair.toBase64()}`, "idempotency-key": key };
    const response = await fetch(this.url, { method: "POST", body, headers }).catch(() => null);
    const reply = await response?.json().catch(() => null); // A proxy's error is not JSON.
    const { detail } = reply ?? { detail: "The chat is unreachable. Retrying…" };
    if (detail) this.print(`(${detail})`);
    const seconds = reply ? Number(response?.headers.get("retry-after")) : 1;
    if (seconds > 0) await sleep(seconds * 1000).then(() => this.post(body, key));
  }

  /** Calls `onEvent` for each event after a position, or from now on. */
  follow(onEvent: (event: MessageEvent) => void, after = "", isLost = false): void {
    const events = new EventSource(this.url + (after && `?after=${after}`));
    const on = (event: MessageEvent) => {
      after = event.lastEventId || after;
      onEvent(event);
    };
    for (const it of ["room", "gap", "message", "edit", "title"]) events.addEventListener(it, on);
    events.onopen = () => isLost = false;
    events.onerror = () => { // It reconnects by itself, except after an HTTP error.
      events.close();
      if (!isLost) this.print(`(${this.url} cannot be followed. Retrying…)`);
      sleep(1000).then(() => this.follow(onEvent, after, true));
    };
  }
}
