// The load generator: opens many WebSockets, sends messages on some of them, and counts deliveries
// on all. Takes a plan as JSON on the command line and prints the result as JSON. The plan's
// templates adapt it to a server.

/**
 * A load. Templates contain `%d` for the client's number, `%r` for its room's number, `%n` for its
 * message's number, and `%s` for the token that receivers count.
 */
export interface Plan {
  readonly url: string;
  readonly protocol?: string;
  readonly clients: number;
  /** Number of the first client, if another generator runs the clients before it. */
  readonly first?: number;
  readonly senders: number;
  readonly rooms: number;
  readonly seconds: number;
  /** Seconds between the last connection and the load. */
  readonly settleSeconds?: number;
  /** Messages per second over all senders; by default each sender waits for its own message. */
  readonly rate?: number;
  /** Characters added to each message. */
  readonly padding: number;
  readonly join: readonly string[];
  readonly message: string;
  /** A heartbeat frame of the server, and the client's reply. */
  readonly heartbeat?: readonly [string, string];
}

/** Measurements taken during the load. */
export interface LoadResult {
  readonly seconds: number;
  readonly sent: number;
  readonly deliveries: number;
  readonly frames: number;
  /** Tokens out of their sender's order, on every sixteenth receiver. */
  readonly outOfOrder: number;
  /** Age of messages on arrival at the sampled receivers, in ms. */
  readonly p50: number;
  readonly p99: number;
  /** Age of a message when the last sampled receiver gets it, in ms; median over all messages. */
  readonly lastReader: number;
}

const tokenPrefix = "~T";
/** For messages in flight at the end. */
const drainMs = 1_000;
const decoder = new TextDecoder();

class Client {
  readonly socket: WebSocket;
  readonly ready: Promise<void>;
  readonly #load: Load;
  readonly #id: number;
  readonly #isSampled: boolean;
  readonly #lastNumbers = new Map<number, number>();
  sentCount = 0;

  constructor(load: Load, id: number) {
    this.#load = load;
    this.#id = id;
    this.#isSampled = id % 16 === 0;
    const { url, protocol, join } = load.plan;
    this.socket = new WebSocket(this.#fill(url), protocol === undefined ? [] : [protocol]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.socket.addEventListener("open", () => {
      for (const frame of join) this.socket.send(this.#fill(frame));
      resolve();
    });
    this.socket.addEventListener("error", () => reject(new Error(`Cannot connect to ${url}`)));
    // NATS sends text in binary frames.
    this.socket.binaryType = "arraybuffer";
    this.socket.addEventListener("message", ({ data }) => {
      this.#receive(typeof data === "string" ? data : decoder.decode(data));
    });
  }

  sendMessage(): void {
    const { message, padding } = this.#load.plan;
    const token = tokenPrefix + hex(this.#id, 4) + hex(this.sentCount, 8) + hex(microseconds(), 16);
    const text = token + "x".repeat(padding);
    this.socket.send(
      this.#fill(message).replace("%n", String(this.sentCount++)).replace("%s", text),
    );
  }

  #fill(template: string): string {
    const { rooms } = this.#load.plan;
    return template.replace("%d", String(this.#id)).replace("%r", String(this.#id % rooms));
  }

  #receive(frame: string): void {
    const { heartbeat, first = 0, senders } = this.#load.plan;
    if (heartbeat !== undefined && frame === heartbeat[0]) return this.socket.send(heartbeat[1]);
    this.#load.frames++;
    const needsParsing = this.#isSampled || this.#id < first + senders;
    for (let at = frame.indexOf(tokenPrefix); at >= 0; at = frame.indexOf(tokenPrefix, at + 30)) {
      this.#load.deliveries++;
      if (needsParsing) this.#parse(frame, at + tokenPrefix.length);
    }
  }

  #parse(frame: string, at: number): void {
    const sender = parseInt(frame.slice(at, at + 4), 16);
    const number = parseInt(frame.slice(at + 4, at + 12), 16);
    if (this.#isSampled) {
      const sentAt = parseInt(frame.slice(at + 12, at + 28), 16);
      const age = microseconds() - sentAt;
      this.#load.ages.push(age);
      this.#load.latestAges.set(sentAt, age);
      if (number !== (this.#lastNumbers.get(sender) ?? -1) + 1) this.#load.outOfOrder++;
      this.#lastNumbers.set(sender, number);
    }
    if (sender === this.#id) this.#load.onOwnMessage(this);
  }
}

class Load {
  readonly plan: Plan;
  deliveries = 0;
  frames = 0;
  outOfOrder = 0;
  ages: number[] = [];
  /** Age of each message at its latest arrival, by time of sending. */
  readonly latestAges = new Map<number, number>();
  #isOver = false;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  onOwnMessage(client: Client): void {
    if (this.plan.rate === undefined && !this.#isOver) client.sendMessage();
  }

  async run(): Promise<LoadResult> {
    const { clients, first = 0, senders, rate, seconds, settleSeconds = 1 } = this.plan;
    const all: Client[] = [];
    while (all.length < clients) {
      const batch = Array.from(
        { length: Math.min(100, clients - all.length) },
        (_, i) => new Client(this, first + all.length + i),
      );
      await Promise.all(batch.map(({ ready }) => ready));
      all.push(...batch);
    }
    // The benchmark reads the server's CPU time at each announcement.
    await announce("connected");
    await sleep(settleSeconds * 1_000);
    await announce("go");
    this.frames = 0;
    const startedAt = performance.now();
    const writers = all.slice(0, senders);
    if (rate === undefined) {
      for (const writer of writers) writer.sendMessage();
    } else {
      for (let sent = 0; sent < rate * seconds;) {
        const due = Math.min(rate * seconds, (performance.now() - startedAt) / 1000 * rate);
        while (sent < due) writers[sent++ % senders]?.sendMessage();
        await sleep(1);
      }
    }
    await sleep(seconds * 1000 - (performance.now() - startedAt));
    const elapsed = (performance.now() - startedAt) / 1000;
    const { deliveries, frames } = this;
    this.#isOver = true;
    await announce("stop");
    await sleep(drainMs);
    const ages = this.ages.sort((a, b) => a - b);
    const latest = [...this.latestAges.values()].sort((a, b) => a - b);
    const percentile = (sorted: readonly number[], share: number) =>
      (sorted[Math.floor(sorted.length * share)] ?? 0) / 1000;
    return {
      seconds: elapsed,
      sent: all.reduce((sum, { sentCount }) => sum + sentCount, 0),
      deliveries,
      frames,
      outOfOrder: this.outOfOrder,
      p50: percentile(ages, 0.5),
      p99: percentile(ages, 0.99),
      lastReader: percentile(latest, 0.5),
    };
  }
}

function microseconds(): number {
  return Math.round(performance.now() * 1000);
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** Prints a phase and waits until the parent process has read it. */
async function announce(phase: string): Promise<void> {
  Deno.stdout.writeSync(new TextEncoder().encode(`${phase}\n`));
  await Deno.stdin.read(new Uint8Array(1));
}

if (import.meta.main) {
  const plan: Plan = JSON.parse(Deno.args[0] ?? "");
  const result = await new Load(plan).run();
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(result)}\n`));
  Deno.exit(0);
}
