// Posts a GitHub repository's pushes, pull requests and issues to a room:
//
//   TOKEN=… SECRET=… deno run --allow-net --allow-env docs/examples/github_webhook.ts URL ROOM PORT
//
// In GitHub, add a webhook with the same secret and the content type application/json.
import { post } from "./post.ts";
const [server = "http://localhost:8000/", room = "lobby", port = "9000"] = Deno.args;
const secret = Deno.env.get("SECRET");
if (!secret) throw new Error("Set SECRET to the webhook's secret");
const encoder = new TextEncoder();
const algorithm = { name: "HMAC", hash: "SHA-256" };
const raw = encoder.encode(secret);
const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);

Deno.serve({ hostname: "127.0.0.1", port: Number(port) }, async (request) => {
  const body = await request.text();
  const signature = /^sha256=([\da-f]{64})$/.exec(request.headers.get("x-hub-signature-256") ?? "");
  const bytes = Uint8Array.fromHex(signature?.[1] ?? "");
  const isGenuine = await crypto.subtle.verify("HMAC", key, bytes, encoder.encode(body));
  if (!isGenuine) return new Response("Wrong signature", { status: 401 });
  const text = textOf(request.headers.get("x-github-event"), JSON.parse(body));
  if (text === undefined) return new Response("Ignored");
  // GitHub repeats a delivery under the same id: it is stored once.
  const id = request.headers.get("x-github-delivery") ?? crypto.randomUUID();
  const response = await post(new URL(`r/${room}`, server), "GitHub", text, id);
  return new Response(response.body, { status: response.status });
});

// deno-lint-ignore no-explicit-any -- the shape depends on the event
function textOf(event: string | null, { action, ref, commits, compare, ...about }: any) {
  const { html_url, title } = about.pull_request ?? about.issue ?? {};
  if (event === "push") return `push to ${ref}, commits: ${commits.length}\n${compare}`;
  return title && `${action}: ${title}\n${html_url}`;
}
