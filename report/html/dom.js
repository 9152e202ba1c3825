// Elements without markup: every text is set as text.

import { byteSize, brief, grouped, isCut, plain, shown } from "./text.js";

// The name of a language, not an address: nothing is asked there.
const SVG = "http:" + "//www.w3.org/2000/svg";

function fill(element, fields, children) {
  for (const [key, value] of Object.entries(fields || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "css") for (const [name, text] of Object.entries(value)) element.style.setProperty(name, text);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export function el(name, fields, ...children) {
  return fill(document.createElement(name), fields, children);
}

export function svg(name, fields, ...children) {
  return fill(document.createElementNS(SVG, name), fields, children);
}

// Adds to an element that is there, as `el` does.
export function add(element, ...children) {
  append(element, children);
  return element;
}

export function clear(element) {
  element.replaceChildren();
  return element;
}

// A text of a user: on one line, or as it is with `block`.
export function user(value, fields) {
  const long = isCut(value) ? `The first part of a text of ${byteSize(value.n)}; \`mlark show\` has all of it.` : undefined;
  return el("bdi", { class: "user", title: long, ...fields }, brief(value, 400));
}

export function mono(text, fields) {
  return el("bdi", { class: "mono", ...fields }, shown(text));
}

// A place within the page. Ids and names in it are encoded, so that it never leads out.
export function link(route, ...children) {
  return el("a", { href: "#/" + route.map(encodeURIComponent).join("/") }, ...children);
}

export function badge(text, kind) {
  return el("span", { class: "badge " + (kind || "") }, text);
}

const STATES = {
  FINISHED: "good", READY: "good", OK: "good", active: "good",
  FAILED: "bad", ERROR: "bad", KILLED: "warn", FAILED_REGISTRATION: "bad",
  RUNNING: "busy", SCHEDULED: "busy", IN_PROGRESS: "busy", PENDING_REGISTRATION: "busy", PENDING: "busy",
};

export function stateBadge(state) {
  return state ? badge(shown(state).toLowerCase().replace(/_/g, " "), STATES[state] || "") : null;
}

export function deletedBadge(row) {
  return row.d ? badge("deleted", "warn") : null;
}

// Facts beside their names; those without a value are left out.
export function factList(facts) {
  const list = el("dl", { class: "facts" });
  for (const [name, value] of facts) {
    if (value === undefined || value === null || value === "") continue;
    list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  }
  return list;
}

// A long text as it was written.
export function prose(value, fields) {
  const box = el("div", { class: "prose", tabindex: "0", ...fields }, shown(plain(value)));
  if (isCut(value)) {
    box.append(el("p", { class: "note" }, `The first part of a text of ${grouped(value.n)} bytes.`));
  }
  return box;
}

export function section(title, count, ...children) {
  const number = count === null || count === undefined ? null : el("span", { class: "count" }, grouped(count));
  return el("section", {}, el("h2", {}, title, number), ...children);
}

// A table of few rows; cells are texts or elements.
export function smallTable(headings, rows, fields) {
  const head = el("tr", {}, headings.map((heading) => el("th", { scope: "col" }, heading)));
  const body = el("tbody");
  // Numbers, times and single words stay on a line.
  const isShort = (cell) => typeof cell === "string" && cell.length <= 24;
  for (const row of rows) body.append(el("tr", {}, row.map((cell) => el("td", { class: isShort(cell) ? "short" : null }, cell))));
  return el("div", { class: "scroll", tabindex: "0", role: "group", ...fields }, el("table", {}, el("thead", {}, head), body));
}

// A list of which the first part is there, and the rest when it is asked for.
export function inParts(items, make, most = 200) {
  const box = el("div");
  let at = 0;
  const button = el("button", { type: "button", onclick: () => more() });
  function more() {
    box.append(make(items.slice(at, at + most)));
    at += most;
    if (at < items.length) {
      button.textContent = `Show ${grouped(Math.min(most, items.length - at))} more of ${grouped(items.length)}`;
      box.append(button);
    } else button.remove();
  }
  more();
  return box;
}

export function pairs(flat) {
  const found = [];
  for (let at = 0; flat && at < flat.length; at += 2) found.push([flat[at], flat[at + 1]]);
  return found;
}

export function valueOf(flat, key) {
  for (let at = 0; flat && at < flat.length; at += 2) if (flat[at] === key) return flat[at + 1];
  return undefined;
}

// Params or tags: keys and values, with a search where there are many.
export function keyTable(flat, empty) {
  const all = pairs(flat);
  if (all.length === 0) return el("p", { class: "empty" }, empty);
  const table = (some) => smallTable(["Key", "Value"], some.map(([key, value]) => [mono(key), valueCell(value)]));
  return inParts(all, table);
}

export function valueCell(value) {
  const text = plain(value);
  if (value && typeof value === "object" && value.b !== undefined) {
    return el("span", {}, user(value), el("span", { class: "note" }, ` ${byteSize(value.n)} that are not UTF-8`));
  }
  if (text.length <= 160 && !text.includes("\n") && !isCut(value)) return user(value);
  return el("details", {}, el("summary", {}, user(brief(value, 120))), prose(value));
}
