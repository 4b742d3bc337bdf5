// The conversation: draws one room's messages, notes and outbox, and keeps the reader's place in it.

import type { ChatClient } from "../state/chat_client.ts";
import { button, byId, element, List, setText } from "./dom.ts";
import type { Row } from "./dom.ts";
import { locale, words } from "../words/language.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Message, PresenceEvent, Room } from "../state/room.ts";
import { isEmojiOnly, parseMarkup } from "../state/formatting.ts";

/** What a person can do to the conversation. */
export interface ConversationActions {
  /** Something was read. */
  read(): void;
  /** Puts a text back where it can be changed. */
  edit(message: OutboxMessage): void;
  /** Says in a room where nobody has said anything how it can be shared. */
  invite(place: HTMLElement): void;
}

const groupMs = 5 * 60_000;
/** Closer to the end than this is at the end. */
const endPx = 48;
const olderPx = 600;
const anchorsMost = 20;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });

/** Mounts the conversation; `update` draws the room that is shown. */
export function mountConversation(chat: ChatClient, verbs: ConversationActions) {
  const log = byId("log");
  const toEnd = byId("to-end");
  const rows = new List(byId("rows"));
  const places = new Map<string, { readonly atEnd: boolean; readonly top: number }>();
  let shown: Room | undefined;
  let atEnd = true;
  /** Whether the person has just looked at the newest message there was, and where the line "new since" stood. */
  let watched: { readonly newSince: number | undefined } | undefined;
  let height = log.clientHeight;
  /** What the list could not be moved by, since a screen has whole pixels: the next time makes up for it. */
  let owed = 0;
  /** Where the list was when it was last looked at. */
  let scrolled = 0;
  /** What was drawn last: from which message on, and whether that was all. */
  let drawn = { oldest: 0, isLive: false };
  let calm: ReturnType<typeof setTimeout> | undefined;

  const goToEnd = () => {
    log.scrollTop = log.scrollHeight;
    atEnd = true;
    scrolled = log.scrollTop;
  };
  /** Finds out whether the person has scrolled; the browser tells of it only when it next draws. */
  const feel = () => {
    if (log.scrollTop === scrolled) return;
    scrolled = log.scrollTop;
    atEnd = log.scrollHeight - scrolled - log.clientHeight < endPx;
  };
  const look = () => {
    if (shown === undefined) return;
    if (atEnd && !document.hidden && shown.unread > 0) {
      shown.markRead();
      showToEnd();
      verbs.read();
    }
    // What has come and is not drawn yet would seem to be missing.
    if (log.scrollTop < olderPx && shown.oldest === drawn.oldest) chat.loadOlder(shown.name);
  };
  const showToEnd = () => {
    const unread = shown?.unread ?? 0;
    toEnd.hidden = atEnd;
    setText(toEnd, unread > 0 ? words.newMessages(unread) : words.jumpToLatest);
  };
  log.addEventListener("scroll", () => {
    feel();
    look();
    showToEnd();
  }, { passive: true });
  toEnd.addEventListener("click", () => {
    goToEnd();
    look();
    showToEnd();
  });
  // A phone's keyboard takes from below: what was at the bottom stays there.
  new ResizeObserver(() => {
    const taken = height - log.clientHeight;
    height = log.clientHeight;
    if (atEnd) goToEnd();
    else log.scrollTop += taken;
  }).observe(log);

  return {
    /** Draws a room. */
    update(room: Room): void {
      feel();
      const isOther = room !== shown;
      if (isOther) {
        if (shown !== undefined) {
          places.set(shown.name, { atEnd, top: log.scrollTop });
          if (shown.unread === 0) shown.newSince = undefined;
        }
        shown = room;
        atEnd = places.get(room.name)?.atEnd ?? true;
      }
      // What comes while one looks on is not new since anything.
      if (!isOther && atEnd && !document.hidden && watched !== undefined) {
        room.markRead();
        room.newSince = watched.newSince;
      }
      if (atEnd) room.trim();
      // Only what is said now is read aloud, not what was loaded.
      const isLive = room.phase === "live";
      const isHistory = isOther || !drawn.isLive || room.oldest < drawn.oldest;
      const isLoading = room.isLoadingOlder || !isLive;
      log.ariaBusy = String(isHistory || isLoading);
      clearTimeout(calm);
      if (!isLoading) calm = setTimeout(() => log.ariaBusy = "false");
      drawn = { oldest: room.oldest, isLive };
      const anchors = isOther || atEnd ? [] : anchorsOf(log);
      // One list shows all rooms in turn, and what is the first of one is not the first of the other.
      const ofRoom = (row: Row) => ({ ...row, key: `${room.name} ${row.key}` });
      rows.update(rowsOf(chat, room, verbs).map(ofRoom));
      if (atEnd) goToEnd();
      else if (isOther) log.scrollTop = places.get(room.name)?.top ?? 0;
      else {
        const anchor = anchors.find(({ node }) => node.isConnected);
        if (anchor !== undefined) {
          const before = log.scrollTop;
          const wanted = topOf(anchor.node) - anchor.top + owed;
          log.scrollTop += wanted;
          owed = (wanted - log.scrollTop + before) % 1;
        }
      }
      look();
      showToEnd();
      const isWatching = atEnd && !document.hidden && room.phase === "live";
      watched = isWatching ? { newSince: room.newSince } : undefined;
    },
    /** The person came back to the page, or goes. */
    visibilityChanged(): void {
      if (document.hidden && shown !== undefined && shown.unread === 0) shown.newSince = undefined;
      watched = undefined;
      look();
    },
    goToEnd,
  };
}

/** The first messages in view, with their places: what is drawn anew, like one that begins a group no more, cannot hold it. */
function anchorsOf(log: HTMLElement): { readonly node: Element; readonly top: number }[] {
  const { top } = log.getBoundingClientRect();
  const children = log.firstElementChild?.children ?? [];
  // The rows stand in order, so the first one that reaches into view is found by halving.
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((children[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle;
    else low = middle + 1;
  }
  // Lines between the messages come and go; messages stay.
  return Array.from(children).slice(low, low + anchorsMost)
    .filter(({ localName }) => localName === "article")
    .map((node) => ({ node, top: topOf(node) }));
}

function topOf(node: Element): number {
  return node.getBoundingClientRect().top;
}

// ------------------------------------------------------------------ rows

function rowsOf(chat: ChatClient, room: Room, verbs: ConversationActions): Row[] {
  const rows: Row[] = topRows(room, verbs);
  let last: Message | undefined;
  let noteIndex = 0;
  const takeNotes = (upTo: number) => {
    const start = noteIndex;
    while ((room.presenceEvents[noteIndex]?.afterOffset ?? Infinity) <= upTo) noteIndex++;
    const row = noteRow(room.presenceEvents.slice(start, noteIndex));
    if (row !== undefined) {
      rows.push(row);
      last = undefined;
    }
  };
  takeNotes(room.oldest - 1);
  for (const message of room.messages) {
    const isNewDay = last === undefined
      ? message === room.messages[0] || !isSameDay(previousAt(room, message), message.at)
      : !isSameDay(last.at, message.at);
    if (isNewDay) {
      rows.push(ruleRow("rule", `day ${message.offset}`, dayWords(message.at)));
      last = undefined;
    }
    if (room.newSince === message.offset - 1) {
      const since = room.messages.find(({ offset }) => offset === room.newSince);
      const time = since === undefined ? "" : clock.format(since.at);
      rows.push(ruleRow("rule new", "new", words.newSince(time)));
      last = undefined;
    }
    const starts = last?.member !== message.member || last.from !== message.from ||
      message.at - last.at > groupMs;
    rows.push(messageRow(chat, message, starts));
    last = message;
    takeNotes(message.offset);
  }
  for (const waiting of chat.outbox.messagesIn(room.name)) {
    const starts = last?.member !== chat.member || waiting.at - last.at > groupMs;
    rows.push(waitingRow(chat, waiting, starts, verbs));
    last = {
      offset: 0,
      member: chat.member,
      from: chat.username,
      text: "",
      at: waiting.at,
      nonce: "",
    };
  }
  return rows;
}

function topRows(room: Room, verbs: ConversationActions): Row[] {
  if (room.phase === "away" && room.messages.length === 0) return [];
  const line = (key: string, text: string): Row => ({
    key: `top ${key}`,
    version: text,
    make: () => element("p", { class: "top" }, text),
  });
  const rows: Row[] = [];
  if (room.wasReset) rows.push(ruleRow("rule gap", "replaced", words.restored));
  if (room.missingCount > 0) {
    rows.push(ruleRow("rule gap", "missing", words.missing(room.missingCount)));
  } else if (room.hasOlder) {
    rows.push(line("older", room.isLoadingOlder ? words.loadingOlder : " "));
  } else if (room.first > 1) rows.push(line("pruned", words.pruned));
  else if (room.messages.length === 0) {
    const make = () => {
      const place = element("div", { class: "empty" });
      verbs.invite(place);
      return place;
    };
    rows.push({ key: "top empty", version: "", make });
  } else rows.push(line("begin", words.beginning(room.name)));
  return rows;
}

function ruleRow(className: string, key: string, text: string): Row {
  const role = "separator";
  return {
    key,
    version: text,
    make: () => element("p", { class: className, role, "aria-label": text }, text),
  };
}

function noteRow(notes: readonly PresenceEvent[]): Row | undefined {
  const [first] = notes;
  if (first === undefined) return undefined;
  const sentences = foldNotes(notes);
  if (sentences.length === 0) return undefined;
  const text = sentences.join(" · ");
  return {
    key: `note ${first.id}`,
    version: text,
    make: () => element("p", { class: "note", dir: "auto" }, text),
  };
}

/** Who came and went again in one gap between messages is not worth a word; the rest is told together. */
function foldNotes(notes: readonly PresenceEvent[]): string[] {
  const net = new Map<string, PresenceEvent>();
  const renames = new Map<string, { readonly from: string; readonly to: string }>();
  for (const note of notes) {
    if (note.kind === "renamed") {
      const from = renames.get(note.member)?.from ?? note.username;
      renames.set(note.member, { from, to: note.to ?? "" });
      continue;
    }
    const before = net.get(note.member);
    if (before !== undefined && (before.kind === "joined") !== (note.kind === "joined")) {
      net.delete(note.member);
    } else net.set(note.member, note);
  }
  const namesOf = (kind: PresenceEvent["kind"]) =>
    [...net.values()].filter((note) => note.kind === kind).map(({ username }) => isolate(username));
  const told: string[] = [];
  for (const kind of ["joined", "left", "timeout"] as const) {
    const names = namesOf(kind);
    if (names.length > 0) told.push(words[kind](names));
  }
  for (const { from, to } of renames.values()) {
    if (from !== to) told.push(words.renamed(isolate(from), isolate(to)));
  }
  return told;
}

/** Keeps a name from turning the sentence around it (Unicode's first strong isolate). */
function isolate(name: string): string {
  return `\u2068${name}\u2069`;
}

function messageRow(chat: ChatClient, message: Message, starts: boolean): Row {
  const { offset, member, from, text, at, nonce } = message;
  const mine = member === chat.member;
  const mentions = chat.isMention(message);
  return {
    // One key before and after the server's answer: the settled message takes the place of the pending one.
    key: mine ? `nonce ${nonce}` : `message ${offset}`,
    // A log that was set back has another message at the same offset.
    version: `${starts} ${mentions} ${offset} ${member} ${nonce}`,
    make: () => drawMessage(chat, { from, text, at, starts, mentions, pending: false }, []),
  };
}

function waitingRow(
  chat: ChatClient,
  message: OutboxMessage,
  starts: boolean,
  verbs: ConversationActions,
): Row {
  const { nonce, text, at, room, state, problem = "" } = message;
  const slow = state === "waiting" && chat.retryAt(room) !== undefined;
  const hint = slow ? words.queued : chat.isReady ? words.sending : words.willSend;
  return {
    key: `nonce ${nonce}`,
    version: `${starts} ${state} ${hint} ${problem}`,
    make: () => {
      const isOld = state === "asks";
      const why = isOld ? words.stale : `${words.notSent} ${words.problem(problem)}`;
      const actions = state === "waiting" ? [element("span", { class: "state" }, hint)] : [
        element(
          "span",
          { class: "state trouble" },
          element("span", {}, why),
          button(isOld ? words.sendNow : words.retry, () => chat.retry(message)),
          button(words.edit, () => verbs.edit(message)),
          button(words.discard, () => chat.discard(message)),
        ),
      ];
      const from = chat.username;
      const drawn = { from, text, at, starts, mentions: false, pending: true };
      const node = drawMessage(chat, drawn, actions);
      // It is read aloud when it is in the log, or when it cannot go.
      if (state === "waiting") node.ariaLive = "off";
      return node;
    },
  };
}

interface Drawn {
  readonly from: string;
  readonly text: string;
  readonly at: number;
  readonly starts: boolean;
  readonly mentions: boolean;
  readonly pending: boolean;
}

function drawMessage(chat: ChatClient, drawn: Drawn, actions: readonly HTMLElement[]): HTMLElement {
  const { from, text, at, starts, mentions, pending } = drawn;
  const name = element("bdi", { class: "name" }, from);
  name.style.setProperty("--hue", String(hueOf(from)));
  const emote = text.startsWith("/me ") ? text.slice(4) : undefined;
  const classes = [
    "text",
    pending && "pending",
    mentions && "mention",
    emote !== undefined && "emote",
    isEmojiOnly(text) && "large",
  ].filter((one) => one !== false);
  const body = element("div", { class: classes.join(" "), dir: "auto" });
  // What somebody does begins with the name; it does not stand above as well.
  if (emote !== undefined) body.append(name, " ");
  body.append(...drawText(emote ?? text, chat.username), ...actions);
  const stamp = new Date(at);
  const time = element("time", {
    datetime: stamp.toISOString(),
    title: full.format(stamp),
    class: starts ? undefined : "later",
  }, clock.format(stamp));
  const said = element("div", { class: "said" }, starts && emote === undefined && name, body);
  return element("article", { class: starts ? "row start" : "row" }, time, said);
}

/** The nodes of a text. */
function drawText(text: string, me: string): (Node | string)[] {
  return parseMarkup(text, me).map((part) => {
    switch (part.kind) {
      case "text":
        return part.text;
      case "code":
        return element("code", {}, part.text);
      case "bold":
      case "mention":
        return element("strong", {}, part.text);
      case "italic":
        return element("em", {}, part.text);
      case "link":
        return element("a", {
          href: part.href,
          target: "_blank",
          rel: "noopener noreferrer nofollow",
        }, part.text);
      case "block":
        return drawBlock(part.text);
    }
  });
}

function drawBlock(code: string): HTMLElement {
  const block = element("div", { class: "block" }, element("pre", { tabindex: 0 }, code));
  // There is no clipboard on a plain http address of an office network.
  if (navigator.clipboard !== undefined) {
    const copy = button(words.copy, async () => {
      await navigator.clipboard.writeText(code);
      setText(copy, words.copied);
    });
    block.append(copy);
  }
  return block;
}

/** A name's colour: always the same for the same name. */
function hueOf(name: string): number {
  let hash = 2166136261;
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  }
  return ((hash >>> 0) % 24) * 15;
}

// ------------------------------------------------------------------ time

function previousAt(room: Room, message: Message): number {
  return room.messages[message.offset - room.oldest - 1]?.at ?? 0;
}

function isSameDay(one: number, other: number): boolean {
  return new Date(one).toDateString() === new Date(other).toDateString();
}

function dayWords(at: number): string {
  const date = new Date(at);
  const isThisYear = date.getFullYear() === new Date().getFullYear();
  return isThisYear
    ? day.format(date)
    : new Intl.DateTimeFormat(locale, { dateStyle: "full" }).format(date);
}
