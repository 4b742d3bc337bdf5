// The list of people, and the state of the connection in the header and beside the person's name.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import type { Room } from "../state/room.ts";
import type { Session } from "../state/session.ts";
import { panels } from "../words/language.ts";
import { button, byId, element, setText } from "./dom.ts";
import { KeyedList } from "./keyed_list.ts";

/** Mounts the list. `openMember` opens the actions on another member. */
export function mountPeople(
  session: Session,
  openMember: (member: string, username: string) => void,
) {
  const people = byId<"aside">("people");
  const peopleToggle = byId<"button">("people-toggle");
  const peopleLabel = peopleToggle.textContent;
  const peopleList = new KeyedList(byId<"ul">("people-list"));
  let wasReady = false;

  return {
    /** Draws the current room. `isOnline` turns false when a lost connection stays lost. */
    update(current: Room, isOnline: boolean): void {
      const { count, members, isCrowded } = current.roster;
      // The roster is empty before the first page, and stale without a connection.
      const isKnown = isOnline && count > 0;
      setText(byId<"span">("room-here"), isKnown ? `${panels.here(count)} · ` : "");
      setText(peopleToggle, isKnown ? panels.here(count) : peopleLabel);
      setText(byId<"h2">("people-title"), isKnown ? panels.hereNow(count) : peopleLabel);
      people.classList.toggle("off", !isKnown);
      const byName = [...members].sort(([, a], [, b]) => a.localeCompare(b));
      peopleList.update(
        isCrowded
          ? [{
            key: "",
            version: String(panels.crowded),
            create: () => element("li", { class: "hint" }, panels.crowded),
          }]
          : byName.map(([member, username]) => ({
            key: member,
            version: `${username} ${member === session.member}`,
            create: () =>
              drawPerson(
                username,
                member === session.member ? undefined : () => openMember(member, username),
              ),
          })),
      );

      const { limits } = session;
      const retention = limits && panels.retention(limits.retentionDays, limits.retentionMessages);
      const privately = isPrivateRoom(current.name) ? `${panels.privately} · ` : "";
      setText(byId<"span">("room-kept"), privately + (retention ?? ""));
      setText(byId<"bdi">("me-name"), session.username);
      // Until the first connection, it is unknown whether there is a server.
      wasReady ||= session.isReady;
      byId<"span">("me-dot").classList.toggle("off", !isOnline || !wasReady);
      setText(byId<"small">("me-state"), isOnline ? "" : panels.notConnected);
    },
  };
}

/** Draws a person. Without `onOpen`, it is the reader's own entry. */
function drawPerson(username: string, onOpen: (() => void) | undefined): HTMLElement {
  return element(
    "li",
    {},
    element("span", { class: "dot", "aria-hidden": "true" }),
    element("bdi", { translate: "no" }, username),
    onOpen === undefined
      ? element("small", {}, panels.you)
      : button("⋯", onOpen, { class: "link", "aria-label": panels.actionsAbout(username) }),
  );
}
