// The parts of the page that load after its first view, with their words.

import { cleanTitle } from "../../app/protocol/titles.ts";
import { isPrivateRoom } from "../../app/protocol/text.ts";
import { parseUsername } from "../../app/protocol/usernames.ts";
import { initialFragment, takeFragment } from "./address.ts";
import { basePath, connectionPorts, storageOf } from "./browser.ts";
import "./first_script.ts";
import type { Page } from "./page.ts";
import { registerWorker } from "./register_worker.ts";
import type { ChatClient } from "./state/chat_client.ts";
import { hiddenKey, HiddenMembers } from "./state/hidden_members.ts";
import { memberOf } from "./state/member_id.ts";
import { patientDial } from "./state/patient_dial.ts";
import { isToken } from "./state/profile.ts";
import type { Room } from "./state/room.ts";
import { saveSnapshots } from "./state/snapshot_writer.ts";
import type { TabOutbox } from "./state/tab_outbox.ts";
import type { UnreadCount } from "./state/unread.ts";
import { mountComposerAids } from "./views/composer_aids.ts";
import { mountConversationAids } from "./views/conversation_aids.ts";
import { mountDialogs } from "./views/dialogs.ts";
import { byId } from "./views/dom.ts";
import { mountMessageMenu } from "./views/message_menu.ts";
import { mountNavigation } from "./views/navigation.ts";
import { mountNotifications } from "./views/notifications.ts";
import { followOtherTabs } from "./views/other_tabs.ts";
import { mountPeople } from "./views/people.ts";
import { mountPermalinks } from "./views/permalinks.ts";
import { mountPrivateRooms } from "./views/private_rooms.ts";
import { isSearchShortcut } from "./views/shortcuts.ts";
import { mountStatusLine, signInNotice } from "./views/status_line.ts";
import { mountTitle } from "./views/title.ts";
import type { ComposerParts } from "./views/writing.ts";
import { panels } from "./words/language.ts";
import type { Failure } from "./words/language.ts";

export { mountNamePrompt } from "./views/name_prompt.ts";

/** How long open tabs have to reply to a poll, and a reloading tab has to return. */
const tabReplyMs = 4_000;
const tabPollIntervalMs = 20_000;
/** How often to check whether the device has slept. */
const wakeIntervalMs = 5_000;
/** A longer gap between two checks means that it has. */
const sleepMs = 15_000;

export type Extras = ReturnType<typeof mountExtras>;

export function mountExtras(
  page: Page,
  store: TabOutbox,
  composer: ComposerParts,
) {
  const { chat } = page;
  adoptMessages(chat, store);
  connectionPorts.dial = patientDial(connectionPorts.dial, async () => {
    const response = await fetch(`${basePath}/ws`, { method: "POST", redirect: "manual" });
    // A proxy replies with 5xx if the server is down.
    return response.status < 500;
  });
  // Offline, no server says which messages are this member's.
  memberOf(page.profile.token).then((member) => {
    chat.session.member ||= member;
    page.redraw();
  }).catch(() => {});
  registerWorker(`${basePath}/service_worker.js`);
  const hidden = new HiddenMembers(storageOf("localStorage"));
  chat.hidden = hidden;
  hidden.onChange = () => chat.recountMentions();
  addEventListener("storage", ({ key }) => {
    if (key === null || key === hiddenKey) hidden.load();
  });
  const dialogs = mountDialogs(page, hidden);
  byId<"button">("all-rooms").addEventListener("click", dialogs.openDirectory);
  byId<"button">("me").addEventListener("click", dialogs.openSettings);
  const navigation = mountNavigation(page);
  const people = mountPeople(chat.session, dialogs.openMember);
  const composerAids = mountComposerAids(chat, composer);
  const { writing } = composerAids;
  const permalinks = mountPermalinks(page);
  const menu = mountMessageMenu(page, writing, dialogs.openMember);
  const openSearch = (query: string) => dialogs.openSearch(query, permalinks.open);
  // A key for an input method is no shortcut. Safari reports the last one by key code 229 only.
  addEventListener("keydown", (event) => {
    if (event.isComposing || event.keyCode === 229) event.stopImmediatePropagation();
  }, { capture: true });
  document.addEventListener("keydown", (event) => {
    if (!isSearchShortcut(event) || byId<"div">("app").hidden) return;
    event.preventDefault();
    openSearch("");
  });
  const privateRooms = mountPrivateRooms(page, dialogs.open);
  followOtherTabs(page, privateRooms.refresh);
  const statusLine = mountStatusLine(chat, page.redraw);
  const offerName = (fragment: string) => {
    const fields = new URLSearchParams(fragment);
    const token = fields.get("token");
    if (!isToken(token) || token === page.profile.token) return;
    const rooms = new Map(
      fields.getAll("room").map((room) => {
        const [name = "", secret = "", ...label] = room.split(" ");
        return [name, { secret, label: label.join(" ") }] as const;
      }).filter(([name, { secret }]) => isPrivateRoom(name) && isToken(secret)),
    );
    // Punctuation may have been copied with the link. A name can end with a parenthesis.
    const username = fields.get("name")?.replace(/(?<!\([^)]*)[\p{P}\p{S}]+$/u, "") ?? "";
    dialogs.offerName({ username, token }, rooms);
  };
  offerName(initialFragment);
  addEventListener("hashchange", () => {
    // The link of the current private room, now with its key. Punctuation may follow it.
    if (isToken(location.hash.slice(1, 44))) location.reload();
    else offerName(takeFragment());
  });
  addEventListener("online", () => chat.connection.check());
  checkAfterSleep(chat);
  addEventListener("offline", page.redraw);
  const commands = new Map<string, (argument: string) => Failure | undefined | void>([
    ["/nick", (argument) => {
      const parsed = parseUsername(argument);
      return parsed.ok ? chat.rename(parsed.value) : parsed;
    }],
    ["/me", () => ({ code: "text_empty", message: "" })],
    ["/join", navigation.showTyped],
    ["/leave", page.leaveRoom],
    ["/title", (argument) => {
      // A private room has no title, only a label in this browser.
      if (isPrivateRoom(page.room?.name ?? "")) return privateRooms.openRoom();
      if (argument === "") return dialogs.openTitles();
      const cleaned = cleanTitle(argument);
      if (!cleaned.ok) return cleaned;
      return page.room && chat.post(page.room.name, { type: "title", text: cleaned.value });
    }],
    ["/moderate", dialogs.openModeration],
    ["/who", navigation.showPeople],
    ["/search", openSearch],
    ["/help", dialogs.openHelp],
  ]);
  const drawTitle = mountTitle();
  return {
    dialogs,
    composerAids,
    conversationAids: mountConversationAids(page, writing, permalinks),
    navigation,
    /** Draws the page's title, and shows the current room's entry. Call it after all lists. */
    drawTitle(room: string, counts: UnreadCount): void {
      drawTitle(room, counts);
      navigation.showEntry(room);
    },
    signInNotice: () => signInNotice(chat),
    notifications: mountNotifications(page),
    saveSnapshots,
    /** Draws the parts that depend on the connection. */
    update(room: Room): void {
      people.update(room, statusLine.update(room));
      writing.update(room);
      privateRooms.update(room);
      permalinks.update(room);
    },
    /** Draws the parts that depend on the drawn conversation. */
    afterConversation(room: Room): void {
      permalinks.mark(room);
      menu.update();
    },
    /** Called once the composer's text was sent. Returns whether it was an edit. */
    onSent(): boolean {
      if (writing.onSent()) return true;
      permalinks.leave();
      return false;
    },
    /** Runs a slash command. Returns the reason if that fails. */
    runCommand(command: string, argument: string): Failure | undefined {
      // Hide the problem of an earlier command.
      chat.problem = undefined;
      page.redraw();
      const run = commands.get(command);
      return run === undefined ? () => panels.unknownCommand(command) : run(argument) ?? undefined;
    },
  };
}

/** Checks the connection after the device has slept, which browsers don't report. */
function checkAfterSleep({ connection }: ChatClient): void {
  let last = Date.now();
  setInterval(() => {
    const now = Date.now();
    // Browsers also pause the timers of hidden pages.
    if (now - last > sleepMs && !document.hidden) connection.check();
    last = now;
  }, wakeIntervalMs);
}

/** Takes over the unsent messages of tabs that have closed or crashed. */
function adoptMessages(chat: ChatClient, store: TabOutbox): void {
  const pollTabs = () => {
    const polledAt = store.pollTabs();
    if (polledAt !== undefined) setTimeout(() => chat.adopt(polledAt), tabReplyMs);
  };
  pollTabs();
  setInterval(pollTabs, tabPollIntervalMs);
  addEventListener("storage", ({ key, newValue }) => {
    if (store.onStorageEvent(key, newValue)) pollTabs();
  });
}
