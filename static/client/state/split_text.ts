// Splits a text that is too long for one message.

const fence = "```";

/**
 * Returns messages of at most `max` code points, each of which ends with a paragraph, a line or a
 * word if possible. A code block that continues in the next message is closed and opened again.
 */
export function splitText(text: string, max: number): string[] {
  const messages: string[] = [];
  let rest = text.trimEnd();
  for (;;) {
    // A code point has at most two units.
    const points = Array.from(rest.slice(0, 2 * max + 2));
    if (points.length <= max) return [...messages, rest];
    const head = points.slice(0, max - fence.length - 1).join("");
    const end = ["\n\n", "\n", " "].map((mark) => head.lastIndexOf(mark))
      .find((index) => index > head.length / 2) ??
      (head.replace(/`+$/, "").length || head.length);
    const message = head.slice(0, end);
    rest = rest.slice(end).replace(/^(?:\s*\n| )/, "");
    const fences = [...message.matchAll(/```(?:([\w+-]{0,20})\n)?/g)];
    const isOpen = fences.length % 2 === 1;
    messages.push(isOpen ? `${message}\n${fence}` : message);
    if (isOpen) rest = `${fence}${fences.at(-1)?.[1] ?? ""}\n${rest}`;
  }
}
