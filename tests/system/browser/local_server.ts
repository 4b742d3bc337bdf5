// A chat server in the test's own process, with a real database. A server process takes longer to
// start than most tests take to run.

import { openStorage } from "../../../app/broker/storage.ts";
import type { ChatHub } from "../../../app/chat/chat_hub.ts";
import { serveChat } from "../../../app/chat_server.ts";
import { readConfig } from "../../../app/core/config.ts";
import { loadAssets } from "../../../app/web/assets.ts";
import type { Assets } from "../../../app/web/assets.ts";
import type { WebOptions } from "../../../app/web/options.ts";
import type { WebServer } from "../../../app/web/server.ts";

const noMetrics: WebOptions["metrics"] = {
  text: () => "",
  charts: [],
  totals() {
    throw new Error("This server has no metrics");
  },
};

/** The pages of all servers in this process, by folder. Bundling takes most of the start time. */
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

  /** Bundles the page in `staticDir` and starts a server with its database in `dir`. */
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
    const report = (event: string, error: unknown) => console.error(event, error);
    const log = { event() {}, entries() {}, access() {}, warn: report, error: report };
    const storage = await openStorage(config, report, { check: () => true });
    const assets = await pages.getOrInsertComputed(
      staticDir,
      () => loadAssets({ staticDir, dev: false, basePath: "", bundled: true }),
    );
    const { hub, server } = serveChat(config, {
      storage,
      assets,
      metrics: noMetrics,
      log,
      onExhausted: (error) => report("listener", error),
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
