// Parses JSON from clients in linear time.

import { hubLimits } from "./wire.ts";

/**
 * Finds short strings of digits. V8 enters strings of up to 10 characters into a table, and the
 * hash of digits is their value: a client could choose thousands that collide, and parsing 64 KiB
 * would take 0.3 s. Fewer than 6 digits have too few values for that.
 */
const digits = /(?<!\\)"(\d{6,10})"(?!\s*:)/g;
/** Finds all of them, and more. A simpler test, because it costs each command time. */
const hasDigits = /"\d{6,10}"/;
/** A quote or an escape. An invalid `\u` takes all that follows, so no digit can complete it. */
const quotesAndEscapes = /"|\\(?:u003(\d)|u[\da-f]{4}|u[^]*|[^])/gi;
/** Makes strings of digits too long for the table. No field may contain this character. */
const padding = "\x7f".repeat(5);

/** Parses JSON as `JSON.parse` does. */
export function parseJson(json: string): unknown {
  const hasEscapes = json.includes("\\u003");
  if (!hasEscapes && !hasDigits.test(json)) return JSON.parse(json);
  const unescaped = hasEscapes ? unescapeDigits(json) : json;
  return withoutPadding(JSON.parse(unescaped.replace(digits, `"$1${padding}"`)));
}

/** Returns JSON with escaped digits replaced by the digits. */
function unescapeDigits(json: string): string {
  let isInString = false;
  return json.replace(quotesAndEscapes, (match, digit?: string) => {
    if (match === '"') isInString = !isInString;
    // Outside of strings, `JSON.parse` must see the escape, and throw.
    return isInString && digit || match;
  });
}

/** Returns a value without the padding. A reviver would take 20 times as long. */
function withoutPadding(value: unknown): unknown {
  if (typeof value === "string") {
    return value.endsWith(padding) ? value.slice(0, -padding.length) : value;
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) value[i] = withoutPadding(value[i]);
  } else {
    // All of its fields are its own, even one named __proto__.
    const fields = value as Record<string, unknown>;
    for (const key in fields) fields[key] = withoutPadding(fields[key]);
  }
  return value;
}

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** JSON up to this length is parsed in less than 1 ms, so its values are not counted. */
const uncountedMaxLength = 8_192;

/**
 * Returns true if arrays and objects in `json` are nested deeper than `maxDepth`, or if it is long
 * and has too many elements and fields. Checked before JSON.parse, which takes long over both. The
 * result is arbitrary for malformed JSON.
 */
export function isTooComplex(json: string, maxDepth: number): boolean {
  const isLong = json.length > uncountedMaxLength;
  // Most commands are one object without arrays.
  if (!isLong && !json.includes("[") && !json.includes("{", 1)) return false;
  const maxValues = isLong ? hubLimits.valuesMax : Infinity;
  let values = 0;
  let depth = 0;
  let isInString = false;
  for (let i = 0; i < json.length; i++) {
    const unit = json.charCodeAt(i);
    if (isInString) {
      if (unit === backslash) i++;
      else if (unit === quote) isInString = false;
    } else if (unit === quote) isInString = true;
    else if (unit === comma) values++;
    // Setting bit 5 turns brackets into braces.
    else if ((unit | 0x20) === openBrace) {
      values++;
      if (++depth > maxDepth) return true;
    } else if ((unit | 0x20) === closeBrace) depth--;
    if (values > maxValues) return true;
  }
  return false;
}
