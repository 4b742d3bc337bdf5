// Generates app/protocol/confusables.txt from Unicode's confusables.txt:
// deno run --allow-read --allow-write=app/protocol scripts/generate_confusables.ts confusables.txt

import { print } from "../app/core/console.ts";
import { foldName, nameScripts } from "../app/protocol/names.ts";

const allowed = new RegExp(
  `^(?=[\\p{L}\\p{M}\\p{Nd}'’])[\\p{scx=Common}\\p{scx=Inherited}${
    nameScripts.map((script) => `\\p{scx=${script}}`).join("")
  }]$`,
  "u",
);

/**
 * Small capitals and their letters, which Unicode's table has only in part. Cyrillic ve (в) is
 * listed because it looks more like B than the soft sign (ь) does.
 */
const smallCapitals =
  "вb ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ĸk ʟl ᴍm ʍm ɴn ᴏo ᴘp ꞯq ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz";

/** Each class of look-alikes may have one character per alphabet, so that no letters are merged. */
const alphabets = [
  "abcdefghijkmnopqrstuvwxyz23456789",
  "αβγδεζηθικλμνξοπρστυφχψω",
  "абвгдежзийклмнопрстуфхцчшщъыьэюя",
  "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ",
];

/** Characters joined by case and likeness: I is the capital of i, and looks like l and 1. */
const joined = new Map([["l", "i"], ["1", "i"], ["0", "o"]]);

const parents = new Map<string, string>();

function rootOf(character: string): string {
  let root = character;
  for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next;
  return root;
}

const members = new Map<string, string[]>();

function membersOf(character: string): readonly string[] {
  return members.get(rootOf(character)) ?? [character];
}

/** Joins two classes under the root of the second. Returns false if that would merge letters. */
function join(one: string, other: string): boolean {
  const [from, to] = [rootOf(one), rootOf(other)];
  if (from === to) return true;
  const all = [...membersOf(to), ...membersOf(from)];
  if (alphabets.some((letters) => all.filter((letter) => letters.includes(letter)).length > 1)) {
    return false;
  }
  parents.set(from, to);
  members.set(to, all);
  return true;
}

const text = await Deno.readTextFile(Deno.args[0] ?? "confusables.txt");
const version = /Version: ([\d.]+)/.exec(text)?.[1];
if (version === undefined) {
  throw new Error("Cannot read the file: it isn't Unicode's confusables.txt");
}

const edges: { readonly source: string; readonly from: string; readonly to: string }[] = [];
for (const line of text.split("\n")) {
  const [, source = "", target = ""] = /^([0-9A-F]+) ;\t([0-9A-F ]+) ;/.exec(line) ?? [];
  if (source === "") continue;
  const from = String.fromCodePoint(parseInt(source, 16));
  if (!allowed.test(from) || from.normalize("NFKD") !== from) continue;
  const to = target.trim().split(" ").map((hex) => String.fromCodePoint(parseInt(hex, 16))).join(
    "",
  );
  const folded = foldName(from);
  // Skips capitals that fold to several characters, and iota subscripts, which fold to a letter.
  const isFolded = [...folded].length === 1 && /\p{M}/u.test(from) === /\p{M}/u.test(folded);
  if (isFolded) edges.push({ source: from, from: folded, to: foldName(to) });
}
// Capitals first: names start with one, and a name in capitals imitates Latin best.
edges.sort((a, b) => Number(a.source === a.from) - Number(b.source === b.from));

for (const [one, other] of joined) join(one, other);
for (const pair of smallCapitals.split(" ")) {
  const [small = "", letter = ""] = pair;
  join(small, letter);
}
const dropped: string[] = [];
const sequences = new Map<string, string>();
for (const { source, from, to } of edges) {
  if ([...to].length === 1 && !join(from, to)) dropped.push(`${source} ${to}`);
}
for (const { source, from, to } of edges) {
  if ([...to].length < 2) continue;
  const root = rootOf(from);
  const isLetter = membersOf(from).some((letter) => /[a-z0-9]/.test(letter));
  if (isLetter && !/[a-z0-9]/.test(from)) dropped.push(`${source} ${to}`);
  else if (!sequences.has(root)) sequences.set(root, to);
}

function representativeOf(character: string, depth = 0): string {
  const root = rootOf(character);
  const sequence = sequences.get(root);
  if (sequence !== undefined && depth < 8) {
    return Array.from(sequence, (next) => representativeOf(next, depth + 1)).join("");
  }
  const letter = membersOf(root).find((member) => /[a-z]/.test(member));
  return joined.get(letter ?? root) ?? letter ?? root;
}

const sources = new Map<string, string[]>();
for (const character of new Set([...parents.keys(), ...members.keys(), ...sequences.keys()])) {
  const target = representativeOf(character);
  if (target === character || !(allowed.test(character) || character === "'")) continue;
  sources.set(target, [...sources.get(target) ?? [], character]);
}

function hex(characters: Iterable<string>): string {
  return Array.from(characters, (character) => character.codePointAt(0)?.toString(16)).join(" ");
}

const rows = [...sources].map(([target, list]) => `${hex(target)}:${hex(list.sort())}`).sort();
const lines: string[] = [];
for (const row of rows) {
  const line = lines.at(-1);
  if (line !== undefined && line.length + row.length < 100) lines[lines.length - 1] += `;${row}`;
  else lines.push(row);
}
await Deno.writeTextFile(
  new URL("../app/protocol/confusables.txt", import.meta.url),
  `# Look-alike characters, generated by scripts/generate_confusables.ts. Derived from confusables.txt
# of UTS 39, Unicode ${version}, © Unicode, Inc., Unicode License v3,
# https://www.unicode.org/license.txt. Rows of skeleton:sources in hexadecimal code points.
# Sources are folded (foldName in names.ts).
${lines.join("\n")}
`,
);
const count = [...sources.values()].reduce((total, list) => total + list.length, 0);
print(`${count} characters, ${rows.length} skeletons, ${dropped.length} pairs left out:\n`);
print(`${dropped.join("  ")}\n`);
