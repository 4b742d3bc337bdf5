// Hides the messages of hidden members.

import type { Page } from "../page.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import type { Room } from "../state/room.ts";
import { byId } from "./dom.ts";
import { viewOf } from "./message_view.ts";

/** Mounts the hiding of messages. Call `update` after drawing the conversation. */
export function mountHiding({ redraw }: Page, hidden: HiddenMembers) {
  const log = byId<"div">("log");
  /** Whether the last update may have hidden messages. */
  let hasHidden = false;
  addEventListener("storage", () => {
    hidden.load();
    redraw();
  });
  return {
    update({ messages, window }: Room): void {
      if (hidden.names.size === 0 && !hasHidden) return;
      hasHidden = hidden.names.size > 0;
      const shown = [...messages, ...window?.messages ?? []];
      const members = new Map(shown.map(({ offset, member }) => [offset, member]));
      for (const article of log.querySelectorAll("article")) {
        const member = members.get(viewOf(article)?.offset ?? 0);
        article.hidden = member !== undefined && hidden.names.has(member);
      }
    },
  };
}
