// The panels that open over the page: help, and the person's own settings. They are loaded when they are first wanted, so
// what the first scripts have already is lent to them. The browser's dialog keeps and gives back the focus.

import type { parseUsername } from "../../../app/protocol/text.ts";
import type { ChatClient, Profile } from "../state/chat_client.ts";
import type { button, byId, element, setText } from "./dom.ts";
import { copyButton, invite } from "./empty_room.ts";
import type { Settings } from "../state/settings.ts";
import type { PanelWords } from "../words/panel_words_en.ts";
import type { PageWords } from "../words/language.ts";

/** What the page's first scripts lend. */
export interface Lent {
  readonly button: typeof button;
  readonly byId: typeof byId;
  readonly element: typeof element;
  readonly setText: typeof setText;
  readonly parseUsername: typeof parseUsername;
  readonly words: PageWords;
  readonly sentences: PanelWords;
}

/** What the panels ask of the page. */
export interface DialogActions {
  readonly settings: { readonly now: Settings; change(part: Partial<Settings>): void };
  readonly profile: Readonly<Profile>;
  /** The address of the page, without a room. */
  readonly home: string;
  /** Says goodbye; the name stays. */
  signOut(): void;
  /** Makes another name that of this browser. */
  become(profile: Profile): void;
  /** Forgets all that this browser keeps. */
  forget(): void;
  /** Plays the sound, so that it is known. */
  tryOut(): void;
}

/** A name that comes from another device, as the address has it. */
export interface Link {
  readonly token: string;
  readonly name: string;
}

/** The panels. */
export type Dialogs = ReturnType<typeof mountDialogs>;

/** Mounts the panels; each method opens one. */
export function mountDialogs(lent: Lent, chat: ChatClient, verbs: DialogActions) {
  const { button, byId, element, setText, parseUsername, words, sentences } = lent;
  const dialog = byId("dialog");

  const show = (title: string, ...content: readonly Node[]) => {
    dialog.replaceChildren(
      element(
        "header",
        { class: "line" },
        element("h2", { id: "dialog-title" }, title),
        button(sentences.close, () => dialog.close(), { class: "second" }),
      ),
      ...content,
    );
    if (!dialog.open) dialog.showModal();
  };

  return {
    /** Shows the commands and keys. */
    help(): void {
      const rows = Object.entries(sentences.commands).map(([command, [argument, what]]) =>
        [`${command} ${argument}`, what] as const
      );
      // Who types on the screen has no such keys.
      const isTouch = matchMedia("(pointer: coarse)").matches;
      const lists = [rows, ...isTouch ? [] : [sentences.keys], sentences.formatting];
      const draw = ([key, what]: readonly [string, string]) => [
        element("dt", {}, element("code", {}, key)),
        element("dd", {}, what),
      ];
      show(sentences.helpTitle, ...lists.map((list) => element("dl", {}, ...list.flatMap(draw))));
    },

    /** Says in a room where nobody has said anything how it can be shared. */
    invite: (place: HTMLElement) => invite(lent, place),

    /** Shows the person's own name and settings; those of `room` are told by its name. */
    me(room: string): void {
      show(
        sentences.settings,
        nameForm(),
        section(sentences.appearance, ...lookLines()),
        section(sentences.notifications, ...toldLines(room)),
        section(sentences.thisDevice, ...deviceLines()),
      );
    },

    /** Asks whether the name of another device is to be used here. */
    adopt({ token, name }: Link): void {
      const parsed = parseUsername(name);
      const { profile } = verbs;
      if (!parsed.ok || !/^[\w-]{43}$/.test(token) || token === profile.token) return;
      // What was written under one name does not go out under another.
      const isWaiting = chat.outbox.rooms.size > 0;
      const username = parsed.value;
      const text = isWaiting
        ? sentences.offerNameLater
        : sentences.offerName(username, profile.username);
      const become = () => verbs.become({ username, token });
      const yes = button(sentences.continueAs(username), become, { class: "primary" });
      show(sentences.thisDevice, element("section", {}, element("p", {}, text), !isWaiting && yes));
    },
  };

  function section(title: string, ...lines: readonly Node[]): HTMLElement {
    return element("section", {}, element("h3", {}, title), ...lines);
  }

  function nameForm(): HTMLElement {
    const input = element("input", {
      id: "new-name",
      value: chat.username,
      autocomplete: "nickname",
      spellcheck: "false",
      maxlength: 64,
      dir: "auto",
    });
    const hint = element("p", { class: "hint", role: "status" });
    const form = element(
      "form",
      {},
      element("label", { for: "new-name" }, sentences.yourName),
      element(
        "div",
        { class: "line" },
        input,
        element("button", { type: "submit", class: "primary" }, sentences.change),
      ),
      hint,
    );
    input.addEventListener("input", () => {
      const parsed = parseUsername(input.value);
      setText(hint, parsed.ok ? "" : words.problem(parsed.message));
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const parsed = parseUsername(input.value);
      if (!parsed.ok) return setText(hint, words.problem(parsed.message));
      if (parsed.value !== chat.username) chat.rename(parsed.value);
      dialog.close();
    });
    return form;
  }

  function choice<Value extends string>(
    label: string,
    options: Readonly<Record<Value, string>>,
    chosen: Value,
    choose: (value: Value) => void,
  ): HTMLElement {
    const select = element("select");
    const values = Object.keys(options) as Value[];
    for (const value of values) {
      select.append(element("option", { value, selected: value === chosen }, options[value]));
    }
    select.addEventListener("change", () => {
      const value = values[select.selectedIndex];
      if (value !== undefined) choose(value);
    });
    return element("label", { class: "line" }, label, select);
  }

  function lookLines(): HTMLElement[] {
    const { now, change } = verbs.settings;
    return [
      choice(sentences.theme, sentences.themes, now.theme, (theme) => change({ theme })),
      choice(sentences.density, sentences.densities, now.density, (density) => {
        change({ density });
      }),
    ];
  }

  function toldLines(room: string): HTMLElement[] {
    const { now, change } = verbs.settings;
    const when = choice(
      sentences.notifyAbout(room),
      sentences.notifyChoices,
      now.notify.get(room) ?? "mention",
      (value) => change({ notify: new Map(verbs.settings.now.notify).set(room, value) }),
    );
    const box = element("input", { type: "checkbox", checked: now.sound });
    box.addEventListener("change", () => {
      change({ sound: box.checked });
      if (box.checked) verbs.tryOut();
    });
    const sound = element("label", { class: "line" }, sentences.sound, box);
    // A plain http address has none.
    const hasNotifications = isSecureContext && "Notification" in globalThis;
    return hasNotifications ? [when, sound, permissionLine()] : [when, sound];
  }

  function permissionLine(): HTMLElement {
    const line = element("p", { class: "hint", role: "status" });
    const draw = () => {
      const { permission } = Notification;
      if (permission === "default") {
        const ask = () => void Notification.requestPermission().then(draw);
        line.replaceChildren(button(sentences.allowNotifications, ask, { class: "act" }));
      } else {
        const isOn = permission === "granted";
        setText(line, isOn ? sentences.notificationsOn : sentences.notificationsBlocked);
      }
    };
    draw();
    return line;
  }

  function deviceLines(): HTMLElement[] {
    const link = element("div", {});
    link.append(button(sentences.linkDevice, () => {
      const { token } = verbs.profile;
      const fragment = new URLSearchParams({ token, name: chat.username });
      const field = element("input", {
        readonly: true,
        value: `${verbs.home}#${fragment}`,
        "aria-label": sentences.linkDevice,
      });
      field.addEventListener("focus", () => field.select());
      const line = element("div", { class: "line" }, field);
      // There is no clipboard on a plain http address.
      if (navigator.clipboard !== undefined) line.append(copyButton(lent, () => field.value));
      link.replaceChildren(element("p", { class: "hint" }, sentences.linkWarning), line);
      field.focus();
    }, { class: "act" }));

    const forget = element("div", {});
    const offerToForget = () => {
      const first = button(sentences.forgetDevice, () => {
        const no = button(sentences.cancel, () => {
          offerToForget();
          forget.querySelector("button")?.focus();
        }, { class: "second" });
        forget.replaceChildren(
          element("p", { class: "hint trouble" }, sentences.forgetWarning),
          element(
            "div",
            { class: "line" },
            button(sentences.confirmForget, () => verbs.forget(), { class: "second" }),
            no,
          ),
        );
        no.focus();
      }, { class: "act" });
      forget.replaceChildren(first);
    };
    offerToForget();

    const away = button(sentences.signOut, () => {
      dialog.close();
      verbs.signOut();
    }, { class: "act" });
    return [link, forget, element("div", {}, away)];
  }
}
