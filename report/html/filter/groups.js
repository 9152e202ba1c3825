// Words put together: keys, comparisons, brackets, in the order in which MLflow's SQL parser does it. The same rules stand in
// `src/select/filter/group.rs`. A group is a word or several; `kind` is that of the word, or what the words are together.

const MOST_DEPTH = 100;

export function textOf(chars, group) {
  return chars.slice(group.start, group.end).join("");
}

export function isKeyword(chars, group, keyword) {
  return group.kind === "Keyword" && textOf(chars, group).toUpperCase() === keyword;
}

function grouped2(kind, first, last) {
  return { kind, start: first.start, end: last.end, parts: [] };
}

const NUMBERS = ["Integer", "Float", "Hexadecimal"];
const OPERANDS = [
  "Parenthesis", "Function", "Identifier", "Operation", "Integer", "Float", "Single", "Symbol", "Name", "Placeholder",
];
const ALIASED = ["Parenthesis", "Function", "Identifier", "Operation", "Comparison2", ...NUMBERS];

// Puts words together; nothing where brackets stand too deep.
export function groupsOf(chars, tokens) {
  let groups = brackets(tokens.map((token) => ({ ...token, parts: [] })), "OpenSquare", "CloseSquare", "Square");
  if (!groups) return null;
  groups = brackets(groups, "Open", "Close", "Parenthesis");
  if (!groups) return null;
  groups = follow(groups, "Function", ["Name", "Placeholder"], ["Parenthesis"]);
  groups = dottedKeys(groups);
  groups = follow(groups, "Identifier", ["Square", "Identifier", "Function", "Name", "Symbol"], ["Square"]);
  for (const group of groups) if (group.kind === "Name" || group.kind === "Symbol") group.kind = "Identifier";
  groups = follow(groups, "Identifier", ["Identifier", ...NUMBERS], ["Order"]);
  const any = () => true;
  const has = (kinds) => (group) => kinds.includes(group.kind);
  groups = infix(groups, "Identifier", has(["Cast"]), any, any);
  groups = infix(groups, "Operation", has(["Operator", "Wildcard"]), has([...OPERANDS, "Square"]), has([...OPERANDS, "Square"]));
  const isValue = (group) => OPERANDS.includes(group.kind) || isKeyword(chars, group, "NULL");
  groups = infix(groups, "Comparison2", has(["Comparison"]), isValue, isValue);
  groups = follow(groups, "Alias", ALIASED, ["Identifier"]);
  const listed = OPERANDS.filter((kind) => kind !== "Parenthesis").concat(["Keyword", "Wildcard", "Comparison2", "Alias"]);
  return infix(groups, "List", has(["Comma"]), has(listed), has(listed));
}

// Puts what stands between brackets together.
function brackets(groups, open, close, kind) {
  const out = [];
  const opened = [];
  for (const group of groups) {
    if (group.kind === open) {
      opened.push(out.length);
      if (opened.length > MOST_DEPTH) return null;
    } else if (group.kind === close && opened.length > 0) {
      const first = opened.pop();
      const whole = grouped2(kind, out[first], group);
      out.length = first;
      out.push(whole);
      continue;
    }
    out.push(group);
  }
  return out;
}

// Puts a group and the next together.
function follow(groups, kind, firsts, seconds) {
  const out = [];
  for (const group of groups) {
    const last = out[out.length - 1];
    if (last && firsts.includes(last.kind) && seconds.includes(group.kind)) {
      out[out.length - 1] = grouped2(kind, last, group);
    } else out.push(group);
  }
  return out;
}

// Puts keys together: `params . "a b"`; a dot without a key belongs to what stands before it.
function dottedKeys(groups) {
  const out = [];
  let before = null;
  for (let at = 0; at < groups.length; at++) {
    const group = groups[at];
    const isBefore = ["Square", "Identifier", "Name", "Symbol"].includes(before);
    before = group.kind;
    if (group.kind !== "Joiner" || !isBefore) {
      out.push(group);
      continue;
    }
    const next = groups[at + 1];
    const key = next && ["Square", "Function", "Name", "Symbol", "Wildcard", "Single"].includes(next.kind) ? next : null;
    if (key) at += 1;
    before = key ? key.kind : "Identifier";
    if (out.length > 0) out[out.length - 1] = grouped2("Identifier", out[out.length - 1], key || group);
  }
  return out;
}

// Puts together what an operator joins. What stands left of a second operator is what stood right of the first.
function infix(groups, kind, isOperator, isLeft, isRight) {
  const out = [];
  let left = null;
  for (let at = 0; at < groups.length; at++) {
    const group = groups[at];
    const isJoining = isOperator(group) && left !== null && isLeft(left);
    const right = isJoining && at + 1 < groups.length && isRight(groups[at + 1]) ? groups[at + 1] : null;
    if (!right || out.length === 0) {
      if (right) at += 1;
      left = group;
      out.push(group);
      continue;
    }
    at += 1;
    const first = out.pop();
    left = right;
    const whole = grouped2(kind, first, right);
    if (kind === "Comparison2") whole.parts = [first, group, right];
    out.push(whole);
  }
  return out;
}
