// The actions of a message: a toolbar on hover or focus; a menu on Enter, a long press or "More".

import { addressOf } from "../address.ts";
import type { Page } from "../page.ts";
import { deleteMessage } from "../state/amending.ts";
import { panels } from "../words/language.ts";
import { amendmentOf } from "./amendments.ts";
import { copyText } from "./copying.ts";
import { button, byId, element, isTouch, keepFocus, setText } from "./dom.ts";
import { releaseFocus, step } from "./focus.ts";
import { viewOf } from "./message_view.ts";
import { clockTime } from "./times.ts";
import type { Writing } from "./writing.ts";

const longPressMs = 500;
/** A finger that moves farther than this scrolls instead. */
const pressMovePx = 10;
const copiedMs = 800;

/** Mounts the actions of the messages in the conversation. */
export function mountMessageMenu(
  page: Page,
  writing: Writing,
  openMember: (member: string, username: string) => void,
) {
  const { chat } = page;
  const log = byId<"div">("log");
  const talk = byId<"main">("talk");
  const bar = element("div", { class: "bar", role: "toolbar", hidden: true });
  const status = element("p", { class: "hint", role: "status" });
  const menu = element("dialog", { class: "dialog menu" });
  const hint = element("p", { id: "message-hint", hidden: true }, panels.messageHint);
  log.after(bar, hint);
  document.body.append(menu);
  let shown: Element | undefined;
  /** The message that has the focus, or had it when it was redrawn. */
  let focused: Element | undefined;
  let press: { readonly x: number; readonly y: number; readonly timer: number } | undefined;
  /** Whether the finger that opened the menu may still be down. */
  let isPressed = false;
  let copiedTimer: number | undefined;

  const act = (run: () => void) => () => {
    menu.close();
    run();
  };
  const copy = (text: string) => async () => {
    const first = menu.firstElementChild;
    const isCopied = await copyText(text);
    // Another message's menu may be open by now.
    if (menu.firstElementChild !== first) return;
    if (!isCopied) return setText(status, panels.copyFailed);
    setText(status, panels.copied);
    clearTimeout(copiedTimer);
    copiedTimer = setTimeout(() => menu.close(), copiedMs);
  };
  const confirmDeletion = (remove: () => void) => {
    setText(status, panels.confirmDelete);
    menu.replaceChildren(
      status,
      button(panels.delete, act(remove), { class: "primary" }),
      button(panels.cancel, () => menu.close()),
    );
    menu.querySelector("button")?.focus();
  };

  /** Returns the actions of a message: `quick` ones, which the toolbar shows too, and others. */
  const actionsOf = (article: Element) => {
    const { room } = page;
    const message = viewOf(article)?.message;
    const text = room && message && amendmentOf(chat, room, message).view.text;
    // A message that can't be verified has no text, but can be deleted.
    const isUnverified = message !== undefined && "isUnverified" in message &&
      message.isUnverified === true;
    if (room === undefined || message === undefined || text === undefined && !isUnverified) {
      return { quick: [], others: [] };
    }
    const isUnsent = "state" in message;
    const isOwn = isUnsent ? message.state === "pending" : message.member === chat.session.member;
    const isModerator = chat.session.moderation.moderator !== undefined;
    const link = location.origin + addressOf(room.name, message.offset);
    const quick = [
      !isUnsent && !isUnverified && button(panels.reply, act(() => writing.reply(message))),
      isOwn && !isUnverified && button(panels.edit, act(() => writing.edit(message))),
    ];
    const others = [
      !isUnsent && button(panels.copyLink, copy(link)),
      text !== undefined && button(panels.copyText, copy(text)),
      !isOwn && !isUnsent && button(
        isModerator ? panels.moderateMember : panels.hideMember,
        act(() => openMember(message.member, message.from)),
      ),
      (isOwn || isModerator && !isUnsent) && button(panels.delete, () =>
        confirmDeletion(() => {
          deleteMessage(chat, room, message);
          page.redraw();
        })),
    ];
    return {
      quick: quick.filter((it) => it !== false),
      others: others.filter((it) => it !== false),
    };
  };

  const hide = () => {
    releaseFocus(bar);
    bar.hidden = true;
    shown = undefined;
  };
  const place = (article: Element) => {
    const { top, right } = article.getBoundingClientRect();
    const frame = talk.getBoundingClientRect();
    // The first line of a tall message may be above the view.
    bar.style.top = `${Math.max(top, log.getBoundingClientRect().top) - frame.top}px`;
    // Right-to-left text starts on the other side.
    const left = article.querySelector(".text:dir(rtl)")?.getBoundingClientRect().left;
    bar.style.left = left === undefined ? "" : `${left - frame.left}px`;
    bar.style.right = left === undefined ? `${Math.max(0, frame.right - right)}px` : "";
  };
  const show = (article: Element) => {
    if (article === shown) return place(article);
    const { quick, others } = actionsOf(article);
    if (others.length === 0) return hide();
    shown = article;
    releaseFocus(bar);
    bar.replaceChildren(
      ...quick,
      button(panels.more, () => open(article), { "aria-haspopup": "dialog" }),
    );
    bar.ariaLabel = labelOf(article);
    bar.hidden = false;
    place(article);
  };
  const labelOf = (article: Element) => {
    const view = viewOf(article);
    return view === undefined ? "" : panels.actionsFor(view.from, clockTime(view.at));
  };
  const open = (article: Element) => {
    const { quick, others } = actionsOf(article);
    if (quick.length + others.length === 0) return;
    clearTimeout(copiedTimer);
    setText(status, "");
    menu.replaceChildren(...quick, ...others, status);
    menu.ariaLabel = labelOf(article);
    menu.showModal();
    if (isTouch()) return;
    const { top, right } = article.getBoundingClientRect();
    menu.style.left = `${Math.min(right, innerWidth - 8) - menu.offsetWidth}px`;
    menu.style.top = `${Math.max(8, Math.min(top, innerHeight - menu.offsetHeight - 8))}px`;
  };

  menu.addEventListener("pointerdown", ({ target }) => {
    isPressed = false;
    if (target === menu) menu.close();
  });
  // Lifting the finger that opened the menu may click a button. Clicks by key have detail 0.
  menu.addEventListener("click", (event) => {
    if (isPressed && event.detail > 0) event.stopPropagation();
  }, { capture: true });
  menu.addEventListener("close", () => {
    // The event is late: the menu may be open again.
    if (menu.open) return;
    releaseFocus(menu);
    keepFocus();
  });
  menu.addEventListener("keydown", (event) => step(event, menu, "button", "ArrowUp", "ArrowDown"));
  bar.addEventListener("keydown", (event) => {
    step(event, bar, "button", "ArrowLeft", "ArrowRight");
    if (event.key === "Escape" && shown instanceof HTMLElement) {
      event.preventDefault();
      shown.focus();
    }
  });

  log.addEventListener("pointerover", ({ target, pointerType }) => {
    const article = target instanceof Element && target.closest("article");
    if (pointerType === "mouse" && article) show(article);
  });
  for (const [left, entered] of [[log, bar], [bar, log]] as const) {
    left.addEventListener("pointerleave", ({ relatedTarget }) => {
      if (!(relatedTarget instanceof Node && entered.contains(relatedTarget))) hide();
    });
  }
  document.addEventListener("focusin", ({ target }) => {
    const isMessage = target instanceof Element && target.matches("#rows article");
    if (isMessage) {
      show(target);
      focused = target;
      // While a message is redrawn, the composer has the focus.
    } else if (focused?.isConnected) focused = undefined;
  });
  log.addEventListener("scroll", () => {
    if (shown?.contains(document.activeElement)) place(shown);
    else hide();
  }, { passive: true });

  log.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.altKey || event.ctrlKey || event.metaKey || !(target instanceof Element)) return;
    const isMessage = target.matches("article");
    if (!isMessage && target !== log) return;
    if (key === "Enter" && isMessage) open(target);
    else if (key === "Escape") byId<"textarea">("text").focus();
    else if (key === "ArrowUp" || key === "ArrowDown") {
      focusNext(target, key === "ArrowUp" ? -1 : 1);
    } else return;
    event.preventDefault();
  });
  const focusNext = (from: Element, direction: number) => {
    const articles = Array.from(log.querySelectorAll<HTMLElement>("article:not([inert])"));
    const { top, bottom } = log.getBoundingClientRect();
    const inView = articles.filter((article) => {
      const box = article.getBoundingClientRect();
      return box.bottom > top && box.top < bottom;
    });
    const index = articles.findIndex((article) => article === from);
    const next = index < 0 ? inView.at(Math.min(0, direction)) : articles[index + direction];
    if (next !== undefined) focus(next);
  };
  const focus = (article: HTMLElement) => {
    article.tabIndex = -1;
    // Its label has no text, and screen readers don't read the content of a focused message.
    for (const part of log.querySelectorAll("article [id]")) part.removeAttribute("id");
    const parts = Array.from(article.querySelectorAll(".quote, .text"));
    parts.forEach((part, i) => part.id = `message-part-${i}`);
    article.setAttribute("aria-describedby", [...parts, hint].map(({ id }) => id).join(" "));
    article.focus({ preventScroll: true });
    article.scrollIntoView({ block: "nearest" });
    show(article);
  };

  // Moves the toolbar with its message, once the rows have been laid out anyway.
  new ResizeObserver(() => shown?.isConnected && place(shown)).observe(byId<"div">("rows"));

  const endPress = () => {
    clearTimeout(press?.timer);
    press = undefined;
  };
  log.addEventListener("pointerdown", ({ target, pointerType, clientX: x, clientY: y }) => {
    endPress();
    if (pointerType !== "touch" || !(target instanceof Element)) return;
    const article = target.closest("a, button") === null && target.closest("article");
    if (!article) return;
    const timer = setTimeout(() => {
      getSelection()?.removeAllRanges();
      open(article);
      isPressed = true;
    }, longPressMs);
    press = { x, y, timer };
  });
  log.addEventListener("pointermove", ({ clientX, clientY }) => {
    if (press && Math.hypot(clientX - press.x, clientY - press.y) > pressMovePx) endPress();
  });
  for (const end of ["pointerup", "pointercancel"] as const) log.addEventListener(end, endPress);
  // On a long press, the browser would select a word.
  log.addEventListener("contextmenu", (event) => {
    if (press !== undefined) event.preventDefault();
  });

  return {
    /** Hides the toolbar if its message was redrawn, and gives that message the focus again. */
    update(): void {
      if (shown?.isConnected !== false) return;
      const message = shown === focused ? viewOf(shown)?.message : undefined;
      hide();
      const again = message &&
        Array.from(log.querySelectorAll("article")).find((article) =>
          viewOf(article)?.message.nonce === message.nonce
        );
      if (again) focus(again);
    },
  };
}
