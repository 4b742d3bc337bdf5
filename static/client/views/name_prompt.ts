// The prompt on the first visit: asks for a name and, on some servers, an access code.

import { parseUsername } from "../../../app/protocol/usernames.ts";
import { basePath, storageOf } from "../browser.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Problem } from "../state/problem.ts";
import { endOf } from "../words/formats.ts";
import { panels, problemText, sentenceOf } from "../words/language.ts";
import { button, byId, element, setText, withNames } from "./dom.ts";
import { isolate } from "./presence_lines.ts";
import type { ConnectionNotice } from "./status_line.ts";

export type NamePrompt = ReturnType<typeof mountNamePrompt>;

/** Mounts the prompt. Calls `signIn` with a valid name, and the access code if one was entered. */
export function mountNamePrompt(
  room: string,
  name: string,
  signIn: (username: string, access: string | undefined) => void,
) {
  const input = byId<"input">("prompt-name");
  const hint = byId<"p">("prompt-hint");
  const access = byId<"label">("prompt-access");
  const code = access.control as HTMLInputElement;
  const submit = byId<"button">("prompt-go");
  let notice: ConnectionNotice | undefined;
  setText(byId<"h1">("prompt-title"), `# ${labelOf(room)}`);
  setText(submit, panels.enter(labelOf(room)));
  if (input.value === "") input.value = name;

  const showHint = (text: string, invalid?: HTMLInputElement) => {
    setText(hint, text || (isStored() ? panels.nameHint : panels.notStored));
    hint.classList.toggle("warning", text !== "");
    for (const field of [input, code]) field.ariaInvalid = String(field === invalid);
  };
  /** The problem shown, or to be shown once its words have loaded. */
  let current: Problem | undefined;
  const showProblem = async (problem: Problem | undefined, field = input) => {
    current = problem;
    if (problem === undefined) return showHint("");
    const text = await sentenceOf(problem);
    if (current !== problem) return;
    showHint(text, field);
    if (problem.retryAfter !== undefined) countDown(problem, field);
    if (problem.code === "username_taken") {
      hint.replaceChildren(text, " ", button(panels.thatsMe, askForLink, { class: "link" }));
    }
  };
  /** Shows each second when the server accepts another attempt. */
  const countDown = (problem: Problem, field: HTMLInputElement) => {
    const timer = setInterval(() => {
      const retryAfter = endOf(problem) - Date.now();
      if (current !== problem) clearInterval(timer);
      else if (retryAfter <= 0) void showProblem(undefined);
      else showHint(problemText({ ...problem, retryAfter }), field);
      // Screen readers announce the start and the end only.
      hint.ariaLive = current === problem ? "off" : "polite";
    }, 1_000);
  };
  /** Explains how to use a name from another device, and asks for the link. */
  const askForLink = () => {
    const link = element("input", {
      "aria-label": panels.deviceLink,
      placeholder: "https://…#token=…",
    });
    link.addEventListener("input", () => location.hash = /#token=.*/.exec(link.value)?.[0] ?? "");
    showHint(panels.useDeviceLink);
    hint.classList.remove("warning");
    hint.append(link);
    link.focus();
  };
  const check = () => {
    const parsed = parseUsername(input.value);
    void showProblem(parsed.ok || input.value.trim() === "" ? undefined : parsed);
  };
  input.addEventListener("input", check);
  code.addEventListener("input", () => showProblem(undefined));
  byId<"form">("prompt-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const parsed = parseUsername(input.value);
    if (parsed.ok) {
      // Spaces may have been copied with the code. The server's code has none at its ends.
      signIn(parsed.value, code.value.trim() || undefined);
      return notice?.onAct?.();
    }
    void showProblem(parsed);
    input.focus();
  });
  let isPeopleShown = false;
  const showPeople = async () => {
    if (isPeopleShown) return;
    isPeopleShown = true;
    const response = await fetch(`${basePath}/here/${room}`);
    const { count, usernames } = await response.json();
    if (count === 0) return;
    const more = count > usernames.length ? "…" : "";
    const sentence = `${panels.here(count)}: ${usernames.map(isolate).join(", ")}${more}`;
    byId<"p">("prompt-here").replaceChildren(...withNames(sentence));
  };

  return {
    /** Asks for a name, or for the access code if `problem` is about that. */
    show(problem: Problem | undefined): void {
      notice = undefined;
      submit.disabled = false;
      setText(submit, panels.enter(labelOf(room)));
      const isAccess = problem?.code.startsWith("access_");
      if (isAccess) access.hidden = false;
      const field = isAccess ? code : input;
      // A name typed earlier may be invalid.
      if (problem === undefined) check();
      else void showProblem(problem, field);
      field.focus();
      // The list of people is optional.
      showPeople().catch(() => {});
    },
    /** Shows that the page waits for the server. With a `reason`, the button runs its action. */
    wait(reason: ConnectionNotice | undefined): void {
      notice = reason;
      submit.disabled = reason === undefined;
      if (reason === undefined) return setText(submit, panels.connecting);
      setText(submit, reason.label ?? panels.tryNow);
      showHint(reason.sentence);
    },
  };
}

/** Whether the browser will keep the name. Some keep nothing in private windows. */
function isStored(): boolean {
  try {
    return storageOf("localStorage") === localStorage;
  } catch {
    return false;
  }
}
