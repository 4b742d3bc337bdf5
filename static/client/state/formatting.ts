// Splits the text of a message into its formatted parts, by the rules in docs/formatting.md, in
// linear time. Loads after the page, which shows plain text until then.

/** A part of a text. Some kinds contain parts. */
export type TextPart =
  | { readonly kind: "text" | "code" | "block" | "mention"; readonly text: string }
  | { readonly kind: "room"; readonly text: string; readonly room: string }
  | {
    readonly kind: "link";
    readonly href: string;
    /** The host, if the link's text could suggest a different one. */
    readonly host: string | undefined;
    readonly parts: readonly TextPart[];
  }
  | { readonly kind: SpanKind | "quote"; readonly parts: readonly TextPart[] };

type SpanKind = "bold" | "italic" | "strike";

/** The reader of a text. */
export interface TextReader {
  /** Mentions of this name become parts. An empty name is never mentioned. */
  readonly name: string;
  /** Names of other people. A longer name that matches takes the mention. */
  readonly names: Iterable<string>;
}

/** Max formatted parts of a text. The rest is plain. */
export const formattedPartsMax = 200;

const spanKinds: ReadonlyMap<string, SpanKind> = new Map([
  ["**", "bold"],
  ["*", "bold"],
  ["_", "italic"],
  ["~~", "strike"],
]);
/** A bold part may contain an italic one, but nothing may nest deeper. */
const nestingMax = 2;
/** While this many markers are unpaired, further ones in the line stay plain text. */
const openMax = 50;
const markersMaxLength = 6;

/** Input methods of East Asia type full-width signs. */
const token = /\n|`+|[*_~]+|\[|[@\uff20#\uff03]|https?:\/\/|mailto:|www\./gi;
const codeRun = /`{3,}/g;
/** A line that starts with "> " and isn't blank, and all quoted lines that follow it. */
const quotedLines = /(?<![^\n])> [^\S\n]*\S[^\n]*(?:\n>(?!\S)[^\n]*)*/g;
/** Match the end of code within a line that starts with one backtick, or with two. */
const codeClosings = [/(?<!`)`(?!`)/g, /(?<!`)``(?!`)/g];
const codeLanguage = /^[a-z0-9+#._-]{0,20}\n/i;
const label = /\[([^[\]\n]+)\]\((?=https?:\/\/|mailto:)/iy;
const mailDomain = /@(?:[a-z0-9-]+\.)+[a-z]{2,}(?!_?[a-z0-9-])/iy;
const mailCharacter = /[a-z0-9._%+-]/i;
const mailNameMaxLength = 64;
const roomSign = /[#\uff03]([a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?)(?![\p{L}\p{N}_])/iuy;
/** Letters and digits that continue a word. Scripts without spaces have none. */
const wordCharacter =
  /(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}])[\p{L}\p{M}\p{N}_]/u;
const letterOrDigit = /[\p{L}\p{M}\p{N}_]/u;
/** Ends an address: spaces, quotes, invisible or bidi characters, East Asian punctuation. */
const addressEnd =
  /[\s<>"`\p{C}\p{Default_Ignorable_Code_Point}\u00ab\u00bb\u201c-\u201f\u3000-\u3004\u3008-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]/u;
const addressTail = /[.,;:!?'‘’*_~…([{]/;
/** Another address in a list without spaces. */
const nextAddress = /[,;](?:https?:\/\/|www\.)/iy;
/** Opening brackets and quotation marks. German has »these«, too. */
const beforeOpening = /[\s\p{Ps}\p{Pi}"'»›¡¿]/u;
const afterOpening = /[^\s\p{P}]|[\p{Ps}\p{Pi}"'»›@#&¡¿]/u;
const notBeforeClosing = /[\s\p{Ps}/\\]/u;
const afterClosing = /[\s\p{P}]/u;
const looksLikeAddress = /:\/\/|[^\s.]\.[\p{L}\p{N}-]{2,}/u;

/** Returns the parts of a text in order, without the marks that format them. */
export function parseText(text: string, reader: TextReader): readonly TextPart[] {
  const parts: TextPart[] = [];
  const inline = new InlineParser(reader);
  let end = 0;
  for (const block of codeBlocks(text)) {
    if (inline.left <= 0) break;
    // The line breaks around a block belong to it.
    addLines(parts, text.slice(end, block.start).replace(/\n$/, ""), inline);
    inline.left--;
    parts.push({ kind: "block", text: block.code });
    end = block.end + (text[block.end] === "\n" ? 1 : 0);
  }
  addLines(parts, text.slice(end), inline);
  return parts;
}

/** Returns true if a text mentions its reader. */
export function mentions(text: string, reader: TextReader): boolean {
  const isMention = (part: TextPart): boolean =>
    part.kind === "mention" || ("parts" in part && part.parts.some(isMention));
  return reader.name !== "" && /[@\uff20]/.test(text) && parseText(text, reader).some(isMention);
}

/** Finds code between two runs of three or more backticks, which must be equally long. */
function* codeBlocks(text: string) {
  const runs = [...text.matchAll(codeRun)];
  const byLength = Map.groupBy(runs, ([run]) => run.length);
  let end = 0;
  for (const { 0: run, index } of runs) {
    const equal = byLength.get(run.length);
    equal?.shift();
    const closing = equal?.[0];
    if (index < end || closing === undefined) continue;
    end = closing.index + run.length;
    const inside = text.slice(index + run.length, closing.index);
    const code = inside.replace(codeLanguage, "").replace(/\n[ \t]*$/, "");
    if (code.trim() !== "") yield { start: index, code, end };
  }
}

/** Adds lines: runs of quoted lines as quotes, others as they are. */
function addLines(parts: TextPart[], text: string, inline: InlineParser): void {
  let end = 0;
  for (const { 0: lines, index } of text.matchAll(quotedLines)) {
    if (inline.left <= 0) break;
    // The line breaks around a quote belong to it.
    parts.push(...inline.parse(text.slice(end, index).replace(/\n$/, "")));
    inline.left--;
    parts.push({ kind: "quote", parts: inline.parse(lines.replace(/^> ?/gm, "")) });
    end = index + lines.length + 1;
  }
  parts.push(...inline.parse(text.slice(end)));
}

/** A marker that isn't closed yet, and the parts after it. */
interface Opened {
  readonly marker: string;
  readonly parts: TextPart[];
  /** How deep the parts nest. */
  depth: number;
}

/** Parses the text between code blocks. */
class InlineParser {
  /** How many formatted parts the text may still have. */
  left = formattedPartsMax;
  readonly #reader: TextReader;
  #longerNames: readonly string[] | undefined;
  #text = "";
  /** The text before this index has been added to the parts. */
  #done = 0;
  #opened: [Opened, ...Opened[]] = [root()];

  constructor(reader: TextReader) {
    this.#reader = reader;
  }

  /** Returns the parts of a text. A link's label contains no links or mentions. */
  parse(text: string, isLabel = false): TextPart[] {
    this.#text = text;
    this.#done = 0;
    this.#opened = [root()];
    const pattern = new RegExp(token);
    for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
      if (this.left <= 0) break;
      const end = this.#takeToken(found[0], found.index, isLabel);
      if (end > pattern.lastIndex) pattern.lastIndex = end;
    }
    this.#addText(text.length);
    this.#closeUnpaired(0);
    return this.#opened[0].parts;
  }

  /** Handles a token. Returns the index after it and any text that belongs to it. */
  #takeToken(sign: string, start: number, isLabel: boolean): number {
    const first = sign.charAt(0);
    if (first === "\n") {
      this.#addText(start);
      this.#closeUnpaired(0);
      return start;
    }
    if (first === "`") return this.#takeCode(sign, start);
    if ("*_~".includes(first)) return this.#takeMarkers(sign, start);
    if (isLabel) return start;
    if (first === "[") return this.#takeLabelled(start);
    if ("#\uff03".includes(first)) return this.#takeRoom(start);
    if ("@\uff20".includes(first)) {
      return this.#takeMail(start) || this.#takeMention(start) || start;
    }
    return this.#takeAddress(sign, start);
  }

  #takeCode(sign: string, start: number): number {
    const from = start + sign.length;
    const closing = codeClosings[sign.length - 1];
    if (closing === undefined) return from;
    closing.lastIndex = from;
    const end = closing.exec(this.#text)?.index;
    const inside = this.#text.slice(from, end);
    if (end === undefined || inside.includes("\n") || inside.trim() === "") return from;
    // One space on both sides lets code start and end with a backtick.
    const code = inside.includes("`") ? inside.replace(/^ (.*) $/, "$1") : inside;
    return this.#add(start, closing.lastIndex, { kind: "code", text: code });
  }

  /** Opens and closes emphasis with a run of markers, such as `**` or `*_`. */
  #takeMarkers(signs: string, start: number): number {
    const end = start + signs.length;
    const before = characterBefore(this.#text, start);
    const after = characterAt(this.#text, end);
    const markers = signs.match(/\*+|_+|~+/g) ?? [];
    const isValid = signs.length <= markersMaxLength && markers.every((it) => spanKinds.has(it));
    // Between two equal characters, such as quotes, a marker is plain text.
    if (!isValid || (before === after && before !== "")) return end;
    const mayOpen = (before === "" || beforeOpening.test(before)) && afterOpening.test(after);
    const mayClose = before !== "" && !notBeforeClosing.test(before) &&
      (after === "" || (after !== "/" && after !== "\\" && afterClosing.test(after)));
    let at = start;
    for (const marker of markers) {
      if (mayClose || mayOpen) this.#addText(at);
      if (mayClose && this.#close(marker)) this.#done = at + marker.length;
      else if (mayOpen && this.#opened.length <= openMax) {
        this.#opened.push({ marker, parts: [], depth: 0 });
        this.#done = at + marker.length;
      }
      at += marker.length;
    }
    return end;
  }

  /** Closes the last opening of a marker. Returns false if there is none. */
  #close(marker: string): boolean {
    const index = this.#opened.findLastIndex((it) => it.marker === marker);
    const opened = this.#opened[index];
    const kind = spanKinds.get(marker);
    if (opened === undefined || kind === undefined) return false;
    this.#closeUnpaired(index);
    if (opened.parts.length === 0 || opened.depth >= nestingMax) return false;
    this.#opened.pop();
    this.left--;
    const parent = this.#innermost;
    parent.parts.push({ kind, parts: opened.parts });
    parent.depth = Math.max(parent.depth, opened.depth + 1);
    return true;
  }

  /** The marker opened last, or the root. */
  get #innermost(): Opened {
    return this.#opened.at(-1) ?? this.#opened[0];
  }

  /** Turns all markers opened after the one at `index` into text. */
  #closeUnpaired(index: number): void {
    const target = this.#opened[index] ?? this.#opened[0];
    for (const { marker, parts, depth } of this.#opened.splice(index + 1)) {
      pushPart(target.parts, { kind: "text", text: marker });
      for (const part of parts) pushPart(target.parts, part);
      target.depth = Math.max(target.depth, depth);
    }
  }

  /** Takes a link with a label: `[text](address)`. */
  #takeLabelled(start: number): number {
    label.lastIndex = start;
    const [opening, shown = ""] = label.exec(this.#text) ?? [];
    if (opening === undefined || shown.trim() === "") return start;
    const from = start + opening.length;
    const end = this.#addressEnd(from);
    const typed = this.#text.slice(from, end);
    const url = urlOf(typed);
    if (this.#text[end] !== ")" || url === undefined) return start;
    const isMisleading = looksLikeAddress.test(shown) && shown !== typed && shown !== url.host;
    const parser = new InlineParser(this.#reader);
    parser.left = this.left;
    const parts = parser.parse(shown, true);
    this.left = parser.left;
    const host = isMisleading ? url.host || url.pathname : hiddenHost(typed, url);
    return this.#add(start, end + 1, { kind: "link", href: url.href, host, parts });
  }

  #takeAddress(scheme: string, start: number): number {
    if (start < this.#done || wordCharacter.test(this.#before(start))) return start;
    const isBare = scheme.toLowerCase() === "www.";
    if (isBare && /[./@-]/.test(this.#before(start))) return start;
    const scanned = this.#addressEnd(start);
    let end = scanned;
    const isItalic = this.#opened.some(({ marker }) => marker === "_");
    for (; end > start; end--) {
      const last = this.#text[end - 1] ?? "";
      // Many addresses end with an underscore.
      if (!addressTail.test(last) || last === "_" && !isItalic) break;
    }
    const typed = this.#text.slice(start, end);
    const full = isBare ? `https://${typed}` : typed;
    const url = isBare && !/^www\.[^./]+\.[^./]/i.test(typed) ? undefined : urlOf(full);
    // Skip all of an invalid address: scanning it again would take quadratic time.
    if (url === undefined) return scanned;
    const parts = [{ kind: "text", text: typed }] as const;
    const host = hiddenHost(full, url);
    return this.#add(start, end, { kind: "link", href: url.href, host, parts });
  }

  /**
   * Returns the end of an address. A closing bracket that it didn't open ends it too, and so does
   * another address after a comma or semicolon.
   */
  #addressEnd(start: number): number {
    const open = { "(": 0, "[": 0, "{": 0 };
    let at = start;
    for (const character of this.#text.slice(start)) {
      if (character === "(" || character === "[" || character === "{") open[character]++;
      else if (character === ")" && open["("]-- === 0) break;
      else if (character === "]" && open["["]-- === 0) break;
      else if (character === "}" && open["{"]-- === 0) break;
      else if (addressEnd.test(character)) break;
      nextAddress.lastIndex = at;
      if (nextAddress.test(this.#text)) break;
      at += character.length;
    }
    return at;
  }

  #takeMail(at: number): number | undefined {
    let start = at;
    const min = Math.max(this.#done, at - mailNameMaxLength);
    while (start > min && mailCharacter.test(this.#text[start - 1] ?? "")) start--;
    while (start < at && /[^a-z0-9]/i.test(this.#text[start] ?? "")) start++;
    if (start === at || wordCharacter.test(this.#before(start))) return undefined;
    // In o'neil@example.com, the address may start before the apostrophe.
    if (/[\p{L}\p{N}]['’]$/u.test(this.#text.slice(Math.max(0, start - 3), start))) {
      return undefined;
    }
    mailDomain.lastIndex = at;
    const domain = mailDomain.exec(this.#text)?.[0];
    if (domain === undefined) return undefined;
    const end = at + domain.length;
    const text = this.#text.slice(start, end);
    const parts = [{ kind: "text", text }] as const;
    const link = { kind: "link", href: `mailto:${text}`, host: undefined, parts } as const;
    return this.#add(start, end, link);
  }

  #takeMention(at: number): number | undefined {
    const { name } = this.#reader;
    const key = name.toLowerCase();
    const before = this.#before(at);
    if (name === "" || !mayPrecedeMention(before)) return undefined;
    const isNamed = (text: string, key: string) => {
      const end = at + 1 + text.length;
      if (this.#text.slice(at + 1, end).toLowerCase() !== key) return false;
      // The end of italic text may follow the name.
      const after = characterAt(this.#text, this.#text[end] === "_" ? end + 1 : end);
      // A name in a script without spaces may be the start of another word.
      const last = characterBefore(text, text.length);
      return !(wordCharacter.test(last) ? wordCharacter : letterOrDigit).test(after);
    };
    if (!isNamed(name, key)) return undefined;
    this.#longerNames ??= [...new Set(this.#reader.names)].filter((other) =>
      other.length > name.length && other.toLowerCase().startsWith(key)
    );
    if (this.#longerNames.some((other) => isNamed(other, other.toLowerCase()))) return undefined;
    const end = at + 1 + name.length;
    return this.#add(at, end, { kind: "mention", text: this.#text.slice(at, end) });
  }

  #takeRoom(at: number): number {
    if (!mayPrecedeRoom(this.#before(at))) return at;
    roomSign.lastIndex = at;
    const [text, room = ""] = roomSign.exec(this.#text) ?? [];
    // A number alone is more often an issue than a room.
    if (text === undefined || !/[a-z]/i.test(room)) return at;
    return this.#add(at, at + text.length, { kind: "room", text, room: room.toLowerCase() });
  }

  /** Returns the character before an index, or an empty string after a part or marker. */
  #before(index: number): string {
    return index === this.#done ? "" : characterBefore(this.#text, index);
  }

  /** Adds a part in place of the text from `start` to `end`. Returns `end`. */
  #add(start: number, end: number, part: TextPart): number {
    this.#addText(start);
    this.#done = end;
    this.left--;
    this.#innermost.parts.push(part);
    return end;
  }

  /** Adds the text up to `end` that isn't in the parts yet. */
  #addText(end: number): void {
    if (end <= this.#done) return;
    pushPart(this.#innermost.parts, { kind: "text", text: this.#text.slice(this.#done, end) });
    this.#done = end;
  }
}

function root(): Opened {
  return { marker: "", parts: [], depth: 0 };
}

/** Adds a part; text joins the text before it. */
function pushPart(parts: TextPart[], part: TextPart): void {
  const last = parts.at(-1);
  if (last?.kind !== "text" || part.kind !== "text") parts.push(part);
  else parts[parts.length - 1] = { kind: "text", text: last.text + part.text };
}

/** Whether `@` after a character, or an empty string, can start a mention. */
export function mayPrecedeMention(before: string): boolean {
  return !/[@\uff20/]/.test(before) && !wordCharacter.test(before);
}

/** Whether `#` after a character, or an empty string, can start a room. */
export function mayPrecedeRoom(before: string): boolean {
  return !/[#\uff03/&]/.test(before) && !letterOrDigit.test(before);
}

/** Returns the code point before an index, or an empty string at the start. */
export function characterBefore(text: string, index: number): string {
  return [...text.slice(Math.max(0, index - 2), index)].at(-1) ?? "";
}

/** Returns the code point at an index, or an empty string at the end. */
function characterAt(text: string, index: number): string {
  return [...text.slice(index, index + 2)][0] ?? "";
}

/** Returns the URL of an address that may be linked. */
function urlOf(address: string): URL | undefined {
  try {
    const url = new URL(address);
    const isMail = url.protocol === "mailto:" && url.pathname !== "";
    return isMail || /^https?:$/.test(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the host if the address could hide it: it is non-ASCII, or follows a user name. */
function hiddenHost(typed: string, url: URL): string | undefined {
  if (url.protocol === "mailto:") return undefined;
  return typed.toLowerCase().startsWith(url.origin) ? undefined : url.host;
}

const emojiOnly = /^(?:\p{RGI_Emoji}\s?){1,6}$/v;
/** Part of every emoji. Spares most texts the pattern above, which is slow to compile. */
const anyEmoji = /[\p{Emoji_Presentation}\uFE0F]/u;

/** Returns whether a text consists of one to six emoji, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  return text.length <= 120 && anyEmoji.test(text) && emojiOnly.test(text.trim());
}
