// What the server counts of itself, as OpenMetrics text and as samples of the last quarter of an hour. The only importer of
// prom-client. Counting is adding to a number; all else happens when somebody asks.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { OpenMetricsContentType } from "prom-client";

/** What is read at the moment when somebody asks. */
export interface Gauges {
  readonly connections: number;
  readonly sessions: number;
  readonly members: number;
  readonly rooms: number;
  readonly logFailures: number;
}

/** What metrics work with. */
export interface MetricsOptions {
  readonly version: string;
  readonly gauges: () => Gauges;
  /** Bytes of the process. */
  readonly memory: () => { readonly rss: number; readonly heapUsed: number };
  /** Monotonic time in ms. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  /** Runs a task later; the answer cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

/** How things were for some seconds: counts are by the second, times the longest in ms. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly connections: number;
  readonly messages: number;
  readonly deliveries: number;
  readonly frames: number;
  readonly refusals: number;
  readonly tickMs: number;
  readonly appendMs: number;
  readonly delayMs: number;
  readonly memoryMib: number;
}

/** How things stand since the start. */
export interface Totals extends Gauges {
  readonly version: string;
  readonly upMs: number;
  readonly messages: number;
  readonly slowConsumers: number;
  /** Returns to a room that went on where they were, and those that could not. */
  readonly recovered: number;
  readonly lost: number;
}

/** How far apart samples are, and how many are kept. */
export const sampleMs = 5_000;
export const samplesMax = 180;
/** How often it is measured how late a timer is. */
const delayProbeMs = 250;
const slowConsumerCode = 4101;
const buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/** Counts by a name out of few. */
type Counts = Map<string, number>;

/** Counts what the hub and the process do. Its verbs are those of the hub's meter. */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #registry = new Registry<OpenMetricsContentType>();
  readonly #startedAt: number;
  readonly #messages: Counts = new Map([["stored", 0]]);
  readonly #refusals: Counts = new Map();
  readonly #closes: Counts = new Map([[String(slowConsumerCode), 0]]);
  readonly #joins: Counts = new Map([["new", 0], ["recovered", 0], ["lost", 0]]);
  #frames = 0;
  #deliveries = 0;
  readonly #tick = this.#histogram("tick", "Time of a tick: store, encode and send");
  readonly #append = this.#histogram("append", "Time that the log took for a tick's messages");
  readonly #delay = this.#histogram("event_loop_delay", "How late a timer was");
  /** The longest since the last sample, in ms. */
  #longest = { tick: 0, append: 0, delay: 0 };
  readonly #samples: Sample[] = [];
  #sampled = { at: 0, messages: 0, deliveries: 0, frames: 0, refusals: 0 };
  #cancel: (() => void) | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    this.#sampled.at = this.#startedAt;
    this.#registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const { gauges, memory } = options;
    this.#gauge("connections", "Open WebSockets", () => gauges().connections);
    this.#gauge("sessions", "Connections that the hub knows", () => gauges().sessions);
    this.#gauge("members", "Members that are here", () => gauges().members);
    this.#gauge("rooms", "Rooms that somebody is in", () => gauges().rooms);
    this.#gauge("resident_memory_bytes", "Memory of the process", () => memory().rss);
    this.#gauge("heap_used_bytes", "Memory of its objects", () => memory().heapUsed);
    this.#gauge("uptime_seconds", "Time since the start", () => this.#upMs() / 1000);
    this.#counter("frames", "Frames sent, one for each session and tick", () => this.#frames);
    this.#counter(
      "deliveries",
      "Pushes of rooms sent, one for each session that got it",
      () => this.#deliveries,
    );
    this.#counter("log_failures", "Log lines that were not written", () => gauges().logFailures);
    this.#counts("messages", "What became of messages", "result", this.#messages);
    this.#counts("refusals", "Commands refused", "code", this.#refusals);
    this.#counts(
      "closes",
      "Connections that this side ended; 4101 is a slow consumer",
      "code",
      this.#closes,
    );
    this.#counts(
      "joins",
      "Sessions that went live in a room: new, recovered, or lost their place",
      "outcome",
      this.#joins,
    );
  }

  // ---------------------------------------------------------------- what is told

  tick(ms: number, frames: number): void {
    this.#frames += frames;
    this.#tick.observe(ms / 1000);
    this.#longest.tick = Math.max(this.#longest.tick, ms);
  }

  append(ms: number): void {
    this.#append.observe(ms / 1000);
    this.#longest.append = Math.max(this.#longest.append, ms);
  }

  message(result: string): void {
    increment(this.#messages, result);
  }

  refusal(code: string): void {
    increment(this.#refusals, code);
  }

  join(outcome: string): void {
    increment(this.#joins, outcome);
  }

  close(code: number): void {
    increment(this.#closes, String(code));
  }

  deliveries(count: number): void {
    this.#deliveries += count;
  }

  // ---------------------------------------------------------------- what is asked

  /** Type of `text()`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in OpenMetrics 1.0. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** The newest last, `sampleMs` apart, at most `samplesMax`. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  totals(): Totals {
    return {
      ...this.#options.gauges(),
      version: this.#options.version,
      upMs: this.#upMs(),
      messages: this.#messages.get("stored") ?? 0,
      slowConsumers: this.#closes.get(String(slowConsumerCode)) ?? 0,
      recovered: this.#joins.get("recovered") ?? 0,
      lost: this.#joins.get("lost") ?? 0,
    };
  }

  /** Begins to sample, until `stop`. */
  start(): void {
    const { now, later } = this.#options;
    const dueAt = now() + delayProbeMs;
    this.#cancel = later(delayProbeMs, () => {
      const late = Math.max(0, now() - dueAt);
      this.#delay.observe(late / 1000);
      this.#longest.delay = Math.max(this.#longest.delay, late);
      if (now() - this.#sampled.at >= sampleMs) this.#sample();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #sample(): void {
    const { gauges, memory, now, wallNow } = this.#options;
    const before = this.#sampled;
    const present = {
      at: now(),
      messages: this.#messages.get("stored") ?? 0,
      deliveries: this.#deliveries,
      frames: this.#frames,
      refusals: this.#refusals.values().reduce((sum, count) => sum + count, 0),
    };
    const seconds = (present.at - before.at) / 1000;
    this.#sampled = present;
    this.#samples.push({
      at: wallNow(),
      connections: gauges().connections,
      messages: (present.messages - before.messages) / seconds,
      deliveries: (present.deliveries - before.deliveries) / seconds,
      frames: (present.frames - before.frames) / seconds,
      refusals: (present.refusals - before.refusals) / seconds,
      tickMs: this.#longest.tick,
      appendMs: this.#longest.append,
      delayMs: this.#longest.delay,
      memoryMib: memory().rss / 1024 / 1024,
    });
    this.#longest = { tick: 0, append: 0, delay: 0 };
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  #upMs(): number {
    return this.#options.now() - this.#startedAt;
  }

  // ---------------------------------------------------------------- the registry

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `parley_${name}`,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  #counter(name: string, help: string, read: () => number): void {
    new Counter({
      name: `parley_${name}_total`,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  #counts(name: string, help: string, label: string, counts: Counts): void {
    new Counter({
      name: `parley_${name}_total`,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [value, count] of counts) this.inc({ [label]: value }, count);
      },
    });
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({
      name: `parley_${name}_seconds`,
      help,
      buckets,
      registers: [this.#registry],
    });
  }
}

function increment(counts: Counts, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
