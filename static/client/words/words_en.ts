// Every word that the page says, in English. Sentences are plain, say what happened and what to do.

const language = "en";
const number = new Intl.NumberFormat(language);
const list = new Intl.ListFormat(language, { type: "conjunction" });
const plural = new Intl.PluralRules(language);
const two = (count: number, one: string, many: string) =>
  plural.select(count) === "one" ? one : many;

/** The page's words. */
export const words = {
  nameHint: "Others see it beside what you write.",
  enter: (room: string) => `Enter #${room}`,
  here: (count: number) => `${number.format(count)} here`,
  hereTitle: (count: number) => `Here, ${number.format(count)}`,
  you: "(you)",
  crowded: "Too many to list.",
  kept: (days: number, messages: number) =>
    days > 0 && messages > 0
      ? `the last ${number.format(messages)} messages of ${number.format(days)} ${
        two(days, "day", "days")
      } are kept`
      : days > 0
      ? `messages kept for ${number.format(days)} ${two(days, "day", "days")}`
      : messages > 0
      ? `the last ${number.format(messages)} messages are kept`
      : "messages are kept",
  message: (room: string) => `Message #${room}`,
  send: "Enter to send",
  sending: "sending",
  waiting: "waiting for the connection",
  slowDown: "waits a moment: you are fast",
  retry: "Try again",
  sendNow: "Send now",
  edit: "Edit",
  discard: "Discard",
  old: "written over a day ago, not sent",
  failed: (why: string) => `not sent: ${why}`,
  newSince: (time: string) => time === "" ? "New" : `New since ${time}`,
  newMessages: (count: number) =>
    `${number.format(count)} new ${two(count, "message", "messages")}`,
  toEnd: "To the newest",
  loadingOlder: "Loading older messages",
  missing: (count: number) =>
    `${number.format(count)} ${
      two(count, "message is", "messages are")
    } not here: scroll up to load them`,
  replaced: "The room was set back to an earlier state: what you saw before may be gone",
  pruned: "Older messages are no longer kept",
  beginning: (room: string) => `This is the beginning of #${room}.`,
  joined: (names: readonly string[]) => `${people(names)} joined`,
  left: (names: readonly string[]) => `${people(names)} left`,
  timeout: (names: readonly string[]) => `${people(names)} lost the connection`,
  renamed: (from: string, to: string) => `${from} is now ${to}`,
  typing: (names: readonly string[]) =>
    names.length > 3
      ? "Several people are writing"
      : `${list.format(names)} ${two(names.length, "is", "are")} writing`,
  connecting: "Connecting",
  notConnected: "not connected",
  offline: "You are offline. What you write is sent when the network is back.",
  reconnecting: (seconds: number, problem: string | undefined) =>
    `${problem === undefined ? "" : `${problem}. `}Reconnecting in ${seconds} s`,
  noAnswer: "The server does not answer. This page keeps trying.",
  tryNow: "Try now",
  charactersLeft: (count: number) =>
    count >= 0 ? `${number.format(count)} left` : `${number.format(-count)} too many`,
  copy: "Copy",
  copied: "Copied",
  notLoaded: "This could not be loaded: try again when the connection is back",
  /** Loads what the first moment does not need. */
  loadRest: async () => {},
  /** What the server and the shared rules say in English, in this language, as soon as the rest is loaded. */
  problem: (sentence: string) => sentence,
  /** What is written in index.html, which is in English, in this language. */
  page: {} as Readonly<Record<string, string>>,
};

/** The words of a language. */
export type Words = typeof words;

function people(names: readonly string[]): string {
  if (names.length <= 3) return list.format(names);
  return `${names[0]}, ${names[1]} and ${names.length - 2} others`;
}
