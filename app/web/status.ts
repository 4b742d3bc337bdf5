// The status page: totals since the start, and line charts of the last 15 minutes. Contains no
// script and no inline style, because the content security policy forbids both.

import { samplesMax } from "../core/metrics.ts";
import type { Chart, Totals } from "../core/metrics.ts";
import { htmlPage } from "./html.ts";
import type { Chat } from "./html.ts";

const widthPx = 240;
const heightPx = 48;

export function statusPage(totals: Totals, charts: readonly Chart[], chat: Chat): string {
  const { readings } = totals;
  const rows: readonly [string, string][] = [
    ["Version", totals.version],
    ["Uptime", formatDuration(totals.upMs)],
    ["Connections", formatNumber(readings.parley_connections)],
    ["Members", formatNumber(readings.parley_members)],
    ["Active rooms", formatNumber(readings.parley_rooms)],
    ["Messages", formatNumber(totals.messages)],
    ["Resumes recovered", formatNumber(totals.recovered)],
    ["Resumes not recovered", formatNumber(totals.lost)],
    ["Slow consumers closed", formatNumber(totals.slowConsumers)],
    ["Log lines lost", formatNumber(readings.parley_log_failures_total)],
  ];
  const title = `${formatNumber(readings.parley_connections)} connected`;
  const body = `  <body class="status-page">
    <h1>${chat.title} since startup</h1>
    <dl>
${rows.map(([name, value]) => `      <div><dt>${name}</dt><dd>${value}</dd></div>`).join("\n")}
    </dl>
    <h2>Last 15 minutes</h2>
    <div class="charts">
${charts.map(renderChart).join("\n")}
    </div>
  </body>`;
  return htmlPage({ language: "en", title, chat, stylesheets: ["style.css", "status.css"], body });
}

function renderChart({ title, unit, values }: Chart): string {
  const maxValue = Math.max(0, ...values);
  const now = `${formatNumber(values.at(-1) ?? 0)}${unit}`;
  const max = `max ${formatNumber(maxValue)}${unit}`;
  return `      <figure>
        <figcaption>${title} <b>${now}</b> <span>${max}</span></figcaption>
        <svg viewBox="0 0 ${widthPx} ${heightPx}" preserveAspectRatio="none" role="img" aria-label="${title}: now ${now}, ${max}">
          <polyline points="${linePoints(values, maxValue)}"/>
        </svg>
      </figure>`;
}

/** Returns an SVG line through `values`, the newest at the right edge and `max` at the top. */
export function linePoints(values: readonly number[], max: number): string {
  // Fewer samples start further right, so the time scale never changes.
  const step = widthPx / (samplesMax - 1);
  const start = widthPx - (values.length - 1) * step;
  // 1 px of padding, so the edge does not cut the line.
  const height = heightPx - 2;
  return values.map((value, i) => {
    const y = heightPx - 1 - (max === 0 ? 0 : value / max * height);
    return `${round(start + i * step)},${round(y)}`;
  }).join(" ");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function formatNumber(value = 0): string {
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

function formatDuration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}
