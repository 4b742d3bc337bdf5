// What the panels, the list of commands and rare complaints say, in English: loaded when they are needed.

/** The panels' words. */
export const words = {
  close: "Close",
  title: "You and this page",
  yourName: "Your name",
  change: "Change",
  look: "Look",
  theme: "Theme",
  themes: { system: "Like the system", light: "Light", dark: "Dark" },
  density: "Lines",
  densities: { roomy: "Roomy", dense: "Dense" },
  told: "Tell me when I look elsewhere",
  tellMe: (room: string) => `Messages in #${room}`,
  whens: { mention: "Mentions", always: "All", never: "None" },
  sound: "With a sound",
  allow: "Allow notifications",
  allowed: "Notifications are on.",
  blocked: "This browser blocks notifications of this page: its own settings can allow them.",
  device: "This device",
  another: "Use this name on another device",
  linkIsYou: "Open this link there. Whoever has it can speak as you: show it to nobody else.",
  forget: "Forget this device",
  forgetMeans: "Your name, your rooms and what is not sent yet are removed from this browser. " +
    "Nobody can use the name again until the server frees it.",
  forgetNow: "Forget it",
  keep: "Keep it",
  signOut: "Leave the chat",
  adopt: (name: string, before: string) =>
    before === ""
      ? `The link that you opened brings the name ${name} to this browser.`
      : `The link that you opened brings the name ${name} to this browser, in place of ${before}, which is then forgotten here.`,
  adoptLater: "The link that you opened brings another name. Messages under the present one are " +
    "not sent yet: send or discard them, then open the link again.",
  useName: (name: string) => `Be ${name} here`,
  helpTitle: "Commands and keys",
  empty: "Nobody has said anything here yet. Begin, or share the address of this room:",
  notPrivate: "Rooms are not private: whoever enters the chat can read them all.",
  said: (from: string, room: string) => `${from} in #${room}`,
  onlyRoom: "This is the only room you are in: open another first",
  notSentYet: "Messages of this room are not sent yet: wait for them, or discard them, then leave",
  unknownCommand: (command: string) => `There is no ${command}. /help lists the commands.`,
  noRoom: (name: string) => `"${name}" is no room: use a-z, 0-9 and -, up to 32 characters`,
  tooManyRooms: "You are in 20 rooms: leave one first",
  replacedTab: "This chat went on in a newer connection of this page.",
  refused: (reason: string) =>
    `The server ended the connection${
      reason === "" ? "" : `: ${reason}`
    }. Reload the page to try again.`,
  useHere: "Use it here",
  pasteTooLong: (most: number) =>
    `That is longer than a message can be (${
      most.toLocaleString("en")
    } characters): put it into several`,
  commands: {
    "/nick": ["name", "change your name"],
    "/join": ["room", "open a room"],
    "/leave": ["", "leave this room"],
    "/me": ["does something", "say what you do"],
    "/who": ["", "show who is here"],
    "/help": ["", "list commands and keys"],
  } as Readonly<Record<string, readonly [string, string]>>,
  keys: [
    ["Enter", "send"],
    ["Shift+Enter", "new line"],
    ["Tab", "complete a name or room"],
    ["↑", "your last message again"],
    ["Alt+↑ Alt+↓", "go through the rooms"],
  ] as readonly (readonly [string, string])[],
  signs: [
    ["*word*", "bold"],
    ["_word_", "italic"],
    ["`word`", "code"],
    ["```words```", "lines of code"],
  ] as readonly (readonly [string, string])[],
};

/** The panels' words in a language. */
export type PanelWords = typeof words;
