// What the views that load after the page ask of it.

import type { Profile } from "./state/profile.ts";
import type { Settings } from "./state/settings.ts";
import type { KeyValue } from "./state/storage.ts";
import type { Complaint } from "./words/language.ts";

/** The page, as those views use it. */
export interface PageActions {
  readonly settings: { readonly current: Settings; change(part: Partial<Settings>): void };
  readonly profile: Profile;
  readonly defaultRoom: string;
  readonly currentRoom: string;
  /** The path of the page without a room. */
  readonly home: string;
  /** Returns the path of a room, or of a message in it. */
  addressOf(room: string, offset?: number): string;
  /** Shows a room. Returns a complaint if it cannot. */
  showRoom(name: string): Complaint | undefined;
  /** Leaves the current room. Returns a complaint if it cannot. */
  leaveRoom(): Complaint | undefined;
  /** Shows a room, or why it cannot. */
  openRoom(name: string): void;
  /** Marks the current room read. */
  markRead(): void;
  /** Makes this browser use another identity. */
  replaceProfile(profile: Profile): void;
  signOut(): void;
  /** Signs out for good. Returns the storages to clear. */
  forgetDevice(): readonly KeyValue[];
  redraw(): void;
}
