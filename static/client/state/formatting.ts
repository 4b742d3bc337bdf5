// Splits the text of a message into its formatted parts, by the rules in docs/formatting.md. Pure,
// and linear in the length of the text. Loads after the page, which shows plain text until then.

/** A part of a text. */
export type TextPart =
  | { readonly kind: "text" | "code" | "block" | "mention"; readonly text: string }
  | { readonly kind: "room"; readonly text: string; readonly room: string }
  | {
    readonly kind: "link";
    readonly href: string;
    /** The host, if the text could suggest another one. */
    readonly host: string | undefined;
    readonly parts: readonly TextPart[];
  }
  | { readonly kind: SpanKind | "quote"; readonly parts: readonly TextPart[] };

type SpanKind = "bold" | "italic" | "strike";

/** The reader of a text. */
export interface TextReader {
  /** Mentions of this name are parts; none if it is empty. */
  readonly name: string;
  /** Names of other people. A mention of a longer one isn't one of `name`. */
  readonly names: Iterable<string>;
}

/** Counts steps, for tests: characters and tokens looked at. */
export interface StepCounter {
  steps: number;
}

/** The rest of a text with more formatted parts than this is plain. */
export const formattedPartsMax = 200;

const spanKinds: ReadonlyMap<string, SpanKind> = new Map([
  ["**", "bold"],
  ["*", "bold"],
  ["_", "italic"],
  ["~~", "strike"],
]);
/** A bold part may contain an italic one, but nothing may nest deeper. */
const nestingMax = 2;
const markersMaxLength = 6;

const token = /\n|`+|[*_~]+|\[|[@#]|https?:\/\/|mailto:|www\./gi;
const codeRun = /`{3,}/g;
const codeLanguage = /^[a-z0-9+#._-]{0,20}\n/i;
const label = /\[([^[\]\n]+)\]\((?=https?:\/\/|mailto:)/iy;
const mailDomain = /@(?:[a-z0-9-]+\.)+[a-z]{2,}(?!_?[a-z0-9-])/iy;
const mailCharacter = /[a-z0-9._%+-]/i;
const mailNameMaxLength = 64;
const roomSign = /#([a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?)(?![\p{L}\p{N}_])/iuy;
/** Letters and digits that continue a word. Scripts without spaces have none. */
const wordCharacter =
  /(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}])[\p{L}\p{M}\p{N}_]/u;
const letterOrDigit = /[\p{L}\p{M}\p{N}_]/u;
/** Ends an address: spaces, quotes, invisible and bidi characters, and East Asian punctuation. */
const addressEnd =
  /[\s<>"`\p{C}\p{Default_Ignorable_Code_Point}\u00ab\u00bb\u201c-\u201f\u3000-\u3004\u3008-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]/u;
const addressTail = /[.,;:!?'*_~…([{]/;
const beforeOpening = /[\s([{"'“‘«]/;
const afterOpening = /[^\s\p{P}]|[([{"'“‘«@#&¡¿]/u;
const notBeforeClosing = /[\s([{/\\]/;
const afterClosing = /[\s\p{P}]/u;
const looksLikeAddress = /:\/\/|[^\s.]\.[\p{L}\p{N}-]{2,}/u;

/** Returns the parts of a text in order, without the marks that format them. */
export function parseText(
  text: string,
  reader: TextReader,
  counter: StepCounter = { steps: 0 },
): readonly TextPart[] {
  const parts: TextPart[] = [];
  const inline = new InlineParser(reader, counter);
  let end = 0;
  for (const block of codeBlocks(text, counter)) {
    if (inline.left === 0) break;
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
  return reader.name !== "" && text.includes("@") && parseText(text, reader).some(isMention);
}

/** Finds code between two runs of three or more backticks, which must be equally long. */
function* codeBlocks(text: string, counter: StepCounter) {
  const runs = [...text.matchAll(codeRun)];
  /** The index in `runs` of the next run of the same length. */
  const next = new Map<number, number>();
  const following = runs.map(() => -1);
  for (let i = runs.length - 1; i >= 0; i--) {
    const { length } = runs[i]?.[0] ?? "";
    following[i] = next.get(length) ?? -1;
    next.set(length, i);
  }
  for (let i = 0; i < runs.length; i++) {
    counter.steps++;
    const opening = runs[i];
    const closing = runs[following[i] ?? -1];
    if (opening === undefined || closing === undefined) continue;
    const inside = text.slice(opening.index + opening[0].length, closing.index);
    const code = inside.replace(codeLanguage, "").replace(/\n[ \t]*$/, "");
    counter.steps += inside.length;
    i = following[i] ?? i;
    if (code.trim() === "") continue;
    yield { start: opening.index, code, end: closing.index + closing[0].length };
  }
}

/** Adds lines: runs of lines that start with "> " as quotes, others as they are. */
function addLines(parts: TextPart[], text: string, inline: InlineParser): void {
  if (text === "") return;
  let start = 0;
  let isQuote = false;
  const flush = (end: number) => {
    if (end <= start && !isQuote) return;
    // The line break after a quote belongs to it, and so does the one before.
    const lines = text.slice(start, end);
    if (isQuote) {
      inline.left--;
      parts.push({ kind: "quote", parts: inline.parse(lines.replace(/^> ?/gm, "")) });
    } else parts.push(...inline.parse(lines));
  };
  for (let at = 0; at <= text.length;) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const isQuoteLine: boolean =
      text.startsWith("> ", at) && text.slice(at + 2, end).trim() !== "" ||
      isQuote && text.slice(at, end).trim() === ">";
    if (at === 0) isQuote = isQuoteLine && inline.left > 0;
    else if (isQuoteLine !== isQuote && (isQuote || inline.left > 0)) {
      flush(at - 1);
      start = at;
      isQuote = isQuoteLine;
    }
    at = end + 1;
  }
  flush(text.length);
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
  readonly #counter: StepCounter;
  #longerNames: readonly string[] | undefined;
  #text = "";
  /** The text before this index has been added to the parts. */
  #done = 0;
  #opened: [Opened, ...Opened[]] = [root()];
  /** How many of each marker are in `#opened`. */
  readonly #openCounts = new Map<string, number>();
  /** Lengths of backtick runs that the current line doesn't close. */
  #unclosedCode = new Set<number>();

  constructor(reader: TextReader, counter: StepCounter) {
    this.#reader = reader;
    this.#counter = counter;
  }

  /** Returns the parts of a text. A link's label has no links or mentions inside. */
  parse(text: string, isLabel = false): TextPart[] {
    this.#text = text;
    this.#done = 0;
    this.#opened = [root()];
    this.#openCounts.clear();
    this.#unclosedCode.clear();
    const pattern = new RegExp(token);
    for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
      this.#counter.steps++;
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
    switch (sign[0]) {
      case "\n":
        this.#addText(start);
        this.#closeUnpaired(0);
        this.#unclosedCode.clear();
        return start;
      case "`":
        return this.#takeCode(sign, start);
      case "*":
      case "_":
      case "~":
        return this.#takeMarkers(sign, start);
    }
    if (isLabel) return start;
    switch (sign[0]) {
      case "[":
        return this.#takeLabelled(start);
      case "@":
        return this.#takeMail(start) || this.#takeMention(start) || start;
      case "#":
        return this.#takeRoom(start);
      default:
        return this.#takeAddress(sign, start);
    }
  }

  #takeCode(sign: string, start: number): number {
    const from = start + sign.length;
    if (sign.length > 2 || this.#unclosedCode.has(sign.length)) return from;
    for (let at = from; at < this.#text.length && this.#text[at] !== "\n"; at++) {
      this.#counter.steps++;
      if (this.#text[at] !== "`") continue;
      const runStart = at;
      while (this.#text[at + 1] === "`") at++;
      if (at + 1 - runStart !== sign.length) continue;
      // One space on both sides lets code start and end with a backtick.
      const code = this.#text.slice(from, runStart).replace(/^ (.*`.*) $/, "$1");
      if (code.trim() === "") return from;
      this.#add(start, at + 1, { kind: "code", text: code });
      return at + 1;
    }
    this.#unclosedCode.add(sign.length);
    return from;
  }

  /** Opens and closes emphasis with a run of markers, such as `**` or `*_`. */
  #takeMarkers(signs: string, start: number): number {
    const end = start + signs.length;
    const before = characterBefore(this.#text, start);
    const after = characterAt(this.#text, end);
    const markers = signs.match(/\*+|_+|~+/g) ?? [];
    const isValid = signs.length <= markersMaxLength && markers.every((it) => spanKinds.has(it));
    // A sign in quotes or between equal characters is meant as such.
    if (!isValid || (before === after && before !== "")) return end;
    const mayOpen = (before === "" || beforeOpening.test(before)) && afterOpening.test(after);
    const mayClose = before !== "" && !notBeforeClosing.test(before) &&
      (after === "" || (after !== "/" && after !== "\\" && afterClosing.test(after)));
    let at = start;
    for (const marker of markers) {
      this.#counter.steps++;
      if (mayClose || mayOpen) this.#addText(at);
      if (mayClose && this.#close(marker)) this.#done = at + marker.length;
      else if (mayOpen) {
        this.#opened.push({ marker, parts: [], depth: 0 });
        this.#countOpen(marker, 1);
        this.#done = at + marker.length;
      }
      at += marker.length;
    }
    return end;
  }

  /** Closes the last opening of a marker. Returns false if there is none. */
  #close(marker: string): boolean {
    if ((this.#openCounts.get(marker) ?? 0) === 0) return false;
    const index = this.#opened.findLastIndex((it) => it.marker === marker);
    this.#counter.steps += this.#opened.length - Math.max(index, 0);
    const opened = this.#opened[index];
    const kind = spanKinds.get(marker);
    if (opened === undefined || kind === undefined) return false;
    this.#closeUnpaired(index);
    if (opened.parts.length === 0 || opened.depth >= nestingMax) return false;
    this.#opened.pop();
    this.#countOpen(marker, -1);
    this.left--;
    const parent = this.#opened.at(-1) ?? this.#opened[0];
    parent.parts.push({ kind, parts: opened.parts });
    parent.depth = Math.max(parent.depth, opened.depth + 1);
    return true;
  }

  #countOpen(marker: string, change: number): void {
    this.#openCounts.set(marker, (this.#openCounts.get(marker) ?? 0) + change);
  }

  /** Makes text of all markers opened after the one at `index`. */
  #closeUnpaired(index: number): void {
    const target = this.#opened[index] ?? this.#opened[0];
    for (const { marker, parts, depth } of this.#opened.splice(index + 1)) {
      this.#counter.steps += parts.length + 1;
      this.#countOpen(marker, -1);
      pushText(target.parts, marker);
      for (const part of parts) {
        if (part.kind === "text") pushText(target.parts, part.text);
        else target.parts.push(part);
      }
      target.depth = Math.max(target.depth, depth);
    }
  }

  /** A link with a label: `[text](address)`. */
  #takeLabelled(start: number): number {
    label.lastIndex = start;
    const [opening, shown = ""] = label.exec(this.#text) ?? [];
    this.#counter.steps += opening?.length ?? 1;
    if (opening === undefined || shown.trim() === "") return start;
    const from = start + opening.length;
    const end = this.#addressEnd(from);
    const typed = this.#text.slice(from, end);
    const url = urlOf(typed);
    if (this.#text[end] !== ")" || url === undefined) return start;
    const isOpen = looksLikeAddress.test(shown) && shown !== typed && shown !== url.host;
    const parser = new InlineParser(this.#reader, this.#counter);
    parser.left = this.left;
    const parts = parser.parse(shown, true);
    this.left = parser.left;
    const host = isOpen ? url.host || url.pathname : hiddenHost(typed, url);
    this.#add(start, end + 1, { kind: "link", href: url.href, host, parts });
    return end + 1;
  }

  #takeAddress(scheme: string, start: number): number {
    if (start < this.#done || wordCharacter.test(this.#before(start))) return start;
    const isBare = scheme.toLowerCase() === "www.";
    if (isBare && /[./@-]/.test(this.#before(start))) return start;
    const scanned = this.#addressEnd(start);
    let end = scanned;
    while (end > start && addressTail.test(this.#text[end - 1] ?? "")) end--;
    const typed = this.#text.slice(start, end);
    const full = isBare ? `https://${typed}` : typed;
    const url = isBare && !/^www\.[^./]+\.[^./]/i.test(typed) ? undefined : urlOf(full);
    // What isn't an address is skipped whole, since looking at it again would take time.
    if (url === undefined) return scanned;
    const parts = [{ kind: "text", text: typed }] as const;
    this.#add(start, end, { kind: "link", href: url.href, host: hiddenHost(full, url), parts });
    return end;
  }

  /** Returns the end of an address: brackets that it doesn't open end it too. */
  #addressEnd(start: number): number {
    const open = { "(": 0, "[": 0, "{": 0 };
    let at = start;
    for (let character = ""; at < this.#text.length; at += character.length) {
      this.#counter.steps++;
      character = characterAt(this.#text, at);
      if (character === "(" || character === "[" || character === "{") open[character]++;
      else if (character === ")" && open["("]-- === 0) break;
      else if (character === "]" && open["["]-- === 0) break;
      else if (character === "}" && open["{"]-- === 0) break;
      else if (addressEnd.test(character)) break;
    }
    return at;
  }

  #takeMail(at: number): number | undefined {
    let start = at;
    const min = Math.max(this.#done, at - mailNameMaxLength);
    while (start > min && mailCharacter.test(this.#text[start - 1] ?? "")) start--;
    while (start < at && /[^a-z0-9]/i.test(this.#text[start] ?? "")) start++;
    this.#counter.steps += at - start + 1;
    if (start === at || wordCharacter.test(this.#before(start))) return undefined;
    mailDomain.lastIndex = at;
    const domain = mailDomain.exec(this.#text)?.[0];
    this.#counter.steps += domain?.length ?? 1;
    if (domain === undefined) return undefined;
    const end = at + domain.length;
    const text = this.#text.slice(start, end);
    const parts = [{ kind: "text", text }] as const;
    this.#add(start, end, { kind: "link", href: `mailto:${text}`, host: undefined, parts });
    return end;
  }

  #takeMention(at: number): number | undefined {
    const { name } = this.#reader;
    const key = name.toLowerCase();
    const before = this.#before(at);
    if (name === "" || /[@/]/.test(before) || wordCharacter.test(before)) return undefined;
    const names = (text: string, key: string) => {
      const end = at + 1 + text.length;
      this.#counter.steps++;
      if (this.#text.slice(at + 1, end).toLowerCase() !== key) return false;
      // A sign of italic text may follow the name.
      const after = characterAt(this.#text, this.#text[end] === "_" ? end + 1 : end);
      // A name in a script without spaces may be the start of another word.
      const last = characterBefore(text, text.length);
      return !(wordCharacter.test(last) ? wordCharacter : letterOrDigit).test(after);
    };
    if (!names(name, key)) return undefined;
    this.#longerNames ??= [...new Set(this.#reader.names)].filter((other) =>
      other.length > name.length && other.toLowerCase().startsWith(key)
    );
    if (this.#longerNames.some((other) => names(other, other.toLowerCase()))) return undefined;
    const end = at + 1 + name.length;
    this.#add(at, end, { kind: "mention", text: this.#text.slice(at, end) });
    return end;
  }

  #takeRoom(at: number): number {
    const before = this.#before(at);
    if (/[#/&]/.test(before) || letterOrDigit.test(before)) return at;
    roomSign.lastIndex = at;
    const [text, room = ""] = roomSign.exec(this.#text) ?? [];
    // A number alone is more often an issue than a room.
    if (text === undefined || !/[a-z]/i.test(room)) return at;
    this.#add(at, at + text.length, { kind: "room", text, room: room.toLowerCase() });
    return at + text.length;
  }

  /** Returns the character before an index, or an empty string after a part or marker. */
  #before(index: number): string {
    return index === this.#done ? "" : characterBefore(this.#text, index);
  }

  /** Adds a part in place of the text from `start` to `end`. */
  #add(start: number, end: number, part: TextPart): void {
    this.#addText(start);
    this.#done = end;
    this.left--;
    (this.#opened.at(-1) ?? this.#opened[0]).parts.push(part);
  }

  /** Adds the text up to `end` that isn't in the parts yet. */
  #addText(end: number): void {
    if (end <= this.#done) return;
    pushText((this.#opened.at(-1) ?? this.#opened[0]).parts, this.#text.slice(this.#done, end));
    this.#done = end;
  }
}

function root(): Opened {
  return { marker: "", parts: [], depth: 0 };
}

function pushText(parts: TextPart[], text: string): void {
  const last = parts.at(-1);
  if (last?.kind === "text") parts[parts.length - 1] = { kind: "text", text: last.text + text };
  else parts.push({ kind: "text", text });
}

/** Returns the code point before an index, or an empty string at the start. */
function characterBefore(text: string, index: number): string {
  return isInPair(text, index - 1) ? text.slice(index - 2, index) : text.slice(index - 1, index);
}

/** Returns the code point at an index, or an empty string at the end. */
function characterAt(text: string, index: number): string {
  return text.slice(index, index + (isInPair(text, index + 1) ? 2 : 1));
}

/** Returns true if the code unit at an index belongs to a surrogate pair, as its second half. */
function isInPair(text: string, index: number): boolean {
  return index > 0 && (text.codePointAt(index - 1) ?? 0) > 0xffff;
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

/** Returns the host of an address if it isn't the one that is seen: non-ASCII, or after a name. */
function hiddenHost(typed: string, url: URL): string | undefined {
  if (url.protocol === "mailto:") return undefined;
  return typed.toLowerCase().startsWith(url.origin) ? undefined : url.host;
}

const emojiOnly = /^(?:\p{RGI_Emoji}\s?){1,6}$/v;

/** Whether a text is nothing but up to six emoji, which are shown large. */
export function isEmojiOnly(text: string): boolean {
  return text.length <= 120 && emojiOnly.test(text.trim());
}
