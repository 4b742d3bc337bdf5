// A chat server in the test's own process, with a real database. A server process takes longer to
// start than most tests take to run.

import { setImmediate } from "node:timers";
import { openStorage } from "../../../app/broker/storage.ts";
import { ChatHub } from "../../../app/chat/chat_hub.ts";
import { readConfig } from "../../../app/core/config.ts";
import { matcherOf, memberOf, newToken, randomName } from "../../../app/core/identity.ts";
import { later } from "../../../app/core/timers.ts";
import { loadAssets } from "../../../app/web/assets.ts";
import type { Assets } from "../../../app/web/assets.ts";
import type { WebOptions } from "../../../app/web/options.ts";
import { serveWeb } from "../../../app/web/server.ts";
import type { WebServer } from "../../../app/web/server.ts";

const noMetrics: WebOptions["metrics"] = {
  text: () => "",
  charts: [],
  totals() {
    throw new Error("This server has no metrics");
  },
};

/** The page of all servers in this process, by its folder. */
const pages = new Map<string, Promise<Assets>>();

export class LocalServer {
  readonly #hub: ChatHub;
  readonly #server: WebServer;
  readonly #closeStorage: () => Promise<unknown>;
  /** The address, with a trailing slash. */
  readonly url: string;

  private constructor(hub: ChatHub, server: WebServer, closeStorage: () => Promise<unknown>) {
    this.#hub = hub;
    this.#server = server;
    this.#closeStorage = closeStorage;
    this.url = server.url;
  }

  /** Starts a server with the page in `staticDir`, bundled, and its database in `dir`. */
  static async start(
    dir: string,
    staticDir: string,
    env: Readonly<Record<string, string>>,
  ): Promise<LocalServer> {
    const settings: Record<string, string> = {
      HOST: "127.0.0.1",
      PORT: "0",
      DATA_DIR: dir,
      ...env,
    };
    const result = readConfig((name) => settings[name], []);
    if (result.kind !== "config") throw new Error(`Cannot read the settings: ${result.kind}`);
    const { config } = result;
    const errors = (event: string, error: unknown) => console.error(event, error);
    const log = { event() {}, entries() {}, access() {}, warn: errors, error: errors };
    const storage = await openStorage(config, errors);
    const hub = new ChatHub({
      broker: storage.broker,
      clock: performance,
      scheduler: { soon: (task) => void setImmediate(task), later },
      identity: { newToken, memberOf },
      access: config.accessCode === "" ? undefined : matcherOf(config.accessCode),
      moderatorAccess: config.moderatorCode === "" ? undefined : matcherOf(config.moderatorCode),
      log,
    }, {
      ...config,
      sessionPrefix: `${randomName().slice(0, 5)}.`,
      graceMs: config.graceSeconds * 1000,
      nameHoldMs: config.nameHoldSeconds * 1000,
    });
    const assets = await pages.getOrInsertComputed(
      staticDir,
      () => loadAssets({ staticDir, dev: false, basePath: "", bundled: true }),
    );
    const server = serveWeb({
      ...config,
      hub,
      assets,
      isOpen: config.accessCode === "",
      hasDirectory: config.roomDirectory,
      hostname: config.host,
      maxConnectionsPerAddress: config.maxConnectionsPerIp,
      metrics: noMetrics,
      notReadyReason: () => storage.notReadyReason(),
      log,
      now: () => performance.now(),
      onExhausted: (error) => errors("listener", error),
    });
    return new LocalServer(hub, server, () => storage.close());
  }

  get port(): number {
    return this.#server.port;
  }

  /** Drains the server and closes its database. */
  async end(): Promise<void> {
    await this.#hub.drain();
    await this.#server.shutdown(0);
    await this.#server.finished;
    await this.#closeStorage();
  }
}
