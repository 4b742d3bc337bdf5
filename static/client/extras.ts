// What the first view does without, and loads after it: the status line, dialogs, notifications,
// the service worker, and new versions.

import { registerWorker } from "./register_worker.ts";
import type { ChatClient } from "./state/chat_client.ts";
import type { Room } from "./state/room.ts";
import { mountDialogs } from "./views/dialogs.ts";
import type { DialogActions } from "./views/dialogs.ts";
import { mountNotifications } from "./views/notifications.ts";
import type { NotificationActions } from "./views/notifications.ts";
import { mountStatusLine, signInDelay } from "./views/status_line.ts";
import { panelWords } from "./words/language.ts";

/** What the extras ask of the page. */
export interface ExtrasActions extends DialogActions, Omit<NotificationActions, "title"> {
  redraw(): void;
}

/** The extras of the page. */
export type Extras = Awaited<ReturnType<typeof mountExtras>>;

/** Mounts the extras. */
export async function mountExtras(chat: ChatClient, actions: ExtrasActions) {
  const words = await panelWords();
  const statusLine = mountStatusLine(words, chat, actions.redraw);
  registerWorker(`${actions.home}service_worker.js`);
  return {
    dialogs: mountDialogs(words, chat, actions),
    notifications: mountNotifications({ ...actions, title: words.notificationTitle }),
    signInDelay: () => signInDelay(chat),
    /** Draws the status line. Returns false while the connection is lost. */
    update: (room: Room) => statusLine.update(room),
  };
}
