// The operator's page: how the server does now and did in the last quarter of an hour, as figures and small line charts.
// Knows no requests, and writes no script and no style into the page.

import type { Sample, Totals } from "../core/metrics.ts";

interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly read: (sample: Sample) => number;
}

const charts: readonly Chart[] = [
  { title: "Connections", unit: "", read: (sample) => sample.connections },
  { title: "Messages", unit: "/s", read: (sample) => sample.messages },
  { title: "Deliveries", unit: "/s", read: (sample) => sample.deliveries },
  { title: "Frames", unit: "/s", read: (sample) => sample.frames },
  { title: "Refusals", unit: "/s", read: (sample) => sample.refusals },
  { title: "Longest tick", unit: " ms", read: (sample) => sample.tickMs },
  { title: "Longest append", unit: " ms", read: (sample) => sample.appendMs },
  { title: "Loop delay", unit: " ms", read: (sample) => sample.delayMs },
  { title: "Memory", unit: " MiB", read: (sample) => sample.memoryMib },
];
const widthPx = 240;
const heightPx = 48;
/** As many samples as fit the width: fewer start further right, so that time always runs at the same speed. */
const samplesMax = 180;

/** The page as HTML. */
export function statusPage(totals: Totals, samples: readonly Sample[], basePath: string): string {
  const rows: readonly [string, string][] = [
    ["Version", totals.version],
    ["Running for", duration(totals.upMs)],
    ["Connections", figure(totals.connections)],
    ["Members", figure(totals.members)],
    ["Rooms in use", figure(totals.rooms)],
    ["Messages", figure(totals.messages)],
    ["Returns recovered", figure(totals.recovered)],
    ["Returns not recovered", figure(totals.lost)],
    ["Slow consumers closed", figure(totals.slowConsumers)],
    ["Log lines lost", figure(totals.logFailures)],
  ];
  const newest = samples.at(-1);
  const title = newest === undefined
    ? "Status"
    : `${figure(newest.connections)} connected, ${figure(newest.messages)} messages/s`;
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>${title} · Parley</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="${basePath}/assets/icon.svg">
    <link rel="stylesheet" href="${basePath}/assets/style.css">
    <link rel="stylesheet" href="${basePath}/assets/status.css">
  </head>
  <body class="status-page">
    <h1>Parley, since it was started</h1>
    <dl>
${rows.map(([name, value]) => `      <div><dt>${name}</dt><dd>${value}</dd></div>`).join("\n")}
    </dl>
    <h2>The last quarter of an hour</h2>
    <div class="charts">
${charts.map((chart) => chartFigure(chart, samples)).join("\n")}
    </div>
  </body>
</html>
`;
}

function chartFigure({ title, unit, read }: Chart, samples: readonly Sample[]): string {
  const values = samples.map(read);
  const most = Math.max(0, ...values);
  const now = values.at(-1) ?? 0;
  const about = `${title}: now ${figure(now)}${unit}, at most ${figure(most)}${unit}`;
  return `      <figure>
        <figcaption>${title} <b>${figure(now)}${unit}</b> <span>most ${
    figure(most)
  }</span></figcaption>
        <svg viewBox="0 0 ${widthPx} ${heightPx}" preserveAspectRatio="none" role="img" aria-label="${about}">
          <polyline points="${linePoints(values, most)}"/>
        </svg>
      </figure>`;
}

/** Points of a line through `values`, the newest at the right edge and `most` at the top. */
export function linePoints(values: readonly number[], most: number): string {
  const step = widthPx / (samplesMax - 1);
  const start = widthPx - (values.length - 1) * step;
  // Half a line's width from the edge, so that it is not cut.
  const height = heightPx - 2;
  return values.map((value, i) => {
    const y = heightPx - 1 - (most === 0 ? 0 : value / most * height);
    return `${rounded(start + i * step)},${rounded(y)}`;
  }).join(" ");
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

function figure(value: number): string {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}
