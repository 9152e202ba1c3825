// The page of what differs between two archives.

import { brief, counted, dayOf, grouped, isCut, oneLine, plain, timeOf } from "./text.js";
import { add, badge, clear, el, factList, mono, prose, section, smallTable, user } from "./dom.js";
import { isDark, labelled, select } from "./controls.js";

const NAMES = ["added", "removed", "changed"];
const STYLES = ["good", "bad", "warn"];
const OBJECTS_AT_ONCE = 100;
const LINES_AT_ONCE = 60;

function changeRows() {
  const rows = [];
  for (const element of document.getElementsByClassName("changes")) for (const row of JSON.parse(element.textContent)) rows.push(row);
  return rows;
}

// Lines of one object together, in the order in which they come.
function byObject(rows) {
  const groups = [];
  for (const row of rows) {
    const last = groups[groups.length - 1];
    if (last && last.kind === row[1] && last.id === row[2] && last.owner === row[6]) last.rows.push(row);
    else groups.push({ kind: row[1], id: row[2], owner: row[6], rows: [row] });
  }
  return groups;
}

function kindName(kind) {
  return oneLine(kind).replace(/-/g, " ");
}

function side(title, archive) {
  return el(
    "div", { class: "side" },
    el("h3", {}, title),
    factList([
      ["Read from", mono(archive.uri)], ["Origin", mono(archive.origin)], ["Written", (timeOf(Date.parse(archive.created)) || oneLine(archive.created)) + " UTC"],
      ["Content ID", mono(archive.content_id)], ["Transforms", archive.history.length > 0 ? archive.history.slice().reverse().map(oneLine).join(", ") : null],
    ]),
  );
}

function countTable(about) {
  const kinds = [...new Set(about.counts.map(([kind]) => kind))];
  const number = (kind, isWhole, at) => {
    const found = about.counts.find(([other, whole]) => other === kind && whole === isWhole);
    return el("span", { class: "number" }, found && found[2][at] > 0 ? grouped(found[2][at]) : "");
  };
  const rows = kinds.map((kind) => [kindName(kind), number(kind, true, 0), number(kind, true, 1), number(kind, false, 2), number(kind, false, 0), number(kind, false, 1)]);
  return smallTable(["Kind", "New", "Gone", "Values changed", "Values new", "Values gone"], rows);
}

// A value before or after; a whole object opens.
function valueOfSide(value) {
  if (value === null) return el("span", { class: "note" }, "—");
  const inner = value.s !== undefined ? value.s : value.j;
  const text = plain(inner);
  if (text.length <= 200 && !text.includes("\n") && !isCut(inner)) return value.s !== undefined ? user(inner) : mono(text);
  return el("details", {}, el("summary", {}, user(brief(inner, 120))), prose(inner));
}

function pointLine([added, removed, changed, first]) {
  const parts = [[added, "added"], [removed, "removed"], [changed, "changed"]].filter(([count]) => count > 0).map(([count, word]) => `${grouped(count)} ${word}`);
  const rows = first.map(([time, step, before, after]) => [grouped(step), timeOf(time), valueOfSide(before), valueOfSide(after)]);
  return el("details", {}, el("summary", {}, `points: ${parts.join(", ")}`), smallTable(["Step", "Time (UTC)", "Before", "After"], rows), el("p", { class: "note" }, "Only the first ones are shown."));
}

function objectBox(group) {
  const whole = group.rows.length === 1 && group.rows[0][3] === null ? group.rows[0] : null;
  const owner = group.owner ? ` of a ${group.owner.replace(/_/g, " ")}` : "";
  const head = el("h3", {}, whole ? badge(NAMES[whole[0]], STYLES[whole[0]]) : badge("changed", "warn"), " ", kindName(group.kind).replace(/s$/, "") + owner, " ", user(group.id));
  if (whole) return el("article", {}, head, el("div", { class: "whole" }, valueOfSide(whole[0] === 0 ? whole[5] : whole[4])));
  const line = (row) => [
    badge(NAMES[row[0]], STYLES[row[0]]), row[3] === null ? "all of it" : mono(row[3]),
    row[7] ? pointLine(row[7]) : valueOfSide(row[4]), row[7] ? "" : valueOfSide(row[5]),
  ];
  const box = el("div", {}, smallTable(["", "Key", "Before", "After"], group.rows.slice(0, LINES_AT_ONCE).map(line)));
  if (group.rows.length > LINES_AT_ONCE) {
    const more = el("button", { type: "button", onclick: () => clear(box).append(smallTable(["", "Key", "Before", "After"], group.rows.map(line))) }, `Show all ${counted(group.rows.length, "lines")}`);
    box.append(more);
  }
  return el("article", {}, head, box);
}

function changesView(about, rows) {
  const view = el("main", { id: "view", tabindex: "-1" });
  const isEqual = about.total === 0;
  add(
    view,
    el("h1", {}, isEqual ? "Nothing differs" : counted(about.total, "differences")),
    el("div", { class: "two" }, side("Before", about.before), side("After", about.after)),
  );
  if (isEqual) return add(view, el("p", {}, "The two hold the same objects and bytes.")) || view;
  view.append(section("By kind", null, countTable(about)));
  const state = { kind: "", change: "", text: "", most: OBJECTS_AT_ONCE };
  const list = el("div", { class: "objects" });
  const told = el("p", { class: "told", "aria-live": "polite" });
  const draw = () => drawObjects(rows, state, clear(list), told, draw);
  const set = (name) => (value) => {
    Object.assign(state, { [name]: value, most: OBJECTS_AT_ONCE });
    draw();
  };
  const kinds = [...new Set(rows.map((row) => row[1]))].map((kind) => [kind, kindName(kind)]);
  const search = el("input", { type: "search", placeholder: "id, key or value", oninput: () => set("text")(search.value.toLowerCase()) });
  const controls = el(
    "div", { class: "controls" },
    labelled("Kind", select([["", "all"], ...kinds], "", set("kind"))),
    labelled("Change", select([["", "all"], ...NAMES.map((name, at) => [String(at), name])], "", set("change"))),
    el("label", { class: "control grow" }, el("span", {}, "Find"), search),
  );
  draw();
  const notes = [];
  if (rows.length < about.total) notes.push(`The first ${grouped(rows.length)} of ${grouped(about.total)} are on this page; \`mlark diff --json\` prints all.`);
  if (about.cut_texts > 0) notes.push(`${counted(about.cut_texts, "values")} are cut after 1,000 characters.`);
  if (about.ignore_limits) notes.push("Limits of either archive were left out of the comparison.");
  return add(view, section("What differs", null, notes.map((note) => el("p", { class: "note" }, note)), controls, told, list)) || view;
}

function isWanted(row, { kind, change, text }) {
  if (kind && row[1] !== kind) return false;
  if (change && String(row[0]) !== change) return false;
  const has = (value) => value && plain(value.s !== undefined ? value.s : value.j).toLowerCase().includes(text);
  return text === "" || row[2].toLowerCase().includes(text) || (row[3] || "").toLowerCase().includes(text) || has(row[4]) || has(row[5]);
}

function drawObjects(rows, state, list, told, draw) {
  const wanted = rows.filter((row) => isWanted(row, state));
  const groups = byObject(wanted);
  told.textContent = `${counted(wanted.length, "differences")} in ${counted(groups.length, "objects")}`;
  list.append(...groups.slice(0, state.most).map(objectBox));
  if (groups.length === 0) list.append(el("p", { class: "empty" }, "No differences match."));
  if (groups.length <= state.most) return;
  list.append(el("button", { type: "button", onclick: () => {
    state.most += OBJECTS_AT_ONCE;
    draw();
  } }, `Show ${grouped(Math.min(OBJECTS_AT_ONCE, groups.length - state.most))} more of ${counted(groups.length, "objects")}`));
}

function changesHeader(about) {
  const theme = el("button", { type: "button", class: "quiet", onclick: () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    theme.textContent = isDark() ? "Light" : "Dark";
  } }, isDark() ? "Light" : "Dark");
  const when = `${dayOf(Date.parse(about.before.created))} → ${dayOf(Date.parse(about.after.created))}`;
  return el("header", {}, el("span", { class: "mark" }, el("strong", {}, "mlark"), el("bdi", {}, `changes, ${when}`)), el("nav", {}), el("span", { class: "tools" }, el("button", { type: "button", class: "quiet", onclick: () => print() }, "Print"), theme));
}

function showChanges() {
  const about = JSON.parse(document.getElementById("about").textContent);
  document.getElementById("loading").replaceWith(changesHeader(about), changesView(about, changeRows()), el("footer", {}, `Made by ${about.made_by}. Only the content is compared, not when an archive was made or by which program. This page uses no network.`));
}

showChanges();
