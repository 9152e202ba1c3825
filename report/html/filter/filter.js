// MLflow's search syntax for runs: the same rules as in `src/select/filter/`, which `docs/reference/filter.md` describes. A filter gives the runs that
// mlark and MLflow would give, or is refused with the reason. Where the page has only the start of a text, it may be unknown whether a run
// meets a clause; such runs are counted and not shown.

import { tokensOf } from "./tokens.js";
import { groupsOf, isKeyword, textOf } from "./groups.js";
import { compareNumbers, integerOf, isLike, listOfTexts, unquoted } from "./values.js";

const MOST_BYTES = 1 << 20;
const LOOKED_INTO_BYTES = 1 << 20;

export class FilterRefused extends Error {
  constructor(reason, chars, start) {
    super(reason);
    this.reason = reason;
    this.character = start + 1;
    const near = chars.slice(start);
    this.near = near.slice(0, 60).join("") + (near.length > 60 ? "…" : "");
  }
}

function cutReason(text) {
  const chars = [...text];
  return chars.length > 500 ? chars.slice(0, 500).join("") + "…" : text;
}

// Reads a filter; an empty one takes every run.
export function parseFilter(text) {
  if (text === "") return [];
  const chars = [...text];
  const refused = () => new FilterRefused(`Error on parsing filter '${cutReason(text)}'`, chars, 0);
  if (new TextEncoder().encode(text).length > MOST_BYTES) throw refused();
  const tokens = tokensOf(chars);
  if (!tokens) throw refused();
  refuseSeveral(chars, tokens, text);
  const groups = groupsOf(chars, tokens);
  if (!groups) throw refused();
  if (groups.length === 0) throw new FilterRefused(`Invalid filter '${cutReason(text)}'. Could not be parsed.`, chars, 0);
  const parts = comparisonsOf(chars, groups).map((compared) => partsOf(chars, compared));
  // MLflow looks at operators last, when it compares.
  return parts.map((part) => clauseOf(chars, part));
}

// Refuses what a semicolon ends, if more follows.
function refuseSeveral(chars, tokens, text) {
  let depth = 0;
  tokens.forEach((token, place) => {
    if (token.kind === "Open") depth += 1;
    else if (token.kind === "Close") depth -= 1;
    else if (token.kind === "Semicolon" && depth <= 0 && place + 1 < tokens.length) {
      const told = pythonRepr(cutReason(text));
      const reason = `Search filter contained multiple expression ${told}. Provide AND-ed expression list.`;
      throw new FilterRefused(reason, chars, token.start);
    }
  });
}

function pythonRepr(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = text.replace(/[\\\n\r\t]/g, (c) => ({ "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" })[c]);
  return quote + (quote === "'" ? inner.replace(/'/g, "\\'") : inner) + quote;
}

// The comparisons, if there is nothing else but `AND`.
function comparisonsOf(chars, groups) {
  const found = [];
  const others = [];
  let rest = groups;
  while (rest.length > 0) {
    const first = rest[0];
    let taken;
    if (rest.length < 3) {
      others.push(...rest);
      break;
    }
    const worded = first.kind === "Identifier" ? wordedComparison(chars, rest) : null;
    if (first.kind !== "Identifier" && first.kind !== "Alias") {
      others.push(first);
      taken = 1;
    } else if (worded) {
      found.push(worded.compared);
      taken = worded.taken;
    } else {
      // MLflow looks at the next words together with these.
      taken = Math.min(rest.length, 4);
      others.push(...rest.slice(0, taken));
    }
    rest = rest.slice(taken);
  }
  const invalid = others.filter((group) => group.kind !== "Comparison2" && !isKeyword(chars, group, "AND"));
  if (invalid.length > 0) {
    const texts = invalid.map((group) => `'${textOf(chars, group)}'`).join(", ");
    throw new FilterRefused(`Invalid clause(s) in filter string: ${cutReason(texts)}`, chars, invalid[0].start);
  }
  for (const group of others) {
    if (group.kind !== "Comparison2") continue;
    const [left, operator, right] = group.parts;
    found.push({ start: group.start, left, operator, whole: null, right });
  }
  return found.sort((a, b) => a.start - b.start);
}

// A comparison by words: `IN`, `IS NULL` and their opposites.
function wordedComparison(chars, rest) {
  const [left, second, third, fourth] = rest;
  const is = (group, keyword) => isKeyword(chars, group, keyword);
  const isNotNull = (group) => group.kind === "Keyword" && textOf(chars, group).toUpperCase() === "NOT NULL";
  const isList = (group) => group !== undefined && group.kind === "Parenthesis";
  const made = (whole, right, taken) => ({ compared: { start: left.start, left, operator: second, whole, right }, taken });
  if (is(second, "IN") && isList(third)) return made("IN", third, 3);
  if (is(second, "IS") && is(third, "NULL")) return made("IS NULL", null, 3);
  if (is(second, "IS") && isNotNull(third)) return made("IS NOT NULL", null, 3);
  if (is(second, "NOT") && is(third, "IN") && isList(fourth)) return made("NOT IN", fourth, 4);
  return null;
}

function keyOf(text) {
  const dot = text.indexOf(".");
  let key = dot < 0 ? text : text.slice(dot + 1);
  const inner = unquoted(key, "'") ?? unquoted(key, '"');
  key = inner ?? key;
  return unquoted(key, "`") ?? key;
}

const ATTRIBUTES = {
  run_id: "run_id", run_name: "run_name", "run name": "run_name", "Run name": "run_name", "Run Name": "run_name",
  user_id: "user_id", status: "status", artifact_uri: "artifact_uri",
  start_time: "start_time", created: "start_time", Created: "start_time", end_time: "end_time",
};
const TIMES = ["start_time", "end_time"];
const DATASET_FIELDS = ["name", "digest", "context"];
const ENTITIES = {
  metric: "metric", metrics: "metric", param: "parameter", params: "parameter", parameter: "parameter", parameters: "parameter",
  tag: "tag", tags: "tag", attr: "attribute", attribute: "attribute", attributes: "attribute", run: "attribute",
  dataset: "dataset", datasets: "dataset",
};

// What a key such as `metrics."my loss"` names; throws the reason where it names nothing.
export function subjectOf(text) {
  const dot = text.indexOf(".");
  const before = dot < 0 ? "attribute" : text.slice(0, dot);
  const word = unquoted(before, "`") ?? before;
  const entity = Object.hasOwn(ENTITIES, word) ? ENTITIES[word] : null;
  const key = keyOf(text);
  if (entity === "attribute") {
    if (Object.hasOwn(ATTRIBUTES, key)) return { entity, key: ATTRIBUTES[key] };
    const keys = "'artifact_uri', 'end_time', 'run_id', 'run_name', 'start_time', 'status', 'user_id'";
    throw new Error(`Invalid attribute key '${cutReason(key)}' specified. Valid keys are ${keys}`);
  }
  if (entity === "dataset") {
    if (DATASET_FIELDS.includes(key)) return { entity, key };
    throw new Error(`Invalid dataset key '${cutReason(key)}' specified. Valid keys are 'name', 'digest', 'context'`);
  }
  if (entity) return { entity, key };
  const all = "['metric', 'parameter', 'tag', 'attribute', 'dataset']";
  throw new Error(`Invalid entity type '${cutReason(word)}'. Valid values are ${all}`);
}

function partsOf(chars, compared) {
  const { left, operator, whole, right } = compared;
  const leftText = textOf(chars, left);
  if (left.kind !== "Identifier") {
    const reason = `Invalid comparison clause. Expected 'Identifier' found '${cutReason(leftText)}'`;
    throw new FilterRefused(reason, chars, left.start);
  }
  let subject;
  try {
    subject = subjectOf(leftText);
  } catch (error) {
    throw new FilterRefused(error.message, chars, left.start);
  }
  const value = right ? valueOfClause(chars, subject, right) : noValue(chars, subject, left);
  return { subject, operator: textOf(chars, operator), whole, value, start: operator.start };
}

function noValue(chars, subject, left) {
  if (subject.entity === "parameter" || subject.entity === "tag") return null;
  const key = keyOf(textOf(chars, left));
  const reason = `IS NULL / IS NOT NULL is only supported for tags and params, not for '${subject.entity}' '${key}'`;
  throw new FilterRefused(reason, chars, left.start);
}

function isTime(subject) {
  return subject.entity === "attribute" && TIMES.includes(subject.key);
}

function valueOfClause(chars, subject, right) {
  const text = textOf(chars, right);
  const found = cutReason(text);
  const refuse = (reason) => {
    throw new FilterRefused(reason, chars, right.start);
  };
  if (subject.entity === "metric") {
    if (right.kind === "Integer" || right.kind === "Float") return { number: Number(text) };
    return refuse(`Expected numeric value type for metric. Found ${found}`);
  }
  if (isTime(subject)) {
    if (right.kind === "Integer") return { number: integerOf(text) };
    if (right.kind === "Float") return { number: Number(text) };
    return refuse(`Expected numeric value type for numeric attribute: ${subject.key}. Found ${found}`);
  }
  if (right.kind === "Single" || right.kind === "Identifier") {
    const inner = unquoted(text, "'") ?? unquoted(text, '"');
    if (inner !== null) return { text: inner };
    return refuse(
      `Parameter value is either not quoted or unidentified quote types used for string value ${found}. ` +
        "Use either single or double quotes.",
    );
  }
  const isList = right.kind === "Parenthesis";
  if (isList && (subject.entity === "dataset" || subject.key === "run_id") && subject.entity !== "parameter" && subject.entity !== "tag") {
    const texts = listOfTexts(text);
    if (texts) return { texts };
    const isEmpty = /^[() ]*$/.test(text);
    return refuse(
      "While parsing a list in the query, expected a non-empty list of string values, but got " +
        (isEmpty ? "empty list" : "ill-formed list."),
    );
  }
  if (subject.entity === "attribute" && isList) {
    return refuse("Only ['run_id'] attributes support comparison with a list of quoted string values.");
  }
  if (subject.entity === "attribute") return refuse(`Expected a quoted string value for attributes. Got value ${found}`);
  if (subject.entity === "dataset") return refuse(`Expected a quoted string value for dataset attributes. Got value ${found}`);
  return refuse(`Expected a quoted string value for ${subject.entity} (e.g. 'my-value'). Got value ${found}`);
}

const NUMBER_OPERATORS = ["!=", "<", "<=", "=", ">", ">="];
const TEXT_OPERATORS = ["!=", "=", "ILIKE", "LIKE"];

function clauseOf(chars, parts) {
  const operator = parts.whole || parts.operator.toUpperCase();
  const { subject, value } = parts;
  const isMeant =
    value === null
      ? operator === "IS NULL" || operator === "IS NOT NULL"
      : value.texts
        ? operator === "IN" || operator === "NOT IN"
        : value.text !== undefined
          ? TEXT_OPERATORS.includes(operator)
          : NUMBER_OPERATORS.includes(operator);
  if (isMeant) return { subject, operator, value };
  const operators =
    subject.entity === "metric" || isTime(subject)
      ? "'!=', '<', '<=', '=', '>', '>='"
      : subject.entity === "parameter" || subject.entity === "tag"
        ? "'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'"
        : subject.entity === "dataset" || subject.key === "run_id"
          ? "'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'"
          : "'!=', '=', 'ILIKE', 'LIKE'";
  throw new FilterRefused(`Invalid comparator '${operator}' not one of ${operators}`, chars, parts.start);
}

// Whether a run meets all clauses: true, false, or nothing where a cut text keeps it unknown. `run` answers `metric(key)`, `param(key)`,
// `tag(key)`, `attribute(key)` and `datasets()`, each with `undefined` for what is not there.
export function meets(clauses, run) {
  let known = true;
  for (const clause of clauses) {
    const met = meetsClause(clause, run);
    if (met === false) return false;
    if (met === null) known = false;
  }
  return known ? true : null;
}

function meetsClause({ subject, operator, value }, run) {
  switch (subject.entity) {
    case "metric": {
      const number = run.metric(subject.key);
      return number !== undefined && meetsNumber(operator, number, value.number);
    }
    case "parameter":
      return meetsText(operator, value, run.param(subject.key));
    case "tag":
      return meetsText(operator, value, run.tag(subject.key));
    case "attribute": {
      const found = run.attribute(subject.key);
      if (found === undefined) return false;
      return isTime(subject) ? meetsNumber(operator, integerOf(found), value.number) : meetsText(operator, value, found);
    }
    default: {
      let unknown = false;
      for (const dataset of run.datasets()) {
        const found = dataset[subject.key];
        if (found === undefined || found === null) continue;
        const met = meetsText(operator, value, found);
        if (met) return true;
        if (met === null) unknown = true;
      }
      return unknown ? null : false;
    }
  }
}

function meetsNumber(operator, found, wanted) {
  const order = compareNumbers(found, wanted);
  switch (operator) {
    case ">":
      return order === 1;
    case ">=":
      return order === 1 || order === 0;
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<=":
      return order === -1 || order === 0;
    default:
      return order === -1;
  }
}

// `found` is a text, `{t, n}` for the start of one, `{b}` for bytes that are no text, or nothing.
function meetsText(operator, value, found) {
  if (found === undefined) return operator === "IS NULL";
  if (operator === "IS NULL") return false;
  if (operator === "IS NOT NULL") return true;
  const isDifference = operator === "!=" || operator === "NOT IN";
  if (typeof found === "object") {
    if (found.t === undefined || found.n > LOOKED_INTO_BYTES) return isDifference;
    return meetsCut(operator, value, found, isDifference);
  }
  switch (operator) {
    case "=":
      return found === value.text;
    case "!=":
      return found !== value.text;
    case "LIKE":
      return isLike(found, value.text, false);
    case "ILIKE":
      return isLike(found, value.text, true);
    case "IN":
      return value.texts.includes(found);
    default:
      return !value.texts.includes(found);
  }
}

// A text of which only the start is here is known to be another one, or nothing is known.
function meetsCut(operator, value, found, isDifference) {
  if (operator === "LIKE" || operator === "ILIKE") {
    const anyCase = operator === "ILIKE";
    // `abc%` is met, or not, by the start alone.
    const start = value.text.slice(0, -1);
    const isStart = value.text.endsWith("%") && !/[%_]/.test(start) && start.length < found.t.length;
    return isStart ? isLike(found.t, value.text, anyCase) : null;
  }
  const bytes = (text) => new TextEncoder().encode(text).length;
  const wanted = value.texts || [value.text];
  const isOther = wanted.every((text) => bytes(text) !== found.n || !text.startsWith(found.t));
  return isOther ? isDifference : null;
}
