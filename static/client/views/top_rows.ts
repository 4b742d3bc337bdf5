// The rows above the messages of a room: whether older ones are loading, missing or not kept.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Room } from "../state/room.ts";
import { panels, problemText } from "../words/language.ts";
import { copyButton } from "./copying.ts";
import { element } from "./dom.ts";
import { lineRow, ruleRow } from "./keyed_list.ts";
import type { Row } from "./keyed_list.ts";
import { isIncomplete, linkIncomplete } from "./private_rooms.ts";

export function topRows(chat: ChatClient, room: Room): Row[] {
  const rows: Row[] = [];
  const { name, phase, log } = room;
  const { oldest, messages } = log.window ?? log;
  const isEmpty = messages.length === 0;
  const isPrivate = isPrivateRoom(name);
  const line = (key: string, text: string) => rows.push(lineRow(`${key} ${name}`, "top", text));
  if (isIncomplete(chat, name)) {
    line(
      "incomplete",
      crypto.subtle === undefined ? panels.needsHttps : problemText(linkIncomplete),
    );
    return rows;
  }
  if (log.wasReset) rows.push(ruleRow("reset", "rule gap", panels.restored));
  if (log.missingCount > 0 && !log.window) {
    rows.push(ruleRow("missing", "rule gap", panels.missing(log.missingCount)));
  } else if (phase !== "live" && isEmpty) {
    // A room that was refused has nothing to load.
    if (phase === "catching_up" || !chat.session.isReady) line("loading", panels.loading);
  } else if (oldest > log.first) line("older", room.isLoadingOlder ? panels.loadingOlder : " ");
  else if (log.first > 1) line("pruned", panels.pruned);
  else if (!isEmpty) line("begin", panels.beginning(labelOf(name)));
  else if (isPrivate) line("empty", panels.emptyPrivateRoom);
  else rows.push({ key: `empty ${name}`, version: "", create: drawEmptyRoom });
  return rows;
}

/** Draws an invitation to write in a room without messages, and the link to share. */
function drawEmptyRoom(): HTMLElement {
  const link = location.origin + location.pathname;
  return element(
    "div",
    { class: "empty" },
    element("p", {}, panels.emptyRoom),
    element(
      "p",
      { class: "line" },
      element("a", { href: link }, link),
      copyButton(() => link, "second"),
    ),
    element("p", { class: "hint" }, panels.notPrivate),
  );
}
