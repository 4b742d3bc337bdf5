// The dialogs about a member and for moderators: hide a member's messages in this browser, mute or
// ban the member, lift sanctions, and set and delete titles.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import { cleanTitle } from "../../../app/protocol/titles.ts";
import type { NeighborsPush, Sanction, TitlePush } from "../../../app/protocol/wire.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import type { Problem } from "../state/problem.ts";
import type { Room } from "../state/room.ts";
import { panels, problemText } from "../words/language.ts";
import { shortTime } from "./day_names.ts";
import { button, element, setText } from "./dom.ts";
import { checkbox, fieldForm, line, select, statusLine } from "./forms.ts";

/** Durations of mutes and bans to choose from, in seconds. */
const durations = [600, 3_600, 86_400, 604_800, 31_536_000];
const defaultDuration = 86_400;
/** Max pages of history to search for a title at once. */
const titlePages = 10;
/** The commands that only these dialogs send. */
const commands = ["moderate", "mute", "ban", "lift", "sanctions", "neighbors"];

/** Returns whether these dialogs show a problem themselves. */
export function isShownInDialog({ re = "" }: Problem): boolean {
  return commands.includes(re);
}

/** The content of a dialog. `update` redraws it after a change of the chat. */
export interface Content {
  readonly title: string;
  readonly nodes: readonly Node[];
  update(): void;
}

/** Returns the form for the moderator code. Calls `onDone` once the member is a moderator. */
export function codeForm(chat: ChatClient, onDone: () => void): Content {
  const input = element("input", {
    id: "moderator-code",
    type: "password",
    autocomplete: "off",
    autofocus: true,
  });
  const problem = problemLine(chat);
  const submit = () => {
    problem.reset();
    // Spaces may have been copied with the code. The server's code has none at its ends.
    const code = input.value.trim();
    if (code !== "") chat.command({ type: "moderate", code });
  };
  return {
    title: panels.moderation,
    nodes: [fieldForm(panels.moderatorCode, input, panels.continue, problem.node, submit)],
    update() {
      if (chat.session.moderation.moderator) onDone();
      else problem.update();
    },
  };
}

/**
 * Returns the list of mutes and bans, each with a button to lift it, and the room's title.
 * `openTitles` opens the list of its titles.
 */
export function sanctionList(chat: ChatClient, room: Room, openTitles: () => void): Content {
  const list = element("section");
  const problem = problemLine(chat);
  let drawn: unknown;
  const draw = ({ id, kind, username, member, until, by, others }: Sanction) => {
    const about = element(
      "p",
      {},
      `${panels.sanctionKinds[kind]}: `,
      element("bdi", { translate: "no" }, username || member),
      element("br"),
      element("small", { class: "hint" }, panels.sanction(until, by, others)),
    );
    const lift = () => chat.command({ type: "lift", id });
    return line(about, button(panels.lift, lift, { class: "second" }));
  };
  chat.command({ type: "sanctions" });
  return {
    title: panels.moderation,
    nodes: [
      list,
      ...isPrivateRoom(room.name) ? [] : [titleSection(chat, room, problem.reset, openTitles)],
      problem.node,
    ],
    update() {
      problem.update();
      const { sanctions } = chat.session.moderation;
      if (sanctions === drawn || sanctions === undefined) return;
      drawn = sanctions;
      list.replaceChildren(...sanctions.sanctions.map(draw));
      if (!list.hasChildNodes()) list.append(element("p", { class: "hint" }, panels.noSanctions));
    },
  };
}

/** Returns the form that sets, removes and locks the title of a room. */
function titleSection(
  chat: ChatClient,
  { name, title = "" }: Room,
  onSubmit: () => void,
  openTitles: () => void,
): HTMLElement {
  const input = element("input", { id: "title-field", value: title, autocomplete: "off" });
  const problem = statusLine("hint warning");
  const set = (locked?: true) => {
    onSubmit();
    const cleaned = input.value === "" ? { ok: true, value: "" } as const : cleanTitle(input.value);
    setText(problem, cleaned.ok ? "" : problemText(cleaned));
    if (cleaned.ok) chat.post(name, { type: "title", text: cleaned.value, locked });
  };
  return element(
    "section",
    {},
    fieldForm(panels.titleOf(name), input, panels.setTitle, problem, () => set()),
    line(
      element("p", { class: "hint" }, panels.titleHint),
      button(panels.lockTitle, () => set(true), { class: "second" }),
    ),
    button(panels.allTitles, openTitles, { class: "act" }),
  );
}

/** Returns the titles of a room, newest first, each with a button to delete it if allowed. */
export function titleList(chat: ChatClient, room: Room): Content {
  const list = element("section");
  const status = statusLine();
  const problem = problemLine(chat);
  const more = button(panels.olderTitles, () => load(), { class: "second" });
  let before = room.log.head + 1;
  /** The rows whose title is being deleted. */
  const deleted = new Map<number, Element>();
  const draw = ({ offset, nonce, member, from, at, text = "" }: TitlePush) => {
    const about = element(
      "p",
      {},
      element("bdi", {}, text),
      element("br"),
      element("small", { class: "hint" }, element("bdi", {}, from), ` · ${shortTime(at)}`),
    );
    const mayDelete = member === chat.session.member ||
      chat.session.moderation.moderator !== undefined;
    const remove = () => {
      problem.reset();
      deleted.set(offset, row);
      chat.post(room.name, { type: "delete", text: "", offset, target: nonce });
    };
    const row = line(about, mayDelete && button(panels.delete, remove, { class: "second" }));
    return row;
  };
  /** How many more pages to search for a title. */
  let pages = 0;
  const load = () => {
    pages = titlePages;
    setText(status, panels.searching);
    request();
  };
  /** Requests a page, unless another request is pending. */
  const request = () =>
    chat.loadHistory(room, before, ({ messages, first }) => {
      before = messages[0]?.offset ?? first;
      const titles = messages.filter((entry) => entry.type === "title" && entry.text);
      list.append(...titles.toReversed().map((entry) => draw(entry as TitlePush)));
      more.hidden = before <= first;
      pages = titles.length === 0 && !more.hidden ? pages - 1 : 0;
      if (pages > 0) return request();
      setText(status, list.hasChildNodes() ? "" : panels.noTitles);
    });
  load();
  return {
    title: panels.titleOf(room.name),
    nodes: [list, status, problem.node, more],
    update() {
      problem.update();
      if (pages > 0 && chat.problem?.re === "history") {
        pages = 0;
        setText(status, "");
      }
      if (pages > 0) request();
      const pending = chat.outbox.messagesIn(room.name);
      for (const [offset, row] of deleted) {
        if (pending.some((item) => item.type === "delete" && item.offset === offset)) continue;
        deleted.delete(offset);
        if (chat.problem?.re !== "delete") row.remove();
      }
    },
  };
}

/** Returns the actions for a member. Calls `onSanction` once a mute or ban was sent. */
export function memberForm(
  chat: ChatClient,
  hidden: HiddenMembers,
  member: string,
  username: string,
  actions: { onHide(): void; onSanction(): void },
): Content {
  const isHidden = hidden.has(member);
  const hide = button(isHidden ? panels.showMessages : panels.hideMessages, () => {
    if (isHidden) hidden.show(member);
    else hidden.hide(member, username);
    actions.onHide();
  }, { class: "act" });
  const hiding = element(
    "section",
    {},
    element("p", { class: "hint" }, panels.hideHint),
    element("div", {}, hide),
  );
  if (!chat.session.moderation.moderator) return { title: username, nodes: [hiding], update() {} };

  let seconds = defaultDuration;
  const choices = Object.fromEntries(durations.map((each) => [each, panels.duration(each)]));
  const duration = select(panels.howLong, choices, String(seconds), (value) => {
    seconds = Number(value);
  });
  const sweep = checkbox(panels.banSweep, true);
  const networkLabel = element("span", {}, panels.banNetwork(undefined));
  const network = checkbox(networkLabel, false);
  network.box.disabled = true;
  const mute = button(panels.mute, () => {
    chat.command({ type: "mute", member, seconds });
    actions.onSanction();
  }, { class: "second" });
  const ban = button(panels.ban, () => {
    const deleteMessages = sweep.box.checked;
    chat.command({ type: "ban", member, seconds, deleteMessages, network: network.box.checked });
    actions.onSanction();
  }, { class: "primary" });
  chat.command({ type: "neighbors", member });
  let drawn: NeighborsPush | undefined;
  return {
    title: username,
    nodes: [
      element("section", {}, duration, sweep.node, network.node, line(mute, ban)),
      hiding,
    ],
    update() {
      const { neighbors } = chat.session.moderation;
      if (neighbors === drawn || neighbors?.member !== member) return;
      drawn = neighbors;
      network.box.disabled = neighbors.others === undefined;
      setText(networkLabel, panels.banNetwork(neighbors.others));
    },
  };
}

/** Returns a line that shows why the last moderation command was refused. */
function problemLine(chat: ChatClient) {
  const node = statusLine("hint warning");
  let earlier = chat.problem;
  return {
    node,
    reset() {
      earlier = chat.problem;
      setText(node, "");
    },
    update() {
      const { problem } = chat;
      if (problem === undefined || problem === earlier) return;
      // Commands about titles, which the page also sends without a dialog.
      const isAboutTitle = ["title", "delete", "history"].includes(problem.re ?? "");
      if (isAboutTitle || isShownInDialog(problem)) setText(node, problemText(problem));
    },
  };
}
