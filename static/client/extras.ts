// What the first view does without, and loads after it: the status line, dialogs, notifications,
// the service worker, and new versions.

import { registerWorker } from "./register_worker.ts";
import type { ChatClient } from "./state/chat_client.ts";
import type { Room } from "./state/room.ts";
import type { TabOutbox } from "./state/tab_outbox.ts";
import { mountDialogs } from "./views/dialogs.ts";
import type { DialogActions } from "./views/dialogs.ts";
import { mountNotifications } from "./views/notifications.ts";
import type { NotificationActions } from "./views/notifications.ts";
import { mountStatusLine, signInDelay } from "./views/status_line.ts";
import { panelWords } from "./words/language.ts";

/** Time that open tabs have to answer, and a reloading one to come back. */
const rollCallMs = 4_000;
const rollCallIntervalMs = 20_000;

/** What the extras ask of the page. */
export interface ExtrasActions extends DialogActions, Omit<NotificationActions, "title"> {
  readonly store: TabOutbox;
  redraw(): void;
}

/** The extras of the page. */
export type Extras = Awaited<ReturnType<typeof mountExtras>>;

/** Mounts the extras. */
export async function mountExtras(chat: ChatClient, actions: ExtrasActions) {
  const words = await panelWords();
  const statusLine = mountStatusLine(words, chat, actions.redraw);
  adoptMessages(chat, actions.store);
  registerWorker(`${actions.home}service_worker.js`);
  return {
    dialogs: mountDialogs(words, chat, actions),
    notifications: mountNotifications({ ...actions, title: words.notificationTitle }),
    signInDelay: () => signInDelay(chat),
    /** Draws the status line. Returns false while the connection is lost. */
    update: (room: Room) => statusLine.update(room),
  };
}

/** Takes over the unsent messages of tabs that have closed or crashed. */
function adoptMessages(chat: ChatClient, store: TabOutbox): void {
  const callRoll = () => {
    const calledAt = store.callRoll();
    if (calledAt !== undefined) setTimeout(() => chat.adopt(calledAt), rollCallMs);
  };
  callRoll();
  setInterval(callRoll, rollCallIntervalMs);
  addEventListener("storage", ({ key, newValue }) => {
    if (store.onStorageEvent(key, newValue)) callRoll();
  });
}
