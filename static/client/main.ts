// Mounts the page: makes the chat, joins its parts to it, and draws when something changed.

import { isRoomName, parseUsername } from "../../app/protocol.ts";
import { basePath, connectionPorts, randomId, storageOf } from "./browser.ts";
import { Chat } from "./chat.ts";
import type { Profile } from "./chat.ts";
import { mountComposer } from "./composer.ts";
import { showHelp, showMe } from "./dialogs.ts";
import { byId } from "./dom.ts";
import { mountMessages } from "./messages.ts";
import { mountPrompt } from "./prompt.ts";
import { mountSides } from "./side.ts";
import type { Room } from "./state.ts";
import { mountStatus } from "./status.ts";
import { recall, remember, TabOutbox } from "./storage.ts";
import { words } from "./language.ts";

const profileKey = "parley.profile";
const roomsKey = "parley.rooms";
const readKey = "parley.read";
const aliveEveryMs = 20_000;

const shared = storageOf("localStorage");
const store = new TabOutbox(shared, storageOf("sessionStorage"), () => randomId(12), Date.now);
let isDrawDue = false;
let keptNames = "";
const chat = new Chat({
  connection: connectionPorts,
  outbox: { store, now: Date.now, newNonce: () => randomId(12) },
  tab: randomId(12),
  changed: drawSoon,
});

const read = readOffsets();
for (const name of keptRooms()) open(name);
let shown = roomOfAddress();
open(shown);

const app = byId("app", HTMLDivElement);
const profile = keptProfile();
const prompt = mountPrompt(shown, profile.username, (username) => {
  enter({ username, token: profile.token });
});
const composer = mountComposer(chat, shared, { command, sent: () => messages.goToEnd() });
const messages = mountMessages(chat, {
  edit(message) {
    const text = chat.discard(message)?.text;
    if (text !== undefined) composer.edit(text);
  },
});
const sides = mountSides(chat, { show, leave, me: () => showMe(chat, signOut) });
const status = mountStatus(chat, drawSoon);

if (profile.username === "") prompt.show(undefined);
else enter(profile);

addEventListener("popstate", () => show(roomOfAddress(), false));
addEventListener("online", () => chat.awake());
addEventListener("offline", drawSoon);
addEventListener("pagehide", () => store.gone());
addEventListener("pageshow", () => store.alive());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) chat.awake();
  messages.visibilityChanged();
  drawSoon();
});
setInterval(() => store.alive(), aliveEveryMs);

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
  const room = chat.rooms.get(shown);
  if (room === undefined) return;
  if (!app.hidden) {
    sides.update(room);
    composer.update(room);
    status.update(room);
    messages.update(room);
  }
  const unread = [...chat.rooms.values()].reduce((sum, { unread }) => sum + unread, 0);
  document.title = `${unread > 0 ? `(${unread}) ` : ""}#${shown} · Parley`;
  keep();
}

/** Shows the prompt or the chat: the chat once somebody is in, and from then on. */
function drawEntry(): void {
  const { entry } = chat;
  if (entry.kind === "in") {
    if (!app.hidden) return;
    prompt.hide();
    app.hidden = false;
  } else if (entry.kind === "asking") {
    app.hidden = true;
    prompt.show(entry.problem);
  } else if (app.hidden) {
    const { status } = chat;
    prompt.wait(status.kind === "waiting" ? status.problem ?? words.entering : words.entering);
  }
}

// ------------------------------------------------------------------ verbs

function enter(entered: Profile): void {
  remember(shared, profileKey, entered);
  chat.enter(entered);
}

function open(name: string): boolean {
  const isOpen = chat.open(name);
  const room = chat.rooms.get(name);
  if (room !== undefined && room.read === 0) room.read = read.get(name) ?? 0;
  return isOpen;
}

function show(name: string, push = true): string | undefined {
  if (!open(name)) return isRoomName(name) ? words.tooManyRooms : words.noRoom(name);
  if (push && name !== shown) history.pushState(null, "", addressOf(name));
  shown = name;
  sides.close();
  drawSoon();
  return undefined;
}

function leave(name: string): void {
  const others = [...chat.rooms.keys()].filter((other) => other !== name);
  const next = others.at(-1) ?? "lobby";
  if (name === next) return;
  show(next);
  chat.leave(name);
}

function signOut(): void {
  chat.goodbye();
}

/** Carries a slash command out. */
function command(command: string, argument: string): string | undefined {
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
      leave(shown);
      return undefined;
    case "/who":
      byId("people-toggle", HTMLButtonElement).click();
      return undefined;
    case "/help":
      showHelp();
      return undefined;
    default:
      return words.unknownCommand(command);
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

function keptProfile(): { username: string; token: string } {
  const kept = recall(shared, profileKey);
  const { username, token } = typeof kept === "object" && kept !== null
    ? kept as { readonly username?: unknown; readonly token?: unknown }
    : {};
  const profile = {
    username: typeof username === "string" ? username : "",
    token: typeof token === "string" && /^[\w-]{43}$/.test(token) ? token : randomId(32),
  };
  // Before the first hello, so that a lost answer does not lose the name.
  remember(shared, profileKey, profile);
  return profile;
}

function keptRooms(): string[] {
  const kept = recall(shared, roomsKey);
  if (!Array.isArray(kept)) return [];
  return kept.filter((name): name is string => typeof name === "string" && isRoomName(name));
}

function readOffsets(): Map<string, number> {
  const kept = recall(shared, readKey);
  const offsets = new Map<string, number>();
  if (typeof kept !== "object" || kept === null) return offsets;
  for (const [name, offset] of Object.entries(kept)) {
    if (typeof offset === "number" && Number.isSafeInteger(offset)) offsets.set(name, offset);
  }
  return offsets;
}

function keep(): void {
  const rooms = [...chat.rooms.values()];
  const isNew = rooms.some(({ name, read: offset }: Room) => read.get(name) !== offset);
  if (isNew) {
    for (const room of rooms) read.set(room.name, room.read);
    remember(shared, readKey, Object.fromEntries(read));
  }
  const names = rooms.map(({ name }) => name);
  if (names.join() !== keptNames) {
    keptNames = names.join();
    remember(shared, roomsKey, names);
  }
  if (chat.username !== "" && chat.username !== profile.username && chat.isReady) {
    profile.username = chat.username;
    remember(shared, profileKey, profile);
  }
}
