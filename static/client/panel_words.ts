// What the panels say, in English: loaded with the first of them.

/** The panels' words. */
export const words = {
  close: "Close",
  yourName: "Your name",
  change: "Change",
  signOut: "Leave the chat",
  helpTitle: "Commands and keys",
  keys: [
    ["Enter", "send"],
    ["Shift+Enter", "new line"],
    ["Tab", "complete a name or room"],
    ["↑", "your last message again"],
    ["*bold* _italic_ `code`", "how to write them; ``` around blocks"],
  ] as readonly (readonly [string, string])[],
};

/** The panels' words in a language. */
export type PanelWords = typeof words;
