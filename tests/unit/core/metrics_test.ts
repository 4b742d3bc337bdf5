// Metrics and the status page's charts.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Metrics, sampleMs, samplesMax } from "../../../app/core/metrics.ts";
import { noMetrics } from "../../support/web_harness.ts";
import { ManualTime } from "../../support/manual_time.ts";

function createMetrics() {
  const time = new ManualTime();
  const readings = {
    ...noMetrics.totals().readings,
    parley_members: 2,
    parley_lock_held: 0,
    parley_journal_bytes: 4096,
    parley_database_bytes: undefined,
    process_resident_memory_bytes: 64 * 1024 * 1024,
    process_cpu_seconds_total: 1.5,
    process_max_fds: 8192,
  };
  const metrics = new Metrics({
    version: "1.2.3",
    readings: () => readings,
    now: () => time.now(),
    later: (ms, task) => time.later(ms, task),
  });
  const valuesOf = (title: string) =>
    metrics.charts.find((chart) => chart.title === title)?.values ?? [];
  return { time, readings, metrics, valuesOf };
}

Deno.test("Metrics.text() is valid Prometheus text, and valid OpenMetrics", () => {
  const { metrics } = createMetrics();
  metrics.refusal("rate_limited");
  assert(metrics.text(true).endsWith("\n# EOF\n"));
  for (const [text, total] of [[metrics.text(), ""], [metrics.text(true), "_total"]] as const) {
    const lines = text.trimEnd().split("\n");
    const declared = lines.flatMap((line) => line.startsWith("# TYPE ") ? [line.split(" ")] : []);
    const types = new Map(declared.map(([, , name, type]) => [name, type]));
    assertEquals(types.size, declared.length, "a family is declared twice");
    for (const line of lines.filter((line) => !line.startsWith("#"))) {
      const [, sample = ""] = /^((?:parley|process)_\w+)(?:\{[a-z]+="[\w+.]+"\})? [\d.e+-]+$/
        .exec(line) ?? [];
      const suffix = /_(bucket|sum|count)$/.exec(sample)?.[0] ??
        (sample.endsWith("_total") ? total : "");
      const name = sample.slice(0, sample.length - suffix.length);
      const type = types.get(name);
      assert(type !== undefined, line);
      assertStringIncludes(text, `# HELP ${name} `);
      const suffixes: Record<string, string[]> = {
        counter: [total],
        gauge: [""],
        histogram: ["_bucket", "_sum", "_count"],
      };
      assert(suffixes[type]?.includes(suffix), line);
    }
  }
});

Deno.test("Metrics.text() contains all counters and gauges", () => {
  const { metrics, readings } = createMetrics();
  metrics.deliveries(7);
  metrics.message("stored");
  metrics.message("repeat");
  metrics.refusal("rate_limited");
  metrics.close(4101);
  metrics.join("recovered");
  metrics.tick(2, 2);
  metrics.append(0.2);
  readings.parley_connections = 9;
  readings.parley_log_failures_total = 4;
  const text = metrics.text();
  for (
    const line of [
      "parley_connections 9",
      "parley_members 2",
      "parley_frames_total 2",
      "parley_deliveries_total 7",
      `parley_messages_total{result="stored"} 1`,
      `parley_messages_total{result="repeat"} 1`,
      `parley_refusals_total{code="rate_limited"} 1`,
      `parley_closes_total{code="4101"} 1`,
      `parley_joins_total{outcome="recovered"} 1`,
      `parley_joins_total{outcome="lost"} 0`,
      "parley_log_failures_total 4",
      "process_cpu_seconds_total 1.5",
      "process_max_fds 8192",
      "parley_journal_bytes 4096",
      "parley_storage_ready 1",
      "parley_lock_held 0",
      "process_resident_memory_bytes 67108864",
      `parley_tick_seconds_bucket{le="0.001"} 0`,
      `parley_tick_seconds_bucket{le="0.0025"} 1`,
      `parley_tick_seconds_bucket{le="1"} 1`,
      "parley_tick_seconds_sum 0.002",
      `parley_append_seconds_bucket{le="0.00025"} 1`,
    ]
  ) assertStringIncludes(text, `${line}\n`);
  assert(!text.includes("parley_database_bytes"), "undefined values are left out");
});

Deno.test("Metrics.charts have rates per second and max times, and keep only the latest", () => {
  const { time, metrics, valuesOf } = createMetrics();
  metrics.start();
  for (let i = 0; i < 50; i++) metrics.message("stored");
  metrics.deliveries(500);
  metrics.tick(3, 20);
  metrics.tick(1, 30);
  time.advance(sampleMs);
  assertEquals(
    ["Messages", "Frames", "Deliveries", "Longest tick", "Memory"].map(valuesOf),
    [[10], [10], [100], [3], [64]],
  );
  time.advance(sampleMs);
  assertEquals(["Messages", "Longest tick"].map(valuesOf), [[10, 0], [3, 0]]);
  time.advance(sampleMs * 2 * samplesMax);
  assertEquals(valuesOf("Messages").length, samplesMax);
});

Deno.test("Metrics measures the event-loop delay", () => {
  const { time, metrics, valuesOf } = createMetrics();
  metrics.start();
  time.ms += 1_000;
  time.advance(0);
  time.advance(sampleMs);
  assertEquals(valuesOf("Loop delay"), [750]);
});

Deno.test("Metrics.totals() counts since the start", () => {
  const { time, metrics } = createMetrics();
  metrics.close(4101);
  metrics.close(4102);
  metrics.join("lost");
  metrics.message("stored");
  time.advance(90_000);
  const { version, upMs, messages, slowConsumers, recovered, lost } = metrics.totals();
  assertEquals({ version, upMs, messages, slowConsumers, recovered, lost }, {
    version: "1.2.3",
    upMs: 90_000,
    messages: 1,
    slowConsumers: 1,
    recovered: 0,
    lost: 1,
  });
});
