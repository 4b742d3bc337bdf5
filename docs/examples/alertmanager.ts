// Posts Prometheus alerts to a room, as a webhook receiver for Alertmanager:
//
//   TOKEN=… deno run --allow-net --allow-env docs/examples/alertmanager.ts URL ROOM PORT
import { post } from "./post.ts";
const [server = "http://localhost:8000/", room = "alerts", port = "9001"] = Deno.args;
const url = new URL(`r/${room}`, server);

interface Alert {
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly fingerprint: string;
}

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, async (request) => {
  const { alerts }: { alerts: readonly Alert[] } = await request.json();
  for (const { status, labels, annotations, startsAt, fingerprint } of alerts) {
    const text = `${status === "firing" ? "🔥" : "✅"} ${labels.alertname} ${labels.instance ?? ""}
${annotations.summary ?? annotations.description ?? ""}`;
    // Alertmanager resends an alert until it succeeds. With the key, each change is stored once.
    const response = await post(url, "Alertmanager", text, keyOf(status, startsAt, fingerprint));
    if (!response.ok) return new Response(response.body, { status: 503 });
    await response.body?.cancel();
  }
  return new Response("Posted");
});

function keyOf(status: string, startsAt: string, fingerprint: string): string {
  return `${status}-${Date.parse(startsAt)}-${fingerprint}`.replaceAll(/[^\w-]/g, "").slice(0, 36);
}
