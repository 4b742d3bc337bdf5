// Mounts the page: makes the chat, joins its parts to it, and draws when something changed.

import { isRoomName, parseUsername } from "../../app/protocol/text.ts";
import { basePath, connectionPorts, linkAtLoad, randomId, storageOf, takeLink } from "./browser.ts";
import { ChatClient } from "./state/chat_client.ts";
import type { Profile, SignInState } from "./state/chat_client.ts";
import { mountComposer } from "./views/composer.ts";
import { button, byId, element, setText } from "./views/dom.ts";
import { mountConversation } from "./views/conversation.ts";
import { mountNamePrompt } from "./views/name_prompt.ts";
import { mountSidebars } from "./views/sidebars.ts";
import { mountSettings } from "./views/appearance.ts";
import { restoreSnapshot, saveSnapshots } from "./state/snapshots.ts";
import type { Message, Room } from "./state/room.ts";
import { connectionProblem, mountStatusLine } from "./views/status_line.ts";
import { keysWithPrefix, readJson, removeKey, TabOutbox, writeJson } from "./state/storage.ts";
import { panelWords, words } from "./words/language.ts";
import type { Complaint } from "./words/language.ts";
import type { Dialogs } from "./views/dialogs.ts";

const profileKey = "parley.profile";
const roomsKey = "parley.rooms";
const readKey = "parley.read";
const aliveEveryMs = 20_000;
const tooManyRooms: Complaint = { code: "too_many_rooms", message: "" };
const roomInvalid: Complaint = { code: "room_invalid", message: "" };

const shared = storageOf("localStorage");
const own = storageOf("sessionStorage");
const settings = mountSettings(shared);
const store = new TabOutbox(shared, own, () => randomId(12), Date.now);
let isDrawDue = false;
let keptNames = "";
const chat = new ChatClient({
  connection: connectionPorts,
  outbox: { store, now: Date.now, newNonce: () => randomId(12) },
  tab: randomId(12),
  onChange: drawSoon,
  onMessage: tell,
});

const read = readOffsets();
for (const name of keptRooms()) open(name);
let shown = "";
/** Why a room that was wanted is not shown, until it is said. */
let refused = goTo(roomOfAddress());
for (const room of chat.rooms.values()) restoreSnapshot(shared, room);

const app = byId("app");
let profile = keptProfile();
const prompt = mountNamePrompt(shown, profile.username, (username, access) => {
  profile = { ...profile, username, ...(access === undefined ? {} : { access }) };
  enter(profile);
});
const composer = mountComposer(chat, shared, { command, sent: () => messages.goToEnd() });
const messages = mountConversation(chat, {
  read: drawSoon,
  invite: (place) => inPanels(({ invite }) => invite(place)),
  edit(message) {
    const text = chat.discard(message)?.text;
    if (text !== undefined) composer.edit(text);
  },
});
const sides = mountSidebars(chat, { show, me: () => inPanels((panels) => panels.me(shown)) });
const status = mountStatusLine(chat, drawSoon);

let panels: Dialogs | undefined;
let voice: Promise<Voice> | undefined;
/** What stands on the icon; at first that is what an earlier visit left there. */
let badge: number | undefined;
/** What this browser keeps is another's from now on, or nobody's. */
let isOver = false;
/** What the prompt has been told. */
let asked: SignInState | undefined;

if (profile.username === "") drawEntry();
else enter(profile);
adopt(linkAtLoad);

addEventListener("hashchange", () => adopt(takeLink()));
// Another tab has read, has another name, or has forgotten this one.
addEventListener("storage", ({ key }) => {
  if (key === readKey) readOffsets().forEach((offset, name) => chat.markReadUpTo(name, offset));
  if (isOver || key !== profileKey || keptProfile().token === profile.token) return;
  isOver = true;
  location.reload();
});
addEventListener("popstate", () => {
  refused = goTo(roomOfAddress());
  sides.close();
  drawSoon();
});
addEventListener("online", () => chat.checkConnection());
addEventListener("offline", drawSoon);
addEventListener("pagehide", () => {
  store.release();
  keepSnapshots();
});
addEventListener("pageshow", () => store.heartbeat());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) keepSnapshots();
  else chat.checkConnection();
  messages.visibilityChanged();
  drawSoon();
});
setInterval(() => {
  store.heartbeat();
  keepSnapshots();
}, aliveEveryMs);
// There is no service worker on a plain http address; the page itself then needs its server, and nothing else does.
navigator.serviceWorker?.register(`${basePath}/service_worker.js`).catch(() => {});

// ------------------------------------------------------------------ drawing

function drawSoon(): void {
  if (isDrawDue) return;
  isDrawDue = true;
  // A hidden page gets no frames, but its title still counts.
  if (document.hidden) setTimeout(draw, 0);
  else requestAnimationFrame(draw);
}

function draw(): void {
  isDrawDue = false;
  drawEntry();
  // The server may have refused the room that is shown.
  if (!chat.rooms.has(shown)) refused = goTo([...chat.rooms.keys()].at(-1) ?? "lobby");
  const room = chat.rooms.get(shown);
  if (room === undefined) return;
  if (!app.hidden) {
    composer.update(room);
    if (refused !== undefined) void composer.complain(refused);
    refused = undefined;
    const isCalm = status.update(room);
    messages.update(room);
    // Last, since what is shown now is read.
    sides.update(room, isCalm);
  }
  const unread = [...chat.rooms.values()].reduce((sum, { unread }) => sum + unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}#${shown} · Parley`;
  if (unread !== badge) navigator.setAppBadge?.(unread).catch(() => {});
  badge = unread;
  keep();
}

/** Shows the prompt or the chat: the chat once somebody is in, and from then on; sooner where there is something to show. */
function drawEntry(): void {
  const { signInState } = chat;
  if (signInState.kind === "in") {
    if (!app.hidden) return;
    prompt.hide();
    app.hidden = false;
  } else if (signInState.kind === "asking") {
    app.hidden = true;
    // Once: the person is typing the next name.
    if (asked !== signInState) prompt.show(signInState);
    asked = signInState;
  } else if (app.hidden && (chat.rooms.get(shown)?.messages.length ?? 0) > 0) {
    prompt.hide();
    app.hidden = false;
  } else if (app.hidden) {
    prompt.wait(connectionProblem(chat) ?? chat.problem);
  }
}

// ------------------------------------------------------------------ verbs

function enter(entered: Profile): void {
  writeJson(shared, profileKey, entered);
  chat.signIn(entered);
}

function open(name: string): boolean {
  const isOpen = chat.openRoom(name);
  const room = chat.rooms.get(name);
  if (room !== undefined && room.readOffset === 0) room.readOffset = read.get(name) ?? 0;
  return isOpen;
}

function show(name: string): Complaint | undefined {
  if (!open(name)) return isRoomName(name) ? tooManyRooms : roomInvalid;
  if (name !== shown) history.pushState(null, "", addressOf(name));
  shown = name;
  sides.close();
  drawSoon();
  return undefined;
}

/** Shows the room of the address, or what there is when it cannot be had. Answers why not. */
function goTo(name: string): Complaint | undefined {
  const isOpen = open(name);
  if (isOpen) shown = name;
  else if (!chat.rooms.has(shown)) shown = [...chat.rooms.keys()].at(-1) ?? "lobby";
  if (roomOfAddress() !== shown) history.replaceState(null, "", addressOf(shown));
  return isOpen ? undefined : tooManyRooms;
}

function leave(name: string): Complaint | undefined {
  const others = [...chat.rooms.keys()].filter((other) => other !== name);
  const next = others.at(-1) ?? "lobby";
  if (name === next) return (words) => words.onlyRoom;
  if (!chat.leaveRoom(name)) return (words) => words.unsentHere;
  return show(next);
}

/** Opens one of the panels, whose code comes when it is first wanted. */
async function inPanels(use: (panels: Dialogs) => void): Promise<void> {
  try {
    panels ??= await loadPanels();
    use(panels);
  } catch {
    void composer.complain(() => words.loadFailed);
  }
}

async function loadPanels(): Promise<Dialogs> {
  const [{ mountDialogs }, sentences] = await Promise.all([
    import("./views/dialogs.ts"),
    panelWords(),
  ]);
  const lent = { button, byId, element, setText, parseUsername, words, sentences };
  return mountDialogs(lent, chat, {
    settings,
    signOut,
    profile,
    home: `${location.origin}${basePath}/`,
    become(other) {
      isOver = true;
      writeJson(shared, profileKey, other);
      location.reload();
    },
    forget() {
      isOver = true;
      signOut();
      for (const storage of [shared, own]) {
        for (const key of keysWithPrefix(storage, "parley.")) removeKey(storage, key);
      }
      location.replace(`${basePath}/`);
    },
    tryOut: () => speak(({ play }) => play()),
  });
}

function signOut(): void {
  chat.signOut();
  saveSnapshots(shared, []);
}

/** A name that came with the address. */
function adopt(link: ReturnType<typeof takeLink>): void {
  if (link !== undefined) void inPanels((panels) => panels.adopt(link));
}

// ------------------------------------------------------------------ telling

type Voice = ReturnType<
  typeof import("./views/notifications.ts").mountNotifications
>;

/** Tells of a message outside the page, where that is wanted. */
function tell(room: Room, message: Message, mentionsMe: boolean): void {
  const { sound, notify } = settings.now;
  const when = notify.get(room.name) ?? "mention";
  if (when === "always" || (when === "mention" && mentionsMe)) {
    speak((voice) => voice.arrived(room.name, message, sound));
  }
}

async function speak(use: (voice: Voice) => void): Promise<void> {
  try {
    voice ??= mountVoice();
    use(await voice);
  } catch {
    // The next message tries again.
    voice = undefined;
  }
}

async function mountVoice(): Promise<Voice> {
  const [{ mountNotifications }, { notificationTitle }] = await Promise.all([
    import("./views/notifications.ts"),
    panelWords(),
  ]);
  return mountNotifications({ show, title: notificationTitle, addressOf });
}

/** Carries a slash command out. */
function command(command: string, argument: string): Complaint | undefined {
  switch (command) {
    case "/nick": {
      const parsed = parseUsername(argument);
      if (!parsed.ok) return parsed.message;
      chat.rename(parsed.value);
      return undefined;
    }
    case "/join":
      return show(argument.replace(/^#/, "").toLowerCase());
    case "/leave":
      return leave(shown);
    case "/who":
      sides.showPeople();
      return undefined;
    case "/help":
      void inPanels((panels) => panels.help());
      return undefined;
    default:
      return (words) => words.unknownCommand(command);
  }
}

// ------------------------------------------------------------------ address and storage

function roomOfAddress(): string {
  const [, name = "lobby"] = /\/r\/([^/]*)$/.exec(location.pathname) ?? [];
  return isRoomName(name) ? name : "lobby";
}

function addressOf(name: string): string {
  return name === "lobby" ? `${basePath}/` : `${basePath}/r/${name}`;
}

function keptProfile(): Profile {
  const { username, token, access } = Object(readJson(shared, profileKey)) as {
    readonly [K in keyof Profile]?: unknown;
  };
  const profile = {
    username: typeof username === "string" && parseUsername(username).ok ? username : "",
    token: typeof token === "string" && /^[\w-]{43}$/.test(token) ? token : randomId(32),
    ...(typeof access === "string" && access.length <= 256 ? { access } : {}),
  };
  // Before the first hello, so that a lost answer does not lose the name.
  writeJson(shared, profileKey, profile);
  return profile;
}

function keptRooms(): string[] {
  const kept = readJson(shared, roomsKey);
  if (!Array.isArray(kept)) return [];
  return kept.filter((name): name is string => typeof name === "string" && isRoomName(name));
}

function readOffsets(): Map<string, number> {
  const isOffset = (entry: [string, unknown]): entry is [string, number] =>
    Number.isSafeInteger(entry[1]);
  return new Map(Object.entries(Object(readJson(shared, readKey))).filter(isOffset));
}

/** Only of somebody who is in or comes back: who left has taken everything along. */
function keepSnapshots(): void {
  if (!isOver && chat.signInState.kind !== "asking") saveSnapshots(shared, chat.rooms.values());
}

function keep(): void {
  if (isOver) return;
  const rooms = [...chat.rooms.values()];
  const isNew = rooms.some(({ name, readOffset: offset }: Room) => read.get(name) !== offset);
  if (isNew) {
    for (const room of rooms) read.set(room.name, room.readOffset);
    writeJson(shared, readKey, Object.fromEntries(read));
  }
  const names = rooms.map(({ name }) => name);
  if (names.join() !== keptNames) {
    keptNames = names.join();
    writeJson(shared, roomsKey, names);
  }
  if (chat.username !== "" && chat.username !== profile.username && chat.isReady) {
    profile = { ...profile, username: chat.username };
    writeJson(shared, profileKey, profile);
  }
}
