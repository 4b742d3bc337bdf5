// The browser's services for the chat: sockets, timers, randomness and storage.

import type { ConnectionPorts } from "./state/connection.ts";
import type { Problem } from "./state/problem.ts";
import { profileKey } from "./state/profile.ts";
import { memoryStorage } from "./state/storage.ts";
import type { KeyValue } from "./state/storage.ts";

/** The server's base path, without a trailing slash; empty unless BASE_PATH is set. */
export const basePath = new URL(document.baseURI).pathname.replace(/\/(r\/[^/]*(\/\d+)?)?$/, "");

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
        socket.close(code, reason);
      },
    };
  },
  probe(done) {
    const headers = { accept: "application/problem+json" };
    fetch(`${basePath}/ws`, { method: "POST", headers, redirect: "manual" })
      .then(async (response) => done(await problemIn(response)))
      .catch(() => done(undefined));
  },
  now: () => performance.now(),
  later(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/**
 * Returns why the server refuses connections: its problem+json (RFC 9457), or the sign-on of a
 * proxy, which redirects, refuses, or sends a page instead.
 */
async function problemIn(response: Response): Promise<Problem | undefined> {
  if (response.headers.get("content-type")?.includes("problem+json")) {
    const { code, detail } = Object(await response.json());
    return { code: String(code), message: String(detail) };
  }
  const isSignOn = response.type === "opaqueredirect" || [200, 401].includes(response.status);
  return isSignOn ? { code: "sign_on_expired", message: "" } : undefined;
}

/** Returns random bytes in base64url. Unlike `randomUUID()`, this works on plain http. */
export function randomId(bytes: number): string {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random)).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");
}

/** Returns a storage of the browser, or one in memory if the browser forbids it. */
export function storageOf(kind: "localStorage" | "sessionStorage"): KeyValue {
  try {
    const storage = globalThis[kind];
    // Uses a full storage too, if it has the values of an earlier visit.
    if (storage.getItem(profileKey) !== null) return storage;
    storage.setItem("parley.probe", "1");
    storage.removeItem("parley.probe");
    return storage;
  } catch {
    return memoryStorage();
  }
}
