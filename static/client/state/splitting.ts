// Splits a text that is too long for one message, and cuts texts between characters.

const fence = "```";
/** No emoji has more UTF-16 code units. */
const characterMaxLength = 40;

/**
 * Splits a text into pieces that all satisfy `fits`, at paragraphs if possible, else at lines,
 * words or characters. A code block that is cut is closed, and opened again in the next piece.
 * Returns `undefined` if that takes more than `max` pieces.
 */
export function splitText(
  text: string,
  max: number,
  fits: (piece: string) => boolean,
): readonly string[] | undefined {
  const pieces: string[] = [];
  let rest = text.trimEnd();
  /** The line that opens the code block which the last cut was in. */
  let opening = "";
  while (!fits(opening + rest)) {
    const start = opening;
    const closed = (length: number) => `${start}${rest.slice(0, length)}\n${fence}`;
    const length = cutOf(rest, longest(rest.length, (length) => fits(closed(length))));
    if (length === 0 || pieces.length + 1 >= max) return undefined;
    const piece = start + rest.slice(0, length);
    const fences = piece.split("\n").filter((line) => line.startsWith(fence));
    const isInBlock = fences.length % 2 === 1;
    pieces.push(isInBlock ? closed(length) : piece);
    opening = isInBlock ? `${fences.at(-1)}\n` : "";
    rest = rest.slice(length).replace(isInBlock ? /^\n/ : /^(\n+| )/, "");
  }
  return [...pieces, opening + rest];
}

/** Returns the greatest length that fits; if one fits, all shorter ones do. */
function longest(length: number, fits: (length: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Returns where to cut a text to get a piece of up to `max` UTF-16 code units. */
function cutOf(text: string, max: number): number {
  for (const separator of ["\n\n", "\n", " "]) {
    const index = text.lastIndexOf(separator, max);
    // Shorter pieces would make more of them.
    if (index > max / 2) return index;
  }
  return characterStart(text, max);
}

/** Returns up to `max` UTF-16 code units of a text, without the start of a cut character. */
export function startOf(text: string, max: number): string {
  return text.length <= max ? text : text.slice(0, characterStart(text, max));
}

/** Returns where the character at an index starts; the index itself if that is at 0. */
function characterStart(text: string, index: number): number {
  const part = text.slice(0, index + characterMaxLength);
  return new Intl.Segmenter().segment(part).containing(index)?.index || index;
}
