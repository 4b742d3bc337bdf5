// A web server with a real hub on a broker in memory. For tests of rooms over HTTP.

import { setImmediate } from "node:timers";
import { ChatHub } from "../../app/chat/chat_hub.ts";
import type { HubPorts, HubSettings } from "../../app/chat/ports.ts";
import { memberOf, newToken } from "../../app/core/identity.ts";
import { later } from "../../app/core/timers.ts";
import type { WebOptions } from "../../app/web/options.ts";
import { hubDefaults } from "./hub_harness.ts";
import { MemoryBroker } from "./memory_broker.ts";
import { startSite, testAssets } from "./web_harness.ts";

const assets = await testAssets();

export interface RoomSiteOptions {
  readonly settings?: Partial<HubSettings>;
  readonly ports?: Partial<HubPorts>;
  readonly web?: Partial<WebOptions>;
}

/** Starts a server. Disposing drains its hub and shuts it down. */
export async function startRoomSite({ settings, ports, web }: RoomSiteOptions = {}) {
  const broker = new MemoryBroker();
  const events: string[] = [];
  const errors: string[] = [];
  const hub = new ChatHub({
    broker,
    clock: performance,
    scheduler: { soon: (task) => void setImmediate(task), later },
    identity: { newToken, memberOf },
    log: {
      event: (event) => events.push(event),
      entries: (entries) => events.push(...entries.map(({ type }) => type)),
      warn: (event) => events.push(event),
      error: (event, error) => errors.push(`${event}: ${error}`),
    },
    ...ports,
  }, { ...hubDefaults, ...settings });
  const site = await startSite({ assets, ...web, hub });
  const dispose = async () => {
    await hub.drain();
    await site[Symbol.asyncDispose]();
  };
  return { ...site, hub, broker, events, errors, [Symbol.asyncDispose]: dispose };
}

export type RoomSite = Awaited<ReturnType<typeof startRoomSite>>;

/** Sends a request. Returns the response and its body, parsed if it is JSON. */
export async function request({ origin }: RoomSite, path: string, init: RequestInit = {}) {
  const response = await fetch(origin + path, { redirect: "manual", ...init });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson && text !== "" ? JSON.parse(text) : undefined,
  };
}

/** Stores messages from Ada in a room, and returns their offsets. */
export async function storeMessages({ broker }: RoomSite, room: string, ...texts: string[]) {
  const drafts = texts.map((text, i) => ({
    type: "message" as const,
    room,
    member: "ada",
    from: "Ada",
    text,
    nonce: `n${i}`,
  }));
  const results = await broker.append(drafts);
  return results.map((result) => "offset" in result ? result.offset : 0);
}
