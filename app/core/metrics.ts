// Metrics of the hub and the process, as OpenMetrics text and as samples of the last 15 minutes.
// Counting only adds to a number; the rest happens on demand.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { OpenMetricsContentType } from "prom-client";

/** Values that are read on demand. */
export interface Gauges {
  readonly connections: number;
  /** WebSockets since the start that never opened. */
  readonly leakedSockets: number;
  /** File descriptors in use, or 0 if that cannot be determined. */
  readonly descriptors: number;
  readonly sessions: number;
  readonly members: number;
  readonly rooms: number;
  readonly logFailures: number;
}

/** What `Metrics` depends on. */
export interface MetricsOptions {
  readonly version: string;
  readonly gauges: () => Gauges;
  /** Memory of the process in bytes. */
  readonly memory: () => { readonly rss: number; readonly heapUsed: number };
  /** Monotonic time in ms. */
  readonly now: () => number;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  /** Runs a task after `ms`. Returns a function that cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

/** Rates per second and max times in ms since the previous sample. */
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

/** Current values, and totals since the start. */
export interface Totals extends Gauges {
  readonly version: string;
  readonly upMs: number;
  readonly messages: number;
  readonly slowConsumers: number;
  /** Resumes that recovered every missed message, and those that didn't. */
  readonly recovered: number;
  readonly lost: number;
}

/** Interval between samples. */
export const sampleMs = 5_000;
/** Max samples to keep. */
export const samplesMax = 180;
/** Interval between measurements of the event-loop delay. */
const delayProbeMs = 250;
const slowConsumerCode = 4101;
const buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

/** Counts by label. */
type Counts = Map<string, number>;

/** Collects metrics. Implements the hub's meter. */
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
  readonly #tick = this.#histogram("tick", "Time to store, encode and send a tick");
  readonly #append = this.#histogram("append", "Time to store a tick's messages");
  readonly #delay = this.#histogram("event_loop_delay", "How late timers fire");
  /** Max times since the last sample, in ms. */
  #max = { tick: 0, append: 0, delay: 0 };
  readonly #samples: Sample[] = [];
  #previous = { at: 0, messages: 0, deliveries: 0, frames: 0, refusals: 0 };
  #cancel: (() => void) | undefined;

  constructor(options: MetricsOptions) {
    this.#options = options;
    this.#startedAt = options.now();
    this.#previous.at = this.#startedAt;
    this.#registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const { gauges, memory } = options;
    this.#gauge("connections", "Open WebSockets", () => gauges().connections);
    this.#counter(
      "leaked_sockets",
      "WebSockets that never opened; Deno keeps the descriptor of each",
      () => gauges().leakedSockets,
    );
    this.#gauge("descriptors", "File descriptors in use", () => gauges().descriptors);
    this.#gauge("sessions", "Live sessions", () => gauges().sessions);
    this.#gauge("members", "Members present", () => gauges().members);
    this.#gauge("rooms", "Rooms with sessions", () => gauges().rooms);
    this.#gauge("resident_memory_bytes", "Resident memory of the process", () => memory().rss);
    this.#gauge("heap_used_bytes", "Used heap", () => memory().heapUsed);
    this.#gauge("uptime_seconds", "Time since start", () => this.#upMs() / 1000);
    this.#counter("frames", "Frames sent: one per session and tick", () => this.#frames);
    this.#counter(
      "deliveries",
      "Room pushes sent, counted once per session",
      () => this.#deliveries,
    );
    this.#counter(
      "log_failures",
      "Log lines that could not be written",
      () => gauges().logFailures,
    );
    this.#counts("messages", "Messages by result", "result", this.#messages);
    this.#counts("refusals", "Refused commands by error code", "code", this.#refusals);
    this.#counts(
      "closes",
      "Connections closed by the server, by close code; 4101 is a slow consumer",
      "code",
      this.#closes,
    );
    this.#counts(
      "joins",
      "Joins of rooms: new, or resumed with (recovered) or without (lost) every missed message",
      "outcome",
      this.#joins,
    );
  }

  tick(ms: number, frames: number): void {
    this.#frames += frames;
    this.#tick.observe(ms / 1000);
    this.#max.tick = Math.max(this.#max.tick, ms);
  }

  append(ms: number): void {
    this.#append.observe(ms / 1000);
    this.#max.append = Math.max(this.#max.append, ms);
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

  /** Content type of `text()`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Returns all metrics as OpenMetrics 1.0. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** The latest samples, oldest first: `sampleMs` apart, at most `samplesMax`. */
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

  /** Starts sampling, until `stop()`. */
  start(): void {
    const { now, later } = this.#options;
    const dueAt = now() + delayProbeMs;
    this.#cancel = later(delayProbeMs, () => {
      const late = Math.max(0, now() - dueAt);
      this.#delay.observe(late / 1000);
      this.#max.delay = Math.max(this.#max.delay, late);
      if (now() - this.#previous.at >= sampleMs) this.#sample();
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #sample(): void {
    const { gauges, memory, now, wallNow } = this.#options;
    const previous = this.#previous;
    const current = {
      at: now(),
      messages: this.#messages.get("stored") ?? 0,
      deliveries: this.#deliveries,
      frames: this.#frames,
      refusals: this.#refusals.values().reduce((sum, count) => sum + count, 0),
    };
    const seconds = (current.at - previous.at) / 1000;
    this.#previous = current;
    this.#samples.push({
      at: wallNow(),
      connections: gauges().connections,
      messages: (current.messages - previous.messages) / seconds,
      deliveries: (current.deliveries - previous.deliveries) / seconds,
      frames: (current.frames - previous.frames) / seconds,
      refusals: (current.refusals - previous.refusals) / seconds,
      tickMs: this.#max.tick,
      appendMs: this.#max.append,
      delayMs: this.#max.delay,
      memoryMib: memory().rss / 1024 / 1024,
    });
    this.#max = { tick: 0, append: 0, delay: 0 };
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  #upMs(): number {
    return this.#options.now() - this.#startedAt;
  }

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
