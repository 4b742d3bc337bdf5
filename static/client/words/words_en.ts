// English words that the page needs at once. Those for panels and problems load later, from
// panel_words_en.ts.

const number = new Intl.NumberFormat("en");
const list = new Intl.ListFormat("en");
const pick = (count: number, one: string, many: string) => count === 1 ? one : many;

/** The page's words. Sentences end with a full stop, labels and fragments do not. */
export const words = {
  nameHint: "This is the name others will see.",
  enter: (room: string) => `Enter #${room}`,
  here: (count: number) => `${number.format(count)} here`,
  hereNow: (count: number) => `Here now: ${number.format(count)}`,
  you: "(you)",
  crowded: "Too many people to list",
  retention: (days: number, messages: number) => {
    const last = `last ${number.format(messages)} messages kept`;
    const time = `${number.format(days)} ${pick(days, "day", "days")}`;
    if (days > 0) return messages > 0 ? `${last}, up to ${time}` : `messages kept for ${time}`;
    return messages > 0 ? last : "history is kept";
  },
  placeholder: (room: string) => `Message #${room}`,
  sendHint: "Enter to send",
  sending: "Sending…",
  willSend: "Will send when you're back online",
  queued: "Queued: you're sending quickly",
  retry: "Try again",
  sendNow: "Send now",
  edit: "Edit",
  discard: "Discard",
  stale: "Not sent. Written over a day ago.",
  notSent: "Not sent.",
  newSince: (time: string) => time === "" ? "New" : `New since ${time}`,
  newMessages: (count: number) =>
    `${number.format(count)} new ${pick(count, "message", "messages")}`,
  jumpToLatest: "Jump to latest",
  loadingOlder: "Loading older messages…",
  missing: (count: number) =>
    `${number.format(count)} ${
      pick(
        count,
        "message not loaded. Scroll up to load it.",
        "messages not loaded. Scroll up to load them.",
      )
    }`,
  restored: "This room was restored from a backup; recent messages may be gone",
  pruned: "Older messages are no longer kept",
  beginning: (room: string) => `This is the beginning of #${room}`,
  joined: (names: readonly string[]) => `${people(names)} joined`,
  left: (names: readonly string[]) => `${people(names)} left`,
  timeout: (names: readonly string[]) =>
    `${people(names)} ${pick(names.length, "was", "were")} disconnected`,
  renamed: (from: string, to: string) => `${from} is now ${to}`,
  typing: (names: readonly string[]) =>
    names.length > 3
      ? "Several people are typing…"
      : `${list.format(names)} ${pick(names.length, "is", "are")} typing…`,
  connecting: "Connecting…",
  notConnected: "offline",
  offline: "You're offline. Messages will be sent when you're back online.",
  reconnecting: (seconds: number, problem = "") => `${problem} Reconnecting in ${seconds} s`.trim(),
  unreachable: "Can't reach the server. Still trying…",
  tryNow: "Try now",
  charactersLeft: (count: number) =>
    count >= 0 ? `${number.format(count)} left` : `${number.format(-count)} over the limit`,
  showAll: (lines: number) => `Show all (${number.format(lines)} lines)`,
  showLess: "Show less",
  copy: "Copy",
  copied: "Copied",
  newVersion: "There is a new version of this page.",
  loadFailed: "Couldn't load this. Try again once you're online.",
  /** Texts of index.html, which is in English, in this language. */
  page: {} as Readonly<Record<string, string>>,
};

/** The words of a language. */
export type Words = typeof words;

function people(names: readonly string[]): string {
  if (names.length <= 3) return list.format(names);
  return `${names[0]}, ${names[1]} and ${number.format(names.length - 2)} others`;
}
