// The parts of a hub. Each owns its state and reaches the others through this object.

import type { Command } from "../protocol/wire.ts";
import { AccessGuard } from "./access.ts";
import { EntryCommands } from "./entry_commands.ts";
import { Heartbeats } from "./heartbeats.ts";
import { LogReader } from "./log_reader.ts";
import { Members } from "./members.ts";
import { Moderation } from "./moderation.ts";
import { Outbound } from "./outbound.ts";
import type { HubPorts, HubSettings } from "./ports.ts";
import { Quotas } from "./quotas.ts";
import { Rooms } from "./rooms.ts";
import type { Session } from "./session.ts";
import { Sessions } from "./sessions.ts";
import { Ticker } from "./ticker.ts";
import { Writer } from "./writer.ts";

export class HubParts {
  readonly ports: HubPorts;
  readonly settings: HubSettings;
  /** Handles a command of a session, also one that was held back. */
  readonly handle: (session: Session, command: Command) => void;
  readonly access: AccessGuard;
  readonly quotas: Quotas;
  readonly rooms: Rooms;
  readonly ticker: Ticker;
  readonly sessions = new Sessions(this);
  readonly outbound = new Outbound(this);
  readonly writer = new Writer(this);
  readonly reader = new LogReader(this);
  readonly entries = new EntryCommands(this);
  readonly heartbeats = new Heartbeats(this);
  readonly members: Members;
  readonly moderation: Moderation;

  constructor(
    ports: HubPorts,
    settings: HubSettings,
    tick: () => void,
    handle: (session: Session, command: Command) => void,
  ) {
    const { access, broker, clock, scheduler } = ports;
    this.ports = ports;
    this.settings = settings;
    this.handle = handle;
    this.access = new AccessGuard(clock, access);
    this.quotas = new Quotas(clock, settings);
    this.rooms = new Rooms(broker, settings.joinLines);
    this.ticker = new Ticker(scheduler, tick);
    this.members = new Members(this);
    this.moderation = new Moderation(this);
  }
}
