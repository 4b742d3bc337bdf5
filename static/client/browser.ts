// What the browser gives the chat: sockets, timers, chance, storage. The only file that makes a WebSocket.

import type { ConnectionPorts } from "./state/connection.ts";
import { memoryStorage } from "./state/storage.ts";
import type { KeyValue } from "./state/storage.ts";

/** The path of the page's server, which is not always at the root. */
export const basePath = new URL(document.baseURI).pathname.replace(/\/(r\/[^/]*)?$/, "");

/** The browser's side of a connection. */
export const connectionPorts: ConnectionPorts = {
  dial(subprotocol, events) {
    const url = new URL(`${basePath}/ws`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, subprotocol);
    socket.addEventListener("open", () => events.onOpen());
    socket.addEventListener("message", ({ data }) => events.onFrame(String(data)));
    socket.addEventListener("close", ({ code, reason }) => events.onClose(code, reason));
    return {
      send(frame) {
        if (socket.readyState === WebSocket.OPEN) socket.send(frame);
      },
      close(code, reason) {
        // Pages may close with 1000 and with 3000 to 4999 only; all of ours are.
        socket.close(code, reason);
      },
    };
  },
  probe(done) {
    fetch(`${basePath}/ws`, { method: "POST", headers: { accept: "application/problem+json" } })
      .then(async (response) => {
        const { detail } = Object(response.ok || await response.json()) as { detail?: unknown };
        done(typeof detail === "string" ? detail : undefined);
      })
      .catch(() => done(undefined));
  },
  now: () => performance.now(),
  later(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** Random bytes in base64url. There is no `randomUUID` on a plain http address; this there is. */
export function randomId(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random)).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");
}

/** One of the browser's storages, or one that forgets where the person allows none. */
export function storageOf(kind: "localStorage" | "sessionStorage"): KeyValue {
  try {
    const storage = globalThis[kind];
    storage.setItem("parley.probe", "1");
    storage.removeItem("parley.probe");
    return storage;
  } catch {
    return memoryStorage();
  }
}

/** A name that comes from another device, in the fragment of the address; it leaves the address at once. */
export function takeLink(): { readonly token: string; readonly name: string } | undefined {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return undefined;
  history.replaceState(null, "", location.pathname);
  return { token, name: fragment.get("name") ?? "" };
}

/** That of the address that was loaded: taken before anything else is waited for. */
export const linkAtLoad = takeLink();
