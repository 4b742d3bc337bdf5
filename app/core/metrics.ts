// Metrics of the hub and the process: as text for collectors, and as charts of the last 15 minutes.
// Recording an event only increments counters. All other work happens on demand.

/**
 * Metrics that are read on demand, with their descriptions. Counters end with `_total`. Names that
 * start with `process_` follow the Prometheus convention, so that standard dashboards show them.
 */
const readings = {
  parley_connections: "Open WebSockets",
  parley_sessions: "Live sessions",
  parley_members: "Members present",
  parley_rooms: "Rooms with sessions",
  parley_leaked_sockets_total: "WebSockets that never opened; Deno leaks a descriptor for each",
  parley_log_failures_total: "Log lines that could not be written",
  parley_database_bytes: "Size of the database file",
  parley_journal_bytes: "Size of the database's journal",
  parley_storage_ready: "1 if a message could be stored now",
  parley_lock_held: "1 while this process holds the lock of its data folder",
  parley_heap_used_bytes: "Used heap",
  process_resident_memory_bytes: "Resident memory",
  process_cpu_seconds_total: "User and system CPU time",
  process_open_fds: "File descriptors in use",
  process_max_fds: "Max file descriptors",
} as const;

/** The values of `readings`. Those that cannot be determined are undefined. */
export type Readings = Readonly<Record<keyof typeof readings, number | undefined>>;

export interface MetricsOptions {
  readonly version: string;
  readonly readings: () => Readings;
  /** Monotonic time in ms. */
  readonly now: () => number;
  /** Runs a task after `ms`. Returns a function that cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
}

export type Totals = ReturnType<Metrics["totals"]>;

/** Samples of one value for the status page. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** `sampleMs` apart, at most `samplesMax`, newest last. */
  readonly values: number[];
  /** Returns the next value, `seconds` after the previous one. */
  readonly next: (seconds: number) => number;
}

export const sampleMs = 5_000;
export const samplesMax = 180;
/** Interval between measurements of the event-loop delay. */
const delayProbeMs = 250;
const slowConsumerCode = "4101";
const buckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

const joinsHelp =
  "Joins: new, or resumes that recovered every missed message (recovered) or didn't (lost)";
const closesHelp = "Connections closed by the server, by close code; 4101 is a slow consumer";

type Counts = Map<string, number>;

/** Collects metrics. Implements the hub's meter. */
export class Metrics {
  readonly #options: MetricsOptions;
  readonly #startedAt: number;
  readonly #messages: Counts = new Map([["stored", 0]]);
  readonly #refusals: Counts = new Map();
  readonly #closes: Counts = new Map([[slowConsumerCode, 0]]);
  readonly #joins: Counts = new Map([["new", 0], ["recovered", 0], ["lost", 0]]);
  #frames = 0;
  #deliveries = 0;
  readonly #tick = new Histogram();
  readonly #append = new Histogram();
  readonly #delay = new Histogram();
  /** The last 15 minutes, for the status page. */
  readonly charts: readonly Chart[];
  #sampledAt: number;

  constructor(options: MetricsOptions) {
    const { readings, now } = options;
    this.#options = options;
    this.#startedAt = this.#sampledAt = now();
    this.charts = [
      chart("Connections", "", () => readings().parley_connections ?? 0),
      rate("Messages", () => this.#messages.get("stored") ?? 0),
      rate("Deliveries", () => this.#deliveries),
      rate("Frames", () => this.#frames),
      rate("Refusals", () => this.#refusals.values().reduce((sum, count) => sum + count, 0)),
      chart("Longest tick", " ms", () => this.#tick.takeMax()),
      chart("Longest append", " ms", () => this.#append.takeMax()),
      chart("Loop delay", " ms", () => this.#delay.takeMax()),
      chart("Memory", " MiB", () => (readings().process_resident_memory_bytes ?? 0) / 1024 / 1024),
    ];
  }

  tick(ms: number, frames: number): void {
    this.#frames += frames;
    this.#tick.observe(ms);
  }

  append(ms: number): void {
    this.#append.observe(ms);
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

  /** Returns all metrics in the text format of Prometheus, or as OpenMetrics 1.0. */
  text(isOpenMetrics = false): string {
    const lines: string[] = [];
    const add = (name: string, help: string, samples: Samples, type = "counter") => {
      const family = isOpenMetrics ? name.replace(/_total$/, "") : name;
      lines.push(`# HELP ${family} ${help}`, `# TYPE ${family} ${type}`);
      for (const [suffix, value] of samples) lines.push(`${name}${suffix} ${value}`);
    };
    const addCounts = (name: string, help: string, label: string, counts: Counts) =>
      add(name, help, Array.from(counts, ([key, count]) => [`{${label}="${key}"}`, count]));

    const { readings: current, upMs } = this.totals();
    const values: Readonly<Record<string, number | undefined>> = current;
    for (const [name, help] of Object.entries(readings)) {
      const value = values[name];
      if (value !== undefined) {
        add(name, help, [["", value]], name.endsWith("_total") ? "counter" : "gauge");
      }
    }
    add("parley_uptime_seconds", "Time since start", [["", upMs / 1000]], "gauge");
    add("parley_frames_total", "Frames sent: one per session and tick", [["", this.#frames]]);
    add("parley_deliveries_total", "Room pushes sent, per session", [["", this.#deliveries]]);
    addCounts(
      "parley_messages_total",
      "Entries sent to rooms, by result",
      "result",
      this.#messages,
    );
    addCounts("parley_refusals_total", "Refused commands by error code", "code", this.#refusals);
    addCounts("parley_closes_total", closesHelp, "code", this.#closes);
    addCounts("parley_joins_total", joinsHelp, "outcome", this.#joins);
    for (
      const [name, help, histogram] of [
        ["parley_tick_seconds", "Time to store, encode and send a tick", this.#tick],
        ["parley_append_seconds", "Time to store a tick's messages", this.#append],
        ["parley_event_loop_delay_seconds", "How late timers fire", this.#delay],
      ] as const
    ) add(name, help, histogram.samples(), "histogram");
    if (isOpenMetrics) lines.push("# EOF");
    return `${lines.join("\n")}\n`;
  }

  /** Returns current values, and totals since the start. */
  totals() {
    return {
      readings: this.#options.readings(),
      version: this.#options.version,
      upMs: this.#options.now() - this.#startedAt,
      messages: this.#messages.get("stored") ?? 0,
      slowConsumers: this.#closes.get(slowConsumerCode) ?? 0,
      /** Resumes that recovered every missed message, and those that didn't. */
      recovered: this.#joins.get("recovered") ?? 0,
      lost: this.#joins.get("lost") ?? 0,
    };
  }

  start(): void {
    const { now, later } = this.#options;
    const dueAt = now() + delayProbeMs;
    later(delayProbeMs, () => {
      this.#delay.observe(Math.max(0, now() - dueAt));
      const elapsedMs = now() - this.#sampledAt;
      if (elapsedMs >= sampleMs) {
        this.#sampledAt += elapsedMs;
        for (const { values, next } of this.charts) {
          values.push(next(elapsedMs / 1000));
          if (values.length > samplesMax) values.shift();
        }
      }
      this.start();
    });
  }
}

type Samples = Iterable<readonly [suffix: string, value: number]>;

/** Counts times in buckets, and remembers the max. */
class Histogram {
  readonly #counts = buckets.map(() => 0);
  #count = 0;
  #sumSeconds = 0;
  #maxMs = 0;

  observe(ms: number): void {
    const seconds = ms / 1000;
    const index = buckets.findIndex((bound) => seconds <= bound);
    if (index >= 0) this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count++;
    this.#sumSeconds += seconds;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  /** Returns the max in ms since the previous call. */
  takeMax(): number {
    const max = this.#maxMs;
    this.#maxMs = 0;
    return max;
  }

  *samples(): Samples {
    let cumulative = 0;
    for (const [i, bound] of buckets.entries()) {
      cumulative += this.#counts[i] ?? 0;
      yield [`_bucket{le="${bound}"}`, cumulative];
    }
    yield ['_bucket{le="+Inf"}', this.#count];
    yield ["_sum", this.#sumSeconds];
    yield ["_count", this.#count];
  }
}

function chart(title: string, unit: string, next: Chart["next"]): Chart {
  return { title, unit, values: [], next };
}

/** Charts the growth of a total per second. */
function rate(title: string, total: () => number): Chart {
  let previous = 0;
  return chart(title, "/s", (seconds) => {
    const growth = total() - previous;
    previous += growth;
    return growth / seconds;
  });
}

function increment(counts: Counts, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
