// English words that the page needs at once. Those for panels and problems load later, from
// panel_words_en.ts.

const number = new Intl.NumberFormat("en");
const pick = (count: number, one: string, many: string) => count === 1 ? one : many;

/** The page's words. Sentences end with a full stop, labels and fragments do not. */
export const words = {
  leaveRoom: (room: string) => `Leave #${room}`,
  placeholder: (room: string) => `Message #${room}`,
  newMessages: (count: number, isMore: boolean) => {
    const text = `${number.format(count)} new ${pick(count, "message", "messages")}`;
    return isMore ? `More than ${text}` : text;
  },
  loadFailed: "Couldn't load this. Try again once you're online.",
  /** Translations of the English texts in index.html. */
  page: {} as Readonly<Record<string, string>>,
};

export type Words = typeof words;
