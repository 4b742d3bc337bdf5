// The load generator: opens many WebSockets, lets some of them write, and counts what all of them are sent. Takes a plan as
// JSON from the command line and prints what it saw as JSON; knows no server but by the plan's templates.

/** What to do. `%d` is the number of a client, `%r` of its room, `%n` of its message, `%s` the token that is counted. */
export interface Plan {
  readonly url: string;
  readonly protocol?: string;
  readonly clients: number;
  /** Number of the first client, where others have those before. */
  readonly first?: number;
  readonly senders: number;
  readonly rooms: number;
  readonly seconds: number;
  /** Messages a second over all senders; without it each sender waits for its own message before the next. */
  readonly rate?: number;
  /** Characters that are added to each message. */
  readonly padding: number;
  readonly join: readonly string[];
  readonly message: string;
  /** A frame that asks, and what is answered. */
  readonly heartbeat?: readonly [string, string];
}

/** What was seen while the load lasted. */
export interface Seen {
  readonly seconds: number;
  readonly sent: number;
  readonly deliveries: number;
  readonly frames: number;
  /** Tokens that did not follow the one before of their sender, on every sixteenth receiver. */
  readonly disorder: number;
  /** Ages of messages when they arrived, in ms. */
  readonly p50: number;
  readonly p99: number;
  /** How old a message was when the last of the looked-at receivers had it, in ms: the median over all messages. */
  readonly last: number;
}

const mark = "~T";
const settleMs = 1_000;

class Client {
  readonly socket: WebSocket;
  readonly ready: Promise<void>;
  readonly #load: Load;
  readonly #id: number;
  readonly #isSampled: boolean;
  readonly #last = new Map<number, number>();
  sent = 0;

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
    this.socket.addEventListener("message", ({ data }) => this.#take(String(data)));
  }

  say(): void {
    const { message, padding } = this.#load.plan;
    const token = mark + hex(this.#id, 4) + hex(this.sent, 8) + hex(microseconds(), 16);
    const text = token + "x".repeat(padding);
    this.socket.send(this.#fill(message).replace("%n", String(this.sent++)).replace("%s", text));
  }

  #fill(template: string): string {
    const { rooms } = this.#load.plan;
    return template.replace("%d", String(this.#id)).replace("%r", String(this.#id % rooms));
  }

  #take(frame: string): void {
    const { heartbeat, first = 0, senders } = this.#load.plan;
    if (heartbeat !== undefined && frame === heartbeat[0]) return this.socket.send(heartbeat[1]);
    this.#load.frames++;
    const isReader = this.#isSampled || this.#id < first + senders;
    for (let at = frame.indexOf(mark); at >= 0; at = frame.indexOf(mark, at + 30)) {
      this.#load.deliveries++;
      if (isReader) this.#read(frame, at + mark.length);
    }
  }

  #read(frame: string, at: number): void {
    const sender = parseInt(frame.slice(at, at + 4), 16);
    const number = parseInt(frame.slice(at + 4, at + 12), 16);
    if (this.#isSampled) {
      const sentAt = parseInt(frame.slice(at + 12, at + 28), 16);
      const age = microseconds() - sentAt;
      this.#load.ages.push(age);
      this.#load.last.set(sentAt, age);
      if (number !== (this.#last.get(sender) ?? -1) + 1) this.#load.disorder++;
      this.#last.set(sender, number);
    }
    if (sender === this.#id) this.#load.heardOwn(this);
  }
}

class Load {
  readonly plan: Plan;
  deliveries = 0;
  frames = 0;
  disorder = 0;
  ages: number[] = [];
  /** Age at the latest arrival, by the time of sending. */
  readonly last = new Map<number, number>();
  #isOver = false;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  heardOwn(client: Client): void {
    if (this.plan.rate === undefined && !this.#isOver) client.say();
  }

  async run(): Promise<Seen> {
    const { clients, first = 0, senders, rate, seconds } = this.plan;
    const all: Client[] = [];
    while (all.length < clients) {
      const some = Array.from(
        { length: Math.min(100, clients - all.length) },
        (_, i) => new Client(this, first + all.length + i),
      );
      await Promise.all(some.map(({ ready }) => ready));
      all.push(...some);
    }
    await pause(settleMs);
    // The benchmark looks at the server's clock between these two lines.
    await tell("go");
    this.frames = 0;
    const startedAt = performance.now();
    const writers = all.slice(0, senders);
    if (rate === undefined) { for (const writer of writers) writer.say(); }
    else {for (let said = 0; said < rate * seconds;) {
        const due = Math.min(rate * seconds, (performance.now() - startedAt) / 1000 * rate);
        while (said < due) writers[said++ % senders]?.say();
        await pause(1);
      }}
    await pause(seconds * 1000 - (performance.now() - startedAt));
    const took = (performance.now() - startedAt) / 1000;
    const { deliveries, frames } = this;
    this.#isOver = true;
    await tell("stop");
    await pause(settleMs);
    const ages = this.ages.sort((one, other) => one - other);
    const lasts = [...this.last.values()].sort((one, other) => one - other);
    const of = (sorted: readonly number[], share: number) =>
      (sorted[Math.floor(sorted.length * share)] ?? 0) / 1000;
    return {
      seconds: took,
      sent: all.reduce((sum, { sent }) => sum + sent, 0),
      deliveries,
      frames,
      disorder: this.disorder,
      p50: of(ages, 0.5),
      p99: of(ages, 0.99),
      last: of(lasts, 0.5),
    };
  }
}

function microseconds(): number {
  return Math.round(performance.now() * 1000);
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** Says how far it is, and waits until whoever started it has seen that. */
async function tell(what: string): Promise<void> {
  Deno.stdout.writeSync(new TextEncoder().encode(`${what}\n`));
  await Deno.stdin.read(new Uint8Array(1));
}

if (import.meta.main) {
  const plan: Plan = JSON.parse(Deno.args[0] ?? "");
  const seen = await new Load(plan).run();
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(seen)}\n`));
  Deno.exit(0);
}
