// The two lines above the composer: connection problems, and who is typing.

import { checkVersion, isOutdated } from "../load.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { Problem } from "../state/problem.ts";
import type { Room } from "../state/room.ts";
import { banEndIn } from "../words/formats.ts";
import { panels, problemText } from "../words/language.ts";
import { button, byId, element, setText, withNames } from "./dom.ts";
import { releaseFocus } from "./focus.ts";
import { isShownInDialog } from "./moderation.ts";
import { isolate } from "./presence_lines.ts";

/** Shorter interruptions are not shown. */
const shortMs = 2_000;
/** A page that is ready within this time has the server's version. */
const freshMs = 10_000;

/** Why the page has no connection, and an action that may help. */
export interface ConnectionNotice {
  readonly sentence: string;
  readonly label?: string;
  readonly onAct?: () => void;
}

const reload = () => location.reload();

/** Returns why signing in is delayed; `undefined` while the server may still answer. */
export function signInNotice(chat: ChatClient): ConnectionNotice | undefined {
  const lasting = lastingNotice(chat);
  if (lasting !== undefined) return lasting;
  const problem = waitReason(chat);
  if (problem !== undefined) return { sentence: problemText(problem) };
  if (!navigator.onLine) return { sentence: panels.offline };
  return chat.status.kind === "backoff" ? { sentence: panels.unreachable } : undefined;
}

/** Returns the notice of a problem that reconnecting can't fix. */
function lastingNotice(chat: ChatClient): ConnectionNotice | undefined {
  const { status } = chat;
  const problem = waitReason(chat);
  if (problem?.code === "sign_on_expired") {
    return { sentence: problemText(problem), label: panels.signInAgain, onAct: reload };
  }
  if (status.kind !== "ended") return undefined;
  if (status.isReplaced) {
    const onAct = () => chat.connection.connect();
    return { sentence: panels.connectedElsewhere, label: panels.useHere, onAct };
  }
  const banEnd = banEndIn(status.reason);
  const sentence = banEnd ? panels.banned(banEnd) : panels.connectionEnded(status.reason);
  return { sentence };
}

/** Returns the reason that the server or its proxy gave. */
function waitReason({ status, problem }: ChatClient): Problem | undefined {
  return status.kind === "backoff" ? status.problem : problem;
}

/** Mounts both lines. Calls `redraw` when they must change after some time. */
export function mountStatusLine(chat: ChatClient, redraw: () => void) {
  const line = byId<"p">("status");
  const typing = byId<"p">("typing");
  const text = element("span");
  let act = () => {};
  const action = button("", () => act(), { class: "link" });
  let notReadySince: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastTopic = "";
  let lastTyping = "";

  /** Shows a sentence. Screen readers announce it only when its topic changes. */
  const show = (sentence: string, label = "", onAct = () => {}, topic = sentence) => {
    if (text.textContent.trim() !== sentence) {
      line.ariaLive = topic === lastTopic ? "off" : "polite";
    }
    lastTopic = topic;
    act = onAct;
    setText(text, sentence === "" ? "" : `${sentence} `);
    setText(action, label);
    const nodes = sentence === "" ? [] : label === "" ? [text] : [text, action];
    if (line.childElementCount === nodes.length) return;
    releaseFocus(line);
    line.replaceChildren(...nodes);
  };
  const tryNow = () => chat.connection.retryNow();

  /** Shows why the chat isn't ready. Returns whether that is too recent to be shown. */
  const showNotReady = (since: number): boolean => {
    const { status } = chat;
    const now = performance.now();
    const shortFor = since + shortMs - now;
    const problem = waitReason(chat);
    const reason = problem && problemText(problem);
    // Another attempt to connect is not a new topic.
    const topic = reason ?? (lastTopic || panels.connecting);
    const lasting = lastingNotice(chat);
    if (lasting !== undefined) show(lasting.sentence, lasting.label, lasting.onAct);
    else if (shortFor > 0) {
      timer = setTimeout(redraw, shortFor + 10);
      return true;
    } else if (reason === undefined && !navigator.onLine) {
      show(panels.offline, panels.tryNow, tryNow);
    } else if (status.kind === "backoff") {
      timer = setTimeout(redraw, 1_000);
      const seconds = Math.max(0, Math.ceil((status.retryAt - now) / 1_000));
      show(panels.reconnecting(seconds, reason), panels.tryNow, tryNow, topic);
    } else show(reason ?? panels.connecting, "", undefined, topic);
    return false;
  };

  return {
    /** Draws both lines. Returns false once the connection has been lost for a while. */
    update({ roster }: Room): boolean {
      const hidden = [...roster.members].filter(([member]) => chat.hidden.has(member));
      const hiddenNames = new Set(hidden.map(([, username]) => username));
      const names = roster.typing.filter((name) => !hiddenNames.has(name)).map(isolate);
      const sentence = names.length === 0 ? "" : panels.typing(names);
      if (sentence !== lastTyping) typing.replaceChildren(...withNames(sentence));
      lastTyping = sentence;
      clearTimeout(timer);
      if (!chat.session.isReady) return showNotReady(notReadySince ??= performance.now());
      // The server may have restarted with a new version.
      const isBack = notReadySince !== undefined && performance.now() > freshMs;
      if (isBack) void checkVersion().then(redraw);
      notReadySince = undefined;
      const { problem } = chat;
      if (problem !== undefined && !isShownInDialog(problem)) show(problemText(problem));
      else if (isOutdated) show(panels.newVersion, panels.reload, reload);
      else show("");
      return true;
    },
  };
}
