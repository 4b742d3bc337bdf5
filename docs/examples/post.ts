// Posts messages for feed.ts, alertmanager.ts and github_webhook.ts, with the token in TOKEN.
import { setTimeout as sleep } from "node:timers/promises";

const token = Deno.env.get("TOKEN");
if (!token) throw new Error("Set TOKEN (see docs/http.md)");

/**
 * Posts a message as `name`. A repeat with the same `key` is stored only once. Waits while the
 * server limits the rate.
 */
export async function post(url: URL, name: string, body: string, key: string): Promise<Response> {
  const headers = { authorization: `Basic ${btoa(`${name}:${token}`)}`, "idempotency-key": key };
  const response = await fetch(url, { method: "POST", body, headers });
  if (response.status !== 429) return response;
  await response.body?.cancel();
  await sleep((Number(response.headers.get("retry-after")) || 1) * 1000);
  return await post(url, name, body, key);
}
