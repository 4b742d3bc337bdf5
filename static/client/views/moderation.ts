// What can be done about a member: hide its messages here, and for moderators, mute and ban it.

import type { NeighborsPush, Sanction } from "../../../app/protocol/wire.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import { panels, words } from "../words/language.ts";
import { button, element, setText } from "./dom.ts";

/** How long a mute or a ban lasts, in seconds. */
const durations = [600, 3_600, 86_400, 604_800, 31_536_000];
const defaultDuration = 86_400;
/** The commands whose refusals these dialogs show. */
const commands: ReadonlySet<string | undefined> = new Set([
  "moderate",
  "mute",
  "ban",
  "lift",
  "sanctions",
]);

/** The content of a dialog, and what redraws it after a change of the chat. */
export interface Content {
  readonly title: string;
  readonly nodes: readonly Node[];
  update(): void;
}

/** Returns the form for the moderator code. Calls `onDone` once the member is a moderator. */
export function codeForm(chat: ChatClient, onDone: () => void): Content {
  const input = element("input", { id: "moderator-code", type: "password", autocomplete: "off" });
  const problem = problemLine(chat);
  const form = element(
    "form",
    {},
    element("label", { for: input.id }, panels.moderatorCode),
    element(
      "div",
      { class: "line" },
      input,
      element("button", { type: "submit", class: "primary" }, panels.continue),
    ),
    problem.node,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    problem.reset();
    if (input.value !== "") chat.command({ type: "moderate", code: input.value });
  });
  return {
    title: panels.moderation,
    nodes: [form],
    update() {
      if (chat.moderation.moderator) return onDone();
      problem.update();
    },
  };
}

/** Returns the list of mutes and bans, each with a button that lifts it. */
export function sanctionList(chat: ChatClient): Content {
  const list = element("section");
  const problem = problemLine(chat);
  let drawn: unknown;
  const draw = ({ id, kind, username, member, until, by, others }: Sanction) =>
    element(
      "div",
      { class: "line" },
      element(
        "p",
        {},
        `${panels.sanctionKinds[kind]}: `,
        element("bdi", { translate: "no" }, username || member),
        element("br"),
        element("small", { class: "hint" }, panels.sanction(until, by, others)),
      ),
      button(panels.lift, () => chat.command({ type: "lift", id }), { class: "second" }),
    );
  chat.command({ type: "sanctions" });
  return {
    title: panels.moderation,
    nodes: [list, problem.node],
    update() {
      problem.update();
      const { sanctions } = chat.moderation;
      if (sanctions === drawn || sanctions === undefined) return;
      drawn = sanctions;
      const items = sanctions.sanctions.map(draw);
      list.replaceChildren(
        ...items.length > 0 ? items : [
          element("p", { class: "hint" }, panels.noSanctions),
        ],
      );
    },
  };
}

/** Returns what can be done about a member. Calls `onSanction` when a mute or a ban was sent. */
export function memberForm(
  chat: ChatClient,
  hidden: HiddenMembers,
  member: string,
  username: string,
  actions: { onHide(): void; onSanction(): void },
): Content {
  const isHidden = hidden.names.has(member);
  const hide = button(isHidden ? panels.showMessages : panels.hideMessages, () => {
    if (isHidden) hidden.show(member);
    else hidden.hide(member, username);
    actions.onHide();
  }, { class: "act" });
  const section = element(
    "section",
    {},
    element("p", { class: "hint" }, panels.hideHint),
    element("div", {}, hide),
  );
  if (!chat.moderation.moderator) return { title: username, nodes: [section], update() {} };

  const select = element(
    "select",
    {},
    ...durations.map((seconds) =>
      element(
        "option",
        { value: seconds, selected: seconds === defaultDuration },
        panels.duration(seconds),
      )
    ),
  );
  const sweep = element("input", { type: "checkbox", checked: true });
  const network = element("input", { type: "checkbox", disabled: true });
  const networkLabel = element("span", {}, panels.banNetwork(undefined));
  const send = (command: { type: "mute" } | { type: "ban" }) => () => {
    const seconds = Number(select.value);
    chat.command(
      command.type === "mute"
        ? { type: "mute", member, seconds }
        : { type: "ban", member, seconds, deleteMessages: sweep.checked, network: network.checked },
    );
    actions.onSanction();
  };
  const form = element(
    "section",
    {},
    element("label", { class: "line" }, panels.howLong, select),
    element("label", { class: "line" }, panels.banSweep, sweep),
    element("label", { class: "line" }, networkLabel, network),
    element(
      "div",
      { class: "line" },
      button(panels.mute, send({ type: "mute" }), { class: "second" }),
      button(panels.ban, send({ type: "ban" }), { class: "primary" }),
    ),
  );
  chat.command({ type: "neighbors", member });
  let drawn: NeighborsPush | undefined;
  return {
    title: username,
    nodes: [form, section],
    update() {
      const { neighbors } = chat.moderation;
      if (neighbors === drawn || neighbors?.member !== member) return;
      drawn = neighbors;
      network.disabled = neighbors.others === undefined;
      setText(networkLabel, panels.banNetwork(neighbors.others));
    },
  };
}

/** Returns a line that shows why the last command was refused. */
function problemLine(chat: ChatClient) {
  const node = element("p", { class: "hint trouble", role: "status" });
  let old = chat.problem;
  return {
    node,
    reset() {
      old = chat.problem;
      setText(node, "");
    },
    update() {
      const { problem } = chat;
      if (problem === old || problem === undefined || !commands.has(problem.re)) return;
      setText(node, words.problem(problem));
    },
  };
}
