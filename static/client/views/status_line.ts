// The line that says how the connection is, when there is something to say, and the line that says who writes.

import { closeCode } from "../../../app/protocol/wire.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { button, byId, setText } from "./dom.ts";
import type { Room } from "../state/room.ts";
import type { ConnectionStatus } from "../state/connection.ts";
import { sentenceOf, words } from "../words/language.ts";

/** A loss shorter than this is not worth a word. */
const blipMs = 2_000;

/** What keeps somebody out who has given a name; nothing as long as an answer may still come. */
export function connectionProblem({ status }: ChatClient): string | undefined {
  if (!navigator.onLine) return words.offline;
  return status.kind === "waiting" ? status.problem ?? words.unreachable : undefined;
}

/** Mounts both lines. `redraw` is called when time alone changes what they say. */
export function mountStatusLine(chat: ChatClient, redraw: () => void) {
  const line = byId("status");
  const typing = byId("typing");
  const said = document.createElement("span");
  const act = button("", () => {});
  act.className = "link";
  act.addEventListener("click", () => {
    if (chat.status.kind === "ended") chat.takeOver();
    else chat.retryNow();
  });
  let troubleSince: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** What was said last of a connection that is not there. */
  let told = "";
  /** The same `what` is not read aloud again, though its seconds go down. */
  const say = (text: string, action?: string, what = text) => {
    if (said.textContent.trim() !== text) line.ariaLive = what === told ? "off" : "polite";
    told = what;
    setText(said, text === "" ? "" : `${text} `);
    setText(act, action ?? "");
    if (text === "") line.replaceChildren();
    else if (action === undefined) line.replaceChildren(said);
    else if (act.parentNode !== line) line.replaceChildren(said, act);
  };

  /** One attempt after the other is nothing new. */
  const lastTold = () => told || words.connecting;

  /** Seldom comes, and its words with it. */
  const tellEnd = async (ended: ConnectionStatus & { readonly kind: "ended" }) => {
    const isReplaced = ended.code === closeCode.replaced;
    const text = await sentenceOf(({ connectedElsewhere, connectionEnded }) =>
      isReplaced ? connectedElsewhere : connectionEnded(ended.reason)
    );
    const action = isReplaced ? await sentenceOf(({ useHere }) => useHere) : undefined;
    if (chat.status === ended) say(text, action);
  };

  return {
    /** Draws both lines. Answers whether all is well, or has not been otherwise for long. */
    update(room: Room): boolean {
      setText(typing, room.typingNames.length === 0 ? "" : words.typing(room.typingNames));
      clearTimeout(timer);
      const { status } = chat;
      const now = performance.now();
      if (chat.isReady) {
        troubleSince = undefined;
        say(words.problem(chat.problem ?? ""));
        return true;
      }
      troubleSince ??= now;
      const calm = troubleSince + blipMs - now;
      if (status.kind === "ended") {
        void tellEnd(status);
      } else if (calm > 0) {
        timer = setTimeout(redraw, calm + 10);
        return true;
      } else if (!navigator.onLine) say(words.offline, words.tryNow);
      else if (status.kind === "waiting") {
        timer = setTimeout(redraw, 1_000);
        const seconds = Math.max(0, Math.ceil((status.at - now) / 1_000));
        const problem = status.problem && words.problem(status.problem);
        say(words.reconnecting(seconds, problem), words.tryNow, problem ?? lastTold());
      } else say(words.connecting, undefined, lastTold());
      return false;
    },
  };
}
