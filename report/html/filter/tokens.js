// The words of a filter, as MLflow's SQL lexer (sqlparse 0.6) parts them. The same rules stand in `src/select/filter/token.rs`.

const MOST_TOKENS = 10000;
const SPACE = /[\s\u0085\u001c-\u001f]/u;
const NOT_SPACE = /\ufeff/u;
const WORD = /[\p{Alphabetic}\p{N}_]/u;
const HEAD = /[A-Za-zÀ-Üà-öø-üſıİ\u212a\u212b]/u;

export function isSpace(c) {
  return c !== undefined && SPACE.test(c) && !NOT_SPACE.test(c);
}

function isWord(c) {
  return c !== undefined && WORD.test(c);
}

function isHead(c) {
  return c !== undefined && HEAD.test(c);
}

function wordLength(chars, from) {
  let at = from;
  while (isWord(chars[at])) at++;
  return at - from;
}

function isDigit(c) {
  return c !== undefined && c >= "0" && c <= "9";
}

// The words of a text, given as a list of characters; nothing where there are too many.
export function tokensOf(chars) {
  const tokens = [];
  const lexer = { chars, text: chars.join(""), start: 0, lastCommentEnd: lastIndexOf(chars, "*/") };
  let count = 0;
  while (lexer.start < chars.length) {
    const start = lexer.start;
    const [kind, length] = nextToken(lexer);
    lexer.start += length;
    count += 1;
    if (count > MOST_TOKENS) return null;
    if (kind) tokens.push({ kind, start, end: lexer.start });
  }
  return tokens;
}

function startsWith(chars, at, text) {
  for (let place = 0; place < text.length; place++) if (chars[at + place] !== text[place]) return false;
  return true;
}

function indexOf(chars, text, from) {
  for (let at = from; at < chars.length; at++) if (startsWith(chars, at, text)) return at;
  return -1;
}

function lastIndexOf(chars, text) {
  for (let at = chars.length - text.length; at >= 0; at--) if (startsWith(chars, at, text)) return at;
  return 0;
}

function nextToken(lexer) {
  const first = lexer.chars[lexer.start];
  if (isSpace(first)) return [null, 1];
  return (
    commentToken(lexer) ||
    markedToken(lexer, first) ||
    namedWord(lexer, first) ||
    numberToken(lexer.chars, lexer.start) ||
    quotedToken(lexer, first) ||
    bareWord(lexer, first) ||
    signToken(lexer.chars, lexer.start)
  );
}

function commentToken({ chars, start, lastCommentEnd }) {
  if (startsWith(chars, start, "/*") && start + 2 <= lastCommentEnd) {
    const end = indexOf(chars, "*/", start + 2);
    return end < 0 ? null : ["Other", end + 2 - start];
  }
  if (!startsWith(chars, start, "--") && !startsWith(chars, start, "# ")) return null;
  let end = start;
  while (end < chars.length && chars[end] !== "\n" && chars[end] !== "\r") end++;
  return ["Other", end - start];
}

// What its first character tells.
function markedToken({ chars, start }, first) {
  const word = wordLength(chars, start + 1);
  const before = chars[start - 1];
  switch (first) {
    case "*":
      return ["Wildcard", 1];
    case "`":
    case "´": {
      const end = quotedEnd(chars, start, first, false);
      return end === null ? null : ["Name", end - start];
    }
    case "?":
      return ["Placeholder", 1];
    case "%": {
      const length = percentLength(chars, start + 1);
      return length === null ? null : ["Placeholder", length + 1];
    }
    case ":":
      if (chars[start + 1] === "=") return ["Other", 2];
      if (chars[start + 1] === ":") return ["Cast", 2];
      return word > 0 && !isWord(before) ? ["Placeholder", 1 + word] : null;
    case "$":
      return word > 0 && !isWord(before) ? ["Placeholder", 1 + word] : null;
    case "\\":
      return word > 0 ? ["Other", 1 + word] : null;
    case "@":
    case "#": {
      const marks = startsWith(chars, start, "##") ? 2 : 1;
      const at = start + marks;
      return isHead(chars[at]) && isWord(chars[at + 1]) ? ["Name", marks + wordLength(chars, at)] : null;
    }
    default:
      return null;
  }
}

function textAt(chars, start, length) {
  return chars.slice(start, start + length).join("");
}

function isOne(text, words) {
  return words.includes(text.replace(/[a-z]/g, (c) => c.toUpperCase()));
}

// A word that begins with a letter and that its neighbours make a name or a keyword.
function namedWord({ chars, start }, first) {
  const length = wordLength(chars, start);
  if (isOne(textAt(chars, start, length), ["CASE", "IN", "VALUES", "USING", "FROM", "AS"])) return ["Keyword", length];
  if (!isHead(first)) return null;
  let after = start + length;
  while (isSpace(chars[after])) after++;
  const isDotted = chars[after] === "." && !isDigit(chars[after + 1]);
  const isNamed = isDotted || chars[start - 1] === "." || chars[start + length] === "(";
  return isNamed ? ["Name", length] : null;
}

function quotedToken({ chars, start }, first) {
  if (first === "'" || first === '"') {
    const end = quotedEnd(chars, start, first, true);
    return end === null ? null : [first === "'" ? "Single" : "Symbol", end - start];
  }
  const before = chars[start - 1];
  if (first !== "[" || isWord(before) || before === "]" || before === ")") return null;
  let at = start + 1;
  while (at < chars.length && chars[at] !== "[" && chars[at] !== "]") at++;
  return at > start + 1 && chars[at] === "]" ? ["Name", at + 1 - start] : null;
}

// A word by itself alone, or several that make one operator.
function bareWord({ chars, start }, first) {
  if (!isWord(first)) return null;
  const length = wordLength(chars, start);
  const word = textAt(chars, start, length);
  if (isOne(word, ["NOT"])) {
    let second = start + length;
    while (isSpace(chars[second])) second++;
    const spaces = second - start - length;
    const secondLength = wordLength(chars, second);
    const text = textAt(chars, second, secondLength);
    const whole = length + spaces + secondLength;
    if (spaces > 0 && isOne(text, ["NULL"])) return ["Keyword", whole];
    if (spaces > 0 && isOne(text, ["LIKE", "ILIKE", "RLIKE", "REGEXP"])) return ["Comparison", whole];
  }
  if (isOne(word, ["ASC", "DESC"])) return ["Order", length];
  if (isOne(word, ["LIKE", "ILIKE", "RLIKE", "REGEXP"])) return ["Comparison", length];
  let end = start;
  while (isWord(chars[end]) || chars[end] === "$" || chars[end] === "#") end++;
  const whole = textAt(chars, start, end - start);
  const keywords = ["AND", "OR", "IS", "NOT", "NULL", "BETWEEN", "PARAMETER", "PARAMETERS"];
  return [isOne(whole, keywords) ? "Keyword" : "Name", end - start];
}

// The rest of a placeholder such as `%s` or `%(name)s`.
function percentLength(chars, start) {
  let named = 0;
  if (chars[start] === "(") {
    const length = wordLength(chars, start + 1);
    if (length > 0 && chars[start + 1 + length] === ")") named = length + 2;
  }
  const last = chars[start + named];
  return last === "s" || last === "S" ? named + 1 : null;
}

// A number, as long as no letter follows; one digit less where a letter does.
function numberToken(chars, start) {
  const digits = (from) => {
    let at = from;
    while (isDigit(chars[start + at])) at++;
    return at;
  };
  const at = (place) => chars[start + place];
  const sign = at(0) === "-" ? 1 : 0;
  const whole = digits(sign);
  if (at(sign) === "0" && whole === sign + 1 && (at(whole) === "x" || at(whole) === "X")) {
    let count = 0;
    while (at(whole + 1 + count) !== undefined && /[0-9a-fA-F]/.test(at(whole + 1 + count))) count++;
    if (count > 0) return ["Hexadecimal", whole + 1 + count];
  }
  const dotted = at(whole) === "." ? digits(whole + 1) : whole;
  if (whole > sign) {
    for (const end of [dotted, whole]) {
      const power = end + 1 + (at(end + 1) === "-" ? 1 : 0);
      const isFraction = end === whole || end > whole + 1;
      if (isFraction && (at(end) === "e" || at(end) === "E") && digits(power) > power) return ["Float", digits(power)];
    }
  }
  const withoutLetter = (end, least) => {
    const next = at(end);
    if (next !== "_" && !isHead(next)) return end;
    return end > least ? end - 1 : null;
  };
  if (at(whole) === ".") {
    const least = whole > sign ? whole + 1 : whole + 2;
    const end = dotted >= least ? withoutLetter(dotted, least) : null;
    if (end !== null) return ["Float", end];
  }
  if (whole > sign) {
    const end = withoutLetter(whole, sign + 1);
    return end === null ? null : ["Integer", end];
  }
  return null;
}

const PUNCTUATION = {
  ";": "Semicolon", ",": "Comma", ".": "Joiner", "(": "Open", ")": "Close", "[": "OpenSquare", "]": "CloseSquare",
};
const ARROWS = [
  ["->>", "Joiner"], ["->", "Joiner"], ["#>>", "Operator"], ["#>", "Operator"], ["@>", "Operator"], ["<@", "Operator"],
  ["-", "Operator"], ["#-", "Operator"],
];

function signToken(chars, start) {
  const first = chars[start];
  if (PUNCTUATION[first]) return [PUNCTUATION[first], 1];
  for (const [text, kind] of ARROWS) if (startsWith(chars, start, text)) return [kind, text.length];
  for (const [signs, kind] of [["<>=~!", "Comparison"], ["+/@#%^&|-", "Operator"]]) {
    let end = start;
    while (end < chars.length && signs.includes(chars[end])) end++;
    if (end > start) return [kind, end - start];
  }
  return ["Other", 1];
}

// Where a text that begins with a quote ends, its closing quote included. A doubled quote, and one behind a backslash where that counts, is
// part of the text, unless no other quote ends it.
function quotedEnd(chars, start, quote, knowsBackslash) {
  let lastWayOut = null;
  let at = start + 1;
  while (at < chars.length) {
    const c = chars[at];
    const isDoubled = chars[at + 1] === quote;
    if (c === quote && !isDoubled) return at + 1;
    if (c === quote) {
      lastWayOut = at + 1;
      at += 2;
    } else if (c === "\\" && knowsBackslash && isDoubled) {
      at += 2;
      lastWayOut = at;
    } else at += 1;
  }
  return lastWayOut;
}
