// A TCP connection with hand-made WebSocket frames, valid or not. It knows no commands.

/** Opcodes of frames (RFC 6455, section 5.2). */
export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Deviations from a complete, masked text frame. */
export interface FrameShape {
  readonly opcode?: number;
  /** False if more fragments follow. */
  readonly fin?: boolean;
  readonly masked?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly reserved?: number;
  /** The length in the header, instead of the actual one. */
  readonly claimed?: number;
}

const encoder = new TextEncoder();
const key = "dGhlIHNhbXBsZSBub25jZQ==";

/** Returns the bytes of a frame. The mask is zero, so the payload stays as it is. */
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

/** Returns the head of a request. Header values may contain anything. */
export function requestHead(
  line: string,
  headers: Readonly<Record<string, string | undefined>> = {},
): Uint8Array<ArrayBuffer> {
  const lines = Object.entries({ Host: "127.0.0.1", ...headers }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`]
  );
  return encoder.encode(`${[line, ...lines].join("\r\n")}\r\n\r\n`);
}

/** Returns a valid handshake, changed by `headers`. */
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

/** Joins byte arrays, to write them at once. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The server's output until the connection ended. */
export interface Ending {
  /** Status of the first response; 0 if there was none. */
  readonly status: number;
  /** Code of the close frame; 1006 if there was none. */
  readonly code: number;
  /** Text frames in order. */
  readonly texts: readonly string[];
  /** Everything received, if the response was not an upgrade. */
  readonly response: string;
}

const closedWithoutFrame = 1006;

/** One connection. */
export class RawSocket implements Disposable {
  readonly #connection: Deno.TcpConn;
  /** Bytes received since the last complete frame. */
  #rest = new Uint8Array(0);
  #status = 0;
  #code = closedWithoutFrame;
  #response = "";
  #isClosed = false;
  readonly #texts: string[] = [];
  /** Receives each text frame; by default frames are kept for `ended`. */
  onText: (text: string) => void = (text) => this.#texts.push(text);
  /** Called when a response other than an upgrade arrives. */
  onRefused: () => void = () => {};

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Opens a TCP connection. */
  static async connect(port: number): Promise<RawSocket> {
    return new RawSocket(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Opens a connection and sends a handshake and `frames` at once, without reading. */
  static async open(port: number, ...frames: readonly Uint8Array[]): Promise<RawSocket> {
    const socket = await RawSocket.connect(port);
    await socket.write(concat([handshake(), ...frames]));
    return socket;
  }

  /** Writes all bytes. Returns false if the server has closed. */
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

  /** Reads until the connection ends, and replies to a close frame. */
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
      this.#receive(buffer.subarray(0, count));
    }
    this[Symbol.dispose]();
    return {
      status: this.#status,
      code: this.#code,
      texts: this.#texts,
      response: this.#response,
    };
  }

  /** Code of the close frame received so far; 1006 if there is none. */
  get closeCode(): number {
    return this.#code;
  }

  /** Closes the sending side. */
  async finish(): Promise<void> {
    try {
      await this.#connection.closeWrite();
    } catch {
      // The server has closed it already.
    }
  }

  /** Closes the connection without a close frame. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      this.#connection.close();
    } catch {
      // The server has closed it already.
    }
  }

  #receive(bytes: Uint8Array): void {
    this.#rest = concat([this.#rest, bytes]);
    if (this.#status === 0) {
      const text = new TextDecoder("latin1").decode(this.#rest);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      this.#status = Number(text.split(" ")[1]) || 0;
      if (this.#status === 101) this.#rest = this.#rest.slice(end + 4);
    }
    if (this.#status === 101) { while (this.#readFrame()); }
    else {
      this.#response += new TextDecoder("latin1").decode(this.#rest);
      this.onRefused();
      this.#rest = new Uint8Array(0);
    }
  }

  #readFrame(): boolean {
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
