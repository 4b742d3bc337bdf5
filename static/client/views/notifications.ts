// Notifies about messages with a notification and a sound.

import { addressOf } from "../address.ts";
import { storageOf } from "../browser.ts";
import type { Page } from "../page.ts";
import { markHandled } from "../state/handled_messages.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Message } from "../state/message.ts";
import { startOf } from "../state/splitting.ts";
import { panels } from "../words/language.ts";
import { isTouch } from "./dom.ts";

const bodyMaxLength = 200;
const toneSeconds = 0.12;
const soundMs = 1_000;
/** How long tabs wait before they notify, and a random time on top: a focused tab comes first. */
const waitMs = 100;
const spreadMs = 400;
/** How long a tab claims a message. By then, the other tabs see what it has stored. */
const claimMs = 10_000;

export function mountNotifications({ chat, openRoom, settings }: Page) {
  const open = new Set<Notification>();
  /** Closes the notifications whose tag meets a condition. */
  const closeIf = (isWanted: (tag: string) => boolean) => {
    const close = (notification: Notification) => {
      if (!isWanted(notification.tag)) return;
      notification.close();
      open.delete(notification);
    };
    open.forEach(close);
    navigator.serviceWorker?.getRegistration()
      .then((worker) => worker?.getNotifications())
      .then((shown) => shown?.forEach(close))
      .catch(() => {});
  };
  // A focused page shows the messages itself.
  addEventListener("focus", () => closeIf(() => true));
  let isUnlocked = false;
  // Mobile Safari plays nothing until a tap has started the audio.
  addEventListener("click", () => {
    if (isUnlocked || !settings.current.sound) return;
    isUnlocked = true;
    startAudio();
  });

  const isDeleted = (room: string, offset: number) => {
    const message = chat.rooms.get(room)?.log.messages.find((it) => it.offset === offset);
    return message !== undefined && message.text === undefined;
  };
  const notify = (room: string, { from, offset, text = "" }: Message) => {
    const tag = `${room} ${offset}`;
    const body = startOf(text.replace(/^\/me /, `${from} `), bodyMaxLength);
    const title = panels.notificationTitle(from, labelOf(room));
    const options = { body, tag, silent: true };
    // On phones, only a service worker can show notifications. iPhones don't report that.
    const showByWorker = () =>
      void navigator.serviceWorker?.ready
        .then((worker) => worker.showNotification(title, { ...options, data: addressOf(room) }))
        .catch(() => {});
    if (isTouch()) return showByWorker();
    try {
      const notification = new Notification(title, options);
      open.add(notification);
      notification.addEventListener("click", () => {
        focus();
        openRoom(room);
      });
    } catch {
      showByWorker();
    }
  };

  return {
    /** Notifies about a message, unless another tab does or one of them has the focus. */
    onMessage(room: string, message: Message, isMention: boolean): void {
      const { sound: hasSound, notify: levels } = settings.current;
      const level = levels.get(room) ?? "mention";
      if (level === "never" || level === "mention" && !isMention) return;
      // Plain http has no notifications.
      const isAllowed = isSecureContext && globalThis.Notification?.permission === "granted";
      if (!hasSound && !isAllowed) return;
      const id = `${room} ${message.member} ${message.nonce}`;
      if (document.hasFocus()) return claim(id, () => {});
      setTimeout(() =>
        claim(id, () => {
          // It may have been deleted meanwhile.
          if (isDeleted(room, message.offset)) return;
          if (isAllowed) notify(room, message);
          if (hasSound) playSound();
        }), waitMs + Math.random() * spreadMs);
    },
    /** Closes the notifications about deleted messages. */
    onDelete(room: string, offsets: readonly number[]): void {
      const tags = new Set(offsets.map((offset) => `${room} ${offset}`));
      closeIf((tag) => tags.has(tag));
    },
  };
}

/** Calls `task` unless a tab has handled the message or is about to. Plain http has no locks. */
function claim(id: string, task: () => void): void {
  if (!markHandled(storageOf("localStorage"), id)) return;
  if (navigator.locks === undefined) return task();
  const name = `parley.notified ${id}`;
  void navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
    if (lock === null) return;
    task();
    await new Promise((resolve) => setTimeout(resolve, claimMs));
  });
}

/** The only context, since a tap starts just one. */
let audio: AudioContext | undefined;
let audioTimer: ReturnType<typeof setTimeout> | undefined;

/** Starts the audio, and suspends it after one sound. */
function startAudio(): AudioContext {
  const context = audio ??= new AudioContext();
  const ignore = () => {};
  context.resume().catch(ignore);
  clearTimeout(audioTimer);
  audioTimer = setTimeout(() => context.suspend().catch(ignore), soundMs);
  return context;
}

/** Plays two soft tones. Browsers mute a page until the person has clicked in it. */
export function playSound(): void {
  const context = startAudio();
  const gain = context.createGain();
  gain.gain.value = 0.08;
  gain.connect(context.destination);
  [660, 880].forEach((hertz, i) => {
    const tone = context.createOscillator();
    tone.frequency.value = hertz;
    tone.connect(gain);
    tone.start(context.currentTime + i * toneSeconds);
    tone.stop(context.currentTime + (i + 1) * toneSeconds);
  });
  // A muted browser would play the tones later, with those of other messages.
  setTimeout(() => gain.disconnect(), soundMs);
}
