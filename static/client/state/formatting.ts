// What a message's text looks like: code, links, bold, italic. Finds the parts; the rest is plain text. Pure, and linear in
// the length of the text.

/** A piece of a text. */
export type MarkupPart =
  | {
    readonly kind: "text" | "code" | "block" | "bold" | "italic" | "mention";
    readonly text: string;
  }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

const fence = /```(?:[a-z0-9+#-]{0,20}\n)?([^]*?)```\n?/g;
const inline =
  /`([^`\n]{1,2000})`|(?<![\p{L}\p{N}_])(?:(https?:\/\/|mailto:)[^\s<>"'`]{1,2000})|(?<![\p{L}\p{N}*])\*(?![\s*])([^*\n]{1,500}?)(?<!\s)\*(?![\p{L}\p{N}*])|(?<![\p{L}\p{N}_])_(?![\s_])([^_\n]{1,500}?)(?<!\s)_(?![\p{L}\p{N}_])/gu;

/** The parts of a text, in order; together they are the text without its signs. `name` is marked where it is addressed. */
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
      const shown = withoutTail(whole);
      const href = linkTarget(shown);
      parts.push(
        href === undefined ? { kind: "text", text: shown } : { kind: "link", text: shown, href },
      );
      addPlain(parts, whole.slice(shown.length), name);
    }
  }
  addPlain(parts, text.slice(end), name);
}

/** Full stops and brackets behind a link belong to the sentence, unless the bracket was opened in the link. */
function withoutTail(link: string): string {
  let unopened = link.split(")").length - link.split("(").length;
  let end = link.length;
  for (; end > 0; end--) {
    const last = link.charAt(end - 1);
    if (last === ")" ? unopened-- <= 0 : !/[.,;:!?\]}*_]/.test(last)) break;
  }
  return link.slice(0, end);
}

function linkTarget(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:", "mailto:"].includes(url.protocol)) return undefined;
  return url.protocol !== "mailto:" && url.hostname === "" ? undefined : url.href;
}

function addPlain(parts: MarkupPart[], text: string, name: string): void {
  if (text === "") return;
  const called = name === "" ? [] : findMentions(text, name);
  let end = 0;
  for (const start of called) {
    if (start > end) parts.push({ kind: "text", text: text.slice(end, start) });
    end = start + name.length + 1;
    parts.push({ kind: "mention", text: text.slice(start, end) });
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
}

/** Where a text addresses somebody: the places of each @ before the name. */
export function findMentions(text: string, name: string): readonly number[] {
  const places: number[] = [];
  const wanted = name.toLowerCase();
  for (let i = text.indexOf("@"); i >= 0; i = text.indexOf("@", i + 1)) {
    const end = i + 1 + name.length;
    const isName = text.slice(i + 1, end).toLowerCase() === wanted;
    if (isName && !/^[\p{L}\p{N}_]/u.test(text.slice(end, end + 2))) places.push(i);
  }
  return places;
}

const emojiOnly = /^(?:\p{RGI_Emoji}\s?){1,6}$/v;

/** True when a text is nothing but a few emoji, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  return text.length <= 120 && emojiOnly.test(text);
}
