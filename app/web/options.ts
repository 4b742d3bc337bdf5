// The settings of the web server, and the parts of the program that it works with.

import type { ChatHub } from "../chat/chat_hub.ts";
import type { Visitors } from "../chat/visitors.ts";
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

export interface WebOptions {
  readonly hostname: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Absent without TLS, or if a proxy terminates it. */
  readonly certificate?: Certificate | undefined;
  readonly hub: Hub;
  readonly assets: Assets;
  readonly metrics: Pick<Metrics, "text" | "charts" | "totals">;
  /** Origins whose pages may use the chat, in addition to its own. */
  readonly allowedOrigins: readonly string[];
  /** Allowed host names in addition to the default ones, in lower case and without a port. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may embed the chat in a frame. */
  readonly frameAncestors: readonly string[];
  /** Number of trusted proxies in front of the server. */
  readonly trustProxy: number;
  /** Max connections; 0 is unlimited. */
  readonly maxConnections: number;
  /** Max connections per network; 0 is unlimited. Private networks and this machine get more. */
  readonly maxConnectionsPerAddress: number;
  /** Compares a token with METRICS_TOKEN. Without it, only this machine's users see metrics. */
  readonly isToken?: ((token: string) => boolean) | undefined;
  /** Whether anyone may list a room's members, because the chat has no access code. */
  readonly isOpen: boolean;
  /** Whether everyone with access to the chat may list its rooms. */
  readonly hasDirectory: boolean;
  /** Whether pages reload themselves when the server restarts. */
  readonly dev: boolean;
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
