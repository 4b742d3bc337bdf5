// Tells the person of messages outside the page, by a notification and a sound, where they have asked for them: loaded with
// the first message that there is to tell of.

import { NotificationLeader } from "../state/notification_leader.ts";
import type { Message } from "../state/room.ts";

/** What a notification does, and says. */
export interface NotifyVerbs {
  /** Shows a room, when its notification was clicked. */
  show(room: string): void;
  title(from: string, room: string): string;
  /** The address of a room. */
  addressOf(room: string): string;
}

const bodyMaxLength = 200;
const toneSeconds = 0.12;

/** Mounts the voice of this tab. */
export function mountNotifications(verbs: NotifyVerbs) {
  const channel = typeof BroadcastChannel === "undefined"
    ? undefined
    : new BroadcastChannel("parley.told");
  const open = new Set<Notification>();
  const speaker = new NotificationLeader({
    post: (id) => channel?.postMessage({ done: id }),
    ask: (id) => channel?.postMessage({ asked: id }),
    hasFocus: () => document.hasFocus(),
    later: (ms, task) => void setTimeout(task, ms),
    random: () => Math.random(),
  });
  channel?.addEventListener("message", ({ data }) => {
    if ("done" in data) speaker.heard(String(data.done));
    else speaker.asked(String(data.asked));
  });
  // Who looks at the page has seen them.
  addEventListener("focus", () => {
    for (const notification of open) notification.close();
    open.clear();
    navigator.serviceWorker?.getRegistration()
      .then((worker) => worker?.getNotifications())
      .then((shown) => shown?.forEach((notification) => notification.close()))
      .catch(() => {});
  });

  const notify = (room: string, { from, text }: Message, tag: string) => {
    const body = text.replace(/^\/me /, `${from} `).slice(0, bodyMaxLength);
    const title = verbs.title(from, room);
    try {
      const notification = new Notification(title, { body, tag, silent: true });
      open.add(notification);
      notification.addEventListener("click", () => {
        focus();
        verbs.show(room);
      });
    } catch {
      // On a phone only the service worker may show one.
      navigator.serviceWorker?.ready
        .then((worker) => {
          const data = verbs.addressOf(room);
          return worker.showNotification(title, { body, tag, data, silent: true });
        })
        .catch(() => {});
    }
  };

  return {
    /** Tells of a message, unless another tab does or the person looks at one. */
    arrived(room: string, message: Message, sound: boolean): void {
      // A plain http address has none.
      const notification = isSecureContext && globalThis.Notification?.permission === "granted";
      if (!sound && !notification) return;
      const id = `${room} ${message.member} ${message.nonce}`;
      speaker.arrived(id, () => {
        if (sound) play();
        if (notification) notify(room, message, id);
      });
    },
    play,
  };
}

/** Two soft tones. A page that nobody has touched yet may not make a sound: then there is none. */
function play(): void {
  const audio = new AudioContext();
  const gain = audio.createGain();
  gain.gain.value = 0.08;
  gain.connect(audio.destination);
  [660, 880].forEach((hertz, i) => {
    const tone = audio.createOscillator();
    tone.frequency.value = hertz;
    tone.connect(gain);
    tone.start(audio.currentTime + i * toneSeconds);
    tone.stop(audio.currentTime + (i + 1) * toneSeconds);
  });
  setTimeout(() => void audio.close().catch(() => {}), 1_000);
}
