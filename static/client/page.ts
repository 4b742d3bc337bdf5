// The interface of the page to the views that load after it.

import type { ChatClient } from "./state/chat_client.ts";
import type { Profile } from "./state/profile.ts";
import type { Room } from "./state/room.ts";
import type { KeyValue } from "./state/storage.ts";
import type { PageSettings } from "./views/appearance.ts";
import type { Failure } from "./words/language.ts";

export interface Page {
  readonly chat: ChatClient;
  readonly settings: PageSettings;
  readonly profile: Profile;
  /** The current room; `undefined` only until the first one has opened. */
  readonly room: Room | undefined;
  /** Shows a room. Returns the reason if it cannot. */
  showRoom(name: string): Failure | undefined;
  /** Shows a room, or the reason if it cannot. */
  openRoom(name: string): void;
  /** Leaves the current room. Returns the reason if it cannot. */
  leaveRoom(): Failure | undefined;
  /** Shows below the composer why an action failed. */
  showFailure(failure: Failure | undefined): void;
  /** Makes this browser use another identity. */
  replaceProfile(profile: Profile): void;
  signOut(): void;
  /** Signs out for good. Returns the storages to clear. */
  forgetDevice(): readonly KeyValue[];
  redraw(): void;
}
