// Values of a filter: quoted texts, lists, patterns, numbers that are compared exactly.

import { isSpace } from "./tokens.js";

// A text without the quotes around it, if it has them.
export function unquoted(text, quote) {
  return text.length >= 2 && text.startsWith(quote) && text.endsWith(quote) ? text.slice(1, -1) : null;
}

function trimmed(text) {
  const chars = [...text];
  let start = 0;
  let end = chars.length;
  while (start < end && isSpace(chars[start])) start++;
  while (end > start && isSpace(chars[end - 1])) end--;
  return chars.slice(start, end).join("");
}

// The texts of a list such as `('a', "b")`, which MLflow reads as Python: with Python's escapes, and texts side by side are one.
// Nothing where it is no list of texts.
export function listOfTexts(list) {
  const outer = list.length >= 2 && list.startsWith("(") && list.endsWith(")") ? list.slice(1, -1) : null;
  if (outer === null) return null;
  const inner = trimmed(outer);
  if (inner.startsWith("(")) return listOfTexts(inner);
  const reader = { chars: [...inner], at: 0 };
  const texts = [];
  for (;;) {
    let text = "";
    let parts = 0;
    skipSpace(reader);
    while (reader.chars[reader.at] === "'" || reader.chars[reader.at] === '"') {
      const part = pythonText(reader, reader.chars[reader.at++]);
      if (part === null) return null;
      text += part;
      parts += 1;
      skipSpace(reader);
    }
    const next = reader.chars[reader.at++];
    if (parts === 0) return next === undefined && texts.length > 0 ? texts : null;
    texts.push(text);
    if (next === undefined) return texts;
    if (next !== ",") return null;
  }
}

function skipSpace(reader) {
  while (isSpace(reader.chars[reader.at])) reader.at++;
}

function pythonText(reader, quote) {
  let text = "";
  for (;;) {
    const c = reader.chars[reader.at++];
    if (c === quote) return text;
    if (c === undefined || c === "\n" || c === "\r" || c === "\0") return null;
    if (c !== "\\") {
      text += c;
      continue;
    }
    const escape = pythonEscape(reader);
    if (escape === null) return null;
    text += escape;
  }
}

const PYTHON_ESCAPES = {
  "\\": "\\", "'": "'", '"': '"', n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v", "\n": "",
};

function pythonEscape(reader) {
  const c = reader.chars[reader.at++];
  if (c === undefined || c === "N") return null;
  if (PYTHON_ESCAPES[c] !== undefined) return PYTHON_ESCAPES[c];
  if (c === "x") return numberedCharacter(reader, 16, 2, 2, 0);
  if (c === "u") return numberedCharacter(reader, 16, 4, 4, 0);
  if (c === "U") return numberedCharacter(reader, 16, 8, 8, 0);
  if (c >= "0" && c <= "7") return numberedCharacter(reader, 8, 0, 2, Number(c));
  return "\\" + c;
}

// A character by the digits of its number.
function numberedCharacter(reader, radix, least, most, start) {
  let number = start;
  let count = 0;
  while (count < most && reader.chars[reader.at] !== undefined) {
    const digit = /^[0-9a-fA-F]$/.test(reader.chars[reader.at]) ? parseInt(reader.chars[reader.at], 16) : radix;
    if (digit >= radix) break;
    number = number * radix + digit;
    reader.at++;
    count++;
  }
  const isCharacter = number <= 0x10ffff && !(number >= 0xd800 && number <= 0xdfff);
  return count >= least && isCharacter ? String.fromCodePoint(number) : null;
}

// Whether a text is like a pattern, as MLflow's file store reads it: `%` is any text on one line, `_` any character but a line end. A
// pattern that does not end in `%` must reach the text's end, or a line end there.
export function isLike(text, pattern, anyCase) {
  const same = anyCase ? sameInAnyCase : (a, b) => a === b;
  const wanted = [...pattern];
  const chars = [...text];
  if (wanted[wanted.length - 1] === "%") return matchesPattern(chars, wanted, same);
  if (matchesPattern(chars, wanted, same)) return true;
  return chars[chars.length - 1] === "\n" && matchesPattern(chars.slice(0, -1), wanted, same);
}

// Takes time as the product of both lengths at most.
function matchesPattern(text, pattern, same) {
  let at = 0;
  let place = 0;
  let open = null;
  for (;;) {
    const wanted = pattern[place];
    if (wanted === undefined && at === text.length) return true;
    if (wanted === "%") {
      place += 1;
      if (pattern.slice(place).every((c) => c === "%")) return true;
      open = [place, at];
      continue;
    }
    const c = text[at];
    if (wanted !== undefined && c !== undefined && (wanted === "_" ? c !== "\n" : same(wanted, c))) {
      at += 1;
      place += 1;
      continue;
    }
    // The last `%` takes one character more.
    if (!open || text[open[1]] === undefined || text[open[1]] === "\n") return false;
    [place, at] = [open[0], open[1] + 1];
    open = [place, at];
  }
}

// Whether two characters are the same but for their case, as Python's regular expressions have it.
function sameInAnyCase(a, b) {
  if (a === b) return true;
  const lower = (c) => [...c.toLowerCase()][0];
  const [x, y] = [lower(a), lower(b)];
  return x === y || x.toUpperCase() === y.toUpperCase();
}

// A number of a filter: integers are exact, `BigInt` where a double would not hold them.
export function integerOf(text) {
  return BigInt(text);
}

// Compares numbers exactly; nothing where one is NaN. JavaScript compares integers with doubles as they are.
export function compareNumbers(a, b) {
  if (a < b) return -1;
  if (a > b) return 1;
  return a == b ? 0 : null;
}
