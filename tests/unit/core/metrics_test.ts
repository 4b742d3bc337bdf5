import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Metrics, sampleMs, samplesMax } from "../../../app/core/metrics.ts";
import { ManualTime } from "../../support/manual_time.ts";

function scene() {
  const time = new ManualTime();
  const gauges = {
    connections: 3,
    leakedSockets: 0,
    descriptors: 30,
    sessions: 2,
    members: 2,
    rooms: 1,
    logFailures: 0,
  };
  const metrics = new Metrics({
    version: "1.2.3",
    gauges: () => gauges,
    memory: () => ({ rss: 64 * 1024 * 1024, heapUsed: 1024 }),
    now: () => time.now(),
    wallNow: () => 1_700_000_000_000 + time.now(),
    later: (ms, task) => time.later(ms, task),
  });
  return { time, gauges, metrics };
}

Deno.test("Metrics.text() is valid OpenMetrics", async () => {
  const { metrics } = scene();
  metrics.refusal("rate_limited");
  const text = await metrics.text();
  assertEquals(metrics.contentType, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  assert(text.endsWith("\n# EOF\n"));
  const lines = text.trimEnd().split("\n");
  const declared = lines.flatMap((line) => line.startsWith("# TYPE ") ? [line.split(" ")] : []);
  const types = new Map(declared.map(([, , name, type]) => [name, type]));
  assertEquals(types.size, declared.length, "a family is declared twice");
  for (const line of lines.filter((line) => !line.startsWith("#"))) {
    const [, name = "", suffix = ""] =
      /^(parley_\w+?)(_total|_bucket|_sum|_count)?(?:\{[a-z]+="[\w+.]+"\})? [\d.e+-]+$/.exec(
        line,
      ) ??
        [];
    const type = types.get(name);
    assert(type !== undefined, line);
    assertStringIncludes(text, `# HELP ${name} `);
    const suffixes = { counter: ["_total"], gauge: [""], histogram: ["_bucket", "_sum", "_count"] };
    assert(Object.entries(suffixes).some(([kind, all]) => kind === type && all.includes(suffix)));
  }
});

Deno.test("Metrics.text() contains all counters and gauges", async () => {
  const { metrics, gauges } = scene();
  metrics.deliveries(7);
  metrics.message("stored");
  metrics.message("repeat");
  metrics.refusal("rate_limited");
  metrics.close(4101);
  metrics.join("recovered");
  metrics.tick(2, 2);
  metrics.append(0.2);
  gauges.connections = 9;
  gauges.logFailures = 4;
  // Twice, because a scrape must not count again what the previous one counted.
  await metrics.text();
  const text = await metrics.text();
  for (
    const line of [
      "parley_connections 9",
      "parley_sessions 2",
      "parley_rooms 1",
      "parley_frames_total 2",
      "parley_deliveries_total 7",
      `parley_messages_total{result="stored"} 1`,
      `parley_messages_total{result="repeat"} 1`,
      `parley_refusals_total{code="rate_limited"} 1`,
      `parley_closes_total{code="4101"} 1`,
      `parley_joins_total{outcome="recovered"} 1`,
      `parley_joins_total{outcome="lost"} 0`,
      "parley_log_failures_total 4",
      "parley_resident_memory_bytes 67108864",
      `parley_tick_seconds_bucket{le="0.001"} 0`,
      `parley_tick_seconds_bucket{le="0.0025"} 1`,
      "parley_tick_seconds_sum 0.002",
      `parley_append_seconds_bucket{le="0.00025"} 1`,
    ]
  ) assertStringIncludes(text, `${line}\n`);
});

Deno.test("Metrics.samples has rates per second and max times, and keeps only the latest", () => {
  const { time, metrics } = scene();
  metrics.start();
  for (let i = 0; i < 50; i++) metrics.message("stored");
  metrics.deliveries(500);
  metrics.tick(3, 20);
  metrics.tick(1, 30);
  time.pass(sampleMs);
  const [first] = metrics.samples;
  assertEquals([first?.messages, first?.frames, first?.deliveries, first?.tickMs], [
    10,
    10,
    100,
    3,
  ]);
  assertEquals(first?.memoryMib, 64);
  time.pass(sampleMs);
  assertEquals([metrics.samples[1]?.messages, metrics.samples[1]?.tickMs], [0, 0]);
  time.pass(sampleMs * 2 * samplesMax);
  assertEquals(metrics.samples.length, samplesMax);
  metrics.stop();
  assertEquals(time.timers, 0);
});

Deno.test("Metrics measures the event-loop delay", () => {
  const { time, metrics } = scene();
  metrics.start();
  time.ms += 1_000;
  time.pass(0);
  time.pass(sampleMs);
  assertEquals(metrics.samples[0]?.delayMs, 750);
  metrics.stop();
});

Deno.test("Metrics.totals() counts since the start", () => {
  const { time, metrics } = scene();
  metrics.close(4101);
  metrics.close(4102);
  metrics.join("lost");
  metrics.message("stored");
  time.pass(90_000);
  const { version, upMs, members, messages, slowConsumers, recovered, lost } = metrics.totals();
  assertEquals({ version, upMs, members, messages, slowConsumers, recovered, lost }, {
    version: "1.2.3",
    upMs: 90_000,
    members: 2,
    messages: 1,
    slowConsumers: 1,
    recovered: 0,
    lost: 1,
  });
});
