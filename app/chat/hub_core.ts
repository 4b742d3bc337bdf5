// The parts of a hub that the others build on.

import type { Command, LeftReason } from "../protocol/wire.ts";
import { AccessGuard } from "./access.ts";
import type { AppendResult } from "./broker.ts";
import { NameChanges } from "./name_changes.ts";
import { Outbound } from "./outbound.ts";
import type { HubPorts, HubSettings } from "./ports.ts";
import { Quotas } from "./quotas.ts";
import { Rooms } from "./rooms.ts";
import type { ActiveSession, Session } from "./session.ts";
import { Searches } from "./searches.ts";
import { Sessions } from "./sessions.ts";
import { Ticker } from "./ticker.ts";
import { Writer } from "./writer.ts";
import type { SentDraft } from "./writer.ts";

/** The parts that don't need the members, with hooks for those that do. */
export abstract class HubCore {
  readonly ports: HubPorts;
  readonly settings: HubSettings;
  readonly access: AccessGuard;
  readonly quotas: Quotas;
  readonly searches: Searches;
  readonly rooms: Rooms;
  readonly ticker: Ticker;
  readonly nameChanges: NameChanges;
  readonly outbound: Outbound;
  readonly writer: Writer;
  readonly sessions: Sessions;

  /** `handle` handles a session's command that was held back. */
  constructor(
    ports: HubPorts,
    settings: HubSettings,
    tick: () => void,
    handle: (session: Session, command: Command) => void,
  ) {
    const { access, broker, clock, scheduler } = ports;
    this.ports = ports;
    this.settings = settings;
    this.access = new AccessGuard(clock, access);
    const quotas = this.quotas = new Quotas(clock, settings);
    this.searches = new Searches(ports, quotas);
    const rooms = this.rooms = new Rooms(broker, settings.joinLines);
    const ticker = this.ticker = new Ticker(scheduler, tick);
    this.nameChanges = new NameChanges(ports, ticker);
    const outbound = this.outbound = new Outbound({
      ports,
      settings,
      ticker,
      rooms,
      onSlowConsumer: (session) => this.sessions.endSlow(session),
    });
    const writer = this.writer = new Writer(
      ports,
      ticker,
      (batch, results) => this.onAppended(batch, results),
    );
    const onForget = (active: ActiveSession, reason?: LeftReason) => this.onForget(active, reason);
    this.sessions = new Sessions({ ports, quotas, outbound, writer, handle, onForget });
  }

  /** Handles the results of a batch of drafts; there are none if the broker failed. */
  protected abstract onAppended(
    batch: readonly SentDraft[],
    results: readonly AppendResult[],
  ): void;

  /**
   * Forgets a session. With a reason, its member leaves its rooms; without one, the grace begins.
   */
  protected abstract onForget(active: ActiveSession, reason: LeftReason | undefined): void;
}
