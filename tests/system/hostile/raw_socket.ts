// A TCP connection with frames written by hand, right or wrong, for clients that no library would be. Knows no commands.

/** Kinds of frames (RFC 6455, section 5.2). */
export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** What a frame may be besides a whole, masked one. */
export interface FrameShape {
  readonly opcode?: number;
  /** False when more fragments follow. */
  readonly fin?: boolean;
  readonly masked?: boolean;
  /** Bits that no extension has given a meaning, from 0 to 7. */
  readonly reserved?: number;
  /** What the frame says that its length is, instead of what it is. */
  readonly claimed?: number;
}

const encoder = new TextEncoder();
const key = "dGhlIHNhbXBsZSBub25jZQ==";

/** The bytes of a frame. The mask is zero, so that the payload goes as it is: a server cannot tell. */
export function frame(
  payload: string | Uint8Array,
  shape: FrameShape = {},
): Uint8Array<ArrayBuffer> {
  const { opcode: code = opcode.text, fin = true, masked = true, reserved = 0 } = shape;
  const body = typeof payload === "string" ? encoder.encode(payload) : payload;
  const length = shape.claimed ?? body.length;
  const head = [(fin ? 0x80 : 0) | reserved << 4 | code];
  const mask = masked ? 0x80 : 0;
  if (length < 126) head.push(mask | length);
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 255);
  else {
    const high = Math.floor(length / 2 ** 32);
    head.push(mask | 127);
    for (const part of [high, length >>> 0]) {
      head.push(part >>> 24, part >>> 16 & 255, part >>> 8 & 255, part & 255);
    }
  }
  if (masked) head.push(0, 0, 0, 0);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/** The head of a request, as bytes; a value may have anything in it. */
export function requestHead(
  line: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): Uint8Array<ArrayBuffer> {
  const lines = Object.entries({ Host: "127.0.0.1", ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`]
  );
  return encoder.encode(`${[line, ...lines].join("\r\n")}\r\n\r\n`);
}

/** A good handshake; `headers` change it. */
export function handshake(
  headers: Readonly<Record<string, string | undefined>> = {},
): Uint8Array<ArrayBuffer> {
  return requestHead("GET /ws HTTP/1.1", {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": key,
    ...headers,
  });
}

/** Many pieces as one, to be written at once. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** What the server had said when it ended the connection. */
export interface Ending {
  /** Of the answer to the first request; 0 when there was none. */
  readonly status: number;
  /** Of the close frame; 1006 when there was none. */
  readonly code: number;
  /** Text frames, as they came. */
  readonly texts: readonly string[];
  /** The answer to the first request with all that followed, when it was no WebSocket. */
  readonly answer: string;
}

const closedWithoutFrame = 1006;

/** One connection. */
export class RawSocket implements Disposable {
  readonly #connection: Deno.TcpConn;
  /** What came since the last whole frame. */
  #rest = new Uint8Array(0);
  #status = 0;
  #code = closedWithoutFrame;
  #answer = "";
  #isClosed = false;
  readonly #texts: string[] = [];
  /** What to do with each text frame; by default it is kept for `ended`. */
  onText: (text: string) => void = (text) => this.#texts.push(text);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** A connection on which nothing was said yet. */
  static async connect(port: number): Promise<RawSocket> {
    return new RawSocket(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** A WebSocket that has sent its handshake, and `frames` with it; nothing is read. */
  static async open(port: number, ...frames: readonly Uint8Array[]): Promise<RawSocket> {
    const socket = await RawSocket.connect(port);
    await socket.write(concat([handshake(), ...frames]));
    return socket;
  }

  /** Writes all of it, and answers false when the server has closed. */
  async write(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let done = 0; done < bytes.length;) {
        done += await this.#connection.write(bytes.subarray(done));
      }
      return true;
    } catch {
      return false;
    }
  }

  /** Reads until the server ends the connection, and answers its close frame as a good client does. */
  async ended(): Promise<Ending> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      let count: number | null;
      try {
        count = await this.#connection.read(buffer);
      } catch {
        break;
      }
      if (count === null) break;
      this.#take(buffer.subarray(0, count));
    }
    this[Symbol.dispose]();
    return {
      status: this.#status,
      code: this.#code,
      texts: this.#texts,
      answer: this.#answer,
    };
  }

  /** Says that nothing more comes. */
  async finish(): Promise<void> {
    try {
      await this.#connection.closeWrite();
    } catch {
      // The server was faster.
    }
  }

  /** Closes without a word. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#connection.close();
    } catch {
      // The server was faster.
    }
  }

  #take(bytes: Uint8Array): void {
    this.#rest = concat([this.#rest, bytes]);
    if (this.#status === 0) {
      const text = new TextDecoder("latin1").decode(this.#rest);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#status = Number(text.split(" ")[1]) || 0;
      if (this.#status === 101) this.#rest = this.#rest.slice(end + 4);
    }
    if (this.#status === 101) { while (this.#takeFrame()); }
    else {
      this.#answer += new TextDecoder("latin1").decode(this.#rest);
      this.#rest = new Uint8Array(0);
    }
  }

  #takeFrame(): boolean {
    const view = new DataView(this.#rest.buffer, this.#rest.byteOffset, this.#rest.length);
    if (view.byteLength < 2) return false;
    let length = view.getUint8(1) & 127;
    let start = 2;
    if (length === 126) {
      if (view.byteLength < 4) return false;
      length = view.getUint16(2);
      start = 4;
    } else if (length === 127) {
      if (view.byteLength < 10) return false;
      length = Number(view.getBigUint64(2));
      start = 10;
    }
    if (view.byteLength < start + length) return false;
    const body = this.#rest.subarray(start, start + length);
    const code = view.getUint8(0) & 15;
    if (code === opcode.text) this.onText(new TextDecoder().decode(body));
    if (code === opcode.close) {
      if (length >= 2) this.#code = body[0]! << 8 | body[1]!;
      void this.write(frame(body.slice(0, 2), { opcode: opcode.close }));
    }
    this.#rest = this.#rest.slice(start + length);
    return true;
  }
}
