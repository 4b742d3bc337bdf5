// Splits the text of a message into code, links, bold, italic, mentions and plain text. Pure, and
// linear in the length of the text.

/** A part of a text. */
export type MarkupPart =
  | {
    readonly kind: "text" | "code" | "block" | "bold" | "italic" | "mention";
    readonly text: string;
  }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

const fence = /```(?:[a-z0-9+#-]{0,20}\n)?([^]*?)```\n?/g;
const inline =
  /`([^`\n]{1,2000})`|(?<![\p{L}\p{N}_])(?:(https?:\/\/|mailto:)[^\s<>"'`]{1,2000})|(?<![\p{L}\p{N}*])\*(?![\s*])([^*\n]{1,500}?)(?<!\s)\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?![\s_])([^_\n]{1,500}?)(?<!\s)_(?![\p{L}\p{N}_])/gu;

/** Returns the parts of a text in order, without the markup signs. Mentions of `name` are parts. */
export function parseMarkup(text: string, name: string): readonly MarkupPart[] {
  const parts: MarkupPart[] = [];
  let end = 0;
  for (const match of text.matchAll(fence)) {
    addInline(parts, text.slice(end, match.index), name);
    const code = (match[1] ?? "").replace(/\n$/, "");
    if (code.trim() === "") parts.push({ kind: "text", text: match[0] });
    else parts.push({ kind: "block", text: code });
    end = match.index + match[0].length;
  }
  addInline(parts, text.slice(end), name);
  return parts;
}

function addInline(parts: MarkupPart[], text: string, name: string): void {
  let end = 0;
  for (const match of text.matchAll(inline)) {
    const [whole, code, scheme, bold, italic] = match;
    addPlain(parts, text.slice(end, match.index), name);
    end = match.index + whole.length;
    if (code !== undefined) parts.push({ kind: "code", text: code });
    else if (bold !== undefined) parts.push({ kind: "bold", text: bold });
    else if (italic !== undefined) parts.push({ kind: "italic", text: italic });
    else if (scheme !== undefined) {
      const link = withoutTail(whole);
      // The pattern has checked the scheme, which parsing never changes.
      const href = URL.parse(link)?.href;
      if (href === undefined) parts.push({ kind: "text", text: link });
      else parts.push({ kind: "link", text: link, href });
      addPlain(parts, whole.slice(link.length), name);
    }
  }
  addPlain(parts, text.slice(end), name);
}

/** Cuts off punctuation and brackets after a link, except brackets that the link itself opens. */
function withoutTail(link: string): string {
  let unopened = link.split(")").length - link.split("(").length;
  let end = link.length;
  for (; end > 0; end--) {
    const last = link.charAt(end - 1);
    if (last === ")" ? unopened-- <= 0 : !/[.,;:!?\]}*_]/.test(last)) break;
  }
  return link.slice(0, end);
}

function addPlain(parts: MarkupPart[], text: string, name: string): void {
  let end = 0;
  for (const start of findMentions(text, name)) {
    if (start > end) parts.push({ kind: "text", text: text.slice(end, start) });
    end = start + name.length + 1;
    parts.push({ kind: "mention", text: text.slice(start, end) });
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
}

/** Returns the index of the @ of each mention of `name`; none for an empty name. */
export function findMentions(text: string, name: string): readonly number[] {
  const indexes: number[] = [];
  const key = name.toLowerCase();
  for (let i = text.indexOf("@"); i >= 0 && key !== ""; i = text.indexOf("@", i + 1)) {
    const end = i + 1 + name.length;
    const isName = text.slice(i + 1, end).toLowerCase() === key;
    if (isName && !/^[\p{L}\p{N}_]/u.test(text.slice(end, end + 2))) indexes.push(i);
  }
  return indexes;
}

const emojiOnly = /^(?:\p{RGI_Emoji}\s?){1,6}$/v;

/** Whether a text is nothing but up to six emoji, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  return text.length <= 120 && emojiOnly.test(text);
}
