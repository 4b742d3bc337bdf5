// Starts the page: creates the chat client, mounts the views, and redraws them on every change.

import { addressOf, defaultRoom, initialFragment, roomInAddress } from "./address.ts";
import { connectionPorts, randomId, storageOf } from "./browser.ts";
import { isPrivateRoom } from "../../app/protocol/text.ts";
import type { Extras } from "./extras.ts";
import { load, loadWithRetries } from "./load.ts";
import type { Page } from "./page.ts";
import { ChatClient } from "./state/chat_client.ts";
import {
  loadOpenRooms,
  loadReadOffsets,
  saveOpenRooms,
  saveReadOffsets,
} from "./state/open_rooms.ts";
import { loadProfile, profileKey, saveProfile } from "./state/profile.ts";
import type { Profile } from "./state/profile.ts";
import { countUnread } from "./state/unread.ts";
import { restoreSnapshot } from "./state/snapshots.ts";
import type { SignInState } from "./state/session.ts";
import { TabOutbox } from "./state/tab_outbox.ts";
import { mountSettings } from "./views/appearance.ts";
import { mountComposer } from "./views/composer.ts";
import { mountConversation } from "./views/conversation.ts";
import { byId } from "./views/dom.ts";
import type { NamePrompt } from "./views/name_prompt.ts";
import { mountSidebars } from "./views/sidebars.ts";
import { loadWords, panelWords } from "./words/language.ts";
import type { Failure } from "./words/language.ts";

await loadWords();

const heartbeatMs = 20_000;
const tooManyRooms: Failure = { code: "too_many_rooms", message: "" };

const shared = storageOf("localStorage");
const own = storageOf("sessionStorage");
const settings = mountSettings(shared, drawSoon);
const store = new TabOutbox(shared, own, () => randomId(12), Date.now);
let isDrawPending = false;
const chat = new ChatClient({
  connection: connectionPorts,
  outbox: { store, now: Date.now, newNonce: () => randomId(12) },
  tab: randomId(12),
  // Until the extras have loaded, nothing counts as a mention. Then mentions are recounted.
  mentions: (text, reader) => extras?.conversationAids.formatter.mentions(text, reader) ?? false,
  onChange: drawSoon,
  onMessage({ name }, message, isMention) {
    extras?.notifications.onMessage(name, message, isMention);
  },
  onDelete({ name }, offsets) {
    extras?.notifications.onDelete(name, offsets);
    // Don't leave the deleted text in the last snapshot.
    saveRoomSnapshots();
  },
});

const { session } = chat;
let profile = loadProfile(shared, () => randomId(32));
// Store the token before the first hello: if the reply is lost, the name still belongs to it.
saveProfile(shared, profile);

const readOffsets = loadReadOffsets(shared);
let savedRooms = "";
const openRooms = loadOpenRooms(shared);
const hasPrivate = [roomInAddress(), ...openRooms].some(isPrivateRoom);
const privateRooms = hasPrivate ? await loadPrivateRooms() : undefined;
for (const name of openRooms) openRoom(name);
let current = "";
/** Why the room in the address cannot be shown. Cleared once the composer shows it. */
let failure = goTo(roomInAddress());
for (const room of chat.rooms.values()) {
  privateRooms?.prepare(room);
  restoreSnapshot(shared, room);
}

/** Whether this tab or another one has replaced the stored identity. */
let isReplaced = false;
let drawnSignIn: SignInState | undefined;
let extras: Extras | undefined;

byId<"p">("not-started").remove();
const app = byId<"div">("app");
let prompt: Promise<NamePrompt> | undefined;
const composer = mountComposer(chat, [shared, own], {
  command: (name, argument) => extras?.runCommand(name, argument),
  send: (room, text) => (extras?.composerAids.writing ?? chat).send(room, text),
  onSent() {
    if (!extras?.onSent()) conversation.goToEnd();
  },
});
const conversation = mountConversation(chat, drawSoon, () => extras?.conversationAids);
const sidebars = mountSidebars(chat, tryRoom, (name) => showFailure(leaveRoom(name)));

void loadWithRetries(loadExtras);
if (profile.username === "") drawSignIn();
else signIn(profile);

addEventListener("storage", ({ key }) => {
  if (isReplaced || key !== profileKey) return;
  if (loadProfile(shared, () => "").token !== profile.token) reload();
});
addEventListener("popstate", () => {
  failure = goTo(roomInAddress());
  extras?.navigation.closeDrawers();
  draw();
});
addEventListener("pagehide", () => {
  store.release();
  saveRoomSnapshots();
});
addEventListener("pageshow", () => store.heartbeat());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) saveRoomSnapshots();
  else chat.connection.check();
  conversation.onFocusChange();
  drawSoon();
});
setInterval(() => {
  store.heartbeat();
  saveRoomSnapshots();
}, heartbeatMs);

function drawSoon(): void {
  if (isDrawPending) return;
  isDrawPending = true;
  // A hidden page gets no frames, but its title must change.
  if (document.hidden) setTimeout(draw, 0);
  else requestAnimationFrame(draw);
}

function draw(): void {
  isDrawPending = false;
  drawSignIn();
  // The server may have refused the current room.
  if (!chat.rooms.has(current)) failure = goTo(lastRoomExcept(current));
  const room = chat.rooms.get(current);
  if (room === undefined) return;
  if (!app.hidden) {
    composer.update(room);
    showFailure(failure);
    failure = undefined;
    extras?.dialogs.update();
    extras?.update(room);
    conversation.update(room);
    extras?.afterConversation(room);
    // Last, since drawing the conversation marks messages read.
    sidebars.update(room);
  }
  extras?.drawTitle(current, countUnread([...chat.rooms.values()]));
  if (!isReplaced) save();
}

/** Shows the prompt, and then the chat: once signed in, or earlier if it has saved messages. */
function drawSignIn(): void {
  const { state } = session;
  if (state.kind === "required") {
    app.hidden = true;
    // Only once, since the person may be typing.
    if (drawnSignIn !== state) void withPrompt((it) => it.show(state.problem));
    drawnSignIn = state;
  } else if (app.hidden) {
    const hasMessages = (chat.rooms.get(current)?.log.messages.length ?? 0) > 0;
    if (state.kind === "pending" && !hasMessages) {
      return void withPrompt((it) => it.wait(extras?.signInNotice()));
    }
    app.hidden = false;
  }
  byId<"main">("prompt").hidden = !app.hidden;
}

/** Loads the prompt on first use. Most visits don't need it. */
async function withPrompt(use: (prompt: NamePrompt) => void): Promise<void> {
  prompt ??= loadWithRetries(loadModule).then(({ mountNamePrompt }) =>
    mountNamePrompt(current, profile.username, (username, access) => {
      signIn({ ...profile, username, ...(access === undefined ? {} : { access }) });
    })
  );
  use(await prompt);
}

function signIn(chosen: Profile): void {
  profile = chosen;
  saveProfile(shared, profile);
  chat.signIn(profile);
}

function signOut(): void {
  chat.signOut();
  extras?.saveSnapshots(shared, []);
}

function openRoom(name: string): boolean {
  const isOpen = chat.openRoom(name);
  const room = chat.rooms.get(name);
  if (room?.unread.readOffset === 0) room.unread.readOffset = readOffsets.get(name) ?? 0;
  return isOpen;
}

/** Shows a room and makes it the page's address. Returns the reason if that fails. */
function showRoom(name: string): Failure | undefined {
  if (!openRoom(name)) return tooManyRooms;
  if (location.pathname !== addressOf(name)) {
    // An open drawer has added an entry to the history.
    const change = history.state === "drawer" ? "replaceState" : "pushState";
    history[change](null, "", addressOf(name));
  }
  current = name;
  extras?.navigation.closeDrawers();
  // At once, since the next key may be typed into its composer.
  draw();
  return undefined;
}

function tryRoom(name: string): void {
  showFailure(showRoom(name));
}

function showFailure(failure: Failure | undefined): void {
  if (failure !== undefined) void composer.showFailure(failure);
}

/** Shows a room and corrects the address. Returns the reason if the room cannot be opened. */
function goTo(name: string): Failure | undefined {
  const isOpen = openRoom(name);
  if (isOpen) current = name;
  else if (!chat.rooms.has(current)) current = lastRoomExcept(name);
  if (roomInAddress() !== current) history.replaceState(null, "", addressOf(current));
  return isOpen ? undefined : tooManyRooms;
}

function lastRoomExcept(name: string): string {
  return [...chat.rooms.keys()].findLast((other) => other !== name) ?? defaultRoom;
}

function leaveRoom(name: string): Failure | undefined {
  const next = name === current ? lastRoomExcept(name) : current;
  if (name === next) return (words) => words.onlyRoom;
  if (!chat.leaveRoom(name)) return (words) => words.unsentHere;
  return showRoom(next);
}

async function loadPrivateRooms() {
  const { loadRooms } = await loadWithRetries(() => load(() => import("./private.ts")));
  return loadRooms(chat, shared, profile, initialFragment);
}

async function loadModule() {
  const [module] = await Promise.all([load(() => import("./extras.ts")), panelWords()]);
  return module;
}

async function loadExtras(): Promise<Extras> {
  const { mountExtras } = await loadModule();
  const page: Page = {
    chat,
    settings,
    get profile() {
      return profile;
    },
    get room() {
      return chat.rooms.get(current);
    },
    showRoom,
    openRoom: tryRoom,
    leaveRoom: () => leaveRoom(current),
    showFailure,
    signOut,
    redraw: drawSoon,
    replaceProfile(other) {
      saveProfile(shared, other);
      reload();
    },
    forgetDevice() {
      isReplaced = true;
      signOut();
      return [shared, own];
    },
  };
  extras ??= mountExtras(page, store, composer.parts);
  composer.useAids(extras.composerAids);
  chat.recountMentions();
  return extras;
}

/** Reloads the page, to use the stored identity. Stops saving. */
function reload(): void {
  isReplaced = true;
  location.reload();
}

/** Saves snapshots of all rooms, unless signed out. */
function saveRoomSnapshots(): void {
  if (!isReplaced && session.state.kind !== "required") {
    extras?.saveSnapshots(shared, chat.rooms.values());
  }
}

/** Saves the open rooms, the read offsets and the name, if they have changed. */
function save(): void {
  const rooms = [...chat.rooms.values()];
  if (rooms.some(({ name, unread }) => readOffsets.get(name) !== unread.readOffset)) {
    for (const { name, unread } of rooms) readOffsets.set(name, unread.readOffset);
    saveReadOffsets(shared, readOffsets);
  }
  const names = [...chat.rooms.keys()];
  if (names.join() !== savedRooms) {
    savedRooms = names.join();
    saveOpenRooms(shared, names);
  }
  if (session.isReady && session.username !== profile.username) {
    profile = { ...profile, username: session.username };
    saveProfile(shared, profile);
  }
}
