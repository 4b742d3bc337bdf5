// The content of the settings dialog: name, appearance, notifications, and this device.

import { basePath, storageOf } from "../browser.ts";
import type { Page } from "../page.ts";
import { parseUsername } from "../../../app/protocol/usernames.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Problem } from "../state/problem.ts";
import { loadStoredRooms } from "../state/stored_rooms.ts";
import { keysWithPrefix, removeKey } from "../state/storage.ts";
import { panels, problemText } from "../words/language.ts";
import { copyButton } from "./copying.ts";
import { button, element, setText } from "./dom.ts";
import { checkbox, copyField, fieldForm, line, section, select, statusLine } from "./forms.ts";
import { playSound } from "./notifications.ts";

/** Returns the sections of the dialog. Notifications are those of the current room. */
export function settingsSections(
  page: Page,
  hidden: HiddenMembers,
  close: () => void,
): HTMLElement[] {
  const { change } = page.settings;
  const room = page.room?.name ?? "";
  const { theme, density, hours, notify, sound } = page.settings.current;
  const { themes, densities, hourChoices, notifyChoices } = panels;

  const soundBox = checkbox(panels.sound, sound);
  soundBox.box.addEventListener("change", () => {
    change({ sound: soundBox.box.checked });
    if (soundBox.box.checked) playSound();
  });
  // Plain http has no notifications.
  const hasNotifications = isSecureContext && "Notification" in globalThis;
  const signOut = button(panels.signOut, () => {
    close();
    page.signOut();
  }, { class: "act" });

  return [
    section(
      panels.appearance,
      select(panels.theme, themes, theme, (theme) => change({ theme })),
      select(panels.density, densities, density, (density) => change({ density })),
      select(panels.hours, hourChoices, hours, (hours) => change({ hours })),
    ),
    section(
      panels.notifications,
      select(
        panels.notifyAbout(labelOf(room)),
        notifyChoices,
        notify.get(room) ?? "mention",
        (level) => change({ notify: new Map(page.settings.current.notify).set(room, level) }),
      ),
      soundBox.node,
      hasNotifications && permissionLine(),
    ),
    ...hidden.names.size > 0 ? [hiddenSection(hidden)] : [],
    section(
      panels.thisDevice,
      deviceLink(page),
      forgetDevice(page),
      element("div", {}, signOut),
    ),
  ];
}

/** Returns the list of hidden members, with a button to show each again. */
function hiddenSection(hidden: HiddenMembers): HTMLElement {
  const lines = [...hidden.names].map(([member, username]) => {
    const show = () => {
      hidden.show(member);
      node.remove();
    };
    const name = element("bdi", { translate: "no" }, username);
    const node = line(name, button(panels.showMessages, show, { class: "second" }));
    return node;
  });
  return section(panels.hiddenPeople, ...lines);
}

/** Returns the form for the name. `update` shows the server's reply. */
export function nameForm(chat: ChatClient, close: () => void) {
  const input = element("input", {
    id: "new-name",
    value: chat.session.username,
    autocomplete: "nickname",
    autocorrect: "off",
    spellcheck: "false",
    maxlength: 64,
    dir: "auto",
  });
  const hint = statusLine();
  const show = (problem: Problem | undefined) => {
    setText(hint, problem === undefined ? "" : problemText(problem));
    input.ariaInvalid = String(problem !== undefined);
  };
  const check = () => {
    const parsed = parseUsername(input.value);
    show(parsed.ok ? undefined : parsed);
    return parsed.ok ? parsed.value : undefined;
  };
  let requested: string | undefined;
  input.addEventListener("input", check);
  const form = fieldForm(panels.yourName, input, panels.change, hint, () => {
    const name = check();
    if (name === undefined) return;
    requested = name;
    if (name !== chat.session.username) chat.rename(name);
    update();
  });
  /** Closes the dialog once the name has changed, or shows why it has not. */
  const update = () => {
    if (requested === undefined) return;
    const isChanged = chat.session.username === requested;
    if (!isChanged && chat.problem === undefined) return;
    requested = undefined;
    if (isChanged) return close();
    show(chat.problem);
    input.select();
  };
  return { form, update };
}

function permissionLine(): HTMLElement {
  const node = statusLine();
  const draw = () => {
    const { permission } = Notification;
    const ask = () => void Notification.requestPermission().then(draw);
    node.replaceChildren(
      permission === "default"
        ? button(panels.allowNotifications, ask, { class: "act" })
        : permission === "granted"
        ? panels.notificationsOn
        : panels.notificationsBlocked,
    );
  };
  draw();
  return node;
}

/** Offers a link that takes the identity to another device. */
function deviceLink({ chat, profile }: Page): HTMLElement {
  const place = element("div");
  const show = () => {
    const field = copyField(panels.linkDevice);
    const taken = new Set<string>();
    const draw = () => {
      const fragment = new URLSearchParams({ token: profile.token, name: chat.session.username });
      for (const room of taken) fragment.append("room", room);
      field.value = `${location.origin}${basePath}/#${fragment}`;
    };
    draw();
    const rooms = [...loadStoredRooms(storageOf("localStorage"))].map(([name, room]) => {
      const value = [name, room.secret, room.label].join(" ");
      const box = element("input", { type: "checkbox" });
      box.addEventListener("change", () => {
        if (box.checked) taken.add(value);
        else taken.delete(value);
        draw();
      });
      return element("label", { class: "line" }, `# ${room.label}`, box);
    });
    place.replaceChildren(
      element("p", { class: "hint" }, panels.linkWarning),
      ...rooms.length > 0 ? [element("p", { class: "hint" }, panels.takeAlong), ...rooms] : [],
      line(field, copyButton(() => field.value, "second")),
    );
    field.focus();
    field.select();
  };
  place.append(button(panels.linkDevice, show, { class: "act" }));
  return place;
}

/** Offers to remove everything from this browser, and asks for confirmation. */
function forgetDevice(page: Page): HTMLElement {
  const place = element("div");
  const offer = button(panels.forgetDevice, () => {
    place.replaceChildren(
      element("p", { class: "hint warning" }, panels.forgetWarning),
      line(confirm, cancel),
    );
    cancel.focus();
  }, { class: "act" });
  const confirm = button(panels.confirmForget, () => {
    for (const storage of page.forgetDevice()) {
      for (const key of keysWithPrefix(storage, "parley.")) removeKey(storage, key);
    }
    location.replace(`${basePath}/`);
  }, { class: "second" });
  const cancel = button(panels.cancel, () => {
    place.replaceChildren(offer);
    offer.focus();
  }, { class: "second" });
  place.append(offer);
  return place;
}
