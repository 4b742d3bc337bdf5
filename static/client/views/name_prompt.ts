// The first page: asks for a name, and tells its rules while it is typed.

import { parseUsername } from "../../../app/protocol/text.ts";
import { basePath } from "../browser.ts";
import type { SignInState } from "../state/chat_client.ts";
import { byId, setText } from "./dom.ts";
import { words } from "../words/language.ts";

/** Mounts the prompt; `enter` is called with a name that keeps the rules, and an access code where one was asked for. */
export function mountNamePrompt(
  room: string,
  name: string,
  enter: (username: string, access: string | undefined) => void,
) {
  const prompt = byId("prompt");
  const form = byId("prompt-form");
  const input = byId("prompt-name");
  const hint = byId("prompt-hint");
  const access = byId("prompt-access");
  const code = access.control as HTMLInputElement;
  const here = byId("prompt-here");
  const go = byId("prompt-go");
  setText(byId("prompt-title"), `# ${room}`);
  setText(go, words.enter(room));
  if (input.value === "") input.value = name;

  const complain = (problem: string, field: HTMLInputElement | null = input) => {
    setText(hint, problem === "" ? words.nameHint : words.problem(problem));
    hint.classList.toggle("trouble", problem !== "");
    for (const one of [input, code]) {
      one.setAttribute("aria-invalid", String(problem !== "" && one === field));
    }
  };
  input.addEventListener("input", () => {
    const parsed = parseUsername(input.value);
    complain(parsed.ok || input.value.trim() === "" ? "" : parsed.message);
  });
  complain("");
  code.addEventListener("input", () => complain(""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const parsed = parseUsername(input.value);
    if (parsed.ok) enter(parsed.value, code.value === "" ? undefined : code.value);
    else {
      complain(parsed.message);
      input.focus();
    }
  });

  let isTold = false;
  /** Names whom one is about to meet. What cannot be known is not said. */
  const tellWhoIsHere = async () => {
    if (isTold) return;
    isTold = true;
    const response = await fetch(`${basePath}/here/${room}`);
    const { count, usernames } = await response.json();
    if (count > 0) {
      setText(
        here,
        `${words.here(count)}: ${usernames.join(", ")}${count > usernames.length ? "…" : ""}`,
      );
    }
  };

  return {
    show({ problem, code: reason }: SignInState & { readonly kind: "asking" }): void {
      if (prompt.hidden) prompt.hidden = false;
      tellWhoIsHere().catch(() => {});
      go.disabled = false;
      setText(go, words.enter(room));
      const isAccess = reason?.startsWith("access_");
      const field = isAccess ? code : input;
      complain(problem ?? "", field);
      if (isAccess) access.hidden = false;
      field.focus();
    },
    /** The name was given and is on its way. Where a `problem` is in the way, the button goes at once, with any name. */
    wait(problem: string | undefined): void {
      go.disabled = problem === undefined;
      setText(go, problem === undefined ? words.connecting : words.tryNow);
      if (problem !== undefined) complain(problem, null);
    },
    hide(): void {
      prompt.hidden = true;
    },
  };
}
