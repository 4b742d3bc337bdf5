// The search dialog: jumps to rooms, and finds messages.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import { matchesOf, parseQuery, queryMaxLength } from "../../../app/protocol/search.ts";
import type { ResultsPush, SearchQuery, SearchResult } from "../../../app/protocol/wire.ts";
import { addressOf } from "../address.ts";
import { basePath } from "../browser.ts";
import type { Page } from "../page.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Room } from "../state/room.ts";
import { panels, problemText, words } from "../words/language.ts";
import { shortTime } from "./day_names.ts";
import { button, element, setText } from "./dom.ts";
import { step } from "./focus.ts";
import { form, statusLine } from "./forms.ts";

/** Delay between the last input and the search. */
const pauseMs = 300;
const roomsMax = 5;
/** Max results from loaded messages. */
const loadedMax = 50;

/** Returns the search field, and the rooms and messages found, which the callbacks open. */
export function searchSection(
  { chat, profile, room: current }: Page,
  hidden: HiddenMembers,
  query: string,
  openRoom: (name: string) => void,
  openMessage: (room: string, offset: number) => void,
): HTMLElement {
  const field = element("input", {
    type: "search",
    "aria-label": panels.searchHint,
    placeholder: panels.searchHint,
    maxlength: queryMaxLength,
    enterkeyhint: "search",
  });
  field.value = query;
  const status = statusLine();
  const rooms = element("ul", { class: "directory", role: "list" });
  const results = element("ul", { class: "results", role: "list" });
  const more = button(panels.moreResults, () => void search(next), { class: "second" });
  let next: string | undefined;
  let timer: number | undefined;
  /** Number of searches so far. A late response to an earlier search is dropped. */
  let searches = 0;

  const drawRooms = () => {
    const typed = field.value.trim().replace(/^#/, "").toLowerCase();
    const found = [...chat.rooms.values()].filter(({ name, title }) =>
      typed === "" || labelOf(name).toLowerCase().includes(typed) ||
      (title ?? "").toLowerCase().includes(typed)
    );
    rooms.replaceChildren(
      ...found.slice(0, roomsMax).map(({ name }) => {
        const label = element("span", { translate: "no" }, `# ${labelOf(name)}`);
        return element("li", {}, button(label, () => openRoom(name)));
      }),
    );
  };
  const drawResult = ({ room, offset, from, at, text, ranges }: SearchResult) => {
    const link = element(
      "a",
      { href: addressOf(room, offset) },
      element("small", {}, `#${labelOf(room)} · `, element("bdi", {}, from), ` · ${shortTime(at)}`),
      element("span", { dir: "auto", lang: "" }, ...highlighted(text, ranges)),
    );
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      openMessage(room, offset);
    });
    return element("li", {}, link);
  };
  const search = async (before?: string) => {
    clearTimeout(timer);
    const number = ++searches;
    more.hidden = true;
    if (before === undefined) results.replaceChildren();
    const q = field.value.trim();
    const isIncomplete = q === "" || /(^|\s)(from|in):$/i.test(q);
    setText(status, isIncomplete ? panels.searchHelp : panels.searching);
    if (isIncomplete) return;
    if (current !== undefined && isPrivateRoom(current.name)) {
      const query = parseQuery(q);
      if (query === undefined) {
        return setText(status, problemText({ code: "query_invalid", message: "" }));
      }
      results.append(...searchLoaded(current, query, hidden).map(drawResult));
      return setText(status, panels.searchedHere);
    }
    const params = new URLSearchParams({ q, ...(before === undefined ? {} : { before }) });
    const headers: HeadersInit = profile.access ? { "parley-access-code": profile.access } : {};
    let found: Omit<ResultsPush, "type">;
    try {
      const response = await fetch(`${basePath}/search?${params}`, { headers });
      const body = await response.json();
      if (number !== searches) return;
      if (!response.ok) {
        const { code, detail: message } = body;
        more.hidden = before === undefined;
        return setText(status, problemText({ code, message }));
      }
      found = body;
    } catch {
      more.hidden = before === undefined;
      return setText(status, words.loadFailed);
    }
    results.append(
      ...found.results.filter(({ member }) => !hidden.has(member)).map(drawResult),
    );
    next = found.next;
    more.hidden = next === undefined;
    const { since } = found;
    setText(more, since === undefined ? panels.moreResults : panels.searchOlder);
    const nothing = results.childElementCount === 0 ? panels.nothingFound : "";
    setText(status, since === undefined ? nothing : panels.searchedSince(shortTime(since)));
  };

  field.addEventListener("input", () => {
    drawRooms();
    clearTimeout(timer);
    timer = setTimeout(search, pauseMs);
  });
  drawRooms();
  void search();
  const submit = () => {
    const room = field.value === "" ? null : rooms.querySelector("button");
    if (room === null) void search();
    else room.click();
  };
  const node = form(submit, field, rooms, status, results, more);
  node.addEventListener(
    "keydown",
    (event) => step(event, node, "input, button, a", "ArrowUp", "ArrowDown"),
  );
  return node;
}

/** Returns the loaded messages of a room that match a query, newest first. */
function searchLoaded(room: Room, query: SearchQuery, hidden: HiddenMembers): SearchResult[] {
  return room.log.messages.toReversed().flatMap(({ text = "", ...message }) => {
    const ranges = matchesOf(query, { from: message.from, text });
    if (text === "" || ranges === undefined || hidden.has(message.member)) return [];
    return { ...message, room: room.name, text, ranges };
  }).slice(0, loadedMax);
}

/** Returns a text with its matches in `mark` elements. */
function highlighted(text: string, ranges: SearchResult["ranges"]): (Node | string)[] {
  const nodes: (Node | string)[] = [];
  let shown = 0;
  for (const [start, end] of ranges) {
    nodes.push(text.slice(shown, start), element("mark", {}, text.slice(start, end)));
    shown = end;
  }
  return [...nodes, text.slice(shown)];
}
