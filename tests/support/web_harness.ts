// A web server on a free port with a fake hub, and raw requests to it. For tests of app/web.

import type { Page } from "../../app/chat/broker.ts";
import type { Command, Push } from "../../app/protocol/wire.ts";
import type { SearchCommand } from "../../app/protocol/wire.ts";
import type { PeerAddress, Socket } from "../../app/chat/session.ts";
import { Session } from "../../app/chat/session.ts";
import type { AccessRecord } from "../../app/core/logging.ts";
import { loadAssets } from "../../app/web/assets.ts";
import type { Assets } from "../../app/web/assets.ts";
import { serveWeb } from "../../app/web/server.ts";
import type { Hub, WebOptions } from "../../app/web/options.ts";
import type { WebServer } from "../../app/web/server.ts";
import { withDeadline } from "./waiting.ts";

export const indexHtml = `<!DOCTYPE html><html><head><title>Parley</title>
<link rel="icon" href="/assets/icon.svg"><link rel="manifest" href="/manifest.webmanifest">
<link rel="stylesheet" href="/assets/style.css"><script type="module" src="/assets/main.js"></script>
</head><body>${"<p>compressible text</p>".repeat(30)}</body></html>`;

/** Writes a temporary static folder with `files` by path. Disposing removes it. */
export async function staticFolder(files: Readonly<Record<string, string>> = {}) {
  const path = await Deno.makeTempDir();
  const all = {
    "index.html": indexHtml,
    "manifest.webmanifest": `{"start_url":"/","icons":[{"src":"/assets/icon.svg"}]}`,
    "style.css": "body { margin: 0 }\n".repeat(100),
    "icon.svg": `<svg xmlns="http://www.w3.org/2000/svg"/>`,
    "dist/main.js": "console.log('hello');\n".repeat(100),
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    await Deno.mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

export async function testAssets(): Promise<Assets> {
  await using dir = await staticFolder();
  return await loadAssets({ staticDir: dir.path, dev: false, basePath: "", bundled: true });
}

/** Records its calls, and lets tests wait for them. */
export class FakeHub implements Hub {
  isDraining = false;
  readonly connected: { session: Session; socket: Socket; address: string }[] = [];
  readonly frames: unknown[] = [];
  readonly codes: number[] = [];
  /** Called by `receive`. */
  onReceive: (session: Session) => void = () => {};
  #waiters: (() => void)[] = [];

  connect(socket: Socket, peer: PeerAddress): Session {
    const session = new Session({
      id: String(this.connected.length + 1),
      socket,
      peer,
      now: 0,
      deadline: 0,
      heartbeatAt: 0,
    });
    this.connected.push({ session, socket, address: peer.address });
    this.#notify();
    return session;
  }

  post(socket: Socket, peer: PeerAddress): Session {
    return this.connect(socket, peer);
  }

  receive(session: Session, frame: unknown): void {
    this.frames.push(frame);
    this.onReceive(session);
    this.#notify();
  }

  get visitors() {
    return this;
  }

  /** The result of `directory`, or the error that it throws. */
  rooms: Awaited<ReturnType<Hub["visitors"]["directory"]>> | Error = [];
  readonly accessCodes: (string | undefined)[] = [];

  directory(_peer: PeerAddress, accessCode: string | undefined) {
    this.accessCodes.push(accessCode);
    const { rooms } = this;
    return rooms instanceof Error ? Promise.reject(rooms) : Promise.resolve(rooms);
  }

  /** The result of `search`. */
  results: Awaited<ReturnType<Hub["visitors"]["search"]>> = { type: "results", results: [] };
  readonly searches: SearchCommand[] = [];

  search(_peer: PeerAddress, accessCode: string | undefined, command: SearchCommand) {
    this.accessCodes.push(accessCode);
    this.searches.push(command);
    return Promise.resolve(this.results);
  }

  read(): Promise<Page> {
    const head = { epoch: "e1", offset: 0 };
    return Promise.resolve({ entries: [], first: 1, head, valid: true });
  }

  entry() {
    return Promise.resolve(undefined);
  }

  follow(socket: Socket, peer: PeerAddress): Session {
    return this.connect(socket, peer);
  }

  /** The result of `operate`. */
  reply: Push = { type: "sanctions", sanctions: [] };
  readonly operated: { readonly code: string; readonly command: Command }[] = [];

  operate(_peer: PeerAddress, code: string, command: Command) {
    this.operated.push({ code, command });
    return Promise.resolve(this.reply);
  }

  membersOf(room: string, max: number) {
    return { count: 7, usernames: [`in ${room}`, `up to ${max}`] };
  }

  disconnect(_session: Session, code: number): void {
    this.codes.push(code);
    this.#notify();
  }

  async until(condition: (hub: this) => boolean): Promise<void> {
    while (!condition(this)) {
      const change = new Promise<void>((resolve) => this.#waiters.push(resolve));
      await withDeadline(`the hub meets ${condition}`, change);
    }
  }

  #notify(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** The metrics of a server that has just started. */
export const noMetrics: WebOptions["metrics"] = {
  text: (isOpenMetrics = false) => isOpenMetrics ? "# EOF\n" : "",
  charts: [],
  totals: () => ({
    readings: {
      parley_connections: 0,
      parley_sessions: 0,
      parley_members: 0,
      parley_rooms: 0,
      parley_leaked_sockets_total: 0,
      parley_log_failures_total: 0,
      parley_database_bytes: 0,
      parley_journal_bytes: 0,
      parley_storage_ready: 1,
      parley_lock_held: 1,
      parley_heap_used_bytes: 0,
      process_resident_memory_bytes: 0,
      process_cpu_seconds_total: 0,
      process_open_fds: 0,
      process_max_fds: undefined,
    },
    version: "1.2.3",
    upMs: 0,
    messages: 0,
    slowConsumers: 0,
    recovered: 0,
    lost: 0,
  }),
};

export interface RunningSite extends AsyncDisposable {
  readonly server: WebServer;
  readonly hub: FakeHub;
  readonly origin: string;
  readonly access: AccessRecord[];
  readonly warnings: string[];
  readonly errors: string[];
}

export async function startSite(options: Partial<WebOptions> = {}): Promise<RunningSite> {
  const hub = new FakeHub();
  const access: AccessRecord[] = [];
  const warnings: string[] = [];
  const errors: string[] = [];
  const server = serveWeb({
    isOpen: true,
    roomDirectory: true,
    frameAncestors: [],
    hub,
    assets: options.assets ?? await testAssets(),
    host: "127.0.0.1",
    port: 0,
    allowedHosts: ["chat.example.org"],
    allowedOrigins: [],
    onExhausted: () => {},
    trustProxy: 0,
    maxConnections: 0,
    maxConnectionsPerIp: 0,
    dev: false,
    metrics: noMetrics,
    notReadyReason: () => undefined,
    now: () => 0,
    log: {
      access: (record) => access.push(record),
      warn: (event) => warnings.push(event),
      error: (event) => errors.push(event),
    },
    ...options,
  });
  const origin = `http://127.0.0.1:${server.port}`;
  const dispose = async () => {
    await server.shutdown(60_000);
    await server.finished;
  };
  return { server, hub, origin, access, warnings, errors, [Symbol.asyncDispose]: dispose };
}

/** The response to a raw request. */
export interface RawResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

/** Reads until these bytes arrive, given as Latin-1. */
export async function readUntil(connection: Deno.Conn, bytes: string): Promise<void> {
  const buffer = new Uint8Array(4_096);
  let read = "";
  while (!read.includes(bytes)) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error(`The connection ended after ${read}`);
    read += String.fromCharCode(...buffer.subarray(0, count));
  }
}

/** Sends a request line and headers as they are. Disconnects after an upgrade. */
export async function rawRequest(port: number, head: readonly string[]): Promise<RawResponse> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`));
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16_384);
  let text = "";
  while (true) {
    const count = await withDeadline(`a response to ${head[0]}`, connection.read(buffer));
    if (count === null) break;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
    if (text.startsWith("HTTP/1.1 101") && text.includes("\r\n\r\n")) break;
  }
  const [top = "", body = ""] = text.split("\r\n\r\n", 2);
  const [statusLine = "", ...lines] = top.split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return { status: Number(statusLine.split(" ")[1]), headers, body };
}

/** Returns the lines of a valid handshake. `change` replaces headers; `undefined` removes one. */
export function handshakeLines(
  change: Readonly<Record<string, string | undefined>> = {},
): string[] {
  const headers: Record<string, string | undefined> = {
    Host: "chat.example.org",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...change,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`]
  );
  return ["GET /ws HTTP/1.1", ...lines];
}

/** Adds `Connection: close`, so that a refused handshake ends the connection. */
export function withClose(lines: readonly string[]): string[] {
  return lines.map((line) => line.startsWith("Connection:") ? `${line}, close` : line);
}

/** Opens a WebSocket. Returns promises that resolve when it opens and when it closes. */
export function dialSocket(
  server: WebServer,
  options?: { protocol?: string; headers?: HeadersInit },
) {
  const { protocol, headers } = options ?? {};
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, {
    protocols: protocol === undefined ? [] : [protocol],
    headers: headers ?? {},
  });
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  socket.addEventListener("open", () => opened.resolve());
  socket.addEventListener("close", ({ code, reason }) => closed.resolve({ code, reason }));
  return { socket, opened: opened.promise, closed: closed.promise };
}

/** Fetches a path without following redirects, and reads the body. */
export async function fetchPath({ origin }: RunningSite, path: string, init?: RequestInit) {
  const response = await fetch(origin + path, { redirect: "manual", ...init });
  return { response, body: await response.text(), headers: response.headers };
}

/** Requests `target`, a method and a path, without the decoding that `fetch` does. */
export async function requestPath({ server }: RunningSite, target: string, ...headers: string[]) {
  const lines = [`${target} HTTP/1.1`, "Host: x", "Connection: close", ...headers];
  return await rawRequest(server.port, lines);
}
