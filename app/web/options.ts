// The settings of the web server, and the parts of the program that it works with.

import type { ChatHub } from "../chat/chat_hub.ts";
import type { Visitors } from "../chat/visitors.ts";
import type { Config } from "../core/config.ts";
import type { Logs } from "../core/logging.ts";
import type { Metrics } from "../core/metrics.ts";
import type { Assets } from "./assets.ts";
import type { Certificate } from "./certificate.ts";

export type Hub =
  & Pick<
    ChatHub,
    | "connect"
    | "post"
    | "receive"
    | "disconnect"
    | "follow"
    | "membersOf"
    | "operate"
    | "isDraining"
  >
  & { readonly visitors: Pick<Visitors, "read" | "entry" | "directory" | "search"> };

/** Settings that the web server takes over under their names. */
type WebSettings =
  | "allowedHosts"
  | "allowedOrigins"
  | "dev"
  | "frameAncestors"
  | "host"
  | "maxConnections"
  | "maxConnectionsPerIp"
  | "port"
  | "roomDirectory"
  | "trustProxy";

export interface WebOptions extends Pick<Config, WebSettings> {
  /** Absent without TLS, or if a proxy terminates it. */
  readonly certificate?: Certificate | undefined;
  readonly hub: Hub;
  readonly assets: Assets;
  readonly metrics: Pick<Metrics, "text" | "charts" | "totals">;
  /** Compares a token with METRICS_TOKEN. Without it, only this machine's users see metrics. */
  readonly isToken?: ((token: string) => boolean) | undefined;
  /** Whether anyone may list a room's members, because the chat has no access code. */
  readonly isOpen: boolean;
  /**
   * Returns a sentence on why messages cannot be stored now, or `undefined` if they can.
   * Called at most once a second.
   */
  readonly notReadyReason: () => string | undefined;
  /** Called if no connection could be accepted for 30 s. Must not throw. */
  readonly onExhausted: (error: unknown) => void;
  readonly log: Pick<Logs, "access" | "warn" | "error">;
  /** Monotonic time in ms. */
  readonly now: () => number;
}
