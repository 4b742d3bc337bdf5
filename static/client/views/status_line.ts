// Two lines above the composer: trouble with the connection, and who is typing.

import { closeCode } from "../../../app/protocol/wire.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { ConnectionStatus } from "../state/connection.ts";
import type { Room } from "../state/room.ts";
import { sentenceOf, words } from "../words/language.ts";
import { button, byId, element, setText } from "./dom.ts";

/** A shorter interruption is not shown. */
const shortMs = 2_000;

/** Returns why signing in takes so long; `undefined` while the server may still answer. */
export function signInDelay({ status, problem }: ChatClient): string | undefined {
  if (!navigator.onLine) return words.offline;
  if (status.kind !== "backoff") return problem && words.problem(problem);
  return status.problem === undefined ? words.unreachable : words.problem(status.problem);
}

/** Mounts both lines. `redraw` is called when time alone changes them. */
export function mountStatusLine(chat: ChatClient, redraw: () => void) {
  const line = byId<"p">("status");
  const typing = byId<"p">("typing");
  const text = element("span");
  const action = button("", () => {
    if (chat.status.kind === "ended") chat.takeOver();
    else chat.retryNow();
  }, { class: "link" });
  let troubleSince: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastTopic = "";

  /** Shows a sentence. Screen readers read it only if its topic changed: not each second left. */
  const show = (sentence: string, label = "", topic = sentence) => {
    if (text.textContent.trim() !== sentence) {
      line.ariaLive = topic === lastTopic ? "off" : "polite";
    }
    lastTopic = topic;
    setText(text, sentence === "" ? "" : `${sentence} `);
    setText(action, label);
    const nodes = sentence === "" ? [] : label === "" ? [text] : [text, action];
    if (line.childElementCount !== nodes.length) line.replaceChildren(...nodes);
  };
  const showEnd = async (ended: ConnectionStatus & { readonly kind: "ended" }) => {
    const isReplaced = ended.code === closeCode.replaced;
    const sentence = await sentenceOf(({ connectedElsewhere, connectionEnded }) =>
      isReplaced ? connectedElsewhere : connectionEnded(ended.reason)
    );
    const label = isReplaced ? await sentenceOf(({ useHere }) => useHere) : "";
    if (chat.status === ended) show(sentence, label);
  };

  return {
    /** Draws both lines. Returns whether the connection works, or stopped only a moment ago. */
    update({ roster }: Room): boolean {
      setText(typing, roster.typing.length === 0 ? "" : words.typing(roster.typing));
      clearTimeout(timer);
      const { status, problem } = chat;
      const now = performance.now();
      if (chat.isReady) {
        troubleSince = undefined;
        show(problem === undefined ? "" : words.problem(problem));
        return true;
      }
      troubleSince ??= now;
      const shortFor = troubleSince + shortMs - now;
      // One attempt after the other is nothing new.
      const sameTopic = lastTopic || words.connecting;
      if (status.kind === "ended") void showEnd(status);
      else if (shortFor > 0) {
        timer = setTimeout(redraw, shortFor + 10);
        return true;
      } else if (!navigator.onLine) show(words.offline, words.tryNow);
      else if (status.kind === "backoff") {
        timer = setTimeout(redraw, 1_000);
        const seconds = Math.max(0, Math.ceil((status.retryAt - now) / 1_000));
        const reason = status.problem && words.problem(status.problem);
        show(words.reconnecting(seconds, reason), words.tryNow, reason ?? sameTopic);
      } else if (status.kind === "open" && problem !== undefined) show(words.problem(problem));
      else show(words.connecting, "", sameTopic);
      return false;
    },
  };
}
