// Attacks on HTTP: bytes that are not HTTP, malformed requests, and requests that never end.

import {
  descriptorsReturn,
  expect,
  newToken,
  otherDescriptors,
  repeated,
  sleep,
} from "./attack.ts";
import type { Attack, Target } from "./attack.ts";
import { until } from "../../support/waiting.ts";
import { concat, handshake, RawSocket, requestHead } from "../../support/raw_socket.ts";
import type { Ending } from "../../support/raw_socket.ts";

type Headers = Readonly<Record<string, string | undefined>>;

const headBytes = 60 * 1024;
const drippers = { short: 20, long: 1_000 };
const dripSeconds = 20;
/** Longer than the server waits for a body. */
const stoppedBodyMs = 11_000;
const endlessBytes = 32 * 1024 * 1024;
/** Time in which the server indexes new messages. */
const indexingMs = 5_000;

async function request(port: number, ...bytes: readonly Uint8Array[]): Promise<Ending> {
  using socket = await RawSocket.connect(port);
  await socket.write(concat(bytes));
  await socket.finish();
  return await socket.ended();
}

const encode = (text: string) => new TextEncoder().encode(text);

/** The first bytes of other protocols. */
const prefaces = [
  new Uint8Array(0),
  encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
  new Uint8Array([22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]),
  encode("GET /ws HTTP/1.1\r\nHost: a\r\n"),
  encode("SSH-2.0-OpenSSH\r\n"),
];

function randomBytes({ random }: Target, maxLength: number): Uint8Array {
  return Uint8Array.from({ length: random.below(maxLength) }, () => random.below(256));
}

/** Paths and their expected status. */
const paths: readonly (readonly [path: string, status: number])[] = [
  ["/..%2f", 404],
  ["/../deno.json", 404],
  ["/%2e%2e/deno.json", 404],
  ["/assets/..%2f..%2fdeno.json", 404],
  ["/assets/../../data/parley.db", 404],
  ["/assets/%00", 404],
  ["/assets/style.css%00.html", 404],
  ["/r/%00", 404],
  ["/r/..%2flobby", 404],
  ["/r/lobby/../../etc/passwd", 404],
  ["/r/__proto__", 404],
  ["/__proto__", 404],
  ["/constructor", 404],
  ["//evil.example/", 404],
  ["/\\evil.example", 404],
  ["/assets/\\..\\..\\deno.json", 404],
  ["/%", 404],
  ["/%ff%fe", 404],
  ["/?" + "a=b&".repeat(2_000), 200],
  ["/?" + "a=b&".repeat(5_000), 414],
  ["/" + "a/".repeat(10_000), 414],
  [`/r/${encodeURIComponent("\u0316\u0301".repeat(5_000))}`, 414],
  ["http://evil.example/deno.json", 421],
  ["/ws/", 404],
  ["/WS", 404],
];

const methods = [
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "CONNECT",
  "PROPFIND",
  "BREW",
  "get",
  "Q".repeat(1_000),
];

const hosts = [
  undefined,
  "",
  "a b",
  "[",
  "[::1",
  "a:b:c",
  "a:99999",
  "<script>",
  "evil.example",
  "127.0.0.1:1",
  "%00",
  "xn--a",
  "\u00ff",
  "a".repeat(10_000),
];

const origins = [
  "http://evil.example",
  "null",
  "",
  "http://127.0.0.1.evil.example",
  "http://127.0.0.1@evil.example",
  "http://evil.example#127.0.0.1",
  "file://",
  "javascript:alert(1)",
  "http://[",
  "data:text/html,127.0.0.1",
  "http://127.0.0.1:1, http://evil.example",
];

/** Headers that are slow to parse, or too many. */
const heavyHeaders: readonly Headers[] = [
  { "X-Large": "a".repeat(64 * 1024) },
  { Cookie: "a".repeat(headBytes) },
  { "If-None-Match": '"a",'.repeat(headBytes / 4) },
  { "If-None-Match": 'W/"'.repeat(headBytes / 3) },
  { Accept: "a/b,".repeat(headBytes / 4) },
  { Accept: '"' + ",".repeat(headBytes) },
  { Accept: 'text/html;a="' + ";".repeat(headBytes) },
  { "Accept-Encoding": "a,".repeat(headBytes / 2) },
  { "Accept-Encoding": "br;q=0.1,".repeat(headBytes / 9) },
  { "User-Agent": '\\"'.repeat(headBytes / 2) },
  { Referer: "\x80".repeat(headBytes / 2) },
  { "X-Forwarded-For": "1.1.1.1,".repeat(headBytes / 8), Forwarded: "for=".repeat(headBytes / 16) },
  { Authorization: "Basic " + "A".repeat(headBytes) },
  Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`X-${i}`, "a"])),
];

/** Wrong handshakes and their expected status. */
const handshakes: readonly (readonly [headers: Headers, status: number])[] = [
  [{ Upgrade: undefined }, 426],
  [{ Upgrade: "h2c" }, 426],
  [{ Connection: "close" }, 400],
  [{ "Sec-WebSocket-Version": "12" }, 426],
  [{ "Sec-WebSocket-Version": "13, 13" }, 426],
  [{ "Sec-WebSocket-Key": "a" }, 400],
  [{ "Sec-WebSocket-Key": undefined }, 400],
  [{ "Sec-WebSocket-Key": "A".repeat(headBytes) }, 400],
  [{ "Sec-WebSocket-Protocol": "parley.v2" }, 400],
  [{ "Sec-WebSocket-Protocol": "x,".repeat(headBytes / 2) }, 400],
];

/** Headers by which two servers could disagree about where a request ends. */
const ambiguous: readonly string[] = [
  "Content-Length: 4\r\nContent-Length: 5",
  "Content-Length: 4, 5",
  "Content-Length: +4",
  "Content-Length: 0x4",
  "Content-Length: -1",
  "Content-Length: 99999999999999999999",
  "Transfer-Encoding: chunked\r\nContent-Length: 4",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding: identity, chunked",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding:\x0bchunked",
  " Content-Length: 4",
  "Content-Length\0: 4",
  "X: a\rContent-Length: 4",
  "X: a\nContent-Length: 40",
];

/** Max bytes of responses that this machine may leave unread; see app/web/response_limits.ts. */
const unreadMaxBytes = 32 * 1024 * 1024;
const http2 = { headers: 1, settings: 4, initialWindowSize: 4, lastFrame: 5, status200: 0x88 };
const http2HeadBytes = 9;
const unreadConnections = 12;
const requestsPerConnection = 100;

function http2Frame(type: number, flags: number, stream: number, body: Uint8Array): Uint8Array {
  const head = new Uint8Array(http2HeadBytes);
  const view = new DataView(head.buffer);
  view.setUint32(0, body.length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  return concat([head, body]);
}

/**
 * Requests a file many times over HTTP/2, with a window that allows no byte of a response. Returns
 * the number of responses with status 200 and with any other status.
 */
async function requestUnread(
  connection: Deno.TcpConn,
  path: string,
): Promise<{ served: number; refused: number }> {
  const windowOf0 = new Uint8Array([0, http2.initialWindowSize, 0, 0, 0, 0]);
  const authority = "127.0.0.1";
  // GET and http are in HPACK's static table (RFC 7541, appendix A), as are the other two names.
  const fields = concat([
    new Uint8Array([0x82, 0x86, 0x04, path.length]),
    encode(path),
    new Uint8Array([0x01, authority.length]),
    encode(authority),
  ]);
  const requests = Array.from(
    { length: requestsPerConnection },
    (_, i) => http2Frame(http2.headers, http2.lastFrame, 2 * i + 1, fields),
  );
  await connection.write(concat([
    encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    http2Frame(http2.settings, 0, 0, windowOf0),
    ...requests,
  ]));
  const result = { served: 0, refused: 0 };
  const buffer = new Uint8Array(65_536);
  let rest = new Uint8Array(0);
  while (result.served + result.refused < requestsPerConnection) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error(`HTTP/2 ended after ${JSON.stringify(result)}`);
    rest = concat([rest, buffer.subarray(0, count)]);
    while (rest.length >= http2HeadBytes) {
      const view = new DataView(rest.buffer, rest.byteOffset);
      const end = http2HeadBytes + (view.getUint32(0) >>> 8);
      if (rest.length < end) break;
      if (rest[3] === http2.headers) {
        if (rest[http2HeadBytes] === http2.status200) result.served++;
        else result.refused++;
      }
      rest = rest.slice(end);
    }
  }
  return result;
}

export const httpAttacks: readonly Attack[] = [
  repeated("names pointed at this machine", { short: 8, long: 5_000 }, async ({ port }, index) => {
    const path = index % 2 === 0 ? "/ws" : "/here/lobby";
    const host = "evil.example:8000";
    const headers = { Host: host, Origin: `http://${host}` };
    const ending = await request(
      port,
      path === "/ws" ? handshake(headers) : requestHead(`GET ${path} HTTP/1.1`, headers),
    );
    expect(ending.status === 421, `Host ${host} ${path}`, ending);
  }),
  repeated("random bytes on TCP", { short: 100, long: 10_000 }, async (target) => {
    const { port, random } = target;
    await request(port, random.pick(prefaces) ?? prefaces[0]!, randomBytes(target, 2_048));
  }),
  repeated("path tricks", { short: paths.length, long: 5_000 }, async ({ port }, index) => {
    const [path, status] = paths[index % paths.length]!;
    const ending = await request(port, requestHead(`GET ${path} HTTP/1.1`));
    const isRight = ending.status === status || ending.status === 400;
    expect(isRight && !ending.response.includes("@parley/"), path.slice(0, 50), ending);
  }),
  repeated("other methods", { short: 2 * methods.length, long: 5_000 }, async ({ port }, index) => {
    const method = methods[index % methods.length]!;
    const path = index % 2 === 0 ? "/" : "/ws";
    const ending = await request(
      port,
      requestHead(`${method} ${path} HTTP/1.1`, { Connection: "close" }),
    );
    const isDiagnosis = method === "POST" && path === "/ws" && ending.status === 204;
    const isRight = method === "OPTIONS"
      ? ending.status === 204
      : isDiagnosis || ending.status >= 400 && ending.status < 500;
    expect(isRight, method.slice(0, 50), ending);
  }),
  repeated("wrong Host", { short: hosts.length, long: 5_000 }, async ({ port }, index) => {
    const Host = hosts[index % hosts.length];
    const ending = await request(port, requestHead("GET / HTTP/1.1", { Host }));
    expect([200, 400, 414, 421].includes(ending.status), `Host ${Host?.slice(0, 50)}`, ending);
    const twice = await request(port, encode(`GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`));
    expect([200, 400].includes(twice.status), "two Hosts", twice);
  }),
  repeated("wrong Origin", { short: origins.length, long: 5_000 }, async ({ port }, index) => {
    const Origin = origins[index % origins.length];
    const ending = await request(port, handshake({ Origin }));
    expect(ending.status === 403, `Origin ${Origin}`, ending);
  }),
  repeated(
    "wrong handshakes",
    { short: handshakes.length, long: 5_000 },
    async ({ port }, index) => {
      const [headers, status] = handshakes[index % handshakes.length]!;
      const ending = await request(port, handshake(headers));
      expect(ending.status === status, JSON.stringify(headers).slice(0, 80), ending);
    },
  ),
  repeated("headers of 60 KiB", { short: 28, long: 5_000 }, async ({ port }, index) => {
    const headers = heavyHeaders[index % heavyHeaders.length]!;
    const path = index % 3 === 0 ? "/nothing" : "/";
    const ending = await request(port, requestHead(`GET ${path} HTTP/1.1`, headers));
    const what = JSON.stringify(headers).slice(0, 40);
    expect([200, 400, 404, 431].includes(ending.status), what, ending);
  }),
  repeated(
    "request smuggling",
    { short: ambiguous.length, long: 5_000 },
    async ({ port }, index) => {
      const lines = ambiguous[index % ambiguous.length]!;
      const inner = "GET /healthz HTTP/1.1\r\nHost: inner\r\n\r\n";
      const head = `POST /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n${lines}\r\n\r\n`;
      const ending = await request(port, encode(`${head}0\r\n\r\n${inner}`));
      // If both are given, chunked takes precedence, and the connection must close (RFC 9112, 6.3).
      expect([0, 204, 400, 426, 501].includes(ending.status), lines, ending);
    },
  ),
  {
    name: "slowloris",
    short: drippers.short,
    long: drippers.long,
    async run({ port, isPatient }, max) {
      const sockets = await Promise.all(
        Array.from({ length: max }, () => RawSocket.connect(port)),
      );
      const bytes = requestHead("GET / HTTP/1.1", { "X-Slow": "a".repeat(1_000) });
      for (let i = 0; i < dripSeconds; i++) {
        await Promise.all(sockets.map((socket) => socket.write(bytes.subarray(i, i + 1))));
        if (isPatient) await sleep(1_000);
      }
      const bystander = await request(port, requestHead("GET /healthz HTTP/1.1"));
      expect(bystander.status === 200, "another client", bystander);
      // A client that completes its request is served.
      const ending = await Promise.all(sockets.map(async (socket) => {
        await socket.write(bytes.subarray(dripSeconds));
        await socket.finish();
        return await socket.ended();
      }));
      for (const one of ending) expect(one.status === 200, "a slow request", one);
      return max;
    },
  },
  {
    name: "HTTP/2 responses left unread",
    short: requestsPerConnection,
    long: 10 * requestsPerConnection,
    async run({ port }) {
      const url = `http://127.0.0.1:${port}/`;
      let scripts: readonly string[] = [];
      // The responses of the last attack count until the server has seen its connections close.
      await until(async () => {
        const page = await (await fetch(url)).text();
        scripts = Array.from(
          page.matchAll(/modulepreload" href="([^"]*)"/g),
          ([, path = ""]) => path,
        );
        return scripts.length > 0;
      }, "the page is served again");
      // The largest file exceeds the limit with the fewest requests.
      const files = await Promise.all(scripts.map(async (path) => {
        const { byteLength } = await (await fetch(new URL(path, url))).bytes();
        return { path, byteLength };
      }));
      const [{ path, byteLength } = { path: "", byteLength: 0 }] = files
        .sort((a, b) => b.byteLength - a.byteLength);
      const connections: Deno.TcpConn[] = [];
      let [served, refused] = [0, 0];
      try {
        for (let i = 0; i < unreadConnections; i++) {
          const connection = await Deno.connect({ hostname: "127.0.0.1", port });
          connections.push(connection);
          const result = await requestUnread(connection, path);
          served += result.served;
          refused += result.refused;
        }
      } finally {
        for (const connection of connections) connection.close();
      }
      const maxServed = unreadMaxBytes / byteLength + 1;
      if (served === 0 || served > maxServed || refused === 0) {
        throw new Error(`${served} responses of ${byteLength} bytes, ${refused} refused`);
      }
      return unreadConnections * requestsPerConnection;
    },
  },
  {
    name: "bodies that stop",
    short: 20,
    long: 400,
    async run(target, max) {
      const { port, random, isPatient } = target;
      const maxOpen = target.countDescriptors() + otherDescriptors;
      const sockets = await Promise.all(Array.from({ length: max }, async () => {
        const socket = await RawSocket.connect(port);
        const Authorization = `Basic ${btoa(`Mallory:${newToken(random)}`)}`;
        const headers = { Authorization, "Content-Length": "1000" };
        await socket.write(requestHead("POST /r/lobby HTTP/1.1", headers));
        return socket;
      }));
      if (isPatient) await sleep(stoppedBodyMs);
      for (const socket of sockets) socket[Symbol.dispose]();
      await descriptorsReturn(target, maxOpen);
      return max;
    },
  },
  repeated(
    "bodies in tiny chunks",
    { short: 4, long: 200, concurrency: 4 },
    async ({ port, random }) => {
      const Authorization = `Basic ${btoa(`Mallory:${newToken(random)}`)}`;
      const ending = await request(
        port,
        requestHead("POST /r/lobby HTTP/1.1", { Authorization, "Transfer-Encoding": "chunked" }),
        encode("1\r\na\r\n".repeat(64_000) + "0\r\n\r\n"),
      );
      // The server may close while the rest of the body arrives.
      expect([0, 413].includes(ending.status), "tiny chunks", ending);
    },
  ),
  // Each text has 4,000 different words for the search index.
  repeated("deletions of long texts", { short: 8, long: 100 }, async (target) => {
    const { port, random, isPatient } = target;
    const Authorization = `Basic ${btoa(`Long ${random.below(1e9)}:${newToken(random)}`)}`;
    const write = async (path: string, method: string, body?: string) => {
      const url = `http://127.0.0.1:${port}${path}`;
      const response = await fetch(url, { method, headers: { Authorization }, body: body ?? null });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
      return response.headers.get("location") ?? path;
    };
    const text = () =>
      Array.from({ length: 4_000 }, () => String.fromCodePoint(0x4e00 + random.below(20_000)));
    const path = await write("/r/long", "POST", text().join(""));
    if (isPatient) await sleep(indexingMs);
    await write(path, "PATCH", text().join(""));
    await write(path, "DELETE");
  }),
  repeated("endless bodies", { short: 4, long: 100 }, async ({ port, isPatient }, index) => {
    const isChunked = index % 2 === 0;
    const path = index % 4 < 2 ? "/ws" : "/nothing";
    using socket = await RawSocket.connect(port);
    await socket.write(requestHead(
      `POST ${path} HTTP/1.1`,
      isChunked ? { "Transfer-Encoding": "chunked" } : { "Content-Length": String(2 ** 40) },
    ));
    const bytes = new Uint8Array(64 * 1024).fill(97);
    const piece = isChunked ? concat([encode("10000\r\n"), bytes, encode("\r\n")]) : bytes;
    const ended = socket.ended();
    const maxBytes = isPatient ? endlessBytes : endlessBytes / 16;
    for (let sent = 0; sent < maxBytes; sent += bytes.length) {
      if (!await socket.write(piece)) break;
    }
    await socket.finish();
    const ending = await ended;
    expect([0, 204, 404, 426].includes(ending.status), path, ending);
  }),
];
