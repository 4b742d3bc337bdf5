// Builds the hub and the web server from the settings, and connects them to their ports.

import { setImmediate } from "node:timers";
import type { Storage } from "./broker/storage.ts";
import { ChatHub } from "./chat/chat_hub.ts";
import type { HubLog, HubMeter } from "./chat/ports.ts";
import type { Config } from "./core/config.ts";
import { matcherOf, memberOf, newToken, randomName } from "./core/identity.ts";
import { later } from "./core/timers.ts";
import type { WebOptions } from "./web/options.ts";
import { limitLines } from "./web/line_limit.ts";
import { serveWeb } from "./web/server.ts";

export interface ChatServerParts
  extends Pick<WebOptions, "assets" | "certificate" | "metrics" | "onExhausted"> {
  readonly storage: Pick<Storage, "broker" | "notReadyReason">;
  readonly log: HubLog & WebOptions["log"];
  readonly meter?: HubMeter;
}

/**
 * Starts a hub and the web server in front of it. To stop them, drain the hub and then shut down
 * the server.
 *
 * @throws {Error} If the server cannot listen on the address.
 */
export function serveChat(config: Config, { storage, meter, ...parts }: ChatServerParts) {
  const log = limitLines(parts.log, () => performance.now());
  const matcher = (secret: string) => secret === "" ? undefined : matcherOf(secret);
  const hub = new ChatHub({
    broker: storage.broker,
    clock: performance,
    scheduler: { soon: (task) => void setImmediate(task), later },
    identity: { newToken, memberOf },
    access: matcher(config.accessCode),
    moderatorAccess: matcher(config.moderatorCode),
    log,
    ...(meter === undefined ? {} : { meter }),
  }, {
    ...config,
    sessionPrefix: `${randomName().slice(0, 5)}.`,
    graceMs: config.graceSeconds * 1000,
    nameHoldMs: config.nameHoldSeconds * 1000,
  });
  const server = serveWeb({
    ...config,
    ...parts,
    log,
    hub,
    isOpen: config.accessCode === "",
    isToken: matcher(config.metricsToken),
    notReadyReason: () => storage.notReadyReason(),
    now: () => performance.now(),
  });
  return { hub, server };
}
