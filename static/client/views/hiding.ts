// Hides the messages of hidden members.

import type { Page } from "../page.ts";
import { hiddenKey } from "../state/hidden_members.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import { byId } from "./dom.ts";
import { viewOf } from "./message_view.ts";

/** Mounts the hiding of messages. Call `update` after drawing the conversation. */
export function mountHiding({ chat }: Page, hidden: HiddenMembers) {
  const log = byId<"div">("log");
  /** Whether the last update may have hidden messages. */
  let hasHidden = false;
  chat.hidden = hidden;
  hidden.onChange = () => chat.recountMentions();
  addEventListener("storage", ({ key }) => {
    if (key === null || key === hiddenKey) hidden.load();
  });
  return {
    update(): void {
      if (hidden.names.size === 0 && !hasHidden) return;
      hasHidden = hidden.names.size > 0;
      for (const article of log.querySelectorAll("article")) {
        // Not `hidden`: the rows must keep their order on screen.
        article.inert = hidden.has(viewOf(article)?.member ?? "");
      }
    },
  };
}
