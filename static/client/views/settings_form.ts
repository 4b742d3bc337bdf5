// The content of the settings dialog: name, appearance, notifications, and this device.

import type { ChatClient } from "../state/chat_client.ts";
import type { Problem } from "../state/problem.ts";
import type { Profile } from "../state/profile.ts";
import type { Settings } from "../state/settings.ts";
import { words } from "../words/language.ts";
import type { PanelWords } from "../words/panel_words_en.ts";
import { button, copyButton, element, setText } from "./dom.ts";
import { playSound } from "./notifications.ts";

/** What the settings ask of the page. */
export interface SettingsActions {
  readonly settings: { readonly current: Settings; change(part: Partial<Settings>): void };
  readonly profile: Profile;
  /** The path of the page without a room. */
  readonly home: string;
  /** Returns why a text is not a valid name. */
  checkName(name: string): Problem | undefined;
  signOut(): void;
  /** Removes everything this browser stores. */
  forgetDevice(): void;
}

/** Returns the sections of the dialog. Notifications are those of `room`. */
export function settingsSections(
  panelWords: PanelWords,
  chat: ChatClient,
  room: string,
  actions: SettingsActions,
  close: () => void,
): HTMLElement[] {
  const { change } = actions.settings;
  const { theme, density, notify, sound } = actions.settings.current;
  const { themes, densities, notifyChoices } = panelWords;

  const soundBox = element("input", { type: "checkbox", checked: sound });
  soundBox.addEventListener("change", () => {
    change({ sound: soundBox.checked });
    if (soundBox.checked) playSound();
  });
  // Plain http has no notifications.
  const hasNotifications = isSecureContext && "Notification" in globalThis;
  const signOut = button(panelWords.signOut, () => {
    close();
    actions.signOut();
  }, { class: "act" });

  return [
    nameForm(panelWords, chat, actions, close),
    section(
      panelWords.appearance,
      select(panelWords.theme, themes, theme, (theme) => change({ theme })),
      select(panelWords.density, densities, density, (density) => change({ density })),
    ),
    section(
      panelWords.notifications,
      select(
        panelWords.notifyAbout(room),
        notifyChoices,
        notify.get(room) ?? "mention",
        (level) => change({ notify: new Map(actions.settings.current.notify).set(room, level) }),
      ),
      element("label", { class: "line" }, panelWords.sound, soundBox),
      hasNotifications && permissionLine(panelWords),
    ),
    section(
      panelWords.thisDevice,
      deviceLink(panelWords, chat, actions),
      forgetDevice(panelWords, actions),
      element("div", {}, signOut),
    ),
  ];
}

function section(title: string, ...lines: readonly (Node | false)[]): HTMLElement {
  return element("section", {}, element("h3", {}, title), ...lines);
}

function nameForm(
  panelWords: PanelWords,
  chat: ChatClient,
  actions: SettingsActions,
  close: () => void,
): HTMLElement {
  const input = element("input", {
    id: "new-name",
    value: chat.username,
    autocomplete: "nickname",
    spellcheck: "false",
    maxlength: 64,
    dir: "auto",
  });
  const hint = element("p", { class: "hint", role: "status" });
  const submit = element("button", { type: "submit", class: "primary" }, panelWords.change);
  const form = element(
    "form",
    {},
    element("label", { for: input.id }, panelWords.yourName),
    element("div", { class: "line" }, input, submit),
    hint,
  );
  const check = () => {
    const problem = actions.checkName(input.value);
    setText(hint, problem === undefined ? "" : words.problem(problem));
    return problem === undefined;
  };
  input.addEventListener("input", check);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!check()) return;
    if (input.value.trim() !== chat.username) chat.rename(input.value);
    close();
  });
  return form;
}

function select<Value extends string>(
  label: string,
  options: Readonly<Record<Value, string>>,
  current: Value,
  onSelect: (value: Value) => void,
): HTMLElement {
  const values = Object.keys(options) as Value[];
  const node = element(
    "select",
    {},
    ...values.map((value) =>
      element("option", { value, selected: value === current }, options[value])
    ),
  );
  node.addEventListener("change", () => {
    const value = values[node.selectedIndex];
    if (value !== undefined) onSelect(value);
  });
  return element("label", { class: "line" }, label, node);
}

function permissionLine(panelWords: PanelWords): HTMLElement {
  const line = element("p", { class: "hint", role: "status" });
  const draw = () => {
    const { permission } = Notification;
    const ask = () => void Notification.requestPermission().then(draw);
    line.replaceChildren(
      permission === "default"
        ? button(panelWords.allowNotifications, ask, { class: "act" })
        : permission === "granted"
        ? panelWords.notificationsOn
        : panelWords.notificationsBlocked,
    );
  };
  draw();
  return line;
}

/** Offers a link that carries the identity to another device. */
function deviceLink(
  panelWords: PanelWords,
  chat: ChatClient,
  { profile, home }: SettingsActions,
): HTMLElement {
  const place = element("div");
  const show = () => {
    const fragment = new URLSearchParams({ token: profile.token, name: chat.username });
    const field = element("input", {
      readonly: true,
      value: `${location.origin}${home}#${fragment}`,
      "aria-label": panelWords.linkDevice,
    });
    field.addEventListener("focus", () => field.select());
    place.replaceChildren(
      element("p", { class: "hint" }, panelWords.linkWarning),
      element("div", { class: "line" }, field, copyButton(() => field.value, "second")),
    );
    field.focus();
  };
  place.append(button(panelWords.linkDevice, show, { class: "act" }));
  return place;
}

/** Removes everything from this browser, after a second click. */
function forgetDevice(panelWords: PanelWords, actions: SettingsActions): HTMLElement {
  const place = element("div");
  const offer = button(panelWords.forgetDevice, () => {
    place.replaceChildren(
      element("p", { class: "hint trouble" }, panelWords.forgetWarning),
      element("div", { class: "line" }, confirm, cancel),
    );
    cancel.focus();
  }, { class: "act" });
  const confirm = button(panelWords.confirmForget, () => actions.forgetDevice(), {
    class: "second",
  });
  const cancel = button(panelWords.cancel, () => {
    place.replaceChildren(offer);
    offer.focus();
  }, { class: "second" });
  place.append(offer);
  return place;
}
