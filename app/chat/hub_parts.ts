// All parts of a hub. Each owns its state.

import type { LeftReason } from "../protocol/wire.ts";
import type { AppendResult } from "./broker.ts";
import { EntryCommands } from "./entry_commands.ts";
import { Heartbeats } from "./heartbeats.ts";
import { HubCore } from "./hub_core.ts";
import { LogReader } from "./log_reader.ts";
import { Members } from "./members.ts";
import { Moderation } from "./moderation.ts";
import type { ActiveSession } from "./session.ts";
import type { SentDraft } from "./writer.ts";

/** Adds the parts that need the core. */
export class HubParts extends HubCore {
  readonly members = new Members(this);
  readonly reader = new LogReader(this, this.members);
  readonly entries = new EntryCommands(this);
  readonly heartbeats = new Heartbeats(this);
  readonly moderation = new Moderation(this);

  protected override onAppended(
    batch: readonly SentDraft[],
    results: readonly AppendResult[],
  ): void {
    this.entries.appended(batch, results);
  }

  protected override onForget(active: ActiveSession, reason: LeftReason | undefined): void {
    this.reader.drop(active);
    for (const subscription of active.subscriptions.values()) {
      this.members.unsubscribe(subscription, reason);
    }
    this.members.removeSession(active, reason);
  }
}
